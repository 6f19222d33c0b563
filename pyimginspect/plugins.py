"""What third parties add, probes and analyzers: the entry points of installed distributions.

Source: "Entry points specification" of the PyPA specifications.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

from pyimginspect.errors import PluginError, PyimginspectError

__all__ = ["load_all"]

_METADATA = (".dist-info", ".egg-info")
# How the sections of entry_points.txt begin: `[pyimginspect.probes]`.
_OURS = b"[pyimginspect."


def load_all(group: str, attributes: Iterable[str]) -> list[Any]:
    """Return the objects that installed distributions declare under an entry point group.

    ``group`` begins with ``pyimginspect.``; of a class, an instance is made. Raises
    :class:`PluginError`, naming the distribution, for one that cannot be loaded or lacks one of
    the ``attributes``.
    """
    if not _declared():
        return []
    from importlib.metadata import entry_points

    found = []
    for point in entry_points(group=group):
        distribution = point.dist
        whose = f" of {distribution.name} {distribution.version}" if distribution else ""
        with blamed(f"the plug-in '{point.name}'{whose}"):
            loaded = point.load()
            plugin = loaded() if isinstance(loaded, type) else loaded
            for name in attributes:
                getattr(plugin, name)
        found.append(plugin)
    return found


@contextlib.contextmanager
def blamed(what: str, name: str = "") -> Iterator[None]:
    """Turn whatever a third party's code raises into a :class:`PluginError` that names it."""
    try:
        yield
    except PyimginspectError:
        raise
    except Exception as exc:
        named = f"{what} '{name}'" if name else what
        raise PluginError(
            f"{named} fails: {type(exc).__name__}: {exc}",
            hint="it is no part of pyimginspect: update it, or uninstall it",
        ) from exc


@cache
def _declared() -> bool:
    """Whether there may be any entry point of ours at all: mostly there is none.

    Loading ``importlib.metadata`` and asking it takes longer than judging a small image, so
    where distributions lie in directories, as pip puts them, their files are examined first.
    """
    # Finders other than PathFinder may know of distributions that are in no directory
    # (importlib.metadata, "Extending the search algorithm").
    for finder in sys.meta_path:
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            return True
    for place in sys.path:
        try:
            # An empty entry of sys.path is the working directory.
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
