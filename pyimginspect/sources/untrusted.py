"""Values of JSON that may be anything: what is not of the kind that is asked for is empty."""

from __future__ import annotations

from typing import Any

__all__ = ["items", "mapping", "text"]

_LONGEST = 2_000


def mapping(value: object) -> dict[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """Return an array, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: object, longest: int = _LONGEST) -> str:
    """Return a string, of at most ``longest`` characters, or an empty one."""
    return value[:longest] if isinstance(value, str) else ""
