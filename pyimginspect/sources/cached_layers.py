"""Which layers of an image the cache has, without decoding their indexes."""

from __future__ import annotations

from collections.abc import Iterable

from pyimginspect.sources.indexing import layer_label
from pyimginspect.sources.options import Options
from pyimginspect.sources.selection import LayerRef

__all__ = ["held_layers", "is_held"]


def is_held(layers: Iterable[LayerRef], options: Options) -> bool:
    """Whether the cache has the indexes of all these layers; they are not decoded."""
    return held_layers(layers, options) is not None


def held_layers(layers: Iterable[LayerRef], options: Options) -> dict[str, str] | None:
    """Return by which table of contents each layer was read that the cache has, by its place.

    The digest is empty for a verified index. ``None`` where the cache has not all of them, or
    cannot tell without decoding (one of a third party's, which has no ``holds``).
    """
    holds = getattr(options.cache, "holds", None)
    there = {ref.place: ref for ref in layers if not ref.absent}
    found = {}
    for ref in there.values():
        if holds is None or ref.size is None or ref.diff_id is None:
            return None
        if holds(ref.diff_id):
            found[ref.place] = ""
        elif ref.toc is not None and holds(ref.toc.key):
            found[ref.place] = ref.toc.digest
        else:
            return None
    for ref in there.values():
        options.progress.finish(layer_label(ref), cached=True)
    return found
