"""A page of text for a terminal: titles, tables and paragraphs that keep within its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from pyimginspect.errors import printable
from pyimginspect.formats import _columns

__all__ = ["WIDEST", "Column", "Page"]

# Longer lines are hard to read, and below sixty columns no table has room for its words.
WIDEST = 100
_NARROWEST = 60
_GAP = 2  # columns between columns
_LONGEST = 1000  # columns of a paragraph
_LEAST = 24  # what an elastic column keeps as long as others have more
# SGR parameters (ECMA-48, 8.3.117): the eight basic colours follow the terminal's own theme.
_COLOURS = {"bold": "1", "error": "31", "warning": "33", "note": "36", "good": "32", "dim": "2"}

# A plug-in says where its rules' pages are.
_ADDRESS = re.compile(r"https://[!-~]{1,2000}")

# For outputs that cannot show them.
_PLAIN = {"…": "...", "·": "-", "→": "->"}


class Column(Struct, frozen=True):
    """How a column of a table is set.

    ``keep`` is the end that stays where a text is too long: that of a path tells more than its
    beginning. The ``elastic`` column takes what room the others leave.
    The words of a ``tinted`` column are names of colours.
    """

    title: str
    keep: Literal["start", "end"] = "start"
    right: bool = False
    elastic: bool = False
    tinted: bool = False
    widest: int = 30


class Page:
    """Collects lines of at most ``width`` columns, in characters that ``encoding`` can show.

    ``links`` are the addresses of the rules' pages, by rule; none where the output has no links.
    """

    def __init__(
        self, *, width: int, color: bool, encoding: str, links: Mapping[str, str] | None = None
    ) -> None:
        self.width = max(_NARROWEST, min(width, WIDEST))
        self.lines: list[str] = []
        self._color = color
        self._links = links or {}
        self._encoding = encoding
        self._plain = {mark: plain for mark, plain in _PLAIN.items() if not self._shows(mark)}

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"

    def _shows(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True

    def clean(self, text: str) -> str:
        """Return text in one line, without what would steer a terminal or cannot be shown."""
        text = printable(text)
        if text.isascii():
            return text
        for mark, plain in self._plain.items():
            text = text.replace(mark, plain)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def colour(self, text: str, name: str) -> str:
        """Return text in a colour, where colours are wanted."""
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self._color else text

    def link(self, text: str, name: str) -> str:
        """Return text that leads to the page of a rule, where the terminal has links (OSC 8).

        Source: https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda.
        """
        address = self._links.get(name, "")
        # An escape or a control character in it would end the sequence and begin another.
        if not _ADDRESS.fullmatch(address):
            return text
        return f"\x1b]8;;{address}\x1b\\{text}\x1b]8;;\x1b\\"

    def shorten(self, text: str, room: int, keep: Literal["start", "end"] = "start") -> str:
        """Return clean text in at most ``room`` columns, with an ellipsis for the rest."""
        # Cut first: what an image brings may be megabytes, and to measure columns takes time.
        text = self.clean(text[:_LONGEST] if keep == "start" else text[-_LONGEST:])
        taken = _columns.width(text)
        if taken <= room:
            return text
        mark = self.clean("…")
        left = room - len(mark)
        if keep == "start":
            return _columns.clip(text, 0, left).rstrip() + mark
        return mark + _columns.clip(text, taken - left, taken).lstrip()

    def blank(self) -> None:
        """Leave a line free, but not two."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def title(self, text: str) -> None:
        """Begin a section."""
        self.blank()
        self.lines.append(self.colour(self.shorten(text, self.width), "bold"))

    def paragraph(self, text: str, *, label: str = "", indent: int = 0, hang: int = 0) -> None:
        """Add wrapped text after a label, its further lines ``hang`` columns further in."""
        first = " " * indent + label.ljust(hang)
        text = self.shorten(text, _LONGEST)
        lines = _columns.wrap(text, self.width, indent=first, further=" " * (indent + hang))
        self.lines += lines or [first.rstrip()]

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Add a table of at least one row."""
        # A column that is empty in every row says nothing.
        used = [n for n, _ in enumerate(columns) if any(row[n] for row in rows)]
        columns = [columns[n] for n in used]
        rows = [[row[n] for n in used] for row in rows]
        texts = zip(*rows, strict=True)
        widths = [self._wanted(*each) for each in zip(columns, texts, strict=True)]
        self._fit(columns, widths)
        cells = [list(map(self._cell, row, widths, columns)) for row in rows]
        from tabulate import tabulate  # it loads forty modules, and one screen has no table

        # The head is rows like any other: tabulate would make columns wider than it need be.
        head = [[column.title for column in columns], ["-" * room for room in widths]]
        text = tabulate(
            head + cells,
            tablefmt="plain",
            # Versions are no numbers: 3.10 must not become 3.1.
            disable_numparse=True,
            colalign=["right" if column.right else "left" for column in columns],
        )
        self.lines += [line.rstrip() for line in text.split("\n")]

    def _wanted(self, column: Column, texts: Iterable[str]) -> int:
        """Return the width that a column would have if there was room."""
        widest = max(_columns.width(self.clean(text)) for text in texts)
        limit = self.width if column.elastic else column.widest
        return max(len(column.title), min(widest, limit))

    def _cell(self, text: str, room: int, column: Column) -> str:
        text = self.shorten(text, room, column.keep)
        return self.colour(text, text) if column.tinted else text

    def _fit(self, columns: Sequence[Column], widths: list[int]) -> None:
        """Take columns from the elastic ones, then from the widest, until the table fits."""
        excess = sum(widths) + _GAP * (len(widths) - 1) - self.width
        while excess > 0:
            elastic = [n for n, c in enumerate(columns) if c.elastic and widths[n] > _LEAST]
            # A number that is cut is another number.
            others = [n for n, c in enumerate(columns) if not c.right]
            widest = max(elastic or others, key=lambda n: widths[n])
            widths[widest] -= 1
            excess -= 1
