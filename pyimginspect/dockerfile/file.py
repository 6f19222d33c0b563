"""A Dockerfile as a user gives it: the lines that a step came from, and its waivers."""

from __future__ import annotations

import re
from functools import cached_property

from msgspec import Struct

from pyimginspect.dockerfile.document import parse
from pyimginspect.dockerfile.records import Document, Instruction

__all__ = ["Dockerfile", "Ignore", "same_instruction"]

_FLAG = re.compile(r"--[a-z][a-z-]*(?:=(?:\"[^\"]*\"|\S)*)?\s+")
_IGNORE = re.compile(r"#\s*pyimginspect:\s*ignore\s*=\s*(?P<rules>[^\s]*)\s*(?P<rest>.*)")
_UNTIL = re.compile(r"until\s*=\s*(\S+)\s*")


class Ignore(Struct, frozen=True, kw_only=True):
    """A comment ``# pyimginspect: ignore=RULE,… [until=DATE] REASON`` beside an instruction.

    It stands on ``line``, within the instruction or above it. ``instruction`` is empty for a
    comment that no instruction follows; ``until`` is as it is written.
    """

    line: int
    instruction: str
    rules: tuple[str, ...]
    reason: str
    until: str = ""


class Dockerfile(Struct, frozen=True, kw_only=True, dict=True):
    """A Dockerfile as given: the ``path`` to show and the ``text`` to search.

    ``target`` is the stage that was built, the last one where it is ``None``.
    """

    path: str
    text: str
    target: str | None = None

    @cached_property
    def document(self) -> Document:
        """The text, read as far as it can be."""
        return parse(self.text, strict=False)

    def lines_of(self, instruction: str) -> tuple[int, int] | None:
        """Return the first and the last line of ``instruction``, or ``None``.

        Line continuations, comments between them, blanks and flags (``--mount=…``) make no
        difference: an image's history has none of them.
        """
        wanted = _normal(instruction)
        if not wanted:
            return None
        for each in self.document.instructions:
            if wanted in map(_normal, _texts(each, self.text)):
                return each.line, each.last_line
        return None

    @cached_property
    def ignores(self) -> tuple[Ignore, ...]:
        """The comments that waive findings, in the order of their lines."""
        instructions = self.document.instructions
        found, position = [], 0
        # Not splitlines(): to BuildKit a form feed, or U+2028, ends no line.
        for number, line in enumerate(self.text.split("\n"), 1):
            match = _IGNORE.fullmatch(line.strip())
            if match is None:
                continue
            while position < len(instructions) and instructions[position].last_line < number:
                position += 1
            until = _UNTIL.match(match["rest"])
            below = instructions[position : position + 1]
            found.append(
                Ignore(
                    line=number,
                    instruction=_texts(below[0], self.text)[0] if below else "",
                    rules=tuple(filter(None, match["rules"].split(","))),
                    reason=match["rest"][until.end() if until else 0 :].strip(),
                    until=until[1] if until else "",
                )
            )
        return tuple(found)


def same_instruction(one: str, other: str) -> bool:
    """Whether two texts are one instruction but for blanks, flags and the keyword's case."""
    normal = _normal(one)
    return bool(normal) and normal == _normal(other)


def _texts(instruction: Instruction, text: str) -> list[str]:
    """Return an instruction as it may stand in a history: a script alone, or with its marks."""
    whole = f"{instruction.keyword} {instruction.argument.text}"
    if not instruction.heredocs:
        return [whole]
    # BuildKit's history has the script in the place of `<<EOF` where that is all (`dispatchRun`).
    script = "".join(text[each.start : each.end] for each in instruction.heredocs)
    lines = text[instruction.heredocs[0].start : instruction.end]
    return [f"{whole}\n{lines}", f"{instruction.keyword} {script}", whole]


def _normal(instruction: str) -> str:
    keyword, _, rest = " ".join(instruction.split()).partition(" ")
    while match := _FLAG.match(rest):
        rest = rest[match.end() :]
    return f"{keyword.upper()} {rest}" if rest else ""
