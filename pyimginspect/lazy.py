"""Names of a package that are loaded when they are first used.

Source: PEP 562, "Module __getattr__ and __dir__".
"""

from __future__ import annotations

import sys

# As type checkers read it; `typing` itself, with what it imports, takes 10 ms to load.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["loader"]


def loader(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names are in the modules ``homes``.

    A module is named as in a relative import: ``.builtin``, ``..dockerfile``.
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(home, package), name)
        # A module's __getattr__ is asked for names that are not found otherwise: now this one is.
        setattr(sys.modules[package], name, value)
        return value

    return load
