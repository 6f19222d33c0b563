"""What third parties add, probes and analyzers: the entry points of installed distributions.

Source: "Entry points specification" of the PyPA specifications.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

__all__ = ["load_all"]

_METADATA = (".dist-info", ".egg-info")
_OURS = b"[pyimginspect."


def load_all(group: str) -> list[Any]:
    """Return the objects that installed distributions declare under an entry point group.

    ``group`` begins with ``pyimginspect.``. What an object's module raises goes through.
    """
    if not _declared():
        return []
    from importlib.metadata import entry_points

    return [point.load() for point in entry_points(group=group)]


@cache
def _declared() -> bool:
    """Whether there may be any entry point of ours at all: mostly there is none.

    Loading ``importlib.metadata`` and asking it takes longer than judging a small image, so
    where distributions lie in directories, as pip puts them, their files are looked at first.
    """
    for finder in sys.meta_path:
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            return True
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except NotADirectoryError:
            return True  # an archive, say
        except OSError:
            continue
        for name in names:
            if name.endswith(_METADATA) and _declares(os.path.join(place, name)):
                return True
    return False


def _declares(metadata: str) -> bool:
    try:
        with open(os.path.join(metadata, "entry_points.txt"), "rb") as file:
            return _OURS in file.read()
    except OSError:
        return False
