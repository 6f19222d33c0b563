"""A reference → an image with all its layers read: what a user's call comes to."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

import msgspec

from pyimginspect.errors import PyimginspectError
from pyimginspect.model import LayerIndex
from pyimginspect.sources.cached_layers import held_layers
from pyimginspect.sources.connections import shared
from pyimginspect.sources.files import resolve_stream
from pyimginspect.sources.opened import Later, Opened, assemble
from pyimginspect.sources.options import NoProgress, Options
from pyimginspect.sources.reading import read_resolved
from pyimginspect.sources.resolve import resolve, shown_reference
from pyimginspect.sources.resolved import Resolved
from pyimginspect.sources.saved import Form

__all__ = ["open_or_later", "open_reference", "open_stream"]


def open_reference(reference: str, options: Options) -> Opened:
    """Open an image, wherever it lives: resolve it, read its layers, put them together.

    Raises what :func:`~pyimginspect.sources.resolve.resolve` and
    :func:`~pyimginspect.sources.reading.read_layers` raise.
    """
    with shared(options.connections) as connections:
        options = msgspec.structs.replace(options, connections=connections)
        return _read(resolve(reference, options), options)


def open_or_later(reference: str, options: Options) -> Opened | Later:
    """Open an image as :func:`open_reference` does, later where the cache has all its layers."""
    with shared(options.connections) as connections:
        inner = msgspec.structs.replace(options, connections=connections)
        resolved = resolve(reference, inner)
        held = None
        if not options.verify and not resolved.indexed:
            held = held_layers(resolved.layers, options)
        if held is None:
            return _read(resolved, inner)
    quiet = msgspec.structs.replace(options, progress=NoProgress())
    nothing = {
        ref.number: LayerIndex(size=0, toc_digest=held.get(ref.place, ""))
        for ref in resolved.layers
    }
    return Later(assemble(resolved, nothing).image, partial(_read, resolved, quiet))


def _read(resolved: Resolved, options: Options) -> Opened:
    try:
        return assemble(resolved, read_resolved(resolved, options))
    except PyimginspectError as exc:
        raise exc.at(image=shown_reference(resolved.reference)) from exc.__cause__


def open_stream(
    stream: BinaryIO,
    options: Options,
    *,
    name: str | None,
    reference: str,
    form: Form | None = None,
) -> Opened:
    """Open what goes by once in ``stream``.

    Raises what :func:`~pyimginspect.sources.files.resolve_stream` raises.
    """
    resolved = resolve_stream(stream, options, name=name, reference=reference, form=form)
    return assemble(resolved, read_resolved(resolved, options))
