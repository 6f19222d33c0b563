"""What is a build tool by its name: packages of operating systems, files, Python distributions.

The names are in ``data/build_tools.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from msgspec import Struct

from pyimginspect.inventory.facts import BuildTool, BuildToolKind, Distribution, OsPackage
from pyimginspect.inventory.tables import read_table
from pyimginspect.rootfs import RootFS

__all__ = [
    "kind_of_file",
    "kind_of_package",
    "python_build_tools",
    "required_names",
    "users_at_run_time",
]

# `.python-rundeps` of the official images has the libraries that Python is linked to.
_RUNTIME = re.compile(r"run|rt$")
_TEMPORARY = re.compile(r"build|dev|te?mp|make|compil|fetch")


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    date: str
    used_at_run_time: dict[str, list[BuildToolKind]]
    distributions: frozenset[str]
    packages: dict[str, dict[BuildToolKind, str]]
    files: dict[BuildToolKind, str]


@cache
def _table() -> _Table:
    return read_table("build_tools", _Table)


@cache
def _packages(manager: str) -> Mapping[BuildToolKind, re.Pattern[str]]:
    return {kind: re.compile(each) for kind, each in _table().packages[manager].items()}


@cache
def _any_file() -> re.Pattern[str]:
    return re.compile("|".join(_table().files.values()))


def kind_of_package(package: OsPackage) -> BuildToolKind | None:
    """Return what kind of build tool a package is, ``None`` for anything else."""
    if package.virtual:
        return "meta" if _is_temporary(package) else None
    # Of several kinds that match the first counts.
    for kind, pattern in _packages(package.manager).items():
        if pattern.fullmatch(package.name):
            return kind
    return None


def kind_of_file(name: str) -> BuildToolKind | None:
    """Return what kind of build tool a program of this name is, ``None`` for anything else."""
    if not _any_file().fullmatch(name):
        return None
    return next(kind for kind, each in _table().files.items() if re.fullmatch(each, name))


def _is_temporary(package: OsPackage) -> bool:
    """Whether a virtual package was meant to be deleted: ``.build-deps``, not ``.python-rundeps``.

    Where the name does not say so, it counts what was added under it.
    """
    if _RUNTIME.search(package.name):
        return False
    if _TEMPORARY.search(package.name):
        return True
    patterns = _packages(package.manager).values()
    return any(
        pattern.fullmatch(name)
        for names in package.depends
        for name in names
        for pattern in patterns
    )


def users_at_run_time(
    tools: Iterable[BuildTool], distributions: Iterable[Distribution]
) -> tuple[str, ...]:
    """Return the distributions that are known to run tools of these kinds, sorted.

    Triton, for one, compiles when it is first called.
    """
    kinds = {tool.category for tool in tools}
    users = _table().used_at_run_time
    return tuple(
        sorted({one.name for one in distributions if kinds.intersection(users.get(one.name, ()))})
    )


# With the end of the line before, which is found much faster than each line's beginning.
_REQUIRES = re.compile(rb"\nRequires-Dist:\s*([\w.-]+)([^\n]*)")


def python_build_tools(
    rootfs: RootFS, distributions: Iterable[Distribution]
) -> tuple[Distribution, ...]:
    """Return the distributions that build others (CMake, Cython) and that no other requires."""
    every = tuple(distributions)
    tools = [one for one in every if one.name in _table().distributions]
    if not tools:
        return ()
    others = [one for one in every if one.name not in _table().distributions]
    required = required_names(rootfs, others)
    return tuple(one for one in tools if one.name not in required)


def required_names(rootfs: RootFS, distributions: Iterable[Distribution]) -> set[str]:
    """Return the normalised names that distributions require, those of extras left out."""
    required = set()
    for one in distributions:
        metadata = rootfs.texts.get(f"{one.metadata}/METADATA", b"")
        for name, condition in _REQUIRES.findall(b"\n" + metadata):
            # Core metadata: the marker of a requirement that only an extra has names that extra.
            if b"extra ==" not in condition:
                required.add(re.sub(r"[-_.]+", "-", name.decode()).lower())
    return required
