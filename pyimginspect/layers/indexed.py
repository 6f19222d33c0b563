"""What comes of reading one layer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from pyimginspect.model import Digest, LayerIndex

__all__ = ["Indexed", "Progress"]

Progress = Callable[[int], None]
"""Called with the bytes of the blob, as stored, that have been read since the last call."""


class Indexed(Struct, frozen=True, kw_only=True):
    """An index, and the digests of the very bytes that it was made from.

    ``digests`` are of the blob as stored, ``diff_ids`` of the uncompressed layer, one for each
    algorithm; empty unless they were asked for. ``blob_size`` counts the stored bytes.
    """

    index: LayerIndex
    blob_size: int
    digests: tuple[Digest, ...] = ()
    diff_ids: tuple[Digest, ...] = ()
