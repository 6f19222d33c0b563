"""Saved images: Docker archives, OCI archives, OCI layouts, by the documents in them."""

from __future__ import annotations

from typing import Literal, Protocol

from pyimginspect.errors import ArchiveError, ManifestError
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.layers.blobs import Blob
from pyimginspect.sources.attached import read_attestations
from pyimginspect.sources.indexing import index_all, locate
from pyimginspect.sources.options import Options
from pyimginspect.sources.resolved import (
    Carrier,
    FileCarrier,
    Resolved,
    StreamCarrier,
    in_place,
    resolved_from,
)
from pyimginspect.sources.selection import (
    LayerRef,
    Selection,
    Store,
    check_platform,
    select_docker,
    select_oci,
)

__all__ = ["Form", "NoDocumentError", "resolve_store"]

Form = Literal["docker-archive", "oci-archive", "oci", "rootfs"]
"""What a path holds, where the user said so."""


class NoDocumentError(ArchiveError):
    """There is neither a ``manifest.json`` nor an ``index.json``."""


class _Source(Store, Protocol):
    """A store that also delivers layers."""

    def fetch(self, ref: LayerRef) -> Blob | Indexed | None:
        """Return a layer, or ``None`` where it is absent."""


def resolve_store(
    store: _Source,
    options: Options,
    *,
    name: str | None,
    reference: str,
    found_as: str,
    form: Form | None = None,
    again: str = "",
) -> Resolved:
    """Find the image called ``name`` in ``store``, and where its layers are.

    ``found_as`` is what the source is called, but for an archive that is Docker's. ``again`` is
    the reference that leads once more to a store that has gone by.

    Raises :class:`ImageNotFoundError`, :class:`ArchiveError`, :class:`ManifestError`,
    :class:`PlatformError`, :class:`UnsupportedError` or :class:`LayerError`.
    """
    selection, source = _select(store, options, name, found_as, form)
    located = locate(selection.layers, store.fetch, options)
    files = {
        located.layers[number].place: in_place(blob)
        for number, blob in located.found.items()
        if isinstance(blob, FileBlob)
    }
    # One blob that is not in a file, such as a layer that went by in a stream, makes it a stream.
    if len(files) == len({located.layers[number].place for number in located.found}):
        carrier: Carrier = FileCarrier(blobs=files)
        indexed = {}
    else:
        carrier = StreamCarrier(reference=again)
        indexed = index_all(located, options)
    return resolved_from(
        selection,
        located.layers,
        carrier,
        reference=reference,
        source=source,
        indexed=indexed,
        # Of an engine's image none, as the same image from the cache has none.
        attestations=()
        if found_as in ("docker", "podman")
        else read_attestations(selection, store, options),
    )


def _select(
    store: Store, options: Options, name: str | None, found_as: str, form: Form | None
) -> tuple[Selection, str]:
    """Choose by the OCI index, or else, as for images without one, by Docker's manifest."""
    index = store.document("index.json") if form != "docker-archive" else None
    docker = store.document("manifest.json") if form in (None, "docker-archive") else None
    if index is not None:
        selection = select_oci(index, store, name=name, platform=options.platform)
        # Docker 25 and later write both. Where the index leads to a manifest without layers,
        # manifest.json still names them.
        if selection is not None and (selection.layers or docker is None):
            return selection, _called(found_as) if docker is not None else found_as
    if docker is not None:
        selection = select_docker(docker, store, name, verify=options.verify)
        check_platform(selection, options.platform)
        return selection, _called(found_as)
    if index is not None:
        raise ManifestError("index.json lists no image")
    wanted = {None: "no manifest.json and no index.json", "docker-archive": "no manifest.json"}
    raise NoDocumentError(
        f"{wanted.get(form, 'no index.json')}: this is no archive of an image",
        hint="docker save writes one; rootfs:PATH takes any tar archive",
    )


def _called(found_as: str) -> str:
    return "docker-archive" if found_as in ("oci", "oci-archive") else found_as
