"""Reports as the results keep them: compact JSON, compressed."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json
from pyimginspect.errors import ReportError
from pyimginspect.layers.index_codec import StoredIndexError, pack, unpack
from pyimginspect.model import Image
from pyimginspect.report import ImageFacts, Report, as_json
from pyimginspect.reporting import image_facts
from pyimginspect.sources.resolved import Resolved

__all__ = ["encode_named", "named_as", "pack_report", "unpack_report"]


class _Named(Struct, frozen=True, kw_only=True):
    """What a report says of a name, where one image has several.

    ``blobs`` are the digest and the length of each layer's blob, as the registry of that name
    stores it.
    """

    image: ImageFacts
    blobs: tuple[tuple[str | None, int | None], ...]


def pack_report(report: Report) -> tuple[bytes, Report]:
    """Return a report as bytes, and as it will be read from them.

    They differ where names are no UTF-8, which are then spelled out as JSON reports do.
    """
    try:
        return pack(msgspec.json.encode(report)), report
    except UnicodeEncodeError:
        # Names that are no UTF-8 have surrogates in Python, which cannot be encoded.
        data = msgspec.json.encode(report.to_dict())
        return pack(data), from_json(data, Report)


def unpack_report(data: bytes, named: bytes = b"") -> Report:
    """Return a report from what :func:`pack_report` made, as of the name that ``named`` is of.

    Raises :class:`ReportError` for other bytes.
    """
    try:
        report = from_json(unpack(data), Report)
        return _renamed(report, from_json(named, _Named)) if named else report
    except (StoredIndexError, msgspec.MsgspecError, ValueError) as exc:
        raise ReportError(f"the results contain a damaged report: {exc}") from exc


def encode_named(report: Report) -> bytes:
    """Return what ``report`` says of its image's name, as bytes."""
    blobs = tuple((layer.digest, layer.blob_size) for layer in report.layers)
    return _encoded(_Named(image=report.image, blobs=blobs))


def named_as(resolved: Resolved) -> bytes:
    """Return what a report of an image would say of its name, before there is a report."""
    image = Image(
        reference=resolved.reference,
        source=resolved.source,
        config=resolved.config,
        layers=(),
        names=resolved.names,
        digest=resolved.digest,
        config_digest=resolved.config_digest,
    )
    blobs = tuple((layer.digest, layer.size) for layer in resolved.layers)
    return _encoded(_Named(image=image_facts(image), blobs=blobs))


def _encoded(named: _Named) -> bytes:
    try:
        return msgspec.json.encode(named)
    except UnicodeEncodeError:
        return as_json(named).encode()


def _renamed(report: Report, named: _Named) -> Report:
    layers = tuple(
        msgspec.structs.replace(
            layer, digest=digest, blob_size=size if size is not None else layer.blob_size
        )
        for layer, (digest, size) in zip(report.layers, named.blobs, strict=True)
    )
    return msgspec.structs.replace(report, image=named.image, layers=layers)
