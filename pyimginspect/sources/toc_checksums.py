"""Checksums of single files in layers that were read by their table of contents."""

from __future__ import annotations

from pyimginspect.layers.checksums import crc32
from pyimginspect.layers.toc import checksum_by_toc
from pyimginspect.sources.connections import shared
from pyimginspect.sources.registry import remote_blob
from pyimginspect.sources.resolved import RegistryCarrier
from pyimginspect.sources.selection import LayerRef

__all__ = ["checksum_in_registry"]


def checksum_in_registry(carrier: RegistryCarrier, ref: LayerRef, position: int) -> int | None:
    """Return the CRC-32 of a file in a layer that was read by its table of contents.

    ``position`` is that of its entry. ``None`` where the registry does not give it any more.
    """
    if ref.toc is None:
        return None
    # Connections of its own: those that the image was read by are closed by now.
    with shared(None) as connections:
        transport = connections.to(
            carrier.registry, carrier.repository, plain=carrier.plain, insecure=carrier.insecure
        )
        blob = remote_blob(transport, carrier.repository, ref)
        return checksum_by_toc(blob, ref.toc, position, crc32)
