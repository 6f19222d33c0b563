"""Where the cache is, and how large it may grow: by argument, environment, or as usual."""

from __future__ import annotations

import os
from pathlib import Path

from pyimginspect.errors import CacheError
from pyimginspect.model import parse_size

__all__ = ["DEFAULT_SIZE", "cache_directory", "cache_file", "cache_size"]

DEFAULT_SIZE = 512 << 20
"""Bytes that the cache may grow to: the indexes of some hundred big images."""

_FILE = "layers-3.sqlite3"  # a change of the tables is another file, so releases do not quarrel


def cache_size(text: str | None = None) -> int:
    """Return the bytes that the cache may grow to: ``text``, ``PYIMGINSPECT_CACHE_SIZE``, 512 MiB.

    Raises :class:`CacheError` for what is no size.
    """
    named = text or os.environ.get("PYIMGINSPECT_CACHE_SIZE")
    if not named:
        return DEFAULT_SIZE
    size = parse_size(named)
    if size is None:
        hint = "a number of bytes, or such as 500MB or 2GiB"
        raise CacheError(f"the size of the cache cannot be '{named}'", hint=hint)
    return size


def cache_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """Return where the cache is: ``directory``, ``PYIMGINSPECT_CACHE_DIR``, or the user's own.

    Raises :class:`CacheError` for a user without a home directory.
    """
    named = directory or os.environ.get("PYIMGINSPECT_CACHE_DIR")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    try:
        # Windows has a directory for the author too, which would have the same name once more.
        path = user_cache_path("pyimginspect", appauthor=False)
    except RuntimeError:
        path = Path("~")
    if not path.is_absolute():  # a directory called `~`, where the home is not known
        hint = "--cache-dir or PYIMGINSPECT_CACHE_DIR names a directory"
        raise CacheError("no cache: this user has no home directory", hint=hint)
    return path


def cache_file(directory: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of the cache in ``directory``. Raises as :func:`cache_directory`."""
    return cache_directory(directory) / _FILE
