"""What a cache holds, and emptying it, without making one."""

from __future__ import annotations

import logging
import os

from pyimginspect.errors import CacheError
from pyimginspect.layers.cache import Cache, CacheInfo, cache_file, said

__all__ = ["cache_info", "clear_cache"]

_log = logging.getLogger(__name__)


def _is_there(directory: str | os.PathLike[str] | None) -> bool:
    path = cache_file(directory)
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise CacheError(f"no cache at {path.parent}: {said(exc)}") from exc
    return True


def cache_info(directory: str | os.PathLike[str] | None = None) -> CacheInfo | None:
    """Return what the cache in ``directory`` holds, or ``None`` where there is none yet.

    Raises :class:`CacheError` where it cannot be opened, and for a file that is no cache, which
    stays as it is.
    """
    if not _is_there(directory):
        return None
    with Cache(directory, set_aside=False, warn=lambda _: None) as cache:
        return cache.info()


def clear_cache(directory: str | os.PathLike[str] | None = None) -> CacheInfo | None:
    """Empty the cache in ``directory``, and return what it held; ``None`` where there is none.

    Raises :class:`CacheError` where that is not possible.
    """
    if not _is_there(directory):
        return None
    warnings: list[str] = []  # of no use beside an error
    with Cache(directory, warn=warnings.append) as cache:
        before = cache.info()
        cache.clear()
    for message in warnings:
        _log.warning(message)
    return before
