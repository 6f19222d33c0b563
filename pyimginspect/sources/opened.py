"""An image with all its layers: what its documents say and the layers' indexes, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct

from pyimginspect.layers import FileBlob
from pyimginspect.layers.checksums import crc32
from pyimginspect.model import History, Image, ImageConfig, Layer, LayerIndex
from pyimginspect.sources.resolved import FileCarrier, RegistryCarrier, Resolved
from pyimginspect.sources.selection import LayerRef
from pyimginspect.sources.windows import with_one_spelling

__all__ = ["Later", "Opened", "assemble"]


class Opened(Struct, frozen=True, kw_only=True):
    """An image with all its layers indexed; ``blobs`` are those that can be read again.

    Of layers that were read by a table of contents, ``tocs`` says where they are.
    """

    image: Image
    blobs: dict[int, FileBlob] = {}
    tocs: dict[int, tuple[RegistryCarrier, LayerRef]] = {}

    def checksum(self, layer: int, position: int) -> int | None:
        """Return the CRC-32 of an entry's content, read from its source now if that is possible.

        ``layer`` is the layer's number, ``position`` that of the entry in its index.
        """
        if layer in self.tocs:
            from pyimginspect.sources.toc_checksums import checksum_in_registry

            return checksum_in_registry(*self.tocs[layer], position)
        blob = self.blobs.get(layer)
        if blob is None:
            return None
        entry = self.image.layers[layer].index.entries[position]
        crc = 0
        left = entry.stored
        with blob.open() as file:
            file.seek(entry.offset)
            while left:
                data = file.read(min(left, 1 << 20))
                crc = crc32(data, crc)
                left -= len(data)
        return crc


class Later(NamedTuple):
    """An image whose layers the cache has: ``open`` takes them from there, when that is needed.

    The ``image`` has its layers without their indexes.
    """

    image: Image
    open: Callable[[], Opened]


def assemble(resolved: Resolved, indexes: Mapping[int, LayerIndex]) -> Opened:
    """Put an image and the indexes of its layers, by their numbers, together.

    Every layer that is not absent must have one; indexes of absent layers are ignored.
    """
    steps = _steps(resolved.config, len(resolved.layers))
    nothing = LayerIndex(size=0)
    put = [nothing if ref.absent else indexes[ref.number] for ref in resolved.layers]
    blobs = {}
    if isinstance(resolved.carrier, FileCarrier):
        for ref, index in zip(resolved.layers, put, strict=True):
            blob = resolved.carrier.blobs.get(ref.place)
            # Layers that were sought through: their content has not been read.
            if index.checksums is None and blob is not None:
                blobs[ref.number] = blob
    tocs = {}
    if isinstance(resolved.carrier, RegistryCarrier):
        for ref, index in zip(resolved.layers, put, strict=True):
            if index.toc_digest:
                tocs[ref.number] = resolved.carrier, ref
    if resolved.config.platform.os == "windows":
        put = with_one_spelling(put)
    layers = tuple(
        Layer(
            number=ref.number,
            index=index,
            diff_id=ref.diff_id,
            digest=ref.digest,
            media_type=ref.media_type,
            blob_size=ref.size if ref.absent or ref.size is not None else index.size,
            history=step,
            absent=ref.absent,
        )
        for ref, index, step in zip(resolved.layers, put, steps, strict=True)
    )
    image = Image(
        reference=resolved.reference,
        source=resolved.source,
        config=resolved.config,
        layers=layers,
        names=resolved.names,
        digest=resolved.digest,
        config_digest=resolved.config_digest,
        annotations=resolved.annotations,
        attestations=resolved.attestations,
    )
    return Opened(image=image, blobs=blobs, tocs=tocs)


def _steps(config: ImageConfig, count: int) -> list[History | None]:
    """Return the step of the history behind each layer; history is optional, and may be short."""
    # config.md: an "empty_layer" step made none, so the others are the layers in their order.
    steps: list[History | None] = [step for step in config.history if not step.empty_layer]
    return (steps + [None] * count)[:count]
