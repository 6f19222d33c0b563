"""Where musl's loader looks for a library.

Source: ``load_library``, ``path_open`` and ``fixup_rpath`` in ``ldso/dynlink.c`` of musl 1.2.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pyimginspect.inventory.loader.search import (
    OTHER_MACHINE,
    Found,
    Loaded,
    Look,
    Step,
)
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["MuslSearch"]

# Names that musl takes for its own, whatever follows: it has everything in one library.
_ITSELF = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")
# sys_path in load_library(), where there is no file to read it from.
_DEFAULT = ("/lib", "/usr/local/lib", "/usr/lib")
# path_open() takes both, so that the file may have one directory a line.
_SEPARATORS = re.compile(r"[:\n]+")


class MuslSearch:
    """The search of musl, for objects of the class and machine of ``model``.

    ``loader`` is the path of the loader as a program names it: its configuration lies beside it.
    """

    # musl compares no names of versions: any definition that is not hidden will do.
    versions_count = False

    def __init__(self, rootfs: RootFS, loader: str, model: ElfFile, env: Mapping[str, str]) -> None:
        self._loader = loader
        self._real = rootfs.resolve(loader) or ""
        self._look = Look(rootfs, model)
        self._environment = _split(env.get("LD_LIBRARY_PATH", ""))
        self._preload = env.get("LD_PRELOAD", "")
        # /lib/ld-musl-x86_64.so.1 reads /etc/ld-musl-x86_64.path, /opt/lib/… reads below /opt/etc.
        prefix, _, name = loader.rpartition("/")
        prefix = prefix.rpartition("/")[0]
        name = name.removesuffix(".1").removesuffix(".so")
        path = rootfs.resolve(f"{prefix}/etc/{name}.path")
        text = rootfs.texts.get(path or "", b"").decode("utf-8", "surrogateescape")
        self._system = _split(text) or _DEFAULT
        self._memo: dict[tuple[str, tuple[Step, ...]], Found] = {}

    def preloads(self) -> tuple[str, ...]:
        """Return what LD_PRELOAD names, separated by white space or colons."""
        return tuple(self._preload.replace(":", " ").split())

    def enter(self, loaded: Loaded) -> None:
        """Set the steps of an object: LD_LIBRARY_PATH, then the run paths of its line.

        DT_RPATH and DT_RUNPATH are the same to musl, but for the latter counting if both are there.
        """
        # load_library() goes up the line of `needed_by`, for either of the two; glibc does so for
        # DT_RPATH alone, and before LD_LIBRARY_PATH.
        run_path = loaded.elf.runpath or loaded.elf.rpath
        inherited = loaded.parent.inherited if loaded.parent else ()
        own = _run_path(run_path, loaded.opened.rpartition("/")[0])
        loaded.inherited = tuple(dict.fromkeys((*own, *inherited)))
        steps: list[Step] = []
        if self._environment:
            steps.append(("environment", self._environment))
        if loaded.inherited:
            steps.append(("runpath" if loaded.elf.runpath else "rpath", loaded.inherited))
        loaded.steps = tuple(steps)

    def names(self, loaded: Loaded, requested: str) -> Iterable[str]:
        """Return the file's name, if the object was searched for: DT_SONAME does not count."""
        # `shortname` in load_library(): only what was searched for has one.
        return () if "/" in requested else (requested,)

    def find(self, name: str, asker: Loaded) -> Found:
        """Look for a library as ``load_library`` does."""
        if "/" in name:
            return self._check(name, *self._look.at(name)) if name[0] == "/" else Found(how="path")
        if _ITSELF.match(name):
            return Found(opened=self._loader, real=self._real, how="itself")
        key = (name, asker.steps)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._search(name, asker.steps)
        return found

    def _check(self, opened: str, real: str, wrong: str) -> Found:
        if wrong == OTHER_MACHINE:
            wrong = "it is for another machine"
        return Found(opened=opened if real else "", real=real, how="path", broken=wrong)

    def _search(self, name: str, steps: tuple[Step, ...]) -> Found:
        searched: list[str] = []
        for how, directories in (*steps, ("default", self._system)):
            for directory in directories:
                opened = f"{directory}/{name}"
                real, wrong = self._look.at(opened)
                if real:  # the first file of that name, whatever it is
                    found = self._check(opened, real, wrong)
                    return Found(opened=opened, real=real, how=how, broken=found.broken)
                searched.append(directory)
        return Found(searched=tuple(searched))


def _split(paths: str) -> tuple[str, ...]:
    """Return the absolute ones of the directories in a list as musl separates it."""
    return tuple(dict.fromkeys(path for path in _SEPARATORS.split(paths) if path.startswith("/")))


def _run_path(paths: tuple[str, ...], origin: str) -> tuple[str, ...]:
    """Fill in ``$ORIGIN``; any other token makes musl ignore the whole."""
    text = ":".join(paths).replace("${ORIGIN}", "$ORIGIN")
    if text.count("$") != text.count("$ORIGIN"):
        return ()
    return _split(text.replace("$ORIGIN", origin))
