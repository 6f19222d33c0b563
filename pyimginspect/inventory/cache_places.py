"""Where package managers keep their caches, by name and by what is in them.

What is in a cache is nothing else: no installed distribution, no environment, no library that
something loads, whatever it looks like. Caches below a home directory go by their names, as any
user may have run the tool; one that an option or a variable put elsewhere (``UV_CACHE_DIR``,
``PIP_CACHE_DIR``, ``POETRY_CACHE_DIR``, ``CONDA_PKGS_DIRS``) by the layout that the tool gives it.

Sources: the manuals of the tools; uv's ``uv-cache`` crate for its buckets (``archive-v0``,
``simple-v16``, …); pip's ``cache.py`` and ``selfcheck``; conda's documentation of ``pkgs_dirs``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pyimginspect.inventory.memoize import memoized
from pyimginspect.rootfs import RootFS

__all__ = ["cache_places", "files_in", "in_cache"]

_PLACES = {
    "var/cache/apk": "apk",
    "etc/apk/cache": "apk",
    # dnf.conf(5) of dnf 4 for the first, dnf5.conf(5) for the second: `cachedir` of the system.
    "var/cache/dnf": "dnf",
    "var/cache/libdnf5": "dnf",
    "var/cache/yum": "yum",
    "var/cache/zypp": "zypper",
    "var/cache/pip": "pip",
    # Yarn 1 takes /usr/local/share for the home directory of root (user-home-dir.js).
    "usr/local/share/.cache/yarn": "yarn",
}
# The XDG Base Directory Specification has ~/.cache unless XDG_CACHE_HOME names another.
_IN_HOMES = {
    "/.cache/pip": "pip",
    "/.cache/uv": "uv",
    "/.cache/pypoetry": "poetry",
    "/.cache/pipenv": "pipenv",
    "/.cache/pdm": "pdm",
    "/.cache/hatch": "hatch",
    "/.cache/rattler": "conda",
    "/.cache/go-build": "go",
    "/.cache/ccache": "ccache",
    "/.cache/yarn": "yarn",
    "/.ccache": "ccache",
    "/.conda/pkgs": "conda",
    # npm-cache(1): the data are in _cacache, within the cache's directory ~/.npm.
    "/.npm/_cacache": "npm",
    "/.cargo/registry": "cargo",
    # `go env GOMODCACHE`: GOPATH/pkg/mod, and GOPATH is ~/go or, in the official image, /go.
    "/go/pkg/mod/cache": "go",
}
_ENDS = tuple(_IN_HOMES)
# Environments that Poetry makes below its cache, unless it is told otherwise: applications run in
# them.
_NO_CACHE = {"poetry": "virtualenvs"}

# uv-cache's lib.rs: all buckets are named NAME-vN; the rest are its markers and its lock.
_UV = re.compile(r"[a-z]+(-[a-z]+)*-v\d+|CACHEDIR\.TAG|\.git(ignore)?|\.lock")
# pip 23.3 went from http to http-v2 and leaves the old one; depcache-….json is of pip-tools.
_PIP = re.compile(r"http(-v2)?|wheels|selfcheck|depcache-.*\.json")
# A directory that tells whose cache it is in, what else may be there, and how many of those must.
_LAYOUTS = {
    # `http-v2` is pip's alone; the other names are also other programs', and need company.
    "archive-v": ("uv", _UV, 2),
    "http-v2": ("pip", _PIP, 1),
    "selfcheck": ("pip", _PIP, 2),
    "artifacts": ("poetry", re.compile(r"artifacts|cache|virtualenvs"), 2),
    "hashes": ("pdm", re.compile(r"hashes|http|metadata|packages|wheels|.*\.json"), 3),
}  # fmt: skip
# Up to so many, one test of all prefixes is quicker than a look at each directory above a path.
_FEW = 20
# What a directory that is a cache, or tells of one, is called.
_NAMES = {end.rpartition("/")[2] for end in _IN_HOMES} | {*_LAYOUTS, "conda-meta", "pkgs"}
_UV_BUCKET = re.compile(r"(.+)/archive-v\d+")


@memoized
def cache_places(rootfs: RootFS) -> Mapping[str, str]:
    """Return the tools whose caches are in the image, by the caches' top directories, sorted.

    apt's are not among them: there, only some of the files are a cache.
    """
    found: dict[str, str] = {top: kind for top, kind in _PLACES.items() if top in rootfs}
    for directory in _telling(rootfs):
        for top, kind in _shown_by(rootfs, directory):
            found.setdefault(top, kind)
    # What lies in another cache counts with that one, and once.
    inner = {top for top in found if any(above in found for above in _above(top))}
    return {top: found[top] for top in sorted(found.keys() - inner)}


def _telling(rootfs: RootFS) -> list[str]:
    """Return the directories with a name that a cache, or the mark of one, may have, sorted."""
    return sorted(
        directory
        for name, places in rootfs.directories_by_name.items()
        if name in _NAMES or "archive-v" in name
        for directory in places
    )


def _shown_by(rootfs: RootFS, directory: str) -> Iterator[tuple[str, str]]:
    """Yield the caches that a directory is, or is the mark of, with their tools."""
    if directory.endswith(_ENDS):
        yield directory, next(kind for end, kind in _IN_HOMES.items() if directory.endswith(end))
    # conda's own test for a prefix: PREFIX_MAGIC_FILE of conda/base/constants.py.
    elif directory.endswith("/conda-meta") and f"{directory}/history" in rootfs:
        pkgs = directory.removesuffix("conda-meta") + "pkgs"
        if pkgs in rootfs:
            yield pkgs, "conda"
    elif "/" in directory:
        yield from _laid_out(rootfs, directory)


def _laid_out(rootfs: RootFS, directory: str) -> Iterator[tuple[str, str]]:
    """Yield the cache that a directory is the mark of, if it is: all of it, or what is known."""
    top, _, name = directory.rpartition("/")
    if name == "pkgs":
        if _is_conda(rootfs, directory):
            yield directory, "conda"
        return
    layout = _LAYOUTS.get("archive-v" if _UV_BUCKET.fullmatch(directory) else name)
    if layout is None:
        return
    kind, known, enough = layout
    below = rootfs.children(top)
    mine = [path for path in below if known.fullmatch(path.rpartition("/")[2])]
    if len(mine) < enough:
        return
    if len(mine) == len(below):
        yield top, kind
    else:
        yield from ((path, kind) for path in mine if rootfs[path].kind == "directory")


def _is_conda(rootfs: RootFS, directory: str) -> bool:
    """Whether this is where conda unpacks packages: it keeps a list of the addresses there."""
    if any(f"{directory}/{name}" in rootfs for name in ("urls", "urls.txt")):
        return True
    return any(f"{path}/info/index.json" in rootfs for path in rootfs.children(directory))


def files_in(rootfs: RootFS, top: str) -> list[str]:
    """Return the paths of all files of the cache in ``top``."""
    without = _NO_CACHE.get(cache_places(rootfs).get(top, ""), "")
    prefix = f"{top}/{without}/"
    files = [node.path for node in rootfs.walk(top) if node.kind == "file"]
    return [path for path in files if not path.startswith(prefix)] if without else files


def in_cache(rootfs: RootFS, path: str) -> bool:
    """Whether a path is a package manager's cache or in one."""
    places = cache_places(rootfs)
    if not places or (len(places) <= _FEW and not f"{path}/".startswith(_prefixes(rootfs))):
        return False
    for top in (path, *_above(path)):
        kind = places.get(top)
        if kind is not None:
            without = _NO_CACHE.get(kind)
            return without is None or not f"{path}/".startswith(f"{top}/{without}/")
    return False


@memoized
def _prefixes(rootfs: RootFS) -> tuple[str, ...]:
    """Return what the paths in caches begin with: of a few, a look at all is the quickest."""
    return tuple(f"{top}/" for top in cache_places(rootfs))


def _above(path: str) -> Iterator[str]:
    """Yield the directories that a path is in, the nearest first."""
    while path:
        path = path.rpartition("/")[0]
        if path:
            yield path
