"""What a machine-readable ``copyright`` of Debian says of licences, and nothing else of it.

Source: "Machine-readable debian/copyright file" (DEP-5) 1.0. The names are the first lines of the
``License`` fields; the texts behind them, which are most of such a file, are not kept.
"""

from __future__ import annotations

import re

__all__ = ["HEAD", "is_copyright", "license_names"]

HEAD = b"Form"
"""The first bytes of a machine-readable file: it begins with its ``Format`` field."""

_COPYRIGHT = re.compile(r"usr/share/doc/[^/]+/copyright")
# Drafts before 1.0 called the field Format-Specification, or had DEP 5 in the address.
_FORMAT = re.compile(rb"Format(-Specification)?:[ \t]*\S*copyright-format|Format[^\n]*dep5?", re.I)
# The short name on the first line. Field names are not case-sensitive (Debian Policy, "Syntax of
# control files").
_LICENSE = re.compile(rb"^License:[ \t]*([^\n]{1,200})", re.MULTILINE | re.I)


def is_copyright(path: str) -> bool:
    """Whether a path is that of a package's ``copyright``."""
    return _COPYRIGHT.fullmatch(path) is not None


def license_names(data: bytes) -> bytes | None:
    """Return the names of the licences, one a line; ``None`` of a file that is for people only."""
    if _FORMAT.match(data) is None:
        return None
    names = {match.strip() for match in _LICENSE.findall(data)}
    return b"\n".join(sorted(names - {b""}))
