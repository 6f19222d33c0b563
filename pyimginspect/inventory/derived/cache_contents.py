"""Which contents belong to a cache: those that are there, and those that were overwritten."""

from __future__ import annotations

from collections.abc import Mapping

from pyimginspect.inventory.cache_places import files_in
from pyimginspect.inventory.caches import INFORMATION, caches_around
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Content, contents_of
from pyimginspect.inventory.derived.wasted_files import find_wasted
from pyimginspect.inventory.memoize import memoized

__all__ = ["contents_of_caches"]

_ENDINGS = {"apt-index": ".bin", "apt-archives": ".deb"}
"""Of the files in a directory, those that are the cache; the rest is the package manager's own."""


@memoized
def contents_of_caches(
    inventory: Inventory,
) -> Mapping[tuple[str, str], tuple[frozenset[Content], frozenset[Content]]]:
    """Return, by kind and path of a cache, its live contents and the overwritten ones.

    Only what layers above the base store counts, and of files that have another name outside of
    the cache nothing does.
    """
    base, rootfs = inventory.base.layers, inventory.rootfs
    caches = [cache for cache in inventory.caches if cache.kind not in INFORMATION]
    around = caches_around(caches)
    overwritten: dict[tuple[str, str], set[Content]] = {}
    for wasted in find_wasted(inventory) if caches else ():
        # What a later layer deletes is a cause of its own, see find_causes.
        if wasted.layer >= base and wasted.account != "removed":
            for cache in around(wasted.path):
                if wasted.path.endswith(_ENDINGS.get(cache.kind, "")):
                    overwritten.setdefault((cache.kind, cache.path), set()).add(wasted.content)
    found = {}
    for cache in caches:
        ending = _ENDINGS.get(cache.kind, "")
        paths = [path for path in files_in(rootfs, cache.path) if path.endswith(ending)]
        live = contents_of(rootfs).behind(paths)
        key = (cache.kind, cache.path)
        above = frozenset(content for content in live if content[0] >= base)
        found[key] = above, frozenset(overwritten.get(key, ()))
    return found
