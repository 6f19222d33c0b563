"""What this package knows of the world, from tables with a source and a date in ``data/``."""

from __future__ import annotations

from importlib.resources import files
from typing import TypeVar

from pyimginspect.decoding import from_json

__all__ = ["read_table"]

_DATA = files("pyimginspect") / "data"  # the package may be in a zip file

_T = TypeVar("_T")


def read_table(name: str, type: type[_T]) -> _T:
    """Return the table ``data/<name>.json`` as ``type``."""
    return from_json((_DATA / f"{name}.json").read_bytes(), type)
