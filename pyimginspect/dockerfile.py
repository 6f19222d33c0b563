"""A Dockerfile: the lines that an instruction of an image's history came from, and its waivers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.report import Finding, Report

__all__ = ["Dockerfile", "Ignore", "instruction_of", "same_instruction"]

_FLAG = re.compile(r"--[a-z][a-z-]*(?:=(?:\"[^\"]*\"|\S)*)?\s+")
_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*", re.IGNORECASE)
_IGNORE = re.compile(r"#\s*pyimginspect:\s*ignore\s*=\s*(?P<rules>[^\s]*)\s*(?P<rest>.*)")
_UNTIL = re.compile(r"until\s*=\s*(\S+)\s*")
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_]\w*)\1")


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


class Dockerfile(Struct, frozen=True, kw_only=True):
    """A Dockerfile as given: the ``path`` to show and the ``text`` to search."""

    path: str
    text: str

    def lines_of(self, instruction: str) -> tuple[int, int] | None:
        """Return the first and the last line of ``instruction``, or ``None``.

        Line continuations, comments between them, blanks and flags (``--mount=…``) make no
        difference: an image's history has none of them.
        """
        wanted = _normal(instruction)
        if not wanted:
            return None
        for first, last, text in _instructions(self.text):
            if _normal(text) == wanted:
                return first, last
        return None

    @property
    def ignores(self) -> tuple[Ignore, ...]:
        """The comments that waive findings, in the order of their lines."""
        spans = list(_instructions(self.text))
        found = []
        for number, line in enumerate(self.text.splitlines(), 1):
            match = _IGNORE.fullmatch(line.strip())
            if match is None:
                continue
            until = _UNTIL.match(match["rest"])
            found.append(
                Ignore(
                    line=number,
                    instruction=next((text for _, last, text in spans if last >= number), ""),
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


def instruction_of(report: Report, finding: Finding) -> str:
    """Return the instruction that brought a finding, or an empty string."""
    if finding.instruction:
        return finding.instruction
    wanted = finding.layers[0] if finding.layers else None
    return next((layer.instruction for layer in report.layers if layer.number == wanted), "")


def _normal(instruction: str) -> str:
    keyword, _, rest = " ".join(instruction.split()).partition(" ")
    while match := _FLAG.match(rest):
        rest = rest[match.end() :]
    return f"{keyword.upper()} {rest}" if rest else ""


def _instructions(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the first line, the last line and the words of every instruction.

    As the Dockerfile reference has it: a trailing escape character continues a line, comments
    and blank lines within do not end it, and here-documents belong to their instruction.
    """
    lines = text.splitlines()
    directive = _DIRECTIVE.match(lines[0]) if lines else None
    escape = directive[1] if directive else "\\"
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        first, words = number, []
        while line.endswith(escape):
            words.append(line[:-1])
            line = ""
            while number < len(lines) and (not line or line.startswith("#")):
                line = lines[number].strip()
                number += 1
        words.append("" if line.startswith("#") else line)
        instruction = " ".join(words)
        for match in _HEREDOC.finditer(instruction):
            while number < len(lines):
                number += 1
                instruction += "\n" + lines[number - 1]
                if lines[number - 1].strip() == match[2]:
                    break
        yield first, number, instruction
