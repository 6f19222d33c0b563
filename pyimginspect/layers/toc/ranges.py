"""A blob of which parts can be read, and why one cannot be read in parts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Ranges", "UnusableTocError"]


class UnusableTocError(Exception):
    """The layer cannot be read by its table of contents; the message says why."""


@runtime_checkable
class Ranges(Protocol):
    """A blob of which parts can be read."""

    @property
    def size(self) -> int | None:
        """Length in bytes as stored."""

    def read_range(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` to ``stop``.

        Raises :class:`UnusableTocError` where only the whole can be had, and what reaching the
        blob raises.
        """
