"""Installed Python distributions: what, where, by whom, how large, and who can import them.

Source: the PyPA specifications "Recording installed projects", "Core metadata", "Direct URL";
setuptools' documentation for ``.egg-info``, which may be a directory or a single file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.bundled import bundled_in
from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.core_metadata import headers_of
from pyimginspect.inventory.facts import Distribution, Environment, Interpreter
from pyimginspect.inventory.installers import Installation, Installers, direct_url
from pyimginspect.inventory.licenses import distribution_licenses
from pyimginspect.inventory.modules import MissingModules, find_missing_modules
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.record_checks import RecordChecks, Survey, compare_claims, survey
from pyimginspect.inventory.records import files_of, recorded
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["SITES", "find_distributions", "normalized", "read_distributions"]

# PEP 503, "Normalized Names".
_SEPARATORS = re.compile(r"[-_.]+")
SITES = ("/site-packages", "/dist-packages")
# METADATA is of wheels. PKG-INFO is setuptools': in NAME.egg-info, or in the EGG-INFO of an egg.
_DIRECTORIES = {"METADATA": (".dist-info",), "PKG-INFO": (".egg-info", "/EGG-INFO")}
_MOST_FILES = 2_000_000
"""Files of all distributions together that are examined; large images have a tenth of that."""
# Python 2.7 had Python-2.7….egg-info in lib-dynload, wsgiref.egg-info and argparse.egg-info.
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
    and the caches of package managers are no distributions of the image.
    """
    return read_distributions(rootfs, packages, interpreters, environments)[0]


def read_distributions(
    rootfs: RootFS,
    packages: PackageDatabase,
    interpreters: Iterable[Interpreter],
    environments: Iterable[Environment],
) -> tuple[tuple[Distribution, ...], RecordChecks]:
    """Find every installed distribution, and what of their RECORDs does not hold."""
    sights = _sights(interpreters, environments)
    reachable = {directory for places in sights.values() for directory in places}
    found = [each for each in _metadata(rootfs) if _installed(rootfs, each, reachable)]
    names = {each.metadata: _name_and_version(rootfs, each) for each in found}
    found = [each for each in found if names[each.metadata][0] not in _STANDARD]
    seen_by = _seen_by(found, names, sights)
    installers = Installers(rootfs, packages)
    editable = _editable(rootfs)
    installed_by = {each.metadata: installers.of(each.text, each.metadata) for each in found}
    files = _read_files(rootfs, packages, found, installed_by)
    distributions = [
        _describe(
            rootfs,
            each,
            names[each.metadata],
            installed_by[each.metadata],
            files.surveys[each.metadata],
            seen_by[each.metadata],
            each.location in editable,
        )
        for each in found
    ]
    distributions.sort(key=lambda each: (each.name, each.version, each.metadata))
    return tuple(distributions), _check_records(rootfs, packages, distributions, files, sights)


class _Files(Struct, frozen=True):
    """The files of all distributions, by the paths of their metadata.

    ``claims`` are those that each says are its own, with their recorded sizes.
    """

    claims: Mapping[str, Mapping[str, str]]
    surveys: Mapping[str, Survey]
    notes: tuple[Note, ...]


def _read_files(
    rootfs: RootFS,
    packages: PackageDatabase,
    found: Iterable[_Found],
    installed_by: Mapping[str, Installation],
) -> _Files:
    claims: dict[str, Mapping[str, str]] = {}
    surveys: dict[str, Survey] = {}
    notes = []
    left = _MOST_FILES
    # A package with several distributions does not say which of its files is whose.
    together = Counter(each.package for each in installed_by.values())
    for each in found:
        package = installed_by[each.metadata].package
        owned = packages.files(package) if together[package] == 1 else ()
        files = _files(rootfs, each, owned)
        left -= len(files)
        if left < 0:
            what = "the files of this distribution were not counted"
            notes.append(Note(what=what, path=each.metadata))
            files = {}
        claims[each.metadata] = files
        record = rootfs.get(f"{each.metadata}/RECORD")
        surveys[each.metadata] = survey(rootfs, files, each.location, record)
    return _Files(claims, surveys, tuple(notes))


def _check_records(
    rootfs: RootFS,
    packages: PackageDatabase,
    distributions: Iterable[Distribution],
    files: _Files,
    sights: Mapping[str, tuple[str, ...]],
) -> RecordChecks:
    packaged = {each.metadata: each.package for each in distributions}
    shared, owned = compare_claims(rootfs, packages, files.claims, packaged)
    surveys = files.surveys.items()
    return RecordChecks(
        missing={path: each.missing for path, each in surveys if each.missing},
        outside={path: each.outside for path, each in surveys if each.outside},
        changed={path: each.changed for path, each in surveys if each.changed},
        missing_modules=_missing_modules(rootfs, distributions, files, sights),
        shared=shared,
        owned=owned,
        notes=files.notes,
    )


def _missing_modules(
    rootfs: RootFS,
    distributions: Iterable[Distribution],
    files: _Files,
    sights: Mapping[str, tuple[str, ...]],
) -> dict[str, MissingModules]:
    """Return what distributions lost that some Python would import; packagers know what they do."""
    missing_modules = {}
    for each in distributions:
        absent = files.surveys[each.metadata].absent
        if absent and each.interpreters and not each.package:
            who = [sights[path] for path in each.interpreters]
            claimed = files.claims[each.metadata]
            found = find_missing_modules(rootfs, each.location, claimed, absent, who)
            if found is not None:
                missing_modules[each.metadata] = found
    return missing_modules


def _sights(
    interpreters: Iterable[Interpreter], environments: Iterable[Environment]
) -> dict[str, tuple[str, ...]]:
    """Return, by the path of an interpreter or environment, where it imports from.

    The standard library comes first; PyPy's holds a few distributions.
    """
    standard = {
        each.path: (each.stdlib, f"{each.stdlib}/lib-dynload") if each.stdlib else ()
        for each in interpreters
    }
    sights = {each.path: (*standard[each.path], *each.site_packages) for each in interpreters}
    for environment in environments:
        first = standard.get(environment.base or "", ())
        sights[environment.path] = (*first, *environment.site_packages)
    return sights


def _metadata(rootfs: RootFS) -> list[_Found]:
    """Return everything that looks like metadata of a distribution, by its place.

    Where METADATA is a link, as uv makes one in its symlink mode, the text may be elsewhere or
    nowhere: RECORD, which installers always write, shows the place.
    """
    found: dict[str, _Found] = {}
    for path in rootfs.texts:
        directory, _, name = path.rpartition("/")
        if directory.endswith(_DIRECTORIES.get(name, ())):
            found[directory] = _Found(directory.rpartition("/")[0], directory, path)
        elif name.endswith(".egg-info"):
            found[path] = _Found(directory, path, path)
        elif name == "RECORD" and directory not in found:
            node = rootfs.get(f"{directory}/METADATA")
            if node is not None and node.kind == "symlink":
                real = rootfs.resolve(node.path)
                text = real if real is not None and real in rootfs.texts else path
                found[directory] = _Found(directory.rpartition("/")[0], directory, text)
    return [found[key] for key in sorted(found)]


def _installed(rootfs: RootFS, found: _Found, reachable: set[str]) -> bool:
    location = found.location
    if location in reachable:
        return True
    if any(f"{site}/" in f"/{location}" for site in SITES):
        return False  # some distribution's own belongings
    if in_cache(rootfs, location):
        return False
    if f"/{location}".endswith(SITES):
        return True
    return any(f"{found.metadata}/{mark}" in rootfs for mark in ("RECORD", "INSTALLER"))


def _name_and_version(rootfs: RootFS, found: _Found) -> tuple[str, str]:
    """Return the normalised name and the version, of the metadata or else of the file's name."""
    name = version = ""
    for line in headers_of(rootfs.texts[found.text]):
        key, _, value = line.partition(":")
        if key == "Name":
            name = name or value.strip()
        elif key == "Version":
            version = version or value.strip()
        if name and version:
            break
    if not name or not version:
        place = found.metadata.removesuffix("/EGG-INFO").rpartition("/")[2]
        # NAME-VERSION[-pyX.Y]: hyphens within either part are written as underscores.
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


def _files(rootfs: RootFS, found: _Found, owned: Iterable[str]) -> Mapping[str, str]:
    """Return the files of a distribution, and the size that is recorded of each, if any is.

    ``owned`` are the files of the OS package that installed it, where it installed no other.
    """
    rows = recorded(rootfs, found.location, found.metadata)
    if rows is not None:
        return rows
    prefix = f"{found.location}/"
    files = [path for path in owned if path.startswith(prefix)]
    return dict.fromkeys(files or files_of(rootfs, found.location, found.metadata), "")


def _describe(
    rootfs: RootFS,
    found: _Found,
    name: tuple[str, str],
    installed: Installation,
    files: Survey,
    interpreters: tuple[str, ...],
    editable: bool,
) -> Distribution:
    metadata = found.metadata
    origin = direct_url(_text(rootfs, f"{metadata}/direct_url.json"))
    # The layer of the link, if it is one: what it leads to may be a cache of a lower layer.
    node = rootfs.get(f"{metadata}/METADATA") or rootfs[found.text]
    bundled, components = bundled_in(rootfs, metadata)
    return Distribution(
        name=name[0],
        version=name[1],
        location=found.location,
        metadata=metadata,
        size=files.size,
        files=files.count,
        installer=installed.installer,
        package=installed.package,
        requested=installed.requested,
        direct_url=origin or (f"file:///{found.location}" if editable else ""),
        tags=_tags(_text(rootfs, f"{metadata}/WHEEL")),
        interpreters=interpreters,
        bundled=bundled,
        components=components,
        licenses=distribution_licenses(rootfs.texts[found.text]),
        layer=node.layer,
    )


def _text(rootfs: RootFS, path: str) -> bytes:
    # Through links too: uv makes them with UV_LINK_MODE=symlink.
    text = rootfs.texts.get(path)
    return text if text is not None else rootfs.texts.get(rootfs.resolve(path) or "", b"")


def _editable(rootfs: RootFS) -> set[str]:
    """Return the directories that ``setup.py develop`` linked to: sources in use as they are."""
    found = set()
    for path, text in rootfs.texts.items():
        if path.endswith(".egg-link"):
            # The second line leads from there to setup.py and is not for imports.
            line = text.decode("utf-8", "surrogateescape").partition("\n")[0].strip()
            real = rootfs.resolve(line) if line.startswith("/") else None
            if real:
                found.add(real)
    return found


def _tags(wheel: bytes) -> tuple[str, ...]:
    # The specification of wheels has compressed tags expanded here, one to a line.
    lines = wheel.decode("utf-8", "replace").splitlines()
    return tuple(line[4:].strip() for line in lines if line.startswith("Tag:"))
