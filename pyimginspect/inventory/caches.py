"""Caches of package managers and other debris: what nobody will read in a container.

Where they are, :mod:`pyimginspect.inventory.cache_places` knows. Bytecode and test suites are
listed for information: someone may want them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping

from pyimginspect.inventory.cache_places import cache_places, files_in, in_cache
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.facts import Cache
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages.apt_conf import APT_LISTS
from pyimginspect.inventory.packages.commands import Tool, clean_caches, install
from pyimginspect.rootfs import RootFS

__all__ = [
    "INFORMATION",
    "caches_around",
    "deletion_of",
    "edit_of",
    "find_caches",
    "links_into_caches",
]

INFORMATION = frozenset({"bytecode", "tests"})
"""Kinds that are listed and that are no fault."""

_APT_CACHE = "var/cache/apt"


def find_caches(rootfs: RootFS) -> tuple[Cache, ...]:
    """Return all caches that are in the final file system, the largest first.

    Bytes count where every name of a file is in the cache: a cache that only holds further names
    of installed files (uv's, often) weighs nothing.
    """
    contents = contents_of(rootfs)
    found = []
    for kind, top, paths in _candidates(rootfs):
        layers = contents.stored_behind(paths)
        if layers:
            found.append(
                Cache(
                    kind=kind,
                    path=top,
                    size=sum(layers.values()),
                    files=len(paths),
                    layers=layers,
                )
            )
    return tuple(sorted(found, key=lambda cache: (-cache.size, cache.path, cache.kind)))


def caches_around(caches: Iterable[Cache]) -> Callable[[str], Iterator[Cache]]:
    """Return a function that yields the caches that a path is in.

    It asks each directory above the path: there may be as many caches as home directories.
    """
    by_path: dict[str, list[Cache]] = {}
    for cache in caches:
        by_path.setdefault(cache.path, []).append(cache)

    def around(path: str) -> Iterator[Cache]:
        place = path.rpartition("/")[0]
        while place:
            yield from by_path.get(place, ())
            place = place.rpartition("/")[0]

    return around


@memoized
def links_into_caches(rootfs: RootFS) -> Mapping[str, tuple[str, ...]]:
    """Return the symbolic links from elsewhere into each cache, by its top directory.

    uv makes such links with ``UV_LINK_MODE=symlink``, pdm with ``install.cache``: whatever they
    install is gone if the cache is deleted.
    """
    places = cache_places(rootfs)
    if not places:
        return {}
    found: dict[str, list[str]] = {}
    for link in rootfs.symlinks:
        real = rootfs.resolve(link)
        if real and in_cache(rootfs, real) and not in_cache(rootfs, link):
            # Caches are not nested here (see cache_places), so that at most one holds the path.
            top = next(top for top in places if f"{real}/".startswith(f"{top}/"))
            found.setdefault(top, []).append(link)
    return {top: tuple(links) for top, links in found.items()}


_AT_THE_END: dict[str, Tool] = {
    "apt-lists": "apt-get", "dnf": "dnf", "yum": "yum", "zypper": "zypper",
}  # fmt: skip
_EDITS = {
    "apt-archives": "End the RUN with && apt-get clean",
    "apt-index": "End the RUN with && rm -f /var/cache/apt/*.bin",
    "apk": install("apk", ()),
    "pip": "pip install --no-cache-dir",
    "uv": "uv pip install --no-cache",
    "npm": "End the RUN with && npm cache clean --force",
    # conda-clean: -a leaves the packages that environments are linked from, -f takes those too.
    "conda": "End the RUN with && conda clean -afy",
    **{
        kind: f"End the RUN with && {' && '.join(clean_caches(tool))}"
        for kind, tool in _AT_THE_END.items()
    },
}


def edit_of(cache: Cache) -> str:
    """Return the edit that keeps a cache out of the image, to paste into its instruction."""
    return _EDITS.get(cache.kind, f"End the RUN with && {deletion_of(cache.kind, cache.path)}")


def deletion_of(kind: str, path: str) -> str:
    """Return the command that deletes a cache; Poetry's environments below its own stay."""
    tops = [f"/{path}/artifacts", f"/{path}/cache"] if kind == "poetry" else [f"/{path}"]
    return f"rm -rf {shlex.join(tops)}"


def _candidates(rootfs: RootFS) -> Iterator[tuple[str, str, list[str]]]:
    """Yield kind, top directory and paths of files of everything that may be a cache."""
    yield from _apt(rootfs)
    for top, kind in cache_places(rootfs).items():
        yield kind, top, files_in(rootfs, top)
    yield from _information(rootfs)


def _apt(rootfs: RootFS) -> Iterator[tuple[str, str, list[str]]]:
    lists = files_in(rootfs, APT_LISTS)
    # `apt-get dist-clean` leaves the signed files that say what a repository's lists should be,
    # lest an attacker could roll them back: apt-get(8).
    if any(not path.endswith(("Release", "Release.gpg", "/lock")) for path in lists):
        yield "apt-lists", APT_LISTS, lists
    # Without `lock`, which apt keeps there for good.
    archives = [
        path for path in files_in(rootfs, f"{_APT_CACHE}/archives") if path.endswith(".deb")
    ]
    if archives:
        yield "apt-archives", f"{_APT_CACHE}/archives", archives
    # pkgcache.bin and srcpkgcache.bin, which apt makes again from its lists: apt.conf(5),
    # Dir::Cache.
    binary = [path for path in rootfs.children(_APT_CACHE) if path.endswith(".bin")]
    if binary:
        yield "apt-index", _APT_CACHE, binary


def _information(rootfs: RootFS) -> Iterator[tuple[str, str, list[str]]]:
    """Bytecode and test suites, summed up by the directory that Python imports from."""
    found: dict[tuple[str, str], list[str]] = {}
    for directory in rootfs.directories:
        if "/__pycache__" not in directory and "/test" not in directory:
            continue
        place = f"{directory}/"
        compiled = "/__pycache__/" in place
        # CPython's own suite is in `test`; of packages some have the one, some the other.
        tested = "/tests/" in place or "/test/" in place
        top = _library(place) if compiled or tested else ""
        if not top:
            continue
        files = rootfs.files(directory)
        if compiled:
            paths = [path for path in files if path.endswith(".pyc")]
            found.setdefault(("bytecode", top), []).extend(paths)
        if tested:
            paths = [path for path in files if not path.endswith(".pyc")]
            found.setdefault(("tests", top), []).extend(paths)
    for kind, top in sorted(found):
        yield kind, top, found[kind, top]


def _library(path: str) -> str:
    """Return the directory of packages that ``path`` is in, or the standard library's."""
    for part in ("/site-packages/", "/dist-packages/"):
        before, found, _ = path.partition(part)
        if found:
            return f"{before}{part[:-1]}"
    before, found, after = path.partition("/lib/python")
    version = after.partition("/")[0]
    return f"{before}{found}{version}" if found else ""
