"""Who owned wasted files: a package, a distribution, or their directory alone.

Package databases and the ``RECORD`` of distributions are read as the layers had them, because the
final file system no longer lists what was deleted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.wasted_files import WastedContent, changes, find_wasted
from pyimginspect.inventory.distributions import normalized
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import apk, dpkg
from pyimginspect.inventory.records import place_of, rows_of
from pyimginspect.model import RpmPackage

__all__ = ["Owner", "by_owner"]

OwnerKind = Literal["package", "distribution", "directory"]

# Hyphens within a name or a version are written as underscores; eggs add the Python.
_METADATA = re.compile(
    r"(?:(.*)/)?(([^/]+?)-([^/-]+)(?:-py[\d.]+)?\.(?:dist-info|egg-info))(?:/[^/]+)?"
)
# PEP 3147: __pycache__/STEM.TAG.pyc.
_COMPILED = re.compile(r"(.*/)__pycache__/([^/]+?)\.[^/]*\.pyc")
# NAME.list, and NAME:ARCHITECTURE.list of packages that several architectures may have.
_LIST = re.compile(rf"{dpkg.INFO}/([^:/]+)(?::[^/]*)?\.list")
# Databases list paths as packages have them; with a merged /usr the layers store them below it.
_MERGED = ("bin/", "lib/", "lib32/", "lib64/", "libx32/", "sbin/")
# /usr/local/lib and /opt/app/data say where; deeper ones are too many to list.
_DEPTH = 3


class Owner(Struct, frozen=True, order=True):
    """Who owned files that a layer took away.

    ``name`` is that of the package or the distribution, or the directory with a leading slash.
    ``before`` and ``after`` are the versions below and above; ``after`` is empty where the layer
    removed it. ``names`` are all packages: with one that was asked for went what it needed.
    """

    kind: OwnerKind
    name: str
    before: str = ""
    after: str = ""
    names: tuple[str, ...] = ()


class _Distribution(Struct, frozen=True):
    """A distribution as a layer had it."""

    name: str
    version: str
    location: str
    metadata: str


def by_owner(
    inventory: Inventory, removed_in: int, wasted_files: Sequence[WastedContent]
) -> dict[Owner, list[WastedContent]]:
    """Share out what layer ``removed_in`` took away among those who owned it, most bytes first.

    A package or a distribution owns its files where the layer removed or replaced it; what else
    was removed belongs to the highest directory that went as a whole, or else to the directory.
    """
    packages = _packages_of(inventory, removed_in)
    files = _package_files(inventory, packages, removed_in)
    distributions = _distributions_of(inventory, removed_in)
    lone = _without_record(distributions)
    listed: dict[str, Owner] = {}
    for owned in [*distributions.values()][::-1]:  # of several that list a file the first counts
        listed.update(owned)
    packaged = {path: packages[name] for path, name in files.items()}
    found: dict[Owner, list[WastedContent]] = {}
    left = _share_out(wasted_files, lambda path: _listed_owner(path, packaged, listed), found)
    if lone:
        left = _share_out(left, lambda path: _first(lone, _parents(path)), found)
    for name, group in _places(left, inventory).items():
        found.setdefault(Owner("directory", name), []).extend(group)
    return dict(
        sorted(found.items(), key=lambda item: (-sum(wasted.size for wasted in item[1]), item[0]))
    )


def _share_out(
    wasted_files: Iterable[WastedContent],
    owner_of: Callable[[str], Owner | None],
    found: dict[Owner, list[WastedContent]],
) -> list[WastedContent]:
    """Add files to those of their owners; return what has none."""
    left = []
    for wasted in wasted_files:
        owner = owner_of(wasted.path)
        if owner is None:
            left.append(wasted)
        else:
            found.setdefault(owner, []).append(wasted)
    return left


def _listed_owner(path: str, *lists: Mapping[str, Owner]) -> Owner | None:
    """Return who lists a file, or the source that it was compiled from; the first list counts."""
    source = _COMPILED.fullmatch(path) if path.endswith(".pyc") else None
    names = (path, f"{source[1]}{source[2]}.py") if source else (path,)
    for owners in lists:
        for name in names:
            if name in owners:
                return owners[name]
    return None


def _first(owners: Mapping[str, Owner], names: Iterable[str]) -> Owner | None:
    return next((owners[name] for name in names if name in owners), None)


# --- packages -----------------------------------------------------------------------------------
def _packages_of(inventory: Inventory, removed_in: int) -> dict[str, Owner]:
    """Return, by the name of each package that a layer removed or upgraded, what owned its files.

    Removed packages go with the one that was asked for: the one that no other of them needs.
    """
    found = {package.name: package for package in _upgraded(inventory).get(removed_in, ())}
    removed = {
        package.name: package
        for package in inventory.packages.removed
        if any(event.layer == removed_in and event.action == "removed" for event in package.history)
    }
    provided = {name: package.name for package in removed.values() for name in package.provides}
    # A package's own name goes before one that another provides.
    provided.update({name: name for name in removed})
    needs = {
        name: {provided[need] for needs in package.depends for need in needs if need in provided}
        for name, package in removed.items()
    }
    for root, group in _groups(needs):
        names = (root, *sorted({*group} - {root}))
        owner = Owner("package", root, removed[root].version, "", names)
        found.update(dict.fromkeys(group, owner))
    return found


@memoized
def _upgraded(inventory: Inventory) -> dict[int, list[Owner]]:
    """Return the packages that each layer upgraded."""
    found: dict[int, list[Owner]] = {}
    for package in inventory.packages.packages:
        before = ""
        for event in package.history:
            if event.action == "upgraded":
                owner = Owner("package", package.name, before, event.version, (package.name,))
                found.setdefault(event.layer, []).append(owner)
            before = event.version
    return found


def _groups(needs: Mapping[str, Collection[str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield what no other needs, each with what it needs that none before it did.

    Of packages that need each other, the first by name stands for them.
    """
    needed = {need for name, others in needs.items() for need in others if need != name}
    taken: set[str] = set()
    # The second part begins circles alone: all that is in them is needed by another.
    for root in (*sorted(needs.keys() - needed), *sorted(needed)):
        group, todo = [], [root]
        while todo:
            name = todo.pop()
            if name not in taken:
                taken.add(name)
                group.append(name)
                todo.extend(needs[name])
        yield root, group


def _package_files(
    inventory: Inventory, packages: Mapping[str, Owner], removed_in: int
) -> dict[str, str]:
    """Return the names of ``packages`` by the paths of their files, as they were before."""
    if not packages:
        return {}
    files: dict[str, str] = {}
    database: bytes = b""  # the last that there was: each is a picture of all packages
    records: Sequence[RpmPackage] = ()
    for layer in inventory.rootfs.layers[:removed_in]:
        entries = layer.index.entries
        for position, text in layer.index.texts.items():
            path = entries[position].path
            listed = _LIST.fullmatch(path) if path.endswith(".list") else None
            if listed is not None and listed[1] in packages:
                files.update(dict.fromkeys(_merged(dpkg.parse_list(text)), listed[1]))
            elif path in apk.INSTALLED:
                database = text
        # rpm has had its database in several places: one that it no longer uses may be there,
        # empty.
        records = max(layer.index.rpm.values(), key=len, default=records)
    owned = [(package.name, package.files) for package in apk.parse_installed(database)]
    owned += [(package.name, package.files) for package in records]
    for name, paths in owned:
        if name in packages:
            files.update(dict.fromkeys(_merged(paths), name))
    return files


def _merged(paths: Iterable[str]) -> Iterator[str]:
    """Yield each path as it is named, and as it is on a system with merged ``/usr``."""
    for path in paths:
        yield path
        if path.startswith(_MERGED):
            yield f"usr/{path}"


# --- distributions --------------------------------------------------------------------------------
def _distributions_of(
    inventory: Inventory, removed_in: int
) -> dict[_Distribution, Mapping[str, Owner]]:
    """Return the distributions that a layer removed or replaced, each with its files' paths.

    Those of a directory that went as a whole, as a virtual environment does, are not distinguished.
    """
    rootfs = inventory.rootfs
    metadata = _metadata_wasted(inventory).get(removed_in, ())
    now = _installed_by(inventory, removed_in) if metadata else {}
    found: dict[_Distribution, dict[str, Owner]] = {}
    for wasted in metadata:
        match = _METADATA.fullmatch(wasted.path)
        assert match is not None
        location, name = match[1] or "", normalized(match[3])
        if location not in rootfs:
            continue
        each = _Distribution(name, match[4], location, f"{location}/{match[2]}".lstrip("/"))
        after = now.get((location, name), "")
        if not after and f"{each.metadata}/METADATA" in rootfs:
            continue  # it lost a part of its metadata, and is still there
        owner = Owner("distribution", name, each.version, after)
        files = found.setdefault(each, {})
        files[wasted.path] = owner
        if wasted.path.endswith(("/RECORD", "/installed-files.txt")):
            text = rootfs.layers[wasted.layer].index.texts.get(wasted.position, b"")
            files.update(dict.fromkeys(_listed(text, wasted.path, each), owner))
    return {each: found[each] for each in sorted(found, key=lambda each: each.metadata)}


def _listed(text: bytes, path: str, each: _Distribution) -> Iterable[str]:
    """Return the paths in a RECORD or in setuptools' list, which begins in the metadata."""
    if path.endswith("/RECORD"):
        return rows_of(text, each.location)
    lines = text.decode("utf-8", "surrogateescape").splitlines()
    return [place_of(each.metadata, line) for line in lines if line]


@memoized
def _metadata_wasted(inventory: Inventory) -> dict[int, list[WastedContent]]:
    """Return the wasted metadata of distributions, by the layer that removed it."""
    found: dict[int, list[WastedContent]] = {}
    for wasted in find_wasted(inventory):
        if "-info" in wasted.path and _METADATA.fullmatch(wasted.path):
            # Whoever only gives it another owner or mode installs nothing.
            kept = wasted.account in ("unchanged", "metadata_changed")
            if not kept or changes(inventory, wasted) == {"time"}:
                found.setdefault(wasted.removed_in, []).append(wasted)
    return found


def _installed_by(inventory: Inventory, layer: int) -> dict[tuple[str, str], str]:
    """Return the versions of the distributions that a layer stores, by directory and name."""
    index = inventory.rootfs.layers[layer].index
    found = {}
    for position in index.texts:
        path = index.entries[position].path
        match = _METADATA.fullmatch(path) if "-info" in path else None
        if match:
            found[match[1] or "", normalized(match[3])] = match[4]
    return found


def _without_record(distributions: Mapping[_Distribution, Mapping[str, Owner]]) -> dict[str, Owner]:
    """Return by directory the one distribution there that has no list of its files, if it is one.

    What else was removed there is its.
    """
    found: dict[str, list[Owner]] = {}
    for each, files in distributions.items():
        if all(path.startswith(f"{each.metadata}/") for path in files):
            found.setdefault(each.location, []).append(next(iter(files.values())))
    return {location: owners[0] for location, owners in found.items() if len(owners) == 1}


# --- directories ----------------------------------------------------------------------------------
def _places(
    wasted_files: Sequence[WastedContent], inventory: Inventory
) -> dict[str, list[WastedContent]]:
    """Group losses by the highest directory that went with them, or else by their directory."""
    found: dict[str, list[WastedContent]] = {}
    rootfs, gone = inventory.rootfs, dict[str, str]()
    for wasted in wasted_files:
        parent = wasted.path.rpartition("/")[0]
        if parent not in gone:
            gone[parent] = next(
                (place for place in _parents(wasted.path) if place not in rootfs), ""
            )
        found.setdefault(gone[parent] or _above(wasted.path), []).append(wasted)
    if len(found) > _MOST_PLACES:
        found = {}
        for wasted in wasted_files:
            found.setdefault(_above(wasted.path), []).append(wasted)
    named: dict[str, list[WastedContent]] = {}
    for place, group in found.items():
        alone = len({wasted.path for wasted in group}) == 1
        named.setdefault(f"/{_cut(group[0].path) if alone else place}", []).extend(group)
    return named


_MOST_PLACES = 12
"""Directories of one layer that are distinguished."""


def _parents(path: str) -> Iterator[str]:
    """Return the directories above ``path``, the highest first."""
    return accumulate(path.split("/")[:-1], "{}/{}".format)


def _above(path: str) -> str:
    return "/".join(path.split("/")[:-1][:_DEPTH])


def _cut(path: str) -> str:
    return "/".join(path.split("/")[:_DEPTH])
