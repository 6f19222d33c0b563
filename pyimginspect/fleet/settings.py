"""What every worker of a run must know, as a record that travels."""

from __future__ import annotations

import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from pyimginspect.fleet.folder_cache import FolderCache
from pyimginspect.layers import registered
from pyimginspect.layers.cache import Cache
from pyimginspect.policy import Policy
from pyimginspect.sources.options import LayerCache
from pyimginspect.sources.selection import LayerRef

__all__ = ["CacheAt", "Settings", "holds"]


class CacheAt(Struct, frozen=True, kw_only=True):
    """Where the workers' cache is: a file of SQLite's in ``folder``, or files there, one each.

    ``size`` are the bytes that the first may grow to. ``custom`` is a cache of the caller's own,
    which must survive being sent to the workers.
    """

    kind: Literal["sqlite", "files", "custom"] = "sqlite"
    folder: str | None = None
    size: int | None = None
    custom: LayerCache | None = None

    def open(self) -> LayerCache:
        """Open the cache. Raises :class:`CacheError`."""
        if self.kind == "custom":
            assert self.custom is not None
            return self.custom
        if self.kind == "files":
            assert self.folder is not None
            return FolderCache(self.folder, registered())
        return Cache(self.folder, probes=registered(), size=self.size)


def holds(cache: LayerCache, layer: LayerRef) -> bool:
    """Whether a cache has the index of a layer."""
    # An index by the diff ID is verified; one by a table of contents has a key of its own.
    keys = {layer.diff_id, layer.identity} - {None}
    if isinstance(cache, Cache | FolderCache):
        return any(cache.holds(key) for key in keys if key is not None)
    return any(cache.get(key, None) is not None for key in keys)


class Settings(Struct, frozen=True, kw_only=True):
    """How to inspect. ``today`` decides which waivers of the ``policy`` hold."""

    cache: CacheAt
    policy: Policy
    today: datetime.date

    @property
    def key(self) -> str:
        """What of the settings a kept image depends on: not on the day, where no waiver does."""
        waivers = self.policy.waivers
        holding = [each.expires is None or each.expires >= self.today for each in waivers]
        # "deterministic" sorts sets and dictionaries, whose order may change from run to run.
        return msgspec.json.encode((self.policy, holding), order="deterministic").decode()
