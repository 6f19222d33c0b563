"""The indexes of layers that tests write, each content read once: most images have the same bases.

index_of(layer({"a": "b"})).entries
"""

import io
import sys
from functools import lru_cache

from pyimginspect.layers import index_layer
from pyimginspect.layers.blobs import BytesBlob, StreamBlob
from pyimginspect.model import LayerIndex

__all__ = ["index_of"]

_LARGEST = 1 << 18  # bytes of a layer that is kept with its index


def index_of(blob: bytes, *, passing: bool = False) -> LayerIndex:
    """What is in an uncompressed layer; `passing`, as it is read from an archive that goes by."""
    if len(blob) > _LARGEST or _lines_are_counted():
        return _read(blob, passing)
    return _kept(blob, passing)


def _read(blob: bytes, passing: bool) -> LayerIndex:
    if passing:
        return index_layer(StreamBlob(io.BytesIO(blob), len(blob))).index
    return index_layer(BytesBlob(data=blob)).index


_kept = lru_cache(512)(_read)


def _lines_are_counted() -> bool:
    """Whether coverage is measured: then each test runs all the lines that it needs, so that
    `scripts/mutants` knows them."""
    coverage = sys.modules.get("coverage")
    return coverage is not None and coverage.Coverage.current() is not None
