"""Compilers, headers and their like: what building needs, and running does not.

Found are packages by their names and files that no package owns, as far as they came with the
layers above the base image: what a base brings is a question of the choice of base. The names are
in ``data/build_tools.json``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.contents import Contents, contents_of
from pyimginspect.inventory.facts import (
    BaseImage,
    BuildTool,
    BuildToolKind,
    Distribution,
)
from pyimginspect.inventory.installers import conda_prefixes
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import Graph, PackageDatabase, dependency_graph
from pyimginspect.inventory.records import recorded
from pyimginspect.inventory.runtimes import COMMAND, runtime_of, used_runtimes
from pyimginspect.inventory.tool_names import kind_of_file, kind_of_package
from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["find_build_tools", "loose_files"]

_NO_CONFIG = ImageConfig()
_HEADERS = ("usr/include/", "usr/local/include/")
# Directories that belong to one thing, in any place: its kind, and a file that must be in them.
# For HEAD see gitrepository-layout(5); `requires` is Mercurial's, `wc.db` Subversion's since 1.7.
_MARKS: Mapping[str, tuple[BuildToolKind, str]] = {
    "/.git": ("version-control", "HEAD"),
    "/.hg": ("version-control", "requires"),
    "/.svn": ("version-control", "wc.db"),
    "/.cargo/bin": ("toolchain", ""),
    "/.rustup/toolchains": ("toolchain", ""),
    "/node_modules": ("toolchain", ""),
}
# Where the official images of Rust and Go have them.
_PLACES = ("usr/local/cargo", "usr/local/rustup", "usr/local/go")


def find_build_tools(
    rootfs: RootFS,
    packages: PackageDatabase,
    base: BaseImage,
    config: ImageConfig = _NO_CONFIG,
    distributions: Collection[Distribution] = (),
) -> tuple[BuildTool, ...]:
    """Return the build tools that layers above the base brought and left, the largest first.

    A runtime that the image's command or something installed calls (node, java, git) is none.
    """
    contents = contents_of(rootfs)
    tools = [*_from_packages(packages, base.layers)]
    tools += _from_files(rootfs, packages, contents, base.layers)
    if any(runtime_of(tool.name) for tool in tools):
        used = used_runtimes(rootfs, config, packages, distributions)
        tools = [tool for tool in tools if not _is_used(tool, used)]
    return tuple(sorted(tools, key=lambda tool: (-tool.size, tool.name, tool.path)))


# --- packages -----------------------------------------------------------------------------------
def _from_packages(packages: PackageDatabase, base_layers: int) -> Iterator[BuildTool]:
    kinds = {
        package.key: kind
        for package in packages.packages
        if (kind := kind_of_package(package)) is not None
    }
    left = [key for key in kinds if packages[key].installed_in >= base_layers]
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
            layer=package.installed_in,
            kept_by=_keepers(graph, kinds, key) if graph is not None else (),
        )


def _is_used(tool: BuildTool, used: Mapping[str, str]) -> bool:
    """Whether a tool is a part of a runtime that is called; of modules, those that are global."""
    by = used.get(runtime_of(tool.name) or "")
    if tool.name != "node_modules" or by is None:
        return by is not None
    # `npm install -g` puts modules into lib/node_modules; others are a project's own, which a build
    # may have left.
    return by == COMMAND or tool.path.endswith("lib/node_modules")


def _most_telling(files: Sequence[str]) -> str:
    """A program, if there is one, or a header or library; documentation only for want of those."""
    # cc1 is the C compiler proper, which gcc keeps outside of bin.
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
            if other in seen:
                continue
            seen.add(other)
            todo.append(other)
            package = graph.nodes[other].package
            if other in kinds:
                continue  # a tool keeps nothing by itself, but may be kept itself
            # None where the package manager keeps no record: then somebody may have asked for it.
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
    already = _left_already(rootfs)
    if base_layers not in already:
        nodes, owners = rootfs.nodes, packages.owners
        left = {
            group: [
                path
                for path in paths
                if path not in owners
                and nodes[path].kind == "file"
                and nodes[path].content.layer >= base_layers
            ]
            for group, paths in _group(rootfs).items()
        }
        already[base_layers] = {group: paths for group, paths in left.items() if paths}
    return already[base_layers]


@memoized
def _left_already(rootfs: RootFS) -> dict[int, dict[_Group, list[str]]]:
    """Return what was found so far, by the number of the base's layers: several ask for it."""
    return {}


@memoized
def _group(rootfs: RootFS) -> dict[_Group, list[str]]:
    """Return candidates by what they belong to: a tree, a directory of headers, or themselves."""
    groups: dict[_Group, list[str]] = {}
    prefixes = conda_prefixes(rootfs)
    tops: set[str] = set()
    for top, kind in _marked(rootfs):
        if _is_within(top, tops) or in_cache(rootfs, top):
            continue
        if not _installed(top, prefixes):
            tops.add(top)
            name = top.rpartition("/")[2]
            groups[name, kind, top] = [node.path for node in rootfs.walk(top)]
    loose: dict[str, _Group] = {}
    for directory, found in _loose(rootfs):
        place = f"{directory}/"
        if _installed(place, prefixes) or _is_within(place, tops) or in_cache(rootfs, directory):
            continue
        loose.update(found)
    listed = _listed(rootfs, loose) if loose else ()
    for path, group in loose.items():
        if path not in listed:
            groups.setdefault(group, []).append(path)
    return groups


def _marked(rootfs: RootFS) -> list[tuple[str, BuildToolKind]]:
    """Return top directory and kind of trees that are one thing, outer ones first."""
    found: list[tuple[str, BuildToolKind]] = []
    for end, (kind, needed) in _MARKS.items():
        found += [
            (directory.removesuffix(end) + "/" + end.split("/")[1], kind)
            for directory in rootfs.directories_by_name.get(end.rpartition("/")[2], ())
            if directory.endswith(end) and (not needed or f"{directory}/{needed}" in rootfs)
        ]
    found += [(path, "toolchain") for path in _PLACES if path in rootfs]
    return sorted(found)


def _loose(rootfs: RootFS) -> Iterator[tuple[str, dict[str, _Group]]]:
    """Yield directories, and what is directly in each that building may have left."""
    for directory in rootfs.directories:
        place = f"{directory}/"
        if "include/" in place and place.startswith(_HEADERS):
            yield directory, _headers(rootfs, place)
        # GCC has cc1 and collect2 in lib/gcc/TARGET/VERSION or libexec/gcc/TARGET/VERSION.
        elif "/gcc/" in place or ("bin/" in place and place.endswith("bin/")):
            yield directory, _tools(rootfs.children(directory))
    for path in rootfs.archives[".a"]:
        if not path.startswith(_HEADERS):
            directory, _, name = path.rpartition("/")
            yield directory, {path: (name, "static-library", path)}


def _headers(rootfs: RootFS, place: str) -> dict[str, _Group]:
    paths = rootfs.children(place.rstrip("/"))
    if place in _HEADERS:
        found = {path: _group_of_headers(path) for path in paths}
    else:
        found = dict.fromkeys(paths, _group_of_headers(place))
    return {path: group for path, group in found.items() if group is not None}


def _group_of_headers(path: str) -> _Group | None:
    top = next(top for top in _HEADERS if path.startswith(top))
    first = path[len(top) :].partition("/")[0]
    # The headers that the official build of Python installs are its own.
    if first.startswith("python") and first[6:7].isdigit():
        return None
    return first, "headers", f"{top}{first}"


def _tools(paths: Iterable[str]) -> dict[str, _Group]:
    tools: dict[str, _Group] = {}
    for path in paths:
        name = path.rpartition("/")[2]
        kind = kind_of_file(name)
        if kind is not None:
            tools[path] = name, kind, path
    return tools


def _installed(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether pip or conda put the file there: it is part of a distribution, for whatever use."""
    return "/site-packages/" in path or "/dist-packages/" in path or path.startswith(prefixes)


def _listed(rootfs: RootFS, paths: Mapping[str, object]) -> set[str]:
    """Return those of ``paths`` that distributions list: programs, what pip's ``--target`` has."""
    listed: set[str] = set()
    for record in rootfs.texts:
        if record.endswith(".dist-info/RECORD"):
            metadata = record.rpartition("/")[0]
            rows = recorded(rootfs, metadata.rpartition("/")[0], metadata) or {}
            listed |= rows.keys() & paths.keys()
    return listed


def _is_within(path: str, tops: Collection[str]) -> bool:
    while path and tops:
        path = path.rpartition("/")[0]
        if path in tops:
            return True
    return False
