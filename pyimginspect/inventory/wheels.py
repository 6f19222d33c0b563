"""Wheels in place: does what they were built for match the interpreter that imports them.

Sources: PEP 425 (tags), PEP 600 (manylinux), PEP 656 (musllinux), PEP 3149 (names of extension
modules), and :mod:`packaging.tags`, whose rules are applied to the image's interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product

from msgspec import Struct

from pyimginspect.inventory.facts import Distribution, Environment, Interpreter, Libc
from pyimginspect.inventory.libc import wanted_libc
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.targets import Target, target_of
from pyimginspect.inventory.unlisted import find_unlisted
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["Wheel", "find_wheels", "glibc_version", "is_opened"]

# GLIBC_PRIVATE and GLIBC_ABI_DT_RELR, which files may need too, are no versions; nor is a name with
# thousands of digits, for which int() raises ValueError.
_GLIBC_NEED = re.compile(r"GLIBC_(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?", re.ASCII)
# CPython's by PEP 3149, abi3 by PEP 384 and abi3t by PEP 803; PyPy's and GraalPy's are alike.
_ABI_SUFFIX = re.compile(r"\.(?:cpython-\d+\w*|pypy\d+-\w+|graalpy\w+|cp\d+|abi3t?)[\w-]*\.so")
# What wheels for macOS and for Windows have: no ELF files, and no name that Linux imports.
_OTHER_SYSTEMS = re.compile(r"\.(?:cpython-\d+\w*-darwin\.so|(?:cp\d+\w*-\w+\.)?pyd)$")
_SHARED = re.compile(r"\.so(?:\.[\w.]+)?")
# Files that an import does not open: what auditwheel bundles is loaded for others, and what tests
# bundle may be for anything.
_NEVER_OPENED = re.compile(
    r"(?:^|/)(?:(?:tests?|testing|testdata|test_data|fixtures|[^/]+\.libs)/|_test[^/]*$)"
)
# Each full stop of a tag multiplies what it stands for; real ones have a few.
_DOTS = 16


class Wheel(Struct, frozen=True, kw_only=True):
    """A distribution with compiled files, and how they fit the interpreter that imports it.

    Compiled files without metadata (vendored, copied, a bundle for AWS Lambda) count as one
    distribution for each package directory or module, see
    :func:`~pyimginspect.inventory.unlisted.find_unlisted`.

    ``python`` is the path of the interpreter, ``files`` are the ELF files of the distribution,
    ``modules`` those of them that are extension modules of this interpreter and its machine,
    ``libraries`` the shared libraries for this machine that no other of the files needs: what
    Python code may open with ctypes. ``compatible`` tells whether pip would install it there by
    its tags, ``None`` where it has none. ``local`` marks what was compiled in place. ``glibc`` is
    the oldest version that all files can be loaded with (``2.17``; empty where they need none),
    for want of a symbol in ``glibc_file``. What an import would open and the interpreter cannot
    load is in ``foreign_machine``, ``foreign_libc`` and ``foreign_abi``; the last only if the
    distribution has no others, and without modules beside which the same module lies as Python
    source or with an ending that is imported instead.
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
    libraries: tuple[str, ...] = ()


def find_wheels(
    rootfs: RootFS,
    interpreters: Iterable[Interpreter],
    environments: Iterable[Environment],
    distributions: Iterable[Distribution],
    packages: PackageDatabase | None = None,
    scripts: Collection[str] = (),
) -> tuple[Wheel, ...]:
    """Return the distributions with compiled files, for each interpreter that imports them.

    ``scripts`` are directories that the effective interpreter imports from because the program
    is started there. What ``packages`` own is theirs, also without metadata.
    """
    interpreters, environments = tuple(interpreters), tuple(environments)
    targets = {python.path: target_of(rootfs, python) for python in interpreters}
    for environment in environments:
        targets[environment.path] = targets.get(environment.base or "")
    sights = _sights(interpreters, environments, scripts)
    wheels: dict[tuple[str, str], Wheel] = {}
    listed: dict[str, Distribution] = {}
    for distribution in distributions:
        files = _elf_files(rootfs, distribution)
        listed.update(dict.fromkeys(files, distribution))
        users = {*distribution.interpreters, *_users(distribution.location, sights, scripts)}
        who = {t.path: t for t in map(targets.get, sorted(users)) if t is not None}
        if who and _is_compiled(files, distribution.tags):
            others = _of_other_systems(rootfs, distribution)
            for path, target in who.items():
                wheel = _check(rootfs, distribution, files, target, others)
                wheels[distribution.metadata, path] = wheel
    owned = packages.owner if packages is not None else lambda _: ()
    for distribution, files in find_unlisted(rootfs, sights, listed, owned):
        for target in filter(None, map(targets.get, distribution.interpreters)):
            wheel = _check(rootfs, distribution, files, target)
            wheels[distribution.metadata, target.path] = wheel
    return tuple(wheels[key] for key in sorted(wheels))


def _sights(
    interpreters: Collection[Interpreter],
    environments: Iterable[Environment],
    scripts: Iterable[str],
) -> dict[str, list[str]]:
    """Return, by the path of an interpreter or environment, where it imports packages from."""
    sights = {each.path: list(each.site_packages) for each in interpreters}
    sights |= {each.path: list(each.site_packages) for each in environments}
    for python in interpreters:
        if python.effective or len(interpreters) == 1:
            sights[python.path] += [each for each in scripts if each not in sights[python.path]]
    return sights


def _is_compiled(files: Collection[str], tags: Collection[str]) -> bool:
    """Whether a distribution is for some platforms only: it has ELF files, or its tags say so."""
    if tags and all(tag.endswith("-any") for tag in tags):
        return False
    return bool(files) or any(_platform(tag) != "any" for tag in tags)


def _users(
    location: str, sights: Mapping[str, Iterable[str]], scripts: Collection[str]
) -> Iterator[str]:
    """Yield who imports from a directory for the sake of the program that is started there."""
    if location in scripts:
        yield from (path for path, places in sights.items() if location in places)


def glibc_version(versions: Iterable[str]) -> tuple[int, int] | None:
    """Return the newest of the ``GLIBC_x.y`` among version names."""
    found = (_GLIBC_NEED.fullmatch(version) for version in versions)
    return max(((int(m[1]), int(m[2])) for m in found if m), default=None)


def _elf_files(rootfs: RootFS, distribution: Distribution) -> tuple[str, ...]:
    paths = files_of(rootfs, distribution.location, distribution.metadata)
    return tuple(sorted(rootfs.elf.keys() & paths))


def _of_other_systems(rootfs: RootFS, distribution: Distribution) -> tuple[str, ...]:
    """Return the extension modules for macOS and Windows, which a wheel for Linux has none of."""
    paths = files_of(rootfs, distribution.location, distribution.metadata)
    # Hardly any has one, which a look at all paths as one text tells quicker than one at each.
    text = "\n".join(paths)
    if "-darwin.so" not in text and ".pyd" not in text:
        return ()
    named = {path for path in paths if _OTHER_SYSTEMS.search(path)}
    return tuple(sorted(path for path in named if path in rootfs and path not in rootfs.elf))


def _check(
    rootfs: RootFS,
    distribution: Distribution,
    files: tuple[str, ...],
    target: Target,
    others: tuple[str, ...] = (),
) -> Wheel:
    machine, libc = _foreign_files(rootfs, files, target)
    fitting = [path for path in files if path not in machine]
    glibc, glibc_file = _newest_glibc(rootfs, fitting)
    opened = _opened(distribution.location, files, {*machine, *libc})
    return Wheel(
        distribution=distribution,
        python=target.path,
        files=files,
        modules=tuple(p for p in fitting if p not in libc and _importable(p, target)),
        compatible=_compatible(distribution.tags, target) if distribution.tags else None,
        # PyPI takes no such tags (PEP 513): that was built in place, or in another stage.
        local=any(_platform(tag).startswith("linux_") for tag in distribution.tags),
        glibc=glibc,
        glibc_file=glibc_file,
        foreign_machine=tuple(path for path in opened if path in machine),
        foreign_libc=tuple(path for path in opened if path in libc),
        foreign_abi=_foreign_abi(rootfs, distribution.location, (*files, *others), target),
        libraries=tuple(_libraries(rootfs, distribution.location, fitting)),
    )


def _foreign_files(
    rootfs: RootFS, files: Iterable[str], target: Target
) -> tuple[set[str], set[str]]:
    """Return the files that are for another machine, and those that are for another C library."""
    machine, libc = set(), set()
    for path in files:
        elf = rootfs.elf[path]
        if elf.error:
            continue
        if (elf.machine, elf.bits) != (target.machine, target.bits):
            machine.add(path)
        elif _foreign(elf, target.libc):
            libc.add(path)
    return machine, libc


def _newest_glibc(rootfs: RootFS, files: Iterable[str]) -> tuple[str, str]:
    """Return the newest version of glibc that files need, and the first file that needs it."""
    newest: tuple[int, int] | None = None
    newest_file = ""
    for path in files:
        elf = rootfs.elf[path]
        if elf.error:
            continue
        need = glibc_version(v for n in elf.version_needs for v in n.versions)
        if need and (newest is None or need > newest):
            newest, newest_file = need, path
    return (f"{newest[0]}.{newest[1]}" if newest else ""), newest_file


def _opened(location: str, files: Iterable[str], foreign: Collection[str]) -> list[str]:
    """Return what an import opens of the files: extension modules of any Python.

    Where there are none it opens a shared library, one that is for this process if there is any.
    """
    below = [path for path in files if is_opened(location, path)]
    modules = [path for path in below if _is_module(path)]
    if modules:
        return modules
    libraries = [path for path in below if _SHARED.search(path.rpartition("/")[2])]
    return libraries if all(path in foreign for path in libraries) else []


def is_opened(location: str, path: str) -> bool:
    """Whether Python code may open a file: tests' own and those of ``X.libs`` it does not."""
    return not _NEVER_OPENED.search(path.removeprefix(f"{location}/"))


def _is_module(path: str) -> bool:
    """Whether a file has the name of an extension module of some Python."""
    name = path.rpartition("/")[2]
    stem, _, ending = name.partition(".")
    plain = ending == "so" and stem.isidentifier() and not stem.startswith("lib")
    return plain or _ABI_SUFFIX.fullmatch(name, len(stem)) is not None


def _libraries(rootfs: RootFS, location: str, files: Iterable[str]) -> Iterator[str]:
    """Yield the shared libraries that are no modules, and that no other of the files needs."""
    every = tuple(files)
    needed = {name for path in every for name in rootfs.elf[path].needed}
    for path in every:
        elf, name = rootfs.elf[path], path.rpartition("/")[2]
        if (
            elf.kind == "shared"
            and not elf.error
            and not elf.interpreter
            and path.startswith(f"{location}/")
            and _SHARED.search(name)
            and not _is_module(path)
            and is_opened(location, path)
            and needed.isdisjoint((name, elf.soname))
        ):
            yield path


def _foreign(facts: ElfFile, libc: Libc) -> bool:
    """Whether a file was linked for the other C library of the two."""
    return {wanted_libc(facts)[0], libc.flavor} == {"glibc", "musl"}


def _foreign_abi(
    rootfs: RootFS, location: str, files: Iterable[str], target: Target
) -> tuple[str, ...]:
    """Return the extension modules whose names this interpreter does not import, if all are."""
    every = tuple(files)
    names = ((path, path.rpartition("/")[2]) for path in every)
    marked = [p for p, name in names if _ABI_SUFFIX.search(name) or _OTHER_SYSTEMS.search(name)]
    # Where the ending of this Python's own modules is not known, any may be it.
    if not target.own_suffix or any(_importable(path, target) for path in marked):
        return ()
    there = {_without_ending(path) for path in every if _importable(path, target)}
    return tuple(
        path
        for path in marked
        if is_opened(location, path)
        and _without_ending(path) not in there
        # mypyc and Cython compile modules that are there as Python source too
        and f"{_without_ending(path)}.py" not in rootfs
    )


def _without_ending(path: str) -> str:
    """Return the path of a module up to the first full stop: the same for every Python."""
    directory, slash, name = path.rpartition("/")
    return directory + slash + name.partition(".")[0]


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
