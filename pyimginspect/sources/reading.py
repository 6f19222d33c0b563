"""Layers of a resolved image, read one at a time or all together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from pyimginspect.errors import ArchiveError, ImageNotFoundError
from pyimginspect.layers.blobs import Blob
from pyimginspect.model import LayerIndex
from pyimginspect.sources.connections import shared
from pyimginspect.sources.indexing import Located, index_all
from pyimginspect.sources.options import Options
from pyimginspect.sources.resolve import resolve
from pyimginspect.sources.resolved import (
    Carrier,
    FileCarrier,
    RegistryCarrier,
    Resolved,
    StreamCarrier,
)
from pyimginspect.sources.selection import LayerRef

__all__ = ["read_layer", "read_layers", "read_resolved"]


def read_layer(carrier: Carrier, ref: LayerRef, options: Options) -> LayerIndex | None:
    """Return the index of one layer: from the cache, or read, verified and put there.

    ``None`` for a layer that the source does not hold. From a carrier that gives its layers at
    once only, all of them go by; the others are in the cache then, if there is one. Raises
    :class:`LayerError`, :class:`ManifestError`, :class:`DigestMismatchError` or what reaching
    the carrier raises.
    """
    return read_layers(carrier, (ref,), options).get(ref.number)


def read_resolved(resolved: Resolved, options: Options) -> dict[int, LayerIndex]:
    """Return the indexes of all layers of an image, by their numbers, as :func:`read_layers`."""
    if resolved.indexed:
        return {number: each.index for number, each in resolved.indexed.items()}
    return read_layers(resolved.carrier, resolved.layers, options)


def read_layers(
    carrier: Carrier, layers: Iterable[LayerRef], options: Options
) -> dict[int, LayerIndex]:
    """Return the indexes of several layers of one image by their numbers, as :func:`read_layer`.

    They are read in parallel where that is worth it; what one raises stops the others.
    """
    wanted = tuple(ref for ref in layers if not ref.absent)
    if isinstance(carrier, StreamCarrier):
        return _from_stream(carrier, wanted, options)
    remote = isinstance(carrier, RegistryCarrier)
    with _found(carrier, wanted, options) as found:
        indexed = index_all(Located(wanted, found), options, remote=remote)
    return {number: each.index for number, each in indexed.items()}


@contextlib.contextmanager
def _found(
    carrier: FileCarrier | RegistryCarrier, layers: tuple[LayerRef, ...], options: Options
) -> Iterator[dict[int, Blob]]:
    """Give the bytes of each layer by its number, for as long as the ``with`` statement lasts."""
    if isinstance(carrier, FileCarrier):
        try:
            yield {ref.number: carrier.blobs[ref.place] for ref in layers}
        except FileNotFoundError as exc:
            raise ImageNotFoundError("there is no such file") from exc
        except OSError as exc:
            raise ArchiveError(f"it cannot be read: {exc.strerror}") from exc
        return
    from pyimginspect.sources.registry import remote_blob

    with shared(options.connections) as connections:
        transport = connections.to(
            carrier.registry,
            carrier.repository,
            plain=carrier.plain,
            insecure=carrier.insecure,
        )
        yield {ref.number: remote_blob(transport, carrier.repository, ref) for ref in layers}


def _from_stream(
    carrier: StreamCarrier, layers: tuple[LayerRef, ...], options: Options
) -> dict[int, LayerIndex]:
    """Take layers from the cache, or else have all of the stream go by once more."""
    found: dict[int, LayerIndex] = {}
    if options.cache is not None and not options.verify:
        for ref in layers:
            if (index := options.cache.get(ref.diff_id, ref.digest)) is not None:
                found[ref.number] = index
    if len(found) == len(layers):
        return found
    if not carrier.reference:
        raise ArchiveError("its layers were read from a stream, and cannot be read again")
    again = resolve(carrier.reference, options)
    # By the diff ID as well: another image may have been saved to the same path since.
    places = {(ref.place, ref.diff_id): ref.number for ref in again.layers}
    for ref in layers:
        number = places.get((ref.place, ref.diff_id))
        if number is None:
            raise ImageNotFoundError(f"there is another image now at {carrier.reference}")
        found[ref.number] = again.indexed[number].index
    return found
