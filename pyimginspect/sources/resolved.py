"""An image whose documents have been read: where its layers are, and the image made of them.

Nothing here holds a file or a connection, so it can be handed to another process, which reads a
layer by what :data:`Carrier` says of the place.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from pyimginspect.attestations import Attestation
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.model import Digest, History, Image, ImageConfig, Layer, LayerIndex
from pyimginspect.sources.selection import LayerRef, Selection
from pyimginspect.sources.windows import with_one_spelling

__all__ = [
    "Carrier",
    "FileCarrier",
    "Later",
    "Opened",
    "RegistryCarrier",
    "Resolved",
    "StreamCarrier",
    "assemble",
    "in_place",
    "resolved_from",
]


class FileCarrier(Struct, frozen=True, kw_only=True, tag="file"):
    """Files of this machine: where each layer is, by the name that its reference has there."""

    blobs: dict[str, FileBlob] = {}

    @property
    def at_once(self) -> Literal[False]:
        """Any layer can be read by itself."""
        return False


class RegistryCarrier(Struct, frozen=True, kw_only=True, tag="registry"):
    """A repository of a registry; ``plain`` allows HTTP without TLS.

    ``insecure`` is what registries.conf means by it: any certificate will do, or no TLS at all.
    """

    registry: str
    repository: str
    plain: bool = False
    insecure: bool = False

    @property
    def at_once(self) -> Literal[False]:
        """Any layer can be read by itself."""
        return False


class StreamCarrier(Struct, frozen=True, kw_only=True, tag="stream"):
    """What goes by from its beginning to its end: an engine's ``save``, a compressed archive.

    ``reference`` is what leads there again; it is empty where nothing does (standard input).
    """

    reference: str = ""

    @property
    def at_once(self) -> Literal[True]:
        """One layer costs as much as all of them."""
        return True


Carrier = FileCarrier | RegistryCarrier | StreamCarrier
"""Where the layers of an image are, told so that another process finds them too."""


def in_place(blob: FileBlob) -> FileBlob:
    """Return a blob whose path means the same in whatever directory a process works."""
    return msgspec.structs.replace(blob, path=os.path.join(os.getcwd(), blob.path))


class Resolved(Struct, frozen=True, kw_only=True):
    """An image as its documents describe it; its layers are read from the ``carrier``.

    ``reference``, ``source``, ``names``, ``digest``, ``config_digest`` (the image ID) and
    ``annotations`` and ``attestations`` are those of :class:`~pyimginspect.model.Image`.
    ``layers`` are numbered from 0, the lowest first. ``indexed`` are the layers that went by while
    the documents were looked for: all, where the carrier gives them at once only, and of a root
    file system; else none.
    """

    reference: str
    source: str
    config: ImageConfig
    layers: tuple[LayerRef, ...]
    carrier: Carrier
    names: tuple[str, ...] = ()
    digest: Digest | None = None
    config_digest: Digest | None = None
    annotations: dict[str, str] = {}
    indexed: dict[int, Indexed] = {}
    attestations: tuple[Attestation, ...] = ()


def resolved_from(
    selection: Selection,
    layers: tuple[LayerRef, ...],
    carrier: Carrier,
    *,
    reference: str,
    source: str,
    indexed: dict[int, Indexed] | None = None,
    attestations: tuple[Attestation, ...] = (),
) -> Resolved:
    """Put together what was selected and where its layers were located."""
    return Resolved(
        reference=reference,
        source=source,
        config=selection.config,
        layers=layers,
        carrier=carrier,
        names=selection.names,
        digest=selection.digest,
        config_digest=selection.config_digest,
        annotations=selection.annotations,
        indexed=indexed or {},
        attestations=attestations,
    )


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
                crc = zlib.crc32(data, crc)
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

    Every layer that is not absent must have one; of others they are not looked at.
    """
    steps = _steps(resolved.config, len(resolved.layers))
    nothing = LayerIndex(size=0)
    put = [nothing if ref.absent else indexes[ref.number] for ref in resolved.layers]
    blobs = {}
    if isinstance(resolved.carrier, FileCarrier):
        for ref, index in zip(resolved.layers, put, strict=True):
            blob = resolved.carrier.blobs.get(ref.place)
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
    steps: list[History | None] = [step for step in config.history if not step.empty_layer]
    return (steps + [None] * count)[:count]
