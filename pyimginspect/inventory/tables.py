"""What this package knows of the world, from tables with a source and a date in ``data/``."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["read_table"]

_DATA = Path(__file__).parent.parent / "data"

_T = TypeVar("_T")


def read_table(name: str, type: type[_T]) -> _T:
    """Return the table ``data/<name>.json`` as ``type``."""
    return msgspec.json.decode((_DATA / f"{name}.json").read_bytes(), type=type)
