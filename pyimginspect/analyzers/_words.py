"""Numbers and sizes as the sentences of findings have them."""

from __future__ import annotations

__all__ = ["counted", "megabytes"]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``2,014 files``, ``3 more files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def megabytes(size: int) -> str:
    """Return a size for a sentence as reports round it: ``36.2 MB``, ``567.3 kB``, ``12 B``."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.1f} kB"
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1_000_000_000:,.1f} GB"
