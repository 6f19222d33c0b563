"""The headers of METADATA and PKG-INFO (the PyPA specification "Core metadata")."""

from __future__ import annotations

import re
from itertools import takewhile

__all__ = ["headers_of"]

_EMPTY_LINE = re.compile(rb"\n\r*\n")


def headers_of(metadata: bytes) -> list[str]:
    """Return the lines of the headers, a folded one as several.

    Core metadata is email headers: the description, most of the text, follows an empty line.
    """
    end = _EMPTY_LINE.search(metadata)
    text = (metadata[: end.start()] if end is not None else metadata).decode("utf-8", "replace")
    lines = text.split("\n")
    if "\r" in text:
        lines = [line.rstrip("\r") for line in lines]
    return list(takewhile(bool, lines))
