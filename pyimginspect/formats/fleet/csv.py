"""A row for each finding of each reference, as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from pyimginspect.fleet import Fleet
from pyimginspect.formats.fleet._findings import COLUMNS, rows

__all__ = ["render"]

# Excel and LibreOffice evaluate a cell that begins so (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(fleet: Fleet) -> Iterator[bytes]:
    """Return the rows, with a head; what a spreadsheet would take for a formula is quoted."""
    yield _line(COLUMNS)
    for row in rows(fleet):
        yield _line(_harmless(value) if isinstance(value, str) else value for value in row)


def _harmless(text: str) -> str:
    """Return text that comes from an image so that no spreadsheet calculates it."""
    # An apostrophe makes it text for spreadsheets, and is what OWASP recommends.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(values: object) -> bytes:
    text = io.StringIO()
    # RFC 4180, section 2: lines end with CRLF.
    csv.writer(text, lineterminator="\r\n").writerow(values)  # type: ignore[arg-type]
    return text.getvalue().encode("utf-8", "backslashreplace")
