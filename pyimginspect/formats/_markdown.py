"""Names and words put into Markdown so that they stay what they are."""

from __future__ import annotations

import re

from pyimginspect.errors import printable

__all__ = ["cell", "code", "html", "text"]

_LONGEST = 300  # characters of a name or a message: a comment on GitHub holds 65,536
# Of CommonMark's ASCII punctuation what means something within a line; `|` for tables, `~` for
# strikethrough (GFM) and `$` for GitHub's mathematics.
_MARKUP = re.compile(r"([\\`*_\[\]!|~$])")
# GFM links bare addresses (its extension for autolinks); GitHub makes links of @user and #1.
_LINKS = re.compile(r"(://|www\.|[@#])", re.IGNORECASE)


def text(words: str) -> str:
    """Return prose that stays what it is: no markup, no link, nobody mentioned."""
    words = printable(words)
    if len(words) > _LONGEST:
        words = words[:_LONGEST] + "…"
    # Before the markup: an entity in a name would be read as its character.
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    words = _MARKUP.sub(r"\\\1", words)
    return _part(words)


def _part(words: str) -> str:
    """Put empty comments where an autolinker, or a mention, would have to see the text whole."""
    # A comment shows as nothing; a zero-width character would be copied with the name.
    return _LINKS.sub(r"\1<!-- -->", words)


def code(words: str) -> str:
    """Return a code span; its fence is longer than any run of backticks within."""
    words = printable(words)
    if len(words) > _LONGEST:
        words = words[:_LONGEST] + "…"
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * (longest + 1)
    # A backtick beside the fence would become part of it; CommonMark takes one space off each side.
    pad = " " if longest or not words.strip() else ""
    return f"{fence}{pad}{words or ' '}{pad}{fence}"


def cell(words: str) -> str:
    """Return a code span for a table, where a bar would end the cell even within."""
    # GFM splits cells before it reads code spans; a backslash before the bar is taken off.
    return code(words).replace("|", "\\|")


def html(words: str) -> str:
    """Return text for within HTML, where Markdown is not read but mentions are."""
    words = printable(words)[:_LONGEST]
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _part(words)
