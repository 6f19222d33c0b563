"""One layer blob → its index: decompress, read tar headers, run probes; and the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyimginspect.layers.blobs import Blob, BytesBlob, FileBlob, StreamBlob
from pyimginspect.layers.indexed import Indexed, Progress
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe, registered, version_key
from pyimginspect.lazy import loader

if TYPE_CHECKING:
    from pyimginspect.layers.index import index_layer

__all__ = [
    "DEFAULT_LIMITS",
    "Blob",
    "BytesBlob",
    "FileBlob",
    "Indexed",
    "Limits",
    "Probe",
    "Progress",
    "StreamBlob",
    "index_layer",
    "registered",
    "version_key",
]


# What reads a layer brings every probe: loaded when a layer is to be read.
__getattr__ = loader(__name__, {"index_layer": ".index"})
