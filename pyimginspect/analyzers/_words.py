"""Numbers as the sentences of findings have them."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``2,014 files``, ``3 more files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
