"""Native libraries: which are there and by whom, and what would not load.

Loading is decided by :mod:`pyimginspect.inventory.loader`; this says what to ask of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.facts import Distribution, Interpreter
from pyimginspect.inventory.imports import Use, judge
from pyimginspect.inventory.installers import conda_prefixes
from pyimginspect.inventory.loader import TOO_MUCH, Dependency, Loader, Process, Resolution
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.providers import Dlopened, dlopened
from pyimginspect.inventory.targets import extension_suffix
from pyimginspect.inventory.wheels import Wheel
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["Dlopen", "Library", "Module", "Native", "find_native"]

Origin = Literal["wheel", "package", "python", "copied"]

_MOST_NOTES = 50
_SONAME = re.compile(r"lib[^/]+\.so(?:\.\d+)*")
_HASHED = re.compile(r"-[0-9a-f]{8}(?=[.\-])")  # what auditwheel adds to a name, each time it runs
_BUNDLED = re.compile(r"\w\.libs/[^/]+$")  # the directory that auditwheel makes, wherever it lies
# Trees that are installed as a whole, by tools of their own.
_FOREIGN_TREES = re.compile(
    r"(?:^|/)(?:node_modules|jvm|\.rustup|\.cargo|conda-meta|pkgs|\.nix|nix/store|usr/local/go)/"
)


class Module(Struct, frozen=True, kw_only=True):
    """An extension module and what importing it does, or a library that ctypes opens.

    ``distribution`` is the metadata path of its distribution, empty for the standard library's;
    ``use`` tells what the import of that makes of a file that does not load. ``siblings`` counts
    the files that were tried for the same distribution.
    """

    path: str
    python: str
    distribution: str
    resolution: Resolution
    use: Use = Use()
    siblings: int = 1


class Dlopen(Struct, frozen=True, kw_only=True):
    """A library that a distribution opens when it is imported, and what comes of that.

    ``names`` are sonames any of which will do. ``found`` is the path of the one that is there,
    ``failures`` what keeps it from loading.
    """

    distribution: Distribution
    python: str
    names: tuple[str, ...]
    source: str
    found: str = ""
    searched: tuple[str, ...] = ()
    failures: tuple[Dependency, ...] = ()


class Library(Struct, frozen=True, kw_only=True):
    """A shared library, by where it comes from.

    ``name`` is its soname without what ``auditwheel`` adds to it; ``owner`` is the key of the
    package or the metadata path of the distribution. ``loaded_by`` are files that get this one.
    """

    path: str
    name: str
    origin: Origin
    owner: str = ""
    build_id: str = ""
    layer: int
    loaded_by: tuple[str, ...] = ()


class Native(Struct, frozen=True, kw_only=True):
    """All of it. ``programs`` are the executables that would not start.

    ``opened`` are libraries that Python code may open by itself, with ctypes: of distributions
    that have no extension modules all, of others what does not load.
    ``notes`` name files that no loader would take for what they say they are.
    """

    programs: tuple[Resolution, ...] = ()
    modules: tuple[Module, ...] = ()
    opened: tuple[Module, ...] = ()
    dlopens: tuple[Dlopen, ...] = ()
    libraries: tuple[Library, ...] = ()
    notes: tuple[Note, ...] = ()


def find_native(
    rootfs: RootFS,
    env: Mapping[str, str],
    packages: PackageDatabase,
    interpreters: tuple[Interpreter, ...],
    distributions: tuple[Distribution, ...],
    wheels: tuple[Wheel, ...],
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
) -> Native:
    """Follow the loader for every program and compiled module, and sort the libraries.

    ``dlopen`` adds to what is known of libraries that distributions open by themselves, as in
    :func:`~pyimginspect.inventory.providers.dlopened`.
    """
    loader = Loader(rootfs, env)
    processes = {
        python.path: loader.program(python.path)
        for python in interpreters
        if python.path in rootfs.elf
    }
    standard = tuple(_standard(rootfs, loader, processes, interpreters))
    modules, opened = _of_wheels(rootfs, loader, processes, wheels)
    modules = (*standard, *modules)
    machines = {rootfs.elf[each.path].machine for each in interpreters if each.path in rootfs.elf}
    programs = tuple(_programs(rootfs, loader, machines))
    dlopens = tuple(_dlopens(loader, processes, distributions, wheels, dlopened(dlopen)))
    resolutions = [*programs, *(m.resolution for m in modules)]
    resolutions += [process.resolution for process in processes.values()]
    origins = _Origins(rootfs, packages, interpreters, wheels)
    return Native(
        programs=tuple(each for each in programs if not each.loads),
        modules=modules,
        opened=opened,
        dlopens=dlopens,
        libraries=tuple(_libraries(rootfs, origins, resolutions)),
        notes=tuple(_notes(rootfs, resolutions)),
    )


def _notes(rootfs: RootFS, resolutions: Iterable[Resolution]) -> Iterator[Note]:
    unreadable = [path for path, elf in rootfs.elf.items() if elf.error]
    for path in unreadable[:_MOST_NOTES]:
        yield Note(what=rootfs.elf[path].error, path=path, layer=rootfs[path].layer)
    if len(unreadable) > _MOST_NOTES:
        yield Note(what=f"{len(unreadable) - _MOST_NOTES:,} more ELF files are unreadable")
    beyond = sum(resolution.problem == TOO_MUCH for resolution in resolutions)
    if beyond:
        yield Note(what=f"what {beyond:,} files load is not known: {TOO_MUCH}")


def _standard(
    rootfs: RootFS,
    loader: Loader,
    processes: Mapping[str, Process],
    interpreters: Iterable[Interpreter],
) -> Iterator[Module]:
    """Yield the extension modules of the standard libraries."""
    for python in interpreters:
        process = processes.get(python.path)
        suffix = extension_suffix(rootfs, python)
        for path in rootfs.children(f"{python.stdlib}/lib-dynload") if suffix else ():
            # What could not be imported when Python was built has another name (…_failed.so).
            if process is not None and path.endswith(suffix) and path in rootfs.elf:
                resolution = loader.library(path, process)
                yield Module(path=path, python=python.path, distribution="", resolution=resolution)


def _of_wheels(
    rootfs: RootFS, loader: Loader, processes: Mapping[str, Process], wheels: Iterable[Wheel]
) -> tuple[tuple[Module, ...], tuple[Module, ...]]:
    """Return the extension modules of distributions, and the libraries that they may open."""
    wheels = tuple(wheels)
    brought: set[str] = set()
    for path in {path for wheel in wheels for path in wheel.files}:
        # DT_NEEDED has the soname, which need not be the name of the file.
        brought.update((path.rpartition("/")[2], rootfs.elf[path].soname))
    modules: list[Module] = []
    opened: list[Module] = []
    for wheel in wheels:
        process = processes.get(wheel.python)
        for paths, found in ((wheel.modules, modules), (wheel.libraries, opened)):
            if process is None or (found is opened and wheel.distribution.package):
                continue  # what OS packages bring for others to load is their own affair
            tried = {path: loader.library(path, process) for path in paths}
            uses = judge(rootfs, wheel, tried, brought)
            found += [
                Module(
                    path=path,
                    python=wheel.python,
                    distribution=wheel.distribution.metadata,
                    resolution=resolution,
                    use=uses.get(path, Use()),
                    siblings=len(tried),
                )
                for path, resolution in tried.items()
            ]
    return tuple(modules), tuple(opened)


def _programs(rootfs: RootFS, loader: Loader, machines: Collection[str]) -> Iterator[Resolution]:
    for path, elf in rootfs.elf.items():
        if elf.interpreter and elf.dynamic and not elf.error and rootfs[path].entry.mode & 0o111:
            if _SONAME.fullmatch(path.rpartition("/")[2]):
                continue  # libraries that say their version when they are run
            if in_cache(rootfs, path):
                continue  # nobody runs it from there
            if machines and elf.machine not in machines:
                continue  # whatever libraries are there, this machine does not start it
            yield loader.library(path)


def _dlopens(
    loader: Loader,
    processes: Mapping[str, Process],
    distributions: Iterable[Distribution],
    wheels: Iterable[Wheel],
    rows: Iterable[Dlopened],
) -> Iterator[Dlopen]:
    known: dict[str, list[Dlopened]] = {}
    for row in rows:
        known.setdefault(row.distribution, []).append(row)
    shipped = {wheel.distribution.metadata: wheel.files for wheel in wheels}
    pythons = {wheel.python for wheel in wheels} | set(processes)
    names_by_location: dict[str, set[str]] = {}
    for distribution in distributions:
        names_by_location.setdefault(distribution.location, set()).add(distribution.name)
    for distribution in distributions:
        here = names_by_location[distribution.location]
        opened = {
            names: row
            for row in known.get(distribution.name, ())
            if here.isdisjoint(row.unless)
            for names in row.libraries
        }
        for python in sorted(pythons & set(distribution.interpreters)) if opened else ():
            process = processes.get(python)
            if process is not None:
                files = shipped.get(distribution.metadata, ())
                yield from _opened(loader, process, distribution, opened, files)


def _opened(
    loader: Loader,
    process: Process,
    distribution: Distribution,
    opened: Mapping[tuple[str, ...], Dlopened],
    shipped: tuple[str, ...],
) -> Iterator[Dlopen]:
    for names, row in opened.items():
        # By the beginning alone: auditwheel makes libpq-a17e3caa.so.5.17 of libpq.so.5.
        stems = tuple(f"/{name.partition('.')[0]}" for name in names)
        if any(stem in path for stem in stems for path in shipped):
            continue  # the wheel brings it along and opens it by its path
        tried = [loader.open(name, process) for name in names]
        found = next((each for each in tried if each.path), None)
        yield Dlopen(
            distribution=distribution,
            python=process.resolution.path,
            names=names,
            source=row.source,
            found=found.path if found else "",
            searched=() if found else _searched(tried[0]),
            failures=found.failures if found else (),
        )


def _searched(resolution: Resolution) -> tuple[str, ...]:
    return resolution.dependencies[0].searched if resolution.dependencies else ()


class _Origins:
    """Who brought the shared libraries of an image."""

    def __init__(
        self,
        rootfs: RootFS,
        packages: PackageDatabase,
        interpreters: Iterable[Interpreter],
        wheels: Iterable[Wheel],
    ) -> None:
        pythons = tuple(interpreters)
        self._packages = packages
        self._in_wheels = {path: w.distribution.metadata for w in wheels for path in w.files}
        self._beside = {p.libpython.rpartition("/")[0] for p in pythons if p.libpython}
        trees = tuple(f"{python.stdlib}/" for python in pythons if python.stdlib)
        self._trees = (*trees, *conda_prefixes(rootfs))

    def of(self, path: str) -> tuple[Origin, str]:
        """Return where a library comes from, and the package or distribution that owns it."""
        owners = self._packages.owner(path)
        if owners:
            return "package", owners[0]
        if path in self._in_wheels:
            return "wheel", self._in_wheels[path]
        if "-packages/" in path or _BUNDLED.search(path):
            return "wheel", ""
        return ("python" if self._is_of_python(path) else "copied"), ""

    def _is_of_python(self, path: str) -> bool:
        """Whether a file belongs to an interpreter, or to a tree that is installed as a whole."""
        directory, _, name = path.rpartition("/")
        if name.startswith("libpython") and directory in self._beside:
            return True
        return path.startswith(self._trees) or _FOREIGN_TREES.search(path) is not None


def _libraries(
    rootfs: RootFS, origins: _Origins, resolutions: Iterable[Resolution]
) -> Iterator[Library]:
    """Yield the shared libraries of the image, in the order of their paths."""
    users: dict[str, set[str]] = {}
    for resolution in resolutions:
        for dependency in resolution.dependencies:
            users.setdefault(dependency.path, set()).add(dependency.needed_by)
    for path, elf in rootfs.elf.items():
        soname = elf.soname or path.rpartition("/")[2]
        if elf.kind != "shared" or elf.interpreter or not _SONAME.fullmatch(soname):
            continue
        if in_cache(rootfs, path):
            continue
        origin, owner = origins.of(path)
        yield Library(
            path=path,
            name=_HASHED.sub("", soname),
            origin=origin,
            owner=owner,
            build_id=elf.build_id,
            layer=rootfs[path].layer,
            loaded_by=tuple(sorted(users.get(path, ()))),
        )
