"""Libraries that a loader would not find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyimginspect.analyzers._native import Owner, Owners, providers, remedies, searched_in, titles
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import WastedFile
from pyimginspect.inventory.imports import Use
from pyimginspect.inventory.loader import Dependency, Resolution, configured_directories
from pyimginspect.inventory.official_images import TKINTER
from pyimginspect.inventory.providers import is_mounted
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="missing-library",
    title="A native library is missing",
    severity="error",
    policy="soundness",
    what="A compiled file needs a shared library (DT_NEEDED) that the loader does not find: not"
    " by run path, LD_LIBRARY_PATH, ld.so.cache or default directory, nor among the libraries"
    " already loaded by the interpreter. Every compiled file that Python code could load"
    " counts: extension modules"
    " and libraries that ctypes opens, with metadata or without. It is a note where the import"
    " works without the file: the package guards that import (a table lists which do, and where),"
    " or most of its other files load. The page on loaders explains how that is decided.",
    why="The import, or the program, fails when it is used. A build stage often has the library,"
    " from a -dev package, while the final image does not.",
    fix="Install the system package that provides the library, or copy the library along with the"
    " files that need it and run ldconfig.",
    example="""# at fault: psycopg2 was linked to libpq in another stage
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y gcc libpq-dev && pip install --target /deps psycopg2
FROM python:3.13-slim
COPY --from=build /deps /usr/local/lib/python3.13/site-packages

# better: and the library itself
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 \\
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /deps /usr/local/lib/python3.13/site-packages
""",
)

_MOUNTED = "it is a library of the NVIDIA driver, which the container runtime mounts"
# One missing libGL.so.1 of a Qt wheel fails dozens of files.
_MOST = 8


class _Want(NamedTuple):
    """A library that one file needs and does not find, and the files that do not load for that.

    ``files`` are those that Python code would open, by how many of their kind there are.
    """

    dependency: Dependency
    users: set[str]
    files: dict[str, int]
    reason: set[str]


class _Places(NamedTuple):
    """Where libraries are that no loader finds, by soname: deleted, or where none looks."""

    deleted: dict[str, WastedFile]
    elsewhere: dict[str, str]


class _Asked(NamedTuple):
    """A file that the loader would be asked for: by whom, and what comes of it."""

    user: str
    resolution: Resolution
    use: Use
    siblings: int


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report the libraries that the files of one distribution, package or directory miss."""
    owners = Owners(inventory)
    groups: dict[tuple[Owner, bool, tuple[str, ...]], list[_Want]] = {}
    for (path, optional), wants in _wants(inventory).items():
        owner = owners.of(path)
        # What lies in one directory has its cause in common only if it misses the same.
        names = sorted({w.dependency.name for w in wants}) if owner.kind == "directory" else []
        groups.setdefault((owner, optional, tuple(names)), []).extend(wants)
    for (owner, optional, _), wants in sorted(groups.items(), key=lambda group: group[0]):
        yield _finding(inventory, owners, owner, wants, optional=optional)


def _wants(inventory: Inventory) -> dict[tuple[str, bool], list[_Want]]:
    """Return what each file misses, and whether everything that needs the file is optional."""
    wants: dict[tuple[str, str, bool], _Want] = {}
    for user, resolution, use, siblings in _asked(inventory):
        for each in resolution.failures:
            # The NVIDIA Container Toolkit mounts libcuda.so.1 and others from the host at run time.
            mounted = is_mounted(each.name)
            key = (each.needed_by, each.name, mounted or use.kind != "import")
            want = wants.setdefault(key, _Want(each, set(), {}, set()))
            want.users.add(user)
            want.files[resolution.path] = siblings
            want.reason.update({_MOUNTED if mounted else use.reason} - {""})
    by_file: dict[tuple[str, bool], list[_Want]] = {}
    for (needed_by, name, optional), want in sorted(wants.items(), key=lambda each: each[0]):
        # What one import can do without and another cannot is needed.
        if not (optional and (needed_by, name, False) in wants):
            by_file.setdefault((needed_by, optional), []).append(want)
    return by_file


def _asked(inventory: Inventory) -> Iterator[_Asked]:
    """Yield every file that a loader would be asked for."""
    names = titles(inventory)
    for module in (*inventory.native.modules, *inventory.native.opened):
        # Slim images have _tkinter and no Tk on purpose: it is missing in each of them.
        left_out = module.path.rpartition("/")[2].startswith(TKINTER)
        if not left_out and module.use.kind != "nothing":
            user = names.get(module.distribution, f"/{module.path}")
            yield _Asked(user, module.resolution, module.use, module.siblings)
    bundled = {
        path
        for wheel in inventory.wheels
        for path in wheel.files
        if path.startswith(f"{wheel.distribution.location}/")
    }
    for resolution in inventory.native.programs:
        inside = resolution.path in bundled
        use = Use(kind="optional", reason="an import starts no program") if inside else Use()
        yield _Asked(f"/{resolution.path}", resolution, use, 1)


def _finding(
    inventory: Inventory, owners: Owners, owner: Owner, wants: list[_Want], *, optional: bool
) -> Finding:
    every = [want.dependency for want in wants]
    missing = sorted({each.name for each in every})
    paths = sorted({each.needed_by for each in every})
    title = owners.title(owner, paths)
    layers = {inventory.rootfs[path].layer for path in paths}
    places = _places(inventory, missing)
    no_action = ["No action is needed where these files are not used. Otherwise:"]
    return RULE.finding(
        subject=f"{owners.subject(owner)} {' '.join(missing)}",
        severity="note" if optional else None,
        message=_message(owner, title, paths, wants, optional=optional),
        evidence=[*_evidence(inventory, every), *_wasted_files(places.deleted), *_reasons(wants)],
        layers=layers | {wasted.removed_in for wasted in places.deleted.values()},
        instruction=inventory.instruction(max(layers)),
        paths=paths,
        packages=providers(inventory, [s for s in missing if s not in places.elsewhere]),
        fix="\n".join([*(no_action if optional else ()), *_fixes(inventory, missing, places)]),
    )


def _places(inventory: Inventory, sonames: list[str]) -> _Places:
    deleted = _deleted(inventory, sonames)
    elsewhere = {
        soname: path
        for soname in sonames
        if soname not in deleted and (path := _elsewhere(inventory, soname)) is not None
    }
    return _Places(deleted, elsewhere)


def _fixes(inventory: Inventory, sonames: list[str], places: _Places) -> Iterator[str]:
    """Yield what to install for libraries that are nowhere, and how to have the others found."""
    known = places.deleted.keys() | places.elsewhere.keys()
    yield from remedies(inventory, [soname for soname in sonames if soname not in known])
    for _, wasted in sorted(places.deleted.items()):
        yield _keep(inventory, wasted)
    for soname, path in sorted(places.elsewhere.items()):
        yield _found_elsewhere(inventory, soname, path)


def _message(
    owner: Owner, title: str, paths: list[str], wants: list[_Want], *, optional: bool
) -> str:
    missing = listed(sorted({want.dependency.name for want in wants}))
    trouble = _trouble(want.dependency for want in wants)
    if optional:
        files = listed(f"/{path}" for path in _files(wants))
        return f"{files} cannot be loaded: {title} needs {missing} for that, which {trouble}"
    alone = owner.kind == "distribution" or len(paths) == 1
    message = f"{title} need{'s' * alone} {missing}, which {trouble}"
    failing = _failing(owner, title, paths, wants)
    return f"{message}, so {failing} cannot be loaded" if failing else message


def _failing(owner: Owner, title: str, paths: list[str], wants: list[_Want]) -> str:
    """Return what does not load but the files themselves, which the message has named."""
    others = {user for want in wants for user in want.users}
    others -= {title, *(f"/{path}" for path in paths)}
    if others:
        return listed(sorted(others))
    files = len(_files(wants))
    siblings = max(count for want in wants for count in want.files.values())
    if owner.kind == "distribution" and files < siblings:
        return f"{files} of its {siblings} extension modules"
    return ""


def _files(wants: list[_Want]) -> list[str]:
    return sorted({path for want in wants for path in want.files})


def _reasons(wants: list[_Want]) -> Iterator[Evidence]:
    """Yield why an import does without what does not load."""
    for reason in sorted({reason for want in wants for reason in want.reason}):
        yield Evidence(what=reason)


def _trouble(failures: Iterable[Dependency]) -> str:
    broken = {bool(each.broken) for each in failures}
    if broken == {True}:
        return "cannot be loaded"
    return "the loader does not find" + " or cannot load" * (True in broken)


def _evidence(inventory: Inventory, failures: list[Dependency]) -> Iterator[Evidence]:
    for each in failures[:_MOST]:
        layer = inventory.rootfs[each.needed_by].layer
        if each.broken:
            what = f"needs {each.name}, and /{each.path} cannot be loaded: {each.broken}"
        else:
            what = f"needs {each.name}; searched {searched_in(each)}"
        yield Evidence(what=what, path=each.needed_by, layer=layer)
        for path in sorted(set(each.passed_over)):
            yield Evidence(what="is for another machine", path=path)
    if len(failures) > _MOST:
        yield Evidence(what=f"there are {len(failures) - _MOST:,} more of the kind")


def _deleted(inventory: Inventory, sonames: Iterable[str]) -> dict[str, WastedFile]:
    """Return, by soname, the libraries that a later layer deleted."""
    wanted = tuple(sonames)
    found = {}
    for wasted in inventory.ledger.wasted_files:
        if wasted.account == "removed":
            name = wasted.path.rpartition("/")[2]
            for soname in wanted:
                # The soname is most often a link, and what was deleted is what it leads to:
                # libpq.so.5 and libpq.so.5.15.
                if name == soname or name.startswith(f"{soname}."):
                    found[soname] = wasted
    return found


def _wasted_files(deleted: dict[str, WastedFile]) -> Iterator[Evidence]:
    for _, wasted in sorted(deleted.items()):
        what = f"was removed by layer {wasted.removed_in}"
        yield Evidence(what=what, path=wasted.path, layer=wasted.layer)


def _keep(inventory: Inventory, wasted: WastedFile) -> str:
    step = inventory.instruction(wasted.removed_in)
    return f"Do not remove /{wasted.path} in layer {wasted.removed_in}" + (
        f" ({step})" if step else ""
    )


def _elsewhere(inventory: Inventory, soname: str) -> str | None:
    """Return a library of that very name where no loader looks."""
    for library in inventory.native.libraries:
        if library.path.rpartition("/")[2] == soname:
            return library.path
    return None


def _found_elsewhere(inventory: Inventory, soname: str, path: str) -> str:
    directory = f"/{path.rpartition('/')[0]}"
    # ld.so reads the cache and never ld.so.conf, which is ldconfig's alone (ld.so(8)).
    rootfs = inventory.rootfs
    if directory in configured_directories(rootfs) and rootfs.resolve("bin/sh") is not None:
        return f"RUN ldconfig: {soname} is in {directory}, and not in /etc/ld.so.cache"
    return f"ENV LD_LIBRARY_PATH={directory}: {soname} is there, where no loader looks by itself"


ANALYZER = Analyzer(rule=RULE, run=run)
