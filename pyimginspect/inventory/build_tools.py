"""Compilers, headers and their like: what building needs, and running does not.

Found are packages by their names and files that no package owns, as far as they came with the
layers above the base image: what a base brings is a question of the choice of base. The names are
in ``data/build_tools.json``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from pyimginspect.inventory.contents import Contents
from pyimginspect.inventory.facts import (
    BaseImage,
    BuildTool,
    BuildToolKind,
    Distribution,
    OsPackage,
)
from pyimginspect.inventory.packages import Graph, PackageDatabase, dependency_graph
from pyimginspect.inventory.tables import read_table
from pyimginspect.rootfs import RootFS

__all__ = ["brought", "find_build_tools", "kind_of_package", "loose_files", "users_at_run_time"]

_HEADERS = ("usr/include/", "usr/local/include/")
# What is in directories that are one thing, in any place, and in which kind of thing.
_MARKS: Mapping[str, BuildToolKind] = {
    "/.git/HEAD": "version-control",
    "/.hg/requires": "version-control",
    "/.svn/wc.db": "version-control",
    "/.cargo/bin": "toolchain",
    "/.rustup/toolchains": "toolchain",
    "/node_modules": "toolchain",
}
_ENDS = tuple(_MARKS)
# Where the official images of Rust and Go have them.
_PLACES = ("usr/local/cargo", "usr/local/rustup", "usr/local/go")
_RUNTIME = re.compile(r"run|rt$")
_TEMPORARY = re.compile(r"build|dev|te?mp|make|compil|fetch")


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    date: str
    used_at_run_time: dict[str, list[BuildToolKind]]
    packages: dict[str, dict[BuildToolKind, str]]
    files: dict[BuildToolKind, str]


class _Patterns(Struct, frozen=True):
    """The table's patterns, ready to match; of several kinds that match the first counts."""

    packages: dict[str, dict[BuildToolKind, re.Pattern[str]]]
    files: dict[BuildToolKind, re.Pattern[str]]
    any_file: re.Pattern[str]
    users: dict[str, frozenset[BuildToolKind]]


@cache
def _patterns() -> _Patterns:
    table = read_table("build_tools", _Table)
    return _Patterns(
        {
            manager: {kind: re.compile(pattern) for kind, pattern in kinds.items()}
            for manager, kinds in table.packages.items()
        },
        {kind: re.compile(pattern) for kind, pattern in table.files.items()},
        re.compile("|".join(table.files.values())),
        {name: frozenset(kinds) for name, kinds in table.used_at_run_time.items()},
    )


def find_build_tools(
    rootfs: RootFS, packages: PackageDatabase, base: BaseImage
) -> tuple[BuildTool, ...]:
    """Return the build tools that layers above the base brought and left, the largest first."""
    contents = Contents(rootfs)
    tools = [*_from_packages(packages, base.layers)]
    tools += _from_files(rootfs, packages, contents, base.layers)
    return tuple(sorted(tools, key=lambda tool: (-tool.size, tool.name, tool.path)))


def users_at_run_time(
    tools: Iterable[BuildTool], distributions: Iterable[Distribution]
) -> tuple[str, ...]:
    """Return the distributions that are known to run tools of these kinds, sorted.

    Triton, for one, compiles when it is first called.
    """
    kinds = {tool.category for tool in tools}
    users = _patterns().users
    return tuple(
        sorted({one.name for one in distributions if kinds & users.get(one.name, frozenset())})
    )


# --- packages -----------------------------------------------------------------------------------
def kind_of_package(package: OsPackage) -> BuildToolKind | None:
    """Return what kind of build tool a package is, ``None`` for anything else."""
    if package.virtual:
        return "meta" if _is_temporary(package) else None
    for kind, pattern in _patterns().packages[package.manager].items():
        if pattern.fullmatch(package.name):
            return kind
    return None


def _is_temporary(package: OsPackage) -> bool:
    """Whether a virtual package was meant to be deleted: ``.build-deps``, not ``.python-rundeps``.

    Where the name does not say so, it counts what was added under it.
    """
    if _RUNTIME.search(package.name):
        return False
    if _TEMPORARY.search(package.name):
        return True
    patterns = _patterns().packages[package.manager].values()
    return any(
        pattern.fullmatch(name)
        for names in package.depends
        for name in names
        for pattern in patterns
    )


def _from_packages(packages: PackageDatabase, base_layers: int) -> Iterator[BuildTool]:
    kinds = {
        package.key: kind
        for package in packages.packages
        if (kind := kind_of_package(package)) is not None
    }
    left = [key for key in kinds if brought(packages[key]) >= base_layers]
    graph = dependency_graph(packages) if left else None
    for key in left:
        package = packages[key]
        files = packages.files(key)
        yield BuildTool(
            name=package.name,
            category=kinds[key],
            package=key,
            path=_most_telling(files),
            size=package.size,
            paths=len(files),
            layer=brought(package),
            kept_by=_keepers(graph, kinds, key) if graph is not None else (),
        )


def brought(package: OsPackage) -> int:
    """Return the layer that installed the package, whoever upgraded it since."""
    return next(
        (event.layer for event in package.history[::-1] if event.action == "installed"),
        package.layer,
    )


def _most_telling(files: Sequence[str]) -> str:
    """A program, if there is one, or a header or library; documentation only for want of those."""
    for part in ("/bin/", "cc1", "/include/", "/lib/"):
        found = next((path for path in files if part in f"/{path}"), None)
        if found is not None:
            return found
    return files[0] if files else ""


def _keepers(graph: Graph, kinds: Mapping[str, BuildToolKind], key: str) -> tuple[str, ...]:
    """Return the packages asked for by name, no build tools, that cannot do without ``key``."""
    seen = {key}
    todo = [key]
    found = []
    while todo:
        for other in graph.required_by[todo.pop()]:
            if other in seen or other in kinds:
                continue
            seen.add(other)
            todo.append(other)
            package = graph.nodes[other].package
            if package.automatic is not True or package.essential:
                found.append(other)
    return tuple(sorted(found))


# --- files that no package owns ------------------------------------------------------------------
def _from_files(
    rootfs: RootFS, packages: PackageDatabase, contents: Contents, base_layers: int
) -> Iterator[BuildTool]:
    for (name, kind, top), left in _left_files(rootfs, packages, base_layers).items():
        sums = contents.by_layer(contents.behind(left))
        yield BuildTool(
            name=name,
            category=kind,
            path=top,
            size=sum(sums.values()),
            paths=len(left),
            layer=max(sums, key=lambda layer: (sums[layer], -layer), default=rootfs[left[0]].layer),
        )


_Group = tuple[str, BuildToolKind, str]


def loose_files(
    rootfs: RootFS, packages: PackageDatabase, base: BaseImage
) -> dict[tuple[str, str], list[str]]:
    """Return the files behind the build tools that are no packages, by their name and path."""
    return {
        (name, top): left
        for (name, _, top), left in _left_files(rootfs, packages, base.layers).items()
    }


def _left_files(
    rootfs: RootFS, packages: PackageDatabase, base_layers: int
) -> dict[_Group, list[str]]:
    found = {}
    for group, paths in _group(rootfs).items():
        left = [
            path
            for path in paths
            if rootfs[path].kind == "file"
            and rootfs[path].content.layer >= base_layers
            and not packages.owner(path)
        ]
        if left:
            found[group] = left
    return found


def _group(rootfs: RootFS) -> dict[_Group, list[str]]:
    """Return candidates by what they belong to: a tree, a directory of headers, or themselves."""
    groups: dict[_Group, list[str]] = {}
    prefixes = tuple(_conda_prefixes(rootfs))
    tops: set[str] = set()
    for top, kind in _marked(rootfs):
        if not _is_within(top, tops) and not _installed(top, prefixes):
            tops.add(top)
            name = top.rpartition("/")[2]
            groups[name, kind, top] = [node.path for node in rootfs.walk(top)]
    for path in _loose(rootfs):
        if _installed(path, prefixes) or _is_within(path, tops):
            continue
        found = _loose_kind(path)
        if found is not None:
            groups.setdefault(found, []).append(path)
    return groups


def _marked(rootfs: RootFS) -> list[tuple[str, BuildToolKind]]:
    """Return top directory and kind of trees that are one thing, outer ones first."""
    found: list[tuple[str, BuildToolKind]] = []
    for path in rootfs.nodes:
        if path.endswith(_ENDS):
            end = next(end for end in _ENDS if path.endswith(end))
            name = end.split("/")[1]
            found.append((path[: len(path) - len(end) + 1] + name, _MARKS[end]))
    found += [(path, "toolchain") for path in _PLACES if path in rootfs]
    return sorted(found)


def _loose(rootfs: RootFS) -> Iterable[str]:
    nodes = rootfs.nodes
    yield from (path for path in nodes if "bin/" in path or "/gcc/" in path)
    yield from (path for path in nodes if path.endswith(".a"))
    yield from (path for path in nodes if path.startswith(_HEADERS))


def _loose_kind(path: str) -> _Group | None:
    directory, _, name = path.rpartition("/")
    for top in _HEADERS:
        if path.startswith(top):
            first = path[len(top) :].partition("/")[0]
            # The headers that the official build of Python installs are its own.
            if re.match(r"python\d", first):
                return None
            return first, "headers", f"{top}{first}"
    if name.endswith(".a"):
        return name, "static-library", path
    in_bin = directory.endswith("bin") or "/gcc/" in f"{directory}/"
    if in_bin and _patterns().any_file.fullmatch(name):
        for kind, pattern in _patterns().files.items():
            if pattern.fullmatch(name):
                return name, kind, path
    return None


def _conda_prefixes(rootfs: RootFS) -> Iterator[str]:
    for path in rootfs.nodes:
        if path.endswith("/conda-meta/history"):
            yield path.removesuffix("conda-meta/history")


def _installed(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether pip or conda put the file there: it is part of a distribution, for whatever use."""
    return "/site-packages/" in path or "/dist-packages/" in path or path.startswith(prefixes)


def _is_within(path: str, tops: Collection[str]) -> bool:
    while path and tops:
        path = path.rpartition("/")[0]
        if path in tops:
            return True
    return False
