"""What a dynamic loader does with one file, as records."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.facts import LibcFlavor

__all__ = ["TOO_MUCH", "Dependency", "How", "Resolution", "VersionMismatch"]

How = Literal["preload", "path", "rpath", "environment", "runpath", "cache", "default", "itself"]
"""What led the loader to a file: LD_PRELOAD, a name with a slash, DT_RPATH, LD_LIBRARY_PATH,
DT_RUNPATH, ``ld.so.cache``, the built-in directories; ``itself`` is musl's for its own names."""


TOO_MUCH = "the dependencies between the libraries of this image are too many to follow"
"""The problem of a file that was not examined for the sake of the time it would take."""


class Dependency(Struct, frozen=True, kw_only=True, gc=False):
    """One library that a file makes the loader look for.

    ``name`` is as DT_NEEDED has it and ``needed_by`` the real path of the file that does.
    ``opened`` is the path by which the loader opens it, ``path`` the real path in the image; both
    are empty where nothing was found. ``broken`` says why what was found cannot be loaded.
    ``searched`` are the directories looked into, in order, where nothing was found;
    ``passed_over`` are files of that name for another machine or class. ``alternatives`` are
    those that a processor with more features would get (``glibc-hwcaps``).
    """

    name: str
    needed_by: str
    opened: str = ""
    path: str = ""
    how: How = "default"
    broken: str = ""
    searched: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether the loader gives up for want of this library; LD_PRELOAD's are dispensable."""
        # ld.so warns that the object "cannot be preloaded (…): ignored", and goes on.
        return self.how != "preload" and (not self.path or bool(self.broken))


class VersionMismatch(Struct, frozen=True, kw_only=True, gc=False):
    """A symbol version that ``needed_by`` wants of a library and that its file has not.

    ``path`` is the file that the library's name was resolved to. Weak needs are no mismatch.
    """

    version: str
    name: str
    path: str
    needed_by: str


class Resolution(Struct, frozen=True, kw_only=True):
    """What the loader does to start a program or to load a library.

    ``path`` is the file's real path. ``flavor`` and ``loader`` (a real path) tell whose rules
    were followed. ``problem`` says why no loader would even begin. ``needed`` maps the file's own
    DT_NEEDED to real paths, empty where there is none. ``dependencies`` are the libraries that
    were not loaded before, in the order of loading, and all that fail.
    """

    path: str
    flavor: LibcFlavor = "unknown"
    loader: str = ""
    problem: str = ""
    needed: dict[str, str] = {}
    dependencies: tuple[Dependency, ...] = ()
    mismatches: tuple[VersionMismatch, ...] = ()

    @property
    def failures(self) -> tuple[Dependency, ...]:
        """The libraries for want of which loading fails."""
        return tuple(dependency for dependency in self.dependencies if dependency.fails)

    @property
    def loads(self) -> bool:
        """Whether nothing that a loader checks stands in the way."""
        return not (self.problem or self.failures or self.mismatches)
