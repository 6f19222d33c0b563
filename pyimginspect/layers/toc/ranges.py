"""A blob of which parts can be read, and why one cannot be read in parts."""

from __future__ import annotations

from collections.abc import Sequence
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

    def read_together(self, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return several ranges at once, each from its start to its stop.

        They are in order and apart from each other. ``None`` where that cannot be had.
        """
