"""What glibc's and musl's search have in common: objects, places, and looking into a directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from pyimginspect.inventory.loader.types import How
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = ["Found", "Loaded", "Look", "Search", "directory_of"]

Step = tuple[How, tuple[str, ...]]
"""A reason to look, and directories, absolute and without a slash at the end."""


@dataclass(eq=False, slots=True)
class Loaded:
    """An object of a process. ``opened`` is the absolute path by which it was opened.

    ``parent`` is the object for which it was loaded first; ``steps`` are the directories in which
    the loader looks for this object's dependencies before it looks where it always does.
    """

    opened: str
    real: str
    elf: ElfFile
    parent: Loaded | None = None
    steps: tuple[Step, ...] = field(default=())
    inherited: tuple[str, ...] = field(default=())


class Found(Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one search, as in :class:`.types.Dependency`."""

    opened: str = ""
    real: str = ""
    how: How = "default"
    broken: str = ""
    searched: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


class Search(Protocol):
    """One loader's rules, for one machine."""

    versions_count: bool
    """Whether symbol versions are compared."""

    def enter(self, loaded: Loaded) -> None:
        """Work out where the dependencies of a new object are looked for."""

    def find(self, name: str, asker: Loaded) -> Found:
        """Look for ``name``, which no loaded object answers to."""

    def names(self, loaded: Loaded, requested: str) -> Iterable[str]:
        """Return the names that a newly loaded object answers to from then on."""

    def preloads(self) -> tuple[str, ...]:
        """Return what LD_PRELOAD names."""


def directory_of(path: str) -> str:
    """Return the directory of an absolute path, ``/`` for the root's own files."""
    return path.rpartition("/")[0] or "/"


class Look:
    """Looks at one file as a loader for one class and machine does."""

    def __init__(self, rootfs: RootFS, model: ElfFile) -> None:
        self._rootfs = rootfs
        self._form = (model.bits, model.machine, model.endian)

    def at(self, opened: str) -> tuple[str, str]:
        """Return the real path of a file and what is wrong with it.

        The path is empty where there is none, ``other machine`` is wrong with a file of another
        machine or class, and anything else that is wrong makes every loader give up: a directory
        too, which can be opened and not read, and the other byte order (``open_verify`` in
        ``elf/dl-load.c`` of the GNU C library 2.36).
        """
        real = self._rootfs.resolve(opened)
        if real is None:
            return "", ""
        elf = self._rootfs.elf.get(real)
        if elf is None:
            is_directory = self._rootfs[real].kind == "directory"
            return real, "it is a directory" if is_directory else "it is no ELF file"
        if not elf.machine:  # the header is not all there, or makes no sense
            return real, elf.error
        if elf.bits == self._form[0] and elf.endian != self._form[2]:
            return real, f"it is {elf.endian}-endian"
        if (elf.bits, elf.machine, elf.endian) != self._form:
            return real, OTHER_MACHINE
        # "cannot dynamically load executable" in elf/dl-load.c.
        if elf.kind != "shared":
            return real, f"it is no shared library ({elf.kind})"
        return real, ""


OTHER_MACHINE = "other machine"
