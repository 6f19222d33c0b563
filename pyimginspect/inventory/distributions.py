"""Installed Python distributions: what, where, by whom, how large, and who can import them.

Source: the PyPA specifications "Recording installed projects", "Core metadata", "Direct URL";
setuptools' documentation for ``.egg-info``, which may be a directory or a single file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.facts import Distribution, Environment, Interpreter
from pyimginspect.inventory.installers import Installers, direct_url
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.inventory.records import files_of
from pyimginspect.rootfs import RootFS

__all__ = ["find_distributions", "normalized"]

_SEPARATORS = re.compile(r"[-_.]+")
_SITES = ("/site-packages", "/dist-packages")
_DIRECTORIES = {"METADATA": (".dist-info",), "PKG-INFO": (".egg-info", "/EGG-INFO")}
_STANDARD = frozenset({"python", "wsgiref", "argparse"})
"""Parts of the standard library that once had metadata of their own."""


def normalized(name: str) -> str:
    """Return the name as PEP 503 compares it."""
    return _SEPARATORS.sub("-", name).lower()


class _Found(Struct, frozen=True, gc=False):
    """A place with metadata: the directory or file, what names the distribution in it."""

    location: str
    metadata: str
    text: str


def find_distributions(
    rootfs: RootFS,
    packages: PackageDatabase,
    interpreters: Iterable[Interpreter],
    environments: Iterable[Environment],
) -> tuple[Distribution, ...]:
    """Find every installed distribution, sorted by name, version and place.

    Installed is what lies in a directory that some interpreter or environment imports from, in
    one that is named as such directories are, or what an installer left its mark on. Metadata
    that other distributions carry along (``_vendor``, test data), sources that were built from,
    and conda's package cache are no distributions of the image.
    """
    sights = _sights(interpreters, environments)
    reachable = {directory for places in sights.values() for directory in places}
    found = [each for each in _metadata(rootfs) if _installed(rootfs, each, reachable)]
    names = {each.metadata: _name_and_version(rootfs, each) for each in found}
    seen_by = _seen_by(found, names, sights)
    installers = Installers(rootfs, packages)
    distributions = [
        _describe(rootfs, each, names[each.metadata], installers, seen_by[each.metadata])
        for each in found
        if names[each.metadata][0] not in _STANDARD
    ]
    distributions.sort(key=lambda each: (each.name, each.version, each.metadata))
    return tuple(distributions)


def _sights(
    interpreters: Iterable[Interpreter], environments: Iterable[Environment]
) -> dict[str, tuple[str, ...]]:
    """Return, by the path of an interpreter or environment, where it imports from.

    The standard library comes first; PyPy's holds a few distributions.
    """
    standard = {each.path: (each.stdlib, f"{each.stdlib}/lib-dynload") for each in interpreters}
    sights = {each.path: (*standard[each.path], *each.site_packages) for each in interpreters}
    for environment in environments:
        first = standard.get(environment.base or "", ())
        sights[environment.path] = (*first, *environment.site_packages)
    return sights


def _metadata(rootfs: RootFS) -> list[_Found]:
    """Return everything that looks like metadata of a distribution, by its place."""
    found: dict[str, _Found] = {}
    for path in rootfs.texts:
        directory, _, name = path.rpartition("/")
        if directory.endswith(_DIRECTORIES.get(name, ())):
            found[directory] = _Found(directory.rpartition("/")[0], directory, path)
        elif name.endswith(".egg-info"):
            found[path] = _Found(directory, path, path)
    return [found[key] for key in sorted(found)]


def _installed(rootfs: RootFS, found: _Found, reachable: set[str]) -> bool:
    location = found.location
    if location in reachable:
        return True
    if any(f"{site}/" in f"/{location}" for site in _SITES):
        return False  # some distribution's own belongings
    if f"/{location}".endswith(_SITES):
        return not _is_unpacked_cache(rootfs, location)
    return any(f"{found.metadata}/{mark}" in rootfs for mark in ("RECORD", "INSTALLER"))


def _is_unpacked_cache(rootfs: RootFS, location: str) -> bool:
    """Whether this is below ``pkgs/NAME-VERSION-BUILD``: what conda unpacked, to link to."""
    head, pkgs, rest = f"/{location}".rpartition("/pkgs/")
    return bool(pkgs) and f"{head}/pkgs/{rest.split('/')[0]}/info".strip("/") in rootfs


def _name_and_version(rootfs: RootFS, found: _Found) -> tuple[str, str]:
    """Return the normalised name and the version, of the metadata or else of the file's name."""
    name = version = ""
    text = rootfs.texts[found.text].decode("utf-8", "replace")
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if not line:
            break
        key, _, value = line.partition(":")
        if key == "Name":
            name = name or value.strip()
        elif key == "Version":
            version = version or value.strip()
        if name and version:
            break
    if not name or not version:
        place = found.metadata.removesuffix("/EGG-INFO").rpartition("/")[2]
        parts = place.rpartition(".")[0].split("-")
        name = name or parts[0]
        version = version or (parts[1] if len(parts) > 1 else "")
    return normalized(name), version


def _seen_by(
    found: list[_Found],
    names: Mapping[str, tuple[str, str]],
    sights: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """Return who imports each distribution: of one name, what comes first hides the rest."""
    by_location: dict[str, list[_Found]] = {}
    for each in found:
        by_location.setdefault(each.location, []).append(each)
    seen: dict[str, list[str]] = {each.metadata: [] for each in found}
    for who, places in sorted(sights.items()):
        taken: set[str] = set()
        for place in places:
            here = by_location.get(place, ())
            fresh = [each for each in here if names[each.metadata][0] not in taken]
            for each in fresh:
                seen[each.metadata].append(who)
            taken.update(names[each.metadata][0] for each in fresh)
    return {metadata: tuple(who) for metadata, who in seen.items()}


def _describe(
    rootfs: RootFS,
    found: _Found,
    name: tuple[str, str],
    installers: Installers,
    interpreters: tuple[str, ...],
) -> Distribution:
    texts, metadata = rootfs.texts, found.metadata
    installed = installers.of(found.text, metadata)
    if installed.package and f"{metadata}/RECORD" not in texts:
        files = installers.files(installed.package, found.location)
    else:
        files = files_of(rootfs, found.location, metadata)
    size, count = _measure(rootfs, files)
    return Distribution(
        name=name[0],
        version=name[1],
        location=found.location,
        metadata=metadata,
        size=size,
        files=count,
        installer=installed.installer,
        package=installed.package,
        requested=installed.requested,
        direct_url=direct_url(texts.get(f"{metadata}/direct_url.json", b"")),
        tags=_tags(texts.get(f"{metadata}/WHEEL", b"")),
        interpreters=interpreters,
        layer=rootfs[found.text].layer,
    )


def _measure(rootfs: RootFS, paths: Iterable[str]) -> tuple[int, int]:
    """Return the bytes that the layers store for files of the image, and the number of files."""
    size = 0
    files = []
    linked = False
    get = rootfs.nodes.get
    for path in paths:
        node = get(path) or get(rootfs.resolve(path) or "")
        if node is not None and node.entry.kind != "directory":
            size += node.entry.stored
            linked = linked or node.origin is not None
            files.append(node.path)
    if linked:
        size = sum(stored_by_layer(rootfs, files).values())
    return size, len(files)


def _tags(wheel: bytes) -> tuple[str, ...]:
    lines = wheel.decode("utf-8", "replace").splitlines()
    return tuple(line[4:].strip() for line in lines if line.startswith("Tag:"))
