"""Which C library the image and each of its programs use, and how we know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from pyimginspect.inventory.facts import Libc, LibcFlavor, OsPackage
from pyimginspect.inventory.memoize import memoized
from pyimginspect.model import GLIBC_NAMES, ElfFile, Evidence
from pyimginspect.rootfs import RootFS

__all__ = ["find_libc", "find_loaders", "libc_of_program", "wanted_libc"]

# What a shell or a base system brings: who is asked where there is no Python.
_PROGRAMS = ("bin/sh", "bin/busybox", "usr/bin/env", "bin/ls", "usr/bin/perl", "sbin/init")
# lib64 is of Fedora and RHEL, lib32 and libx32 of Debian's multilib, lib/TRIPLET of its multiarch.
_LOADER_DIRECTORIES = re.compile(r"(?:usr/)?lib(?:32|64|x32)?(?:/[\w-]+-linux-\w+)?")
# ld64.so.1 on s390x and big-endian ppc64, ld64.so.2 on ppc64le, ld.so.1 on mips and 32-bit ppc;
# before glibc 2.34 a link led to ld-2.XX.so.
_GLIBC_LOADER = re.compile(r"ld-linux[\w.-]*\.so\.\d|ld64\.so\.[12]|ld\.so\.1|ld-\d+\.\d+\.so")
_MUSL_LOADER = re.compile(r"ld-musl-[\w-]+\.so\.\d")
# libc6.1 is Debian's package on alpha and ia64.
_PACKAGES = {"musl": ("musl",), "glibc": ("libc6", "libc6.1", "glibc")}
# deb-version(7): an epoch, the version of upstream, and Debian's revision, which is left out.
_PACKAGED = re.compile(r"(?:\d+:)?(\d+\.\d+(?:\.\d+)*)")


def find_libc(
    rootfs: RootFS, programs: Sequence[str] = (), packages: Iterable[OsPackage] = ()
) -> Libc:
    """Return the C library that the image's programs use.

    ``programs`` are asked first, in their order: the effective interpreter ought to lead. Then
    the shell and its like, then any other dynamically linked executable. A second loader in the
    image does not make it mixed: it is named in ``foreign_loaders``. ``packages`` give the
    version where the library's own text does not.
    """
    if (windows := _windows(rootfs, programs)) is not None:
        return Libc(flavor="ucrt", evidence=(windows,))
    for path in (*programs, *_PROGRAMS):
        real = rootfs.resolve(path)
        if real is not None and _dynamic(rootfs.elf.get(real)):
            return libc_of_program(rootfs, real, packages)
    executables = [path for path, elf in rootfs.elf.items() if elf.kind == "executable"]
    for path, elf in rootfs.elf.items():
        if elf.interpreter and _dynamic(elf):
            return libc_of_program(rootfs, path, packages)
    loaders = find_loaders(rootfs)
    for flavor in ("glibc", "musl"):
        for loader, of in loaders.items():
            if of == flavor:
                return _libc(rootfs, flavor, loader, rootfs.elf.get(loader), [], packages)
    if executables:
        what = f"all {len(executables)} executables are statically linked"
        return Libc(flavor="none", evidence=(Evidence(what=what, path=executables[0]),))
    return Libc(flavor="unknown")


def _windows(rootfs: RootFS, programs: Iterable[str]) -> Evidence | None:
    """Return what shows that this is Windows; its own layers are often absent."""
    # Layers of Windows have the file system below Files, beside Hives and UtilityVM.
    if "Files/Windows/System32" in rootfs:
        return Evidence(what="a Windows system directory", path="Files/Windows/System32")
    for path in programs:
        if path.startswith("Files/") and path.lower().endswith(".exe"):
            return Evidence(what="a program for Windows", path=path)
    return None


def libc_of_program(rootfs: RootFS, path: str, packages: Iterable[OsPackage] = ()) -> Libc:
    """Return the C library of one executable, by its loader (PT_INTERP) or what it links."""
    elf = rootfs.elf[path]
    flavor, why = wanted_libc(elf)
    layer = rootfs[path].layer
    if flavor in ("none", "unknown"):
        return Libc(flavor=flavor, evidence=(Evidence(what=why, path=path, layer=layer),))
    evidence = [Evidence(what=f"the executable's {why}", path=path, layer=layer)]
    loader = rootfs.resolve(elf.interpreter) if elf.interpreter else None
    if loader and flavor == "glibc" and wanted_libc(rootfs.elf.get(loader))[0] == "musl":
        flavor = "musl"  # gcompat answers to glibc's name on Alpine
        evidence.append(Evidence(what="that loader is linked to musl", path=loader))
    return _libc(rootfs, flavor, loader or elf.interpreter, elf, evidence, packages)


def wanted_libc(elf: ElfFile | None) -> tuple[LibcFlavor, str]:
    """Return the C library that a file was linked for, and what of the file says so."""
    if elf is None:
        return "unknown", "no ELF file"
    name = elf.interpreter.rpartition("/")[2]
    if _MUSL_LOADER.fullmatch(name):
        return "musl", f"loader {elf.interpreter}"
    if _GLIBC_LOADER.fullmatch(name):
        return "glibc", f"loader {elf.interpreter}"
    for needed in elf.needed:
        flavor = _flavor_named(needed)
        if flavor is not None:
            return flavor, f"dependency on {needed}"
    # A library may need libm and not libc: its symbols have the same versions, and musl's have
    # none.
    for need in elf.version_needs:
        for version in need.versions:
            if version.startswith("GLIBC_"):
                return "glibc", f"need of {version} from {need.library}"
    if elf.kind == "executable" and not elf.dynamic:
        return "none", "statically linked"
    return "unknown", "no dependency on a C library"


# Thousands of files need the same few libraries.
@lru_cache(maxsize=1000)
def _flavor_named(library: str) -> LibcFlavor | None:
    """Return which C library is needed by this name; ``None`` if it is the name of none."""
    # musl's own build sets no soname, and its file is libc.so; Alpine's sets libc.musl-ARCH.so.1.
    if library.startswith("libc.musl-") or library == "libc.so":
        return "musl"
    if GLIBC_NAMES.fullmatch(library) or _GLIBC_LOADER.fullmatch(library):
        return "glibc"
    return None


@memoized
def find_loaders(rootfs: RootFS) -> dict[str, LibcFlavor]:
    """Return the dynamic loaders in the library directories: real path to flavour, sorted."""
    loaders: dict[str, LibcFlavor] = {}
    for path in _loader_candidates(rootfs):
        name = path.rpartition("/")[2]
        musl = _MUSL_LOADER.fullmatch(name) is not None
        if not musl and not _GLIBC_LOADER.fullmatch(name):
            continue
        real = rootfs.resolve(path)
        if real is not None and real in rootfs.elf:
            if musl:
                loaders[real] = "musl"
            else:
                # Alpine's libc6-compat linked names of glibc's to musl's loader: musl's name
                # decides.
                loaders.setdefault(real, "glibc")
    return dict(sorted(loaders.items()))


def _loader_candidates(rootfs: RootFS) -> Iterator[str]:
    for top in ("", "usr"):
        for lib in rootfs.children(top):
            if not _LOADER_DIRECTORIES.fullmatch(lib):
                continue
            for path in rootfs.children(lib):
                if "-linux-" in path and _LOADER_DIRECTORIES.fullmatch(path):
                    yield from rootfs.children(path)
                else:
                    yield path


def _dynamic(elf: ElfFile | None) -> bool:
    return elf is not None and wanted_libc(elf)[0] in ("glibc", "musl")


def _libc(
    rootfs: RootFS,
    flavor: LibcFlavor,
    loader: str,
    elf: ElfFile | None,
    evidence: list[Evidence],
    packages: Iterable[OsPackage],
) -> Libc:
    loader = loader.lstrip("/")
    path = _library(rootfs, flavor, loader, elf)
    version = rootfs.strings.get(path)
    node = rootfs.get(path) if path else None
    layer = node.layer if node else None
    if version:
        name = "musl" if flavor == "musl" else "GNU C Library"
        evidence.append(Evidence(what=f"{name} {version}, it says", path=path, layer=layer))
    else:
        version = _packaged(flavor, packages, evidence)
    return Libc(
        flavor=flavor,
        version=version,
        path=path,
        loader=loader,
        layer=layer,
        foreign_loaders=tuple(
            other for other, of in find_loaders(rootfs).items() if of != flavor and other != loader
        ),
        evidence=tuple(evidence),
    )


def _packaged(
    flavor: LibcFlavor, packages: Iterable[OsPackage], evidence: list[Evidence]
) -> str | None:
    """Return the version of the package that has the C library, and say so.

    Never that of its newest symbols: of glibc 2.36 that is GLIBC_2.36, of its libm GLIBC_2.35.
    """
    for package in packages:
        match = _PACKAGED.match(package.version) if package.name in _PACKAGES[flavor] else None
        if match:
            name = "musl" if flavor == "musl" else "GNU C Library"
            what = f"{name} {package.version}, as {package.manager} has it"
            evidence.append(Evidence(what=what, package=package.name, layer=package.layer))
            return match[1]
    return None


def _library(rootfs: RootFS, flavor: LibcFlavor, loader: str, elf: ElfFile | None) -> str:
    """Return the real path of the C library that goes with a loader, or ``""``.

    musl's loader is the C library; glibc's lies beside it, of the same class and machine.
    """
    if flavor == "musl":
        return loader if loader in rootfs.elf else ""
    beside = rootfs.resolve(f"{loader.rpartition('/')[0]}/libc.so.6")
    if beside is not None and beside in rootfs.elf:
        return beside
    for path in rootfs.strings:
        other = rootfs.elf.get(path)
        if other and GLIBC_NAMES.fullmatch(path.rpartition("/")[2]) and _alike(elf, other):
            return path
    return ""


def _alike(elf: ElfFile | None, other: ElfFile) -> bool:
    return elf is None or (elf.bits, elf.machine) == (other.bits, other.machine)
