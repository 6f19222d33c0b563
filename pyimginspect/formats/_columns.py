"""The columns that a text takes on a terminal.

Most texts are plain: each character takes one column, and Python's own functions do. What other
texts take, wcwidth knows, which loads 29 modules in 17 ms.
"""

from __future__ import annotations

import re
import textwrap

__all__ = ["clip", "width", "wrap"]

_PLAIN = re.compile(r"[\x00-\x7f…·→█]*")
"""ASCII, and what pages have beside it; of one column each."""


def _is_plain(text: str) -> bool:
    # Not isprintable() alone: East Asian characters are printable and two columns wide.
    return text.isprintable() and (text.isascii() or _PLAIN.fullmatch(text) is not None)


def width(text: str) -> int:
    """Return the number of columns of a text in one line."""
    if _is_plain(text):
        return len(text)
    import wcwidth

    return wcwidth.width(text)


def clip(text: str, start: int, end: int) -> str:
    """Return what is in the columns from ``start`` to before ``end``."""
    if _is_plain(text):
        return text[start:end]
    import wcwidth

    return wcwidth.clip(text, start, end)


def wrap(text: str, columns: int, *, indent: str = "", further: str = "") -> list[str]:
    """Return text in lines of at most so many columns, without spaces at their ends.

    The first begins with ``indent``, the others with ``further``. Hyphens are no place to break.
    """
    if _is_plain(indent + text):
        function = textwrap.wrap
    else:
        import wcwidth

        function = wcwidth.wrap
    lines = function(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=further,
        # Names of packages and options have hyphens, and must stay whole to be copied.
        break_on_hyphens=False,
    )
    return [line.rstrip() for line in lines]
