"""Wheels in place: does what they were built for match the interpreter that imports them.

Sources: PEP 425 (tags), PEP 600 (manylinux), PEP 656 (musllinux), PEP 3149 (names of extension
modules), and :mod:`packaging.tags`, whose rules are applied to the image's interpreter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

from msgspec import Struct

from pyimginspect.inventory.facts import Distribution, Environment, Interpreter, Libc
from pyimginspect.inventory.libc import libc_of_program, wanted_libc
from pyimginspect.inventory.records import files_of
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["Target", "Wheel", "extension_suffix", "find_wheels", "glibc_version", "target_of"]

_GLIBC_NEED = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
_EXT_SUFFIX = re.compile(rb"'EXT_SUFFIX': '([^'\n]{1,100})'")
_ABI_SUFFIX = re.compile(r"\.(?:cpython-\d+\w*|pypy\d+-\w+|graalpy\w+|cp\d+|abi3t?)[\w-]*\.so")
# What wheels call a machine; for 32-bit ones uname(2) says what the processor could do.
_ARCHITECTURES = {"i386": "i686", "arm": "armv7l"}
_OLDEST_MANYLINUX = {"x86_64": 5, "i686": 5}
_DOTS = 16
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Target(Struct, frozen=True, kw_only=True):
    """What one interpreter can import: tags of wheels, and endings of extension modules."""

    path: str
    version: tuple[int, int]
    implementation: str
    machine: str
    bits: int
    libc: Libc
    tags: frozenset[str]
    suffixes: tuple[str, ...]


class Wheel(Struct, frozen=True, kw_only=True):
    """A distribution with compiled files, and how they fit the interpreter that imports it.

    ``python`` is the path of the interpreter, ``files`` are the ELF files of the distribution,
    ``modules`` those of them that are extension modules of this interpreter and its machine.
    ``compatible`` tells whether pip would install it there by its tags, ``None`` where it has
    none. ``local`` marks what was compiled in place. ``glibc`` is the oldest version that all
    files can be loaded with (``2.17``; empty where they need none), for want of a symbol in
    ``glibc_file``. Files that the interpreter cannot load are in ``foreign_machine``,
    ``foreign_libc`` and ``foreign_abi``; the last only if the distribution has no others.
    """

    distribution: Distribution
    python: str
    files: tuple[str, ...]
    modules: tuple[str, ...]
    compatible: bool | None
    local: bool
    glibc: str = ""
    glibc_file: str = ""
    foreign_machine: tuple[str, ...] = ()
    foreign_libc: tuple[str, ...] = ()
    foreign_abi: tuple[str, ...] = ()


def target_of(rootfs: RootFS, python: Interpreter) -> Target | None:
    """Return what an interpreter can import; ``None`` where its version or file is not known."""
    version = _VERSION.match(python.version)
    elf = rootfs.elf.get(python.path)
    if version is None or elf is None:
        return None
    release = (int(version[1]), int(version[2]))
    libc = libc_of_program(rootfs, python.path)
    threaded = "t" * bool(re.search(r"\d\.\d+t(?:\.so|$)", f"{python.libpython}\n{python.path}"))
    platforms = _platforms(elf, libc)
    suffix = extension_suffix(rootfs, python)
    suffixes = [suffix] if suffix else []
    if python.implementation == "cpython":
        tags = _cpython_tags(release, threaded, platforms)
        if not threaded:
            suffixes.append(".abi3.so")
        elif release >= (3, 15):  # PEP 803
            suffixes.append(".abi3t.so")
    else:
        tags = _other_tags(release, python.implementation, suffix, platforms)
    return Target(
        path=python.path,
        version=release,
        implementation=python.implementation,
        machine=elf.machine,
        bits=elf.bits,
        libc=libc,
        tags=tags,
        suffixes=(*suffixes, ".so"),
    )


def extension_suffix(rootfs: RootFS, python: Interpreter) -> str:
    """Return the ending of this interpreter's own extension modules (``EXT_SUFFIX``).

    Those in ``lib-dynload`` have it; without any, ``_sysconfigdata`` says it.
    """
    names = [path.rpartition("/")[2] for path in rootfs.children(f"{python.stdlib}/lib-dynload")]
    endings = Counter(name[name.index(".") :] for name in names if name.endswith(".so"))
    if endings:
        return max(sorted(endings), key=lambda ending: endings[ending])
    for path in rootfs.children(python.stdlib) if python.stdlib else ():
        if "/_sysconfigdata_" in path:
            found = _EXT_SUFFIX.search(rootfs.texts.get(path, b""))
            if found:
                return found[1].decode("utf-8", "replace")
    return ""


def find_wheels(
    rootfs: RootFS,
    interpreters: Iterable[Interpreter],
    environments: Iterable[Environment],
    distributions: Iterable[Distribution],
) -> tuple[Wheel, ...]:
    """Return the distributions with compiled files, for each interpreter that imports them."""
    targets = {python.path: target_of(rootfs, python) for python in interpreters}
    for environment in environments:
        targets[environment.path] = targets.get(environment.base or "")
    wheels: dict[tuple[str, str], Wheel] = {}
    for distribution in distributions:
        who = {t.path: t for t in map(targets.get, distribution.interpreters) if t is not None}
        if not who or (distribution.tags and all(t.endswith("-any") for t in distribution.tags)):
            continue
        files = _elf_files(rootfs, distribution)
        if not files and not any(_platform(tag) != "any" for tag in distribution.tags):
            continue
        for target in who.values():
            key = (distribution.metadata, target.path)
            wheels[key] = _check(rootfs, distribution, files, target)
    return tuple(wheels[key] for key in sorted(wheels))


def glibc_version(versions: Iterable[str]) -> tuple[int, int] | None:
    """Return the newest of the ``GLIBC_x.y`` among version names."""
    found = (_GLIBC_NEED.fullmatch(version) for version in versions)
    return max(((int(m[1]), int(m[2])) for m in found if m), default=None)


def _elf_files(rootfs: RootFS, distribution: Distribution) -> tuple[str, ...]:
    elf = rootfs.elf
    paths = files_of(rootfs, distribution.location, distribution.metadata)
    return tuple(sorted({path for path in paths if path in elf}))


def _check(
    rootfs: RootFS, distribution: Distribution, files: tuple[str, ...], target: Target
) -> Wheel:
    elf = rootfs.elf
    newest, newest_file = (0, 0), ""
    machine, libc = [], []
    for path in files:
        facts = elf[path]
        if facts.error:
            continue
        if (facts.machine, facts.bits) != (target.machine, target.bits):
            machine.append(path)
            continue
        if _foreign(facts, target.libc):
            libc.append(path)
        need = glibc_version(v for n in facts.version_needs for v in n.versions)
        if need and need > newest:
            newest, newest_file = need, path
    foreign = {*machine, *libc}
    return Wheel(
        distribution=distribution,
        python=target.path,
        files=files,
        modules=tuple(p for p in files if p not in foreign and _importable(p, target)),
        compatible=_compatible(distribution.tags, target) if distribution.tags else None,
        local=any(_platform(tag).startswith("linux_") for tag in distribution.tags),
        glibc=f"{newest[0]}.{newest[1]}" if newest_file else "",
        glibc_file=newest_file,
        foreign_machine=tuple(machine),
        foreign_libc=tuple(libc),
        foreign_abi=_foreign_abi(files, target),
    )


def _foreign(facts: ElfFile, libc: Libc) -> bool:
    """Whether a file was linked for the other C library of the two."""
    return {wanted_libc(facts)[0], libc.flavor} == {"glibc", "musl"}


def _foreign_abi(files: Iterable[str], target: Target) -> tuple[str, ...]:
    """Return the extension modules whose names this interpreter does not import, if all are."""
    marked = [path for path in files if _ABI_SUFFIX.search(path.rpartition("/")[2])]
    if len(target.suffixes) < 2 or any(_importable(path, target) for path in marked):
        return ()
    return tuple(marked)


def _importable(path: str, target: Target) -> bool:
    """Whether the file has the name of an extension module; ``lib*.so`` are plain libraries."""
    stem, dot, rest = path.rpartition("/")[2].partition(".")
    ending = dot + rest
    if ending == ".so":
        return stem.isidentifier() and not stem.startswith("lib")
    return ending in target.suffixes


def _compatible(tags: Iterable[str], target: Target) -> bool:
    # A tag may be compressed, `py2.py3-none-any`, and stand for the product of its parts. One that
    # is none (packaging would raise an exception for it) is simply not among those accepted.
    well_formed = (tag for tag in tags if tag.count("-") == 2 and tag.count(".") <= _DOTS)
    return any(
        "-".join(parts) in target.tags
        for tag in well_formed
        for parts in product(*(field.split(".") for field in tag.lower().split("-")))
    )


def _platform(tag: str) -> str:
    return tag.rpartition("-")[2]


def _platforms(elf: ElfFile, libc: Libc) -> list[str]:
    """Return the platform tags of a machine with that C library, of pip's own order."""
    machine = _ARCHITECTURES.get(elf.machine, elf.machine)
    version = _VERSION.match(libc.version or "")
    platforms = list(_manylinux(machine, libc, version)) if version else []
    return [*platforms, f"linux_{machine}"]


def _manylinux(machine: str, libc: Libc, version: re.Match[str]) -> Iterator[str]:
    major, minor = int(version[1]), int(version[2])
    if libc.flavor == "musl":
        for older in range(minor, -1, -1):
            yield f"musllinux_{major}_{older}_{machine}"
    elif libc.flavor == "glibc" and major == 2:
        for older in range(minor, _OLDEST_MANYLINUX.get(machine, 17) - 1, -1):
            yield f"manylinux_2_{older}_{machine}"
            if older in _LEGACY:
                yield f"{_LEGACY[older]}_{machine}"


def _cpython_tags(release: tuple[int, int], threaded: str, platforms: list[str]) -> frozenset[str]:
    from packaging import tags

    interpreter = f"cp{release[0]}{release[1]}"
    malloc = "m" if release < (3, 8) else ""
    abis = [f"{interpreter}{threaded or malloc}"]
    return frozenset(
        str(tag)
        for some in (
            tags.cpython_tags(release, abis, platforms),
            tags.compatible_tags(release, interpreter, platforms),
        )
        for tag in some
    )


def _other_tags(
    release: tuple[int, int], implementation: str, suffix: str, platforms: list[str]
) -> frozenset[str]:
    """Return the tags of PyPy and others: the ABI is the front of the suffix (PEP 425)."""
    from packaging import tags

    interpreter = f"{implementation[:2]}{release[0]}{release[1]}"
    abi = "_".join(suffix.strip(".").split("-")[:2])
    return frozenset(
        str(tag)
        for some in (
            tags.generic_tags(interpreter, [abi] if abi else [], platforms),
            tags.compatible_tags(release, interpreter, platforms),
        )
        for tag in some
    )
