"""What a Dockerfile consists of, each part with its place in the text."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from msgspec import Struct

from pyimginspect.dockerfile.logical import Logical

__all__ = ["Document", "Flag", "Heredoc", "Instruction", "Stage"]


class Flag(Struct, frozen=True, kw_only=True):
    """A flag of an instruction, ``--name=value``; ``start`` and ``end`` are its place."""

    name: str
    value: str
    start: int
    end: int


class Heredoc(Struct, frozen=True, kw_only=True):
    """The lines of a here-document: from ``start`` to the line of its end mark, ``end``.

    ``stop`` is where that line ends, before its line break. ``chomp`` is ``<<-``, which takes
    leading tabs away; ``expand`` is false where the name is quoted.
    """

    name: str
    chomp: bool
    expand: bool
    start: int
    end: int
    stop: int


class Instruction(Struct, frozen=True, kw_only=True):
    """One instruction of a Dockerfile.

    ``keyword`` is in capitals, whatever the text has from ``start`` to ``keyword_end``.
    ``argument`` is what follows the flags, as a builder reads it. ``words`` are those of the JSON
    form, ``None`` for another. ``end`` is where the last line ends, here-documents included and
    the line break not. ``trigger`` is what ``ONBUILD`` keeps for later. ``comments`` is where the
    comment lines directly above begin (``start`` of the line if there are none).
    """

    keyword: str
    start: int
    keyword_end: int
    end: int
    line: int
    last_line: int
    argument: Logical
    flags: tuple[Flag, ...] = ()
    words: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()
    trigger: Instruction | None = None
    comments: int = 0

    def flag(self, name: str) -> str | None:
        """Return the value of the first flag of this name, ``None`` where there is none."""
        return next((flag.value for flag in self.flags if flag.name == name), None)


class Stage(Struct, frozen=True, kw_only=True):
    """A build stage: its ``FROM``, and the instructions up to the next one.

    ``base`` is the image or the stage that it begins with, variables not expanded; ``name`` is
    in small letters, empty where it has none. The numbers count from 0.
    """

    number: int
    base: str
    name: str
    instructions: tuple[Instruction, ...]

    @property
    def origin(self) -> Instruction:
        """The ``FROM`` itself."""
        return self.instructions[0]


class Document(Struct, frozen=True, kw_only=True, dict=True):
    """A Dockerfile. Every instruction, flag and here-document knows its place in ``text``.

    ``escape`` continues a line; ``newline`` is the line break of the first line.
    """

    text: str
    escape: str
    newline: str
    instructions: tuple[Instruction, ...]
    stages: tuple[Stage, ...]

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text in pieces: what stands between instructions, and each of these, in turn."""
        pieces, position = [], 0
        for instruction in self.instructions:
            pieces.append(self.text[position : instruction.start])
            pieces.append(self.text[instruction.start : instruction.end])
            position = instruction.end
        return (*pieces, self.text[position:])

    @cached_property
    def _lines(self) -> list[int]:
        starts = [0]
        while (found := self.text.find("\n", starts[-1])) >= 0:
            starts.append(found + 1)
        return starts

    def line_of(self, position: int) -> int:
        """Return the line of a position, from 1."""
        return bisect_right(self._lines, position)

    def line_start(self, position: int) -> int:
        """Return where the line of a position begins."""
        return self._lines[self.line_of(position) - 1]

    def line_end(self, position: int) -> int:
        """Return where the line of a position ends, its line break included."""
        number = self.line_of(position)
        return self._lines[number] if number < len(self._lines) else len(self.text)
