"""An archive of which nothing is wanted now: all that it holds goes by, into the cache."""

from __future__ import annotations

from typing import BinaryIO

from pyimginspect.layers import Indexed
from pyimginspect.layers.cursors import StreamCursor
from pyimginspect.model import Entry, LayerIndex
from pyimginspect.sources.options import Options
from pyimginspect.sources.streams import StreamStore

__all__ = ["PassingStore"]


class PassingStore(StreamStore):
    """Keeps layers and documents in the cache, by digests of their own, and none in memory.

    Whatever the archive says of them does not matter: who opens an image asks for digests.
    """

    def __init__(self, stream: BinaryIO, options: Options) -> None:
        """Read the archive to its end. Raises :class:`ArchiveError` as other stores do."""
        super().__init__(stream, options)
        assert options.cache is not None
        for data in self._documents.values():
            # Manifests, indexes and configurations are objects. Nothing asks for others by digest:
            # docker save's manifest.json is an array, its VERSION plain text.
            if data.lstrip()[:1] == b"{":
                options.cache.put_document(data)

    def _index(self, entry: Entry, cursor: StreamCursor) -> None:
        super()._index(entry, cursor)
        cache, found = self._options.cache, self._layers.get(entry.path)
        if cache is not None and isinstance(found, Indexed):
            for diff_id, digest in zip(found.diff_ids, found.digests, strict=True):
                cache.put(diff_id, digest, found.index)
            # Up to fifty images go by at once: their decoded indexes need not stay in memory.
            nothing = LayerIndex(size=found.index.size)
            self._layers[entry.path] = Indexed(index=nothing, blob_size=found.blob_size)
