"""How much of a package database we are ready to hold."""

from __future__ import annotations

__all__ = ["MOST_PACKAGES"]

MOST_PACKAGES = 50_000
"""Of one manager. Debian 12's whole archive has 63,440; an image of a gigabyte, some hundreds."""
