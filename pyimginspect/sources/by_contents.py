"""Layers that need not be read whole: by the table of contents that their blob has.

What such a table says is not checked against the diff ID, so the index is kept under a key of its
own, and only a layer whose descriptor refers to the same table is ever given it. A verified index
is preferred wherever there is one. docs/table-of-contents.md tells more.
"""

from __future__ import annotations

from collections.abc import Callable

from pyimginspect.errors import PyimginspectError
from pyimginspect.layers import Indexed
from pyimginspect.layers.blobs import Blob
from pyimginspect.layers.toc import Ranges, TocReference, UnusableTocError
from pyimginspect.model import Digest, LayerIndex
from pyimginspect.sources.options import LayerCache, Options
from pyimginspect.sources.selection import LayerRef

__all__ = ["by_contents", "cached_index", "index_key", "keep_by_contents", "usable_toc"]


def usable_toc(ref: LayerRef, options: Options) -> TocReference | None:
    """Return the table of contents that a layer may be read by.

    None where every byte is to be verified, or a probe of a third party may ask for any file.
    """
    return ref.toc if not options.verify and not options.probes else None


def by_contents(
    ref: LayerRef, blob: Blob, options: Options, progress: Callable[[int], None]
) -> Indexed | None:
    """Index a layer by its table of contents; ``None`` where it must be read whole."""
    toc = ref.toc
    if toc is None or not isinstance(blob, Ranges):
        return None
    from pyimginspect.layers.toc import index_by_toc  # it brings every probe

    counted = 0

    def advance(count: int) -> None:
        nonlocal counted
        counted += count
        progress(count)

    try:
        return index_by_toc(blob, toc, limits=options.limits, progress=advance)
    except (UnusableTocError, PyimginspectError) as exc:
        # Whatever is wrong with the table, the layer counts: read whole, it is verified.
        import logging  # for layers that a table of contents says nonsense of

        logging.getLogger(__name__).info("layer %d is read whole: %s", ref.number, exc)
    progress(-counted)  # all of it is still to come
    return None


def cached_index(ref: LayerRef, options: Options) -> LayerIndex | None:
    """Return the index that the cache has of a layer: the verified one, if there is one."""
    if options.cache is None:
        return None
    found = options.cache.get(ref.diff_id, ref.digest)
    if found is None and ref.toc is not None:
        # No digest beside the key: none of the blob has been computed.
        found = options.cache.get(ref.toc.key, None)
    return found


def index_key(ref: LayerRef, index: LayerIndex) -> Digest | None:
    """Return what an index of a layer may be kept by: what it was checked against."""
    return ref.toc.key if index.toc_digest and ref.toc is not None else ref.diff_id


def keep_by_contents(indexed: Indexed, ref: LayerRef, cache: LayerCache) -> bool:
    """Keep an index that was made by a table of contents; return whether it was."""
    if not indexed.index.toc_digest or ref.toc is None:
        return False
    cache.put(ref.toc.key, None, indexed.index)
    return True
