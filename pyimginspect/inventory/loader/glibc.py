"""Where ``ld.so`` of the GNU C library looks for a library.

Source: ld.so(8), and ``_dl_map_object``, ``open_path``, ``cache_rpath`` in ``elf/dl-load.c`` and
``_dl_load_cache_lookup`` in ``elf/dl-cache.c`` of 2.36. ``/etc/ld.so.conf`` is ldconfig's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pyimginspect.inventory.loader.cache import CacheEntry, read_cache
from pyimginspect.inventory.loader.search import (
    OTHER_MACHINE,
    Found,
    Loaded,
    Look,
    Step,
    directory_of,
)
from pyimginspect.inventory.loader.types import How
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["GlibcSearch"]

_DF_1_NODEFLIB = 0x800  # elf.h; of `ld -z nodefaultlib`
# Without braces a token ends where an identifier would, so that $LIBRARY is none: is_dst() in
# elf/dl-load.c.
_TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")
# Debian's: lib/x86_64-linux-gnu, lib/arm-linux-gnueabihf.
_MULTIARCH = re.compile(r"(?:usr/)?lib/([\w-]+-linux-\w+)")
_PLATFORMS = {"i386": "i686"}  # AT_PLATFORM where it is not the machine's name


class GlibcSearch:
    """The search of glibc, for objects of the class and machine of ``model``.

    ``loader`` is the real path of ``ld.so``: by where it lies, distributions differ in the
    directories that are built in. ``hwcaps`` are the ``glibc-hwcaps`` subdirectories that the
    processor may use, the best first.
    """

    versions_count = True

    def __init__(
        self,
        rootfs: RootFS,
        loader: str,
        model: ElfFile,
        env: Mapping[str, str],
        hwcaps: tuple[str, ...] = (),
    ) -> None:
        self._rootfs = rootfs
        self._look = Look(rootfs, model)
        self._hwcaps = hwcaps
        # An entry of the cache that names no subdirectory comes after all that do.
        self._ranks = {subdirectory: rank for rank, subdirectory in enumerate((*hwcaps, ""))}
        self._lib, self._system = _built_in(loader)
        self._system_prefixes = tuple(f"{directory}/" for directory in self._system)
        self._platform = _PLATFORMS.get(model.machine, model.machine)
        self._preload = env.get("LD_PRELOAD", "")
        # Colons or semicolons separate these directories, colons alone those of DT_RPATH: ld.so(8).
        paths = env.get("LD_LIBRARY_PATH", "").replace(";", ":")
        self._environment = self._directories(paths.split(":"), "/")
        self._cache: dict[str, list[CacheEntry]] = {}
        for entry in read_cache(rootfs.texts.get(rootfs.resolve("etc/ld.so.cache") or "", b"")):
            self._cache.setdefault(entry.name, []).append(entry)
        self._flags: set[int] | None = None
        self._subdirectories: dict[str, tuple[str, ...]] = {}
        self._memo: dict[tuple[str, tuple[Step, ...], bool], Found] = {}

    def preloads(self) -> tuple[str, ...]:
        """Return what LD_PRELOAD names, separated by spaces or colons."""
        return tuple(self._preload.replace(":", " ").split())

    def enter(self, loaded: Loaded) -> None:
        """Set the steps of an object: DT_RPATH of its line, LD_LIBRARY_PATH, DT_RUNPATH.

        DT_RPATH counts down the line of parents; with a DT_RUNPATH an object does not look at
        any, but its children still see those of its parents.
        """
        elf = loaded.elf
        origin = directory_of(loaded.opened)
        inherited = loaded.parent.inherited if loaded.parent else ()
        if elf.rpath and not elf.runpath:
            inherited = tuple(dict.fromkeys((*self._directories(elf.rpath, origin), *inherited)))
        loaded.inherited = inherited
        steps: list[Step] = []
        if inherited and not elf.runpath:
            steps.append(("rpath", inherited))
        if self._environment:
            steps.append(("environment", self._environment))
        if elf.runpath:
            steps.append(("runpath", self._directories(elf.runpath, origin)))
        loaded.steps = tuple(steps)

    def names(self, loaded: Loaded, requested: str) -> Iterable[str]:
        """Return the name asked for, the path, and DT_SONAME."""
        # _dl_map_object() compares a name with DT_SONAME of all that is loaded before it opens any
        # file.
        return (requested, loaded.opened, loaded.elf.soname)

    def find(self, name: str, asker: Loaded) -> Found:
        """Look for a library as ``_dl_map_object`` does."""
        if "/" in name:
            return self._open(self._expand(name, directory_of(asker.opened)))
        no_defaults = bool(asker.elf.flags_1 & _DF_1_NODEFLIB)
        key = (name, asker.steps, no_defaults)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._search(name, asker.steps, no_defaults)
        return found

    def _open(self, opened: str) -> Found:
        # A name with a slash is one file alone: of another machine it is an error, where a search
        # passes it over. A relative one depends on the working directory.
        real, wrong = self._look.at(opened) if opened.startswith("/") else ("", "")
        if wrong == OTHER_MACHINE:
            wrong = "it is for another machine"
        return Found(opened=opened if real else "", real=real, how="path", broken=wrong)

    def _search(self, name: str, steps: tuple[Step, ...], no_defaults: bool) -> Found:
        searched: list[str] = []
        passed: list[str] = []
        for how, directories in steps:
            found = self._in(name, how, directories, searched, passed)
            if found:
                return found
        found = self._in_cache(name, no_defaults, passed)
        if found:
            return found
        if self._cache:
            searched.append("/etc/ld.so.cache")
        if not no_defaults:
            found = self._in(name, "default", self._system, searched, passed)
        return found or Found(searched=tuple(searched), passed_over=tuple(passed))

    def _in(
        self,
        name: str,
        how: How,
        directories: tuple[str, ...],
        searched: list[str],
        passed: list[str],
    ) -> Found | None:
        for directory in directories:
            alternatives = []
            for subdirectory in self._better(directory):
                opened = f"{directory}/glibc-hwcaps/{subdirectory}/{name}"
                real, wrong = self._look.at(opened)
                if real and not wrong:
                    if subdirectory in self._hwcaps:
                        return Found(opened=opened, real=real, how=how)
                    alternatives.append(real)
            opened = f"{directory}/{name}" if directory != "/" else f"/{name}"
            real, wrong = self._look.at(opened)
            if wrong == OTHER_MACHINE:
                passed.append(real)
            elif real:
                return Found(
                    opened=opened,
                    real=real,
                    how=how,
                    broken=wrong,
                    passed_over=tuple(passed),
                    alternatives=tuple(alternatives),
                )
            searched.append(directory)
        return None

    def _better(self, directory: str) -> tuple[str, ...]:
        """Return the subdirectories for better processors, those that this one has first."""
        known = self._subdirectories.get(directory)
        if known is None:
            real = self._rootfs.resolve(f"{directory}/glibc-hwcaps")
            names = (
                [path.rpartition("/")[2] for path in self._rootfs.children(real)] if real else []
            )
            active = [name for name in self._hwcaps if name in names]
            known = tuple(active + [name for name in names if name not in active])
            self._subdirectories[directory] = known
        return known

    def _in_cache(self, name: str, no_defaults: bool, passed: list[str]) -> Found | None:
        entries = [entry for entry in self._cache.get(name, ()) if entry.flags in self._our_flags()]
        chosen = self._chosen(entries)
        # With DF_1_NODEFLIB not even the cache may lead to a default directory (_dl_map_object()).
        if chosen is None or (no_defaults and chosen.path.startswith(self._system_prefixes)):
            return None
        real, wrong = self._look.at(chosen.path)
        if wrong == OTHER_MACHINE:
            passed.append(real)
            return None
        if not real:  # the cache is out of date
            return None
        better = [entry for entry in entries if entry.hwcaps and entry is not chosen]
        others = (self._look.at(entry.path) for entry in better)
        return Found(
            opened=chosen.path,
            real=real,
            how="cache",
            broken=wrong,
            passed_over=tuple(passed),
            alternatives=tuple(sorted({path for path, bad in others if path and not bad})),
        )

    def _chosen(self, entries: Iterable[CacheEntry]) -> CacheEntry | None:
        """Return the entry for the best of the processor's subdirectories, else the plain one."""
        usable = [entry for entry in entries if entry.hwcaps in self._ranks]
        return min(usable, key=lambda entry: self._ranks[entry.hwcaps], default=None)

    def _our_flags(self) -> set[int]:
        """Return the flags of entries for this machine: those of any entry that proves to be."""
        # FLAG_ELF_LIBC6 without more bits is i386's and that of other 32-bit machines: a flag does
        # not tell the machine, the files of its entries do.
        if self._flags is None:
            self._flags = set()
            for entries in self._cache.values():
                for entry in entries:
                    if entry.flags not in self._flags:
                        real, wrong = self._look.at(entry.path)
                        if real and not wrong:
                            self._flags.add(entry.flags)
        return self._flags

    def _directories(self, paths: Iterable[str], origin: str) -> tuple[str, ...]:
        """Return directories with their tokens filled in; what is relative depends on a run."""
        expanded = (self._expand(path, origin) for path in paths)
        return tuple(
            dict.fromkeys(path.rstrip("/") or "/" for path in expanded if path.startswith("/"))
        )

    def _expand(self, path: str, origin: str) -> str:
        """Fill in the dynamic string tokens (ld.so(8))."""
        if "$" not in path:
            return path
        values = {"ORIGIN": origin, "LIB": self._lib, "PLATFORM": self._platform}
        return _TOKEN.sub(lambda match: values[match[1] or match[2]], path)


def _built_in(loader: str) -> tuple[str, tuple[str, ...]]:
    """Return what ``$LIB`` stands for and the default directories, by where the loader lies."""
    directory = loader.rpartition("/")[0]
    # Debian builds in the multiarch directories, and the plain ones after them for packages that
    # were not converted.
    multiarch = _MULTIARCH.fullmatch(directory)
    if multiarch:
        lib = f"lib/{multiarch[1]}"
        return lib, (f"/{lib}", f"/usr/{lib}", "/lib", "/usr/lib")
    lib = directory.removeprefix("usr/")
    # x86-64 and others install into lib64, x32 into libx32, n32 of MIPS into lib32; all the rest
    # into lib.
    if lib not in ("lib64", "libx32", "lib32"):
        lib = "lib"
    return lib, (f"/{lib}", f"/usr/{lib}")
