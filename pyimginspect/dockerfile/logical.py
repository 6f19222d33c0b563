"""Text as a parser sees it, with the way back to where it stands in the file."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

__all__ = ["Logical"]


class Logical(Struct, frozen=True):
    """The pieces of a text that count, put together: without continuations and comments between.

    ``starts`` are the offsets in ``text`` where a piece begins, ``origins`` where the same
    character stands in the file. Offsets count characters.
    """

    text: str
    starts: tuple[int, ...]
    origins: tuple[int, ...]

    @classmethod
    def of(cls, file: str, spans: Iterable[tuple[int, int]]) -> Logical:
        """Put the ``spans`` of a file together."""
        parts, starts, origins = [], [], []
        length = 0
        for start, end in spans:
            parts.append(file[start:end])
            starts.append(length)
            origins.append(start)
            length += end - start
        return cls("".join(parts), tuple(starts), tuple(origins))

    def origin(self, offset: int) -> int:
        """Return where the character at ``offset`` stands in the file."""
        # Of pieces that begin at one offset only the last has text, and bisect_right finds it.
        number = max(bisect_right(self.starts, offset) - 1, 0)
        return self.origins[number] + offset - self.starts[number] if self.origins else 0

    def origin_end(self, offset: int) -> int:
        """Return where what ends at ``offset`` ends in the file, before any continuation."""
        # By the last character: after a continuation the next one is in another line.
        return self.origin(offset - 1) + 1 if offset else self.origin(0)

    def part(self, start: int, end: int) -> Logical:
        """Return the text from ``start`` to ``end``, which still knows where it stands."""
        first = max(bisect_right(self.starts, start) - 1, 0)
        kept = [n for n in range(first, len(self.starts)) if self.starts[n] < end or n == first]
        return Logical(
            self.text[start:end],
            tuple(max(self.starts[n] - start, 0) for n in kept),
            tuple(self.origins[n] + max(start - self.starts[n], 0) for n in kept),
        )
