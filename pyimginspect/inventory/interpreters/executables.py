"""Which files of an image are Python executables, and which of their many names is one file.

Identity is the content of the executable together with the standard library that it finds:
symbolic links, hard links and merged ``/usr`` are one interpreter; the environments of conda,
which may share all their content by hard links, are several.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping

from msgspec import Struct

from pyimginspect.inventory.interpreters.layout import Layout, find_layout
from pyimginspect.inventory.loader import Loader
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["Executable", "environment_of", "find_executables", "python_name"]

# platform-python3.6 is RHEL 8's, python3.11-dbg Debian's, pypy3-c what PyPy's own build makes. The
# letters are ABI flags of PEP 3149, and t that of PEP 703.
_NAME = re.compile(
    r"(?:platform-)?(?P<kind>python|pypy)(?P<series>\d(?:\.\d{1,2})?)?(?P<abi>[tdmu]{0,3}|-dbg|-c)"
)
_SERIES = re.compile(r"\d\.\d{1,2}")


class PythonName(Struct, frozen=True, gc=False):
    """What the name of an executable says: ``python``, ``3.13`` and ``t`` of ``python3.13t``."""

    implementation: str
    series: str
    abi: str


class Executable(Struct, frozen=True, kw_only=True):
    """One interpreter's executable: its best name, all others, and what it is laid out as.

    ``series`` is the major and minor version, ``3.11``, or empty where nothing tells.
    """

    path: str
    aliases: tuple[str, ...]
    implementation: str
    series: str
    abi: str
    elf: ElfFile
    layout: Layout


def python_name(path: str) -> PythonName | None:
    """Read the last part of ``path`` as the name of a Python executable, if it is one."""
    # Both names have these letters, and most paths have not.
    match = _NAME.fullmatch(path.rpartition("/")[2]) if "py" in path else None
    if match is None:
        return None
    implementation = "pypy" if match["kind"] == "pypy" else "cpython"
    return PythonName(implementation, match["series"] or "", match["abi"])


def environment_of(rootfs: RootFS, executable: str) -> str | None:
    """Return the virtual environment that the executable at this path starts in, if any.

    It is the directory with a ``pyvenv.cfg``: the executable's own, or the one above (PEP 405).
    """
    directory = executable.rpartition("/")[0]
    for place in (directory.rpartition("/")[0], directory):
        if (f"{place}/pyvenv.cfg" if place else "pyvenv.cfg") in rootfs:
            return place
    return None


def find_executables(
    rootfs: RootFS, environment: Mapping[str, str] | None = None
) -> tuple[Executable, ...]:
    """Find the Python executables that are no part of a virtual environment, each once.

    ``environment`` is the image's: a loader heeds it. Copies that conda keeps under ``pkgs/`` are
    not installed, and no interpreters.
    """
    found: dict[tuple[int, int, str], list[Executable]] = {}
    links = _links(rootfs)
    loader = Loader(rootfs, environment)
    for path, elf in rootfs.elf.items():
        name = python_name(path)
        if (
            name is None
            # To ELF a position-independent executable is a shared object (ET_DYN).
            or elf.kind not in ("executable", "shared")
            or elf.error
            or elf.frozen_python
            or _is_conda_cache(rootfs, path)
            or environment_of(rootfs, path) is not None
        ):
            continue
        content = rootfs[path].content
        executable = _describe(rootfs, path, name, elf, links.get(path, ()), loader)
        key = (content.layer, content.position, executable.layout.stdlib)
        found.setdefault(key, []).append(executable)
    others = _hard_links(rootfs, {key[:2] for key in found})
    joined = [_join(group, others.get(key[:2], ())) for key, group in found.items()]
    merged = _merge_copies(rootfs, joined)
    return tuple(sorted(merged, key=lambda executable: executable.path))


def _links(rootfs: RootFS) -> dict[str, list[str]]:
    """Return the symbolic links that lead to what is named as Python is, by its real path."""
    links: dict[str, list[str]] = {}
    for path in rootfs.symlinks:
        # Images have thousands of links, and resolving each would take long: one of its two names
        # has to be a Python's.
        if python_name(rootfs[path].content.entry.target) or python_name(path):
            real = rootfs.resolve(path)
            if real is not None and environment_of(rootfs, path) is None:
                links.setdefault(real, []).append(path)
    return links


def _hard_links(
    rootfs: RootFS, contents: Container[tuple[int, int]]
) -> dict[tuple[int, int], list[str]]:
    """Return the paths of these contents that are not called as Python is."""
    links: dict[tuple[int, int], list[str]] = {}
    for path in rootfs.elf:
        content = rootfs[path].content
        key = content.layer, content.position
        if key in contents and python_name(path) is None:
            links.setdefault(key, []).append(path)
    return links


def _is_conda_cache(rootfs: RootFS, path: str) -> bool:
    """Whether the path is ``…/pkgs/python-3.11.9-0/bin/…``: what conda unpacked, to link to."""
    # conda-build writes info/ into every package.
    package = path.rsplit("/", 2)[0]
    holder = package.rpartition("/")[0]
    return holder.rpartition("/")[2] == "pkgs" and f"{package}/info" in rootfs


def _describe(
    rootfs: RootFS,
    path: str,
    name: PythonName,
    elf: ElfFile,
    links: Iterable[str],
    loader: Loader,
) -> Executable:
    aliases = tuple(sorted(links))
    series = name.series if "." in name.series else ""
    series = series or _series_of(aliases, elf)
    layout = find_layout(rootfs, path, elf, name.implementation, series, name.abi, loader)
    return Executable(
        path=path,
        aliases=aliases,
        implementation=name.implementation,
        series=series or layout.series,
        abi=name.abi,
        elf=elf,
        layout=layout,
    )


def _series_of(aliases: Iterable[str], elf: ElfFile) -> str:
    """Return ``3.11`` where a link's name or the needed libpython says so."""
    # The library first: which one is needed is certain, links are named as somebody likes.
    for library in elf.needed:
        match = _SERIES.search(library) if library.startswith("libpython") else None
        if match:
            return match[0]
    for alias in aliases:
        name = python_name(alias)
        if name is not None and "." in name.series:
            return name.series
    return ""


def _join(group: list[Executable], more: Iterable[str] = ()) -> Executable:
    """Make one of the executables that are one file, under its most telling name.

    ``more`` are names that the file has anywhere; those in the same directories count.
    """
    ordered = sorted(group, key=_rank)
    best = ordered[0]
    others = {path for each in group for path in (each.path, *each.aliases)} - {best.path}
    directories = {each.path.rpartition("/")[0] for each in group}
    others |= {path for path in more if path.rpartition("/")[0] in directories}
    return Executable(
        path=best.path,
        aliases=tuple(sorted(others)),
        implementation=best.implementation,
        series=next((each.series for each in ordered if each.series), ""),
        abi=best.abi,
        elf=best.elf,
        layout=best.layout,
    )


def _rank(executable: Executable) -> tuple[object, ...]:
    """Sort key: what has a home first, then the name that tells most, then the shortest path."""
    name = python_name(executable.path)
    detail = len(name.series) if name is not None else 0
    return not executable.layout.stdlib, -detail, len(executable.path), executable.path


def _merge_copies(rootfs: RootFS, executables: list[Executable]) -> Iterator[Executable]:
    """Join copies: what has the length, processor and library of another and no home of its own.

    A copy outside of any installation finds the standard library by the prefix that was compiled
    in; and some tools turn hard links into copies.
    """
    groups: dict[tuple[object, ...], list[Executable]] = {}
    for executable in executables:
        key = (
            # Not every linker writes a build ID: then the length has to do.
            rootfs[executable.path].size,
            executable.elf.machine,
            executable.elf.build_id,
            executable.series,
        )
        groups.setdefault(key, []).append(executable)
    for group in groups.values():
        homes: dict[str, list[Executable]] = {}
        for executable in group:
            homes.setdefault(executable.layout.stdlib, []).append(executable)
        homeless = homes.pop("", [])
        if len(homes) == 1:
            next(iter(homes.values())).extend(homeless)
        elif homeless:
            homes[""] = homeless
        yield from map(_join, homes.values())
