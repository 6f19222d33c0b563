"""A ``RUN`` as it is written, with the shell's commands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from pyimginspect.dockerfile.document import parse
from pyimginspect.dockerfile.logical import Logical
from pyimginspect.dockerfile.records import Instruction
from pyimginspect.dockerfile.shell import Script, read_script
from pyimginspect.errors import DockerfileError

__all__ = [
    "HEREDOC_ALONE",
    "NotEditableError",
    "Run",
    "replaced",
    "script_of",
]

# The whole argument. BuildKit hands its lines to the shell as the script, or starts them as a file
# where they begin with `#!` (`dispatchRun` in convert.go).
HEREDOC_ALONE = re.compile(r"<<-?\s*\S+")
_INDENT = "    "
_SHELL_SCRIPT = re.compile(r"#!\s*(?:\S*/)?(?:env\s+)?(?:ba|da|a)?sh\b")


class NotEditableError(DockerfileError):
    """An instruction cannot be changed in this way, and why."""


def script_of(instruction: Instruction, text: str) -> Logical:
    """Return the shell's text of a ``RUN``; raises :class:`NotEditableError` if it has none."""
    if instruction.keyword != "RUN":
        raise NotEditableError(f"it is no RUN, but {instruction.keyword}")
    if instruction.words is not None:
        raise NotEditableError("it is in JSON form, which no shell reads")
    if not instruction.heredocs:
        return instruction.argument
    body = instruction.heredocs[0]
    if not HEREDOC_ALONE.fullmatch(instruction.argument.text):
        raise NotEditableError("a here-document is the input of one of its commands")
    if text.startswith("#!", body.start) and not _SHELL_SCRIPT.match(text, body.start):
        raise NotEditableError("its here-document is no shell script")
    spans = []
    position = body.start
    while position < body.end:
        end = text.find("\n", position, body.end) + 1 or body.end
        # `ChompHeredocContent` in parser.go: every tab that leads a line, and no blanks.
        while body.chomp and position < end and text[position] == "\t":
            position += 1
        spans.append((position, end))
        position = end
    return Logical.of(text, spans)


class Run:
    """The text of one ``RUN``; offsets in its script are turned into places in the text."""

    def __init__(self, text: str, escape: str = "\\", newline: str = "\n") -> None:
        self.text = text
        self.escape = escape
        self.newline = newline
        found = parse(text, strict=False, escape=escape).instructions
        if len(found) != 1:
            raise NotEditableError("it cannot be read")
        self.instruction = found[0]
        self._logical = script_of(self.instruction, text)
        script = read_script(self._logical.text)
        if script is None:
            raise NotEditableError("its shell syntax cannot be read")
        self.script: Script = script

    def again(self, text: str) -> Run:
        """Return another text of the same kind."""
        return Run(text, self.escape, self.newline)

    def start(self, offset: int) -> int:
        """Return where in the text what begins at ``offset`` of the script begins."""
        return self._logical.origin(offset)

    def end(self, offset: int) -> int:
        """Return where in the text what ends at ``offset`` of the script ends."""
        return self._logical.origin_end(offset)

    def line_start(self, place: int) -> int:
        """Return where the line of a place begins."""
        return self.text.rfind("\n", 0, place) + 1

    def line_end(self, place: int) -> int:
        """Return where the line of a place ends, its break included."""
        return self.text.find("\n", place) + 1 or len(self.text)

    def between(self, number: int, *, strict: bool) -> str:
        """Return what to write between element ``number`` and a new command after it.

        ``strict``: a failure ends the script in any case, and ``&&`` would keep it from that.
        """
        # In a here-document a line break ends a command, and `&&` at its end continues the list.
        if self.instruction.heredocs:
            line = f"{self.newline}{self._indent(number)}"
            return line if strict else f" &&{line}    "
        sign = ";" if strict else "&&"
        gaps = [
            self.text[self.end(before.end) : self.start(after.start)]
            for before, after in pairwise(self.script.items)
        ]
        broken = [gap for gap in gaps if "\n" in gap]
        if broken:
            return self._like(broken[-1], sign)
        if gaps:
            return f"{sign} " if strict else f" {sign} "
        return self._leading(sign, _INDENT)

    def _like(self, gap: str, sign: str) -> str:
        """Return ``sign`` with the line break and the indentation of a gap between elements."""
        first, _, last = gap.partition("\n")
        line = last.rpartition("\n")[2]
        indent = _blanks(line) or _INDENT
        if "&&" in line or (sign == "&&" and "&&" not in first):
            return self._leading(sign, indent)
        return f"{'' if sign == ';' else ' '}{sign} {self.escape}{self.newline}{indent}"

    def _leading(self, sign: str, indent: str) -> str:
        if sign == ";":
            return f"; {self.escape}{self.newline}{indent}"
        return f" {self.escape}{self.newline}{indent}{sign} "

    def _indent(self, number: int) -> str:
        start = self.start(self.script.items[number].start)
        return _blanks(self.text[self.line_start(start) : start])


def _blanks(line: str) -> str:
    """Return the blanks that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def replaced(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """Return a text with spans replaced; spans that overlap may only be taken away together."""
    merged: list[tuple[int, int, str]] = []
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        if merged and start < merged[-1][1]:
            before = merged[-1]
            if new or before[2]:
                raise NotEditableError("two changes of one place")
            merged[-1] = (before[0], max(before[1], end), "")
        else:
            merged.append((start, end, new))
    for start, end, new in reversed(merged):
        text = text[:start] + new + text[end:]
    return text
