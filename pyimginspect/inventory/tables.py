"""What this package knows of the world, from tables with a source and a date in ``data/``."""

from __future__ import annotations

import pkgutil
from typing import TypeVar

from pyimginspect.decoding import from_json

__all__ = ["read_table"]

_T = TypeVar("_T")


def read_table(name: str, type: type[_T]) -> _T:
    """Return the table ``data/<name>.json`` as ``type``."""
    # Not importlib.resources, which loads 20 modules; the package may be in a zip file for both.
    data = pkgutil.get_data("pyimginspect", f"data/{name}.json")
    assert data is not None, "the loader of this package gives no data"
    return from_json(data, type)
