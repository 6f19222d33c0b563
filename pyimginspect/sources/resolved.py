"""An image whose documents have been read: what they say, and where its layers are.

Nothing here holds a file or a connection, so it can be handed to another process, which reads a
layer by what :data:`Carrier` says of the place.
"""

from __future__ import annotations

import os
from typing import Literal

import msgspec
from msgspec import Struct

from pyimginspect.attestations import Attestation
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.model import Digest, ImageConfig
from pyimginspect.sources.selection import LayerRef, Selection

__all__ = [
    "Carrier",
    "FileCarrier",
    "RegistryCarrier",
    "Resolved",
    "StreamCarrier",
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
"""Where the layers of an image are, in a form that means the same in another process."""


def in_place(blob: FileBlob) -> FileBlob:
    """Return a blob whose path means the same in whatever directory a process works."""
    # Not abspath(): it takes ".." away with the part before it, which may be a symbolic link.
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
