"""Variables in a Dockerfile: what ``ARG`` and ``ENV`` set, and the texts that come of them.

Sources: the Dockerfile reference, "Environment replacement" and "Scope"; BuildKit's
``frontend/dockerfile/shell/lex.go``. A value that is not known matches anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pyimginspect.dockerfile.quotes import QuoteReader, word_quoting
from pyimginspect.dockerfile.syntax import read_words

__all__ = ["Pattern", "assignments", "expand", "fits", "is_known", "joined"]

Pattern = tuple[str | None, ...]
"""A text in parts; ``None`` stands for any text at all."""

# `$NAME`, or `${NAME}` with `-`, `:-`, `+` or `:+` and a word. Other modifiers of lex.go (`#`, `%`,
# `/`, `?`) are in the last group without one in the third.
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(:?[-+])?([^{}]*)\})", re.ASCII)


def expand(
    text: str, values: Mapping[str, str | None], escape: str = "\\", *, guess: bool = True
) -> Pattern:
    """Return a text without its quotes and escapes, its variables replaced.

    One that ``values`` lacks is not known: the base image may set it. Where it has a default
    (``${NAME:-text}``), a ``guess`` takes that.
    """
    reader = QuoteReader(text, word_quoting(escape))
    parts: list[str | None] = []
    while not reader.ended:
        # `processSingleQuote` in lex.go expands nothing.
        match = _VARIABLE.match(text, reader.position) if reader.quote != "'" else None
        if match is not None:
            parts += _value(match, values, guess)
            reader.position = match.end()
        elif part := reader.read():
            parts.append(part)
    return _merged(parts)


def _value(match: re.Match[str], values: Mapping[str, str | None], guess: bool) -> Pattern:
    name = match[1] or match[2]
    value = values.get(name)
    if not match[3]:
        return (value if not match[4] else None,)  # ${name#pattern} and its like
    # A name with the value None is set, only not known to what: its default would be wrong.
    if value is None and not (guess and name not in values):
        return (None,)
    # With a colon an empty value counts as none (POSIX.1-2024, Shell Command Language, 2.6.2).
    there = bool(value) if match[3].startswith(":") else value is not None
    if match[3].endswith("+"):
        return expand(match[4], values, guess=guess) if there else ("",)
    return (value,) if there else expand(match[4], values, guess=guess)


def _merged(parts: Iterable[str | None]) -> Pattern:
    merged: list[str | None] = []
    run: list[str] = []
    for part in parts:
        if part is not None:
            run.append(part)
            continue
        if run:
            merged.append("".join(run))
            run = []
        if not merged or merged[-1] is not None:
            merged.append(None)
    if run:
        merged.append("".join(run))
    return tuple(merged)


def is_known(pattern: Pattern) -> bool:
    """Whether every part of a text is known."""
    return None not in pattern


def joined(patterns: Sequence[Pattern], between: str = " ") -> Pattern:
    """Return patterns in a row as one."""
    parts: list[str | None] = []
    for number, pattern in enumerate(patterns):
        if number:
            parts.append(between)
        parts += pattern
    return _merged(parts)


def fits(pattern: Pattern, text: str) -> bool:
    """Whether a text can be what a pattern stands for."""
    if is_known(pattern):
        return "".join(part for part in pattern if part is not None) == text
    first, last = pattern[0], pattern[-1]
    start, end = 0, len(text)
    if first is not None:
        if not text.startswith(first):
            return False
        start = len(first)
    if last is not None:
        if not text.endswith(last) or end - len(last) < start:
            return False
        end -= len(last)
    # Each part at its first place leaves most room for the rest: there is no need to go back.
    for part in pattern[1:-1] if len(pattern) > 1 else ():
        if part is not None:
            found = text.find(part, start, end)
            if found < 0:
                return False
            start = found + len(part)
    return True


def assignments(keyword: str, text: str, escape: str = "\\") -> list[tuple[str, str | None]]:
    """Return the names that ``ENV``, ``LABEL`` or ``ARG`` sets, with their values as written.

    ``ENV NAME VALUE`` is the old form of one; ``ARG NAME`` has no value, and gets ``None``.
    """
    # `parseNameVal` in line_parsers.go takes the first word without `=` for the old form.
    words = read_words(text, escape) or text.split()
    if keyword != "ARG" and words and "=" not in words[0]:
        return [(words[0], text.partition(words[0])[2].strip())]
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        name, sign, value = word.partition("=")
        pairs.append((name, value if sign else None))
    return pairs
