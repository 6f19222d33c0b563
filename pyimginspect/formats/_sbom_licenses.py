"""Licences of a bill of materials: what metadata declares, as SPDX expressions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache

from license_expression import Licensing, get_spdx_licensing
from msgspec import Struct

from pyimginspect.errors import printable

__all__ = ["Declared", "declared"]


class Declared(Struct, frozen=True):
    """A licence as an SPDX expression; ``others`` are the names in it that SPDX does not know.

    They stand in the expression as ``LicenseRef-…``, by which ``others`` has them.
    """

    expression: str
    others: dict[str, str] = {}


@cache
def declared(licenses: Sequence[str]) -> Declared | None:
    """Return what metadata declares; several names all hold, each for a part. ``None`` of none."""
    terms, others = [], {}
    for text in licenses:
        known = _normalized(text)
        if known is None:
            known = _reference(text)
            others[known] = printable(text)
        # OR binds less tightly than AND (SPDX 2.3, annex D).
        compound = len(licenses) > 1 and (" OR " in known or " AND " in known)
        terms.append(f"({known})" if compound else known)
    return Declared(" AND ".join(terms), others) if terms else None


@cache
def _normalized(text: str) -> str | None:
    """Return a valid SPDX expression as SPDX spells it, or ``None``."""
    try:
        found = _licensing().parse(text, validate=True, strict=True)
    except Exception:  # of every kind, assertions too: what it is fed may be anything
        return None
    return str(found) if found is not None else None


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def _reference(text: str) -> str:
    """Return a name that SPDX does not know as a ``LicenseRef`` (SPDX 2.3, annex D)."""
    # An idstring has letters, digits, `-` and `.`; GPL-2+ and GPL-2 must stay different.
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", text.replace("+", "-plus ")).strip("-")
    if plain.lower() != text.lower():  # what was left out tells it from others
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        plain = f"{plain[:60]}-{digest}".strip("-")
    return f"LicenseRef-{plain}"
