"""Quotes and escapes: which characters of a text stand for themselves, in a Dockerfile and a shell.

Sources: BuildKit, ``frontend/dockerfile/shell/lex.go`` for words and
``frontend/dockerfile/parser/split_command.go`` for flags; POSIX.1-2024, Shell Command Language, 2.2
"Quoting".
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

__all__ = ["SHELL", "QuoteReader", "Quoting", "flag_quoting", "unquoted", "word_quoting"]

_MARKS = frozenset("'\"")
# An escape means nothing within single quotes, neither in a Dockerfile's words nor in a shell.
_NEVER = re.compile(r"(?!)")


class Quoting(NamedTuple):
    """What an ``escape`` character does outside quotes, in double and in single ones.

    Each pattern is that of an escape with what belongs to it; its group is what that stands for.
    An escape that does not fit its pattern stands for itself.
    """

    escape: str
    plain: re.Pattern[str]
    double: re.Pattern[str]
    single: re.Pattern[str] = _NEVER


@cache
def word_quoting(escape: str) -> Quoting:
    """Return how the words of a Dockerfile's instructions are quoted."""
    mark = re.escape(escape)
    # `processDoubleQuote` in lex.go: within double quotes only `"`, `$` and the escape character
    # itself can be escaped.
    plain, double = rf"{mark}(.)", rf'{mark}(["${mark}])'
    return Quoting(escape, re.compile(plain, re.DOTALL), re.compile(double))


@cache
def flag_quoting(escape: str) -> Quoting:
    """Return how the flags of an instruction are quoted: an escape works in all quotes."""
    # `.?`, since `extractBuilderFlags` skips an escape that ends the line.
    anywhere = re.compile(rf"{re.escape(escape)}(.?)", re.DOTALL)
    return Quoting(escape, anywhere, anywhere, anywhere)


# 2.2.1 and 2.2.3 of POSIX: any character can be escaped outside quotes, these within double ones.
SHELL = Quoting("\\", re.compile(r"\\(?:\n|(.))", re.DOTALL), re.compile(r'\\(?:\n|(["\\$`]))'))
"""How a POSIX shell's words are quoted; a continued line is nothing."""


class QuoteReader:
    """Reads a text from a position on; ``quote`` is the one that the position is in, if any."""

    def __init__(self, text: str, quoting: Quoting, position: int = 0) -> None:
        self.position = position
        self.quote = ""
        self._text = text
        self._escape = quoting.escape
        self._patterns = {"": quoting.plain, '"': quoting.double, "'": quoting.single}

    @property
    def ended(self) -> bool:
        """Whether the text has no further character."""
        return self.position >= len(self._text)

    def read(self) -> str:
        """Return what stands next, and go on: nothing for a quote, one character for an escape."""
        character = self._text[self.position]
        if character == self._escape:
            match = self._patterns[self.quote].match(self._text, self.position)
            if match is not None:
                self.position = match.end()
                return match[1] or ""
        self.position += 1
        if character == self.quote:
            self.quote = ""
            return ""
        if not self.quote and character in _MARKS:
            self.quote = character
            return ""
        return character


def unquoted(text: str, quoting: Quoting) -> str:
    """Return a text without its quotes and escapes."""
    if not _MARKS.intersection(text) and quoting.escape not in text:
        return text
    reader = QuoteReader(text, quoting)
    characters = []
    while not reader.ended:
        characters.append(reader.read())
    return "".join(characters)
