"""Processes as a loader builds them: breadth first, every object once, by any of its names.

Source: ``_dl_map_object_deps`` in ``elf/dl-deps.c`` and ``_dl_check_map_versions`` in
``elf/dl-version.c`` of the GNU C library 2.36; ``load_deps`` in ``ldso/dynlink.c`` of musl 1.2.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyimginspect.inventory.facts import LibcFlavor
from pyimginspect.inventory.libc import find_loaders, wanted_libc
from pyimginspect.inventory.loader.alike import Likeness, as_of, likeness_of
from pyimginspect.inventory.loader.glibc import GlibcSearch
from pyimginspect.inventory.loader.musl import MuslSearch
from pyimginspect.inventory.loader.search import Found, Loaded, Search
from pyimginspect.inventory.loader.types import (
    TOO_MUCH,
    Dependency,
    Resolution,
    VersionMismatch,
)
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["Loader", "Process"]

_Identity = tuple[int, int]

_MOST_LOOKS = 10_000_000  # names and versions in all; one with 1,400 ELF files has 25,000


@dataclass(eq=False, slots=True)
class Process:
    """A program with its libraries loaded; ``resolution`` says how that went."""

    resolution: Resolution
    search: Search | None = None
    main: Loaded | None = None
    caller: Loaded | None = None
    names: dict[str, Loaded] = field(default_factory=dict)
    identities: dict[_Identity, Loaded] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Link:
    """One run of the loader over a list of new objects."""

    search: Search
    names: dict[str, Loaded]
    identities: dict[_Identity, Loaded]
    objects: list[Loaded] = field(default_factory=list)
    dependencies: list[Dependency] = field(default_factory=list)


class Loader:
    """The loaders of one image. ``env`` is the image's environment.

    ``hwcaps`` are the ``glibc-hwcaps`` subdirectories that the processor may use, the best first
    (``("x86-64-v3", "x86-64-v2")``): an image does not know, so by default there are none, and
    what they would change is in :attr:`Dependency.alternatives`.
    """

    def __init__(
        self, rootfs: RootFS, env: Mapping[str, str] | None = None, hwcaps: tuple[str, ...] = ()
    ) -> None:
        self._rootfs = rootfs
        self._env = env or {}
        self._hwcaps = hwcaps
        self._loaders = find_loaders(rootfs)
        self._searches: dict[tuple[str, int, str, str], Search] = {}
        self._programs: dict[str, Process] = {}
        self._alike: dict[Likeness, tuple[Process, int]] = {}  # and the looks that it took
        self._defined: dict[str, frozenset[str]] = {}
        self._looks = _MOST_LOOKS

    def program(self, path: str) -> Process:
        """Return the process that starting the executable at ``path`` gives.

        Raises :class:`KeyError` where there is no ELF file at that path.
        """
        real = self._rootfs.resolve(path) or path
        process = self._programs.get(real)
        if process is None:
            process = self._programs[real] = self._start(real, f"/{real}")
        return process

    def library(self, path: str, process: Process | None = None) -> Resolution:
        """Return what loading the library at ``path`` does, as ``dlopen`` in ``process``.

        Without a process it is loaded as ``ldd`` does it, with nothing there before.
        Raises :class:`KeyError` where there is no ELF file at that path.
        """
        real = self._rootfs.resolve(path) or path
        elf = self._rootfs.elf[real]
        if process is None:
            return self._alone(real, f"/{path.lstrip('/')}")
        ready = process.resolution
        if elf.error:
            return Resolution(path=real, problem=elf.error)
        if process.search is None or process.main is None:
            return Resolution(path=real, problem=ready.problem)
        main = process.main.elf
        # glibc: "wrong ELF class". A path is one file alone, and no other is looked for.
        if (elf.bits, elf.machine, elf.endian) != (main.bits, main.machine, main.endian):
            problem = f"it is for {_form(elf)}, the process is {_form(main)}"
            return Resolution(path=real, flavor=ready.flavor, loader=ready.loader, problem=problem)
        loaded = Loaded(f"/{path.lstrip('/')}", real, elf, process.caller)
        link = _Link(process.search, dict(process.names), dict(process.identities))
        self._add(link, loaded, loaded.opened)
        return self._finish(link, real, ready.flavor, ready.loader)

    def open(self, name: str, process: Process) -> Resolution:
        """Return what ``dlopen`` of a library's name does in a process.

        ``path`` is that of the library, empty where there is none; the one dependency that fails
        then says where it was looked for.
        """
        ready = process.resolution
        if process.search is None or process.caller is None:
            return Resolution(path="", problem=ready.problem)
        link = _Link(process.search, dict(process.names), dict(process.identities))
        if name not in link.names:
            self._load(link, name, process.caller)
        found = link.names.get(name)
        return self._finish(link, found.real if found else "", ready.flavor, ready.loader)

    def _alone(self, real: str, opened: str) -> Resolution:
        """Return what starting a program does; of programs that need the same, once for all."""
        # LD_PRELOAD may have $ORIGIN in it, which is the directory of the program.
        likeness = None if self._env.get("LD_PRELOAD") else likeness_of(self._rootfs.elf[real])
        if likeness is None:
            return self._start(real, opened).resolution
        known, looks = self._alike.get(likeness, (None, 0))
        node = self._rootfs[real].content
        if (
            known is not None
            # Each counts as if it were followed by itself, whether or not others are alike.
            and looks <= self._looks
            # The program may be one of the libraries of the other.
            and (node.layer, node.position) not in known.identities
        ):
            self._looks -= looks
            return self._as_known(known, real, opened)
        before = self._looks
        process = self._start(real, opened)
        if known is None and _needs_itself_nowhere(process):
            self._alike[likeness] = process, before - self._looks
        return process.resolution

    def _as_known(self, known: Process, real: str, opened: str) -> Resolution:
        """Return what starting a program does from what another like it did: but for versions."""
        assert known.search is not None
        main = Loaded(opened, real, self._rootfs.elf[real])
        link = _Link(known.search, known.names, known.identities, [main])
        mismatches = self._mismatches(link) if known.search.versions_count else []
        return as_of(known.resolution, real, mismatches)

    def _start(self, real: str, opened: str) -> Process:
        elf = self._rootfs.elf[real]
        flavor, loader, problem = self._loader_for(elf)
        if problem or flavor not in ("glibc", "musl") or not elf.dynamic:
            return Process(Resolution(path=real, flavor=flavor, loader=loader, problem=problem))
        search = self._search(flavor, elf.interpreter or f"/{loader}", loader, elf)
        main = Loaded(opened, real, elf)
        link = _Link(search, {}, {})
        self._add(link, main, opened)
        # The loader is there before anything is searched: libraries need it by its DT_SONAME
        # (ld-linux-x86-64.so.2). It needs nothing itself.
        own = Loaded(f"/{loader}", loader, self._rootfs.elf[loader])
        self._add(link, own, own.opened)
        link.objects[:] = [main]
        for name in search.preloads():
            self._load(link, name, main, preload=True)
        resolution = self._finish(link, real, flavor, loader)
        # glibc searches for dlopen() by the run paths of the object that calls it, which is
        # libpython where there is one; musl by those of the program (dlopen() passes `head`).
        caller = next((o for o in link.objects if o.elf.soname.startswith("libpython")), main)
        if flavor == "musl":
            caller = main
        return Process(resolution, search, main, caller, link.names, link.identities)

    def _loader_for(self, elf: ElfFile) -> tuple[LibcFlavor, str, str]:
        """Return whose rules hold for a file, the loader's real path, and what is wrong."""
        flavor, _ = wanted_libc(elf)
        if elf.error:
            return flavor, "", elf.error
        if elf.interpreter:
            real = self._rootfs.resolve(elf.interpreter)
            if real is None:
                return flavor, "", f"its loader {elf.interpreter} is not there"
            if real not in self._rootfs.elf:
                return flavor, "", f"its loader {elf.interpreter} is no ELF file"
            if (
                self._loaders.get(real) == "musl"
                or wanted_libc(self._rootfs.elf[real])[0] == "musl"
            ):
                flavor = "musl"  # also gcompat, under glibc's name
            return flavor, real, ""
        fitting: dict[LibcFlavor, str] = {}
        for loader, of in self._loaders.items():
            other = self._rootfs.elf[loader]
            if (other.bits, other.machine, other.endian) == (elf.bits, elf.machine, elf.endian):
                fitting.setdefault(of, loader)
        if not fitting:
            return flavor, "", f"there is no loader for {_form(elf)}" if elf.dynamic else ""
        # A library is tried by what is there, also by the loader of another C library.
        of = flavor if flavor in fitting else min(fitting)
        return of, fitting[of], ""

    def _search(self, flavor: LibcFlavor, named: str, loader: str, elf: ElfFile) -> Search:
        key = (named, elf.bits, elf.machine, elf.endian)
        search = self._searches.get(key)
        if search is None:
            if flavor == "musl":
                search = MuslSearch(self._rootfs, named, elf, self._env)
            else:
                search = GlibcSearch(self._rootfs, loader, elf, self._env, self._hwcaps)
            self._searches[key] = search
        return search

    def _add(self, link: _Link, loaded: Loaded, requested: str) -> None:
        """Let a new object answer to its names, and queue it."""
        link.search.enter(loaded)
        # The first object of a name is the one that all get who ask later.
        for name in link.search.names(loaded, requested):
            if name:
                link.names.setdefault(name, loaded)
        node = self._rootfs[loaded.real].content
        link.identities.setdefault((node.layer, node.position), loaded)
        link.objects.append(loaded)

    def _load(self, link: _Link, name: str, asker: Loaded, *, preload: bool = False) -> None:
        found = link.search.find(name, asker)
        if found.real and not found.broken:
            node = self._rootfs[found.real].content
            # Loaders compare device and inode: here that is the content that a path leads to.
            same = link.identities.get((node.layer, node.position))
            if same is not None:  # one file under two names
                link.names[name] = same
                return
            loaded = Loaded(found.opened, found.real, self._rootfs.elf[found.real], asker)
            self._add(link, loaded, name)
        link.dependencies.append(_dependency(name, asker.real, found, preload))

    def _finish(self, link: _Link, real: str, flavor: LibcFlavor, loader: str) -> Resolution:
        """Load what the queued objects need, and what that needs, and compare versions."""
        for loaded in link.objects:  # grows as it goes
            elf = loaded.elf
            self._looks -= len(elf.needed) + sum(len(need.versions) for need in elf.version_needs)
            if self._looks < 0:
                return Resolution(path=real, flavor=flavor, loader=loader, problem=TOO_MUCH)
            for name in elf.needed:
                if name not in link.names:
                    self._load(link, name, loaded)
        wanted = self._rootfs.elf[real].needed if real else ()
        needed = {name: link.names[name].real if name in link.names else "" for name in wanted}
        return Resolution(
            path=real,
            flavor=flavor,
            loader=loader,
            needed=needed,
            dependencies=tuple(link.dependencies),
            mismatches=tuple(self._mismatches(link)) if link.search.versions_count else (),
        )

    def _mismatches(self, link: _Link) -> list[VersionMismatch]:
        """Return the versions that new objects need and that the libraries have not.

        A library without any versions is taken as it is, as the loader does.
        """
        mismatches: list[VersionMismatch] = []
        for loaded in link.objects:
            for need in loaded.elf.version_needs:
                provider = link.names.get(need.library)
                if provider is None:
                    continue
                defined = self._defined.get(provider.real)
                if defined is None:
                    defined = frozenset(provider.elf.version_definitions)
                    self._defined[provider.real] = defined
                if not defined or defined.issuperset(need.versions):
                    continue
                # A weak need (VER_FLG_WEAK) that is not met is no error: match_symbol() in
                # elf/dl-version.c.
                mismatches += [
                    VersionMismatch(
                        version=version,
                        name=need.library,
                        path=provider.real,
                        needed_by=loaded.real,
                    )
                    for version in need.versions
                    if version not in defined and version not in need.weak
                ]
        return mismatches


def _needs_itself_nowhere(process: Process) -> bool:
    """Whether none of a program's libraries leads to the program, by any of its names."""
    main = process.main
    if main is None or process.resolution.problem:
        return False
    named = [name for name, loaded in process.names.items() if loaded is main]
    needed = (name for loaded in process.identities.values() for name in loaded.elf.needed)
    return all(name == main.opened for name in named) and not any("/" in name for name in needed)


def _dependency(name: str, needed_by: str, found: Found, preload: bool) -> Dependency:
    return Dependency(
        name=name,
        needed_by=needed_by,
        opened=found.opened,
        path=found.real,
        how="preload" if preload else found.how,
        broken=found.broken,
        searched=found.searched,
        passed_over=found.passed_over,
        alternatives=found.alternatives,
    )


def _form(elf: ElfFile) -> str:
    return f"{elf.machine} ({elf.bits} bits)"
