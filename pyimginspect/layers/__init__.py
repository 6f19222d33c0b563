"""One layer blob → its index: decompress, read tar headers, run probes; and the cache."""

from pyimginspect.layers.blobs import Blob, BytesBlob, FileBlob, StreamBlob
from pyimginspect.layers.index import Indexed, Progress, index_layer
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.probes import Probe, registered, version_key

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
