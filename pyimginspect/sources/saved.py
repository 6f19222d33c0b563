"""Saved images: Docker archives, OCI archives, OCI layouts, by the documents in them."""

from __future__ import annotations

from typing import Literal, Protocol

from pyimginspect.errors import ArchiveError, ManifestError
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.layers.blobs import Blob
from pyimginspect.sources.indexing import Opened, build_image, index_all
from pyimginspect.sources.options import Options
from pyimginspect.sources.selection import (
    LayerRef,
    Selection,
    Store,
    check_platform,
    select_docker,
    select_oci,
)

__all__ = ["Form", "NoDocumentError", "open_store"]

Form = Literal["docker-archive", "oci-archive", "oci", "rootfs"]
"""What a path holds, where the user said so."""


class NoDocumentError(ArchiveError):
    """There is neither a ``manifest.json`` nor an ``index.json``."""


class _Source(Store, Protocol):
    """A store that also delivers layers."""

    def fetch(self, ref: LayerRef) -> Blob | Indexed | None:
        """Return a layer, or ``None`` where it is absent."""


def open_store(
    store: _Source,
    options: Options,
    *,
    name: str | None,
    reference: str,
    found_as: str,
    form: Form | None = None,
) -> Opened:
    """Open the image called ``name`` in ``store``.

    ``found_as`` is what the source is called, but for an archive that is Docker's.

    Raises :class:`ImageNotFoundError`, :class:`ArchiveError`, :class:`ManifestError`,
    :class:`PlatformError`, :class:`UnsupportedError` or :class:`LayerError`.
    """
    selection, source = _select(store, options, name, found_as, form)
    indexed = index_all(selection, store.fetch, options)
    image = build_image(selection, indexed, reference=reference, source=source)
    blobs = {}
    for number, ref in enumerate(selection.layers):
        if number in indexed and indexed[number].index.checksums is None:
            blob = store.fetch(ref)
            if isinstance(blob, FileBlob):
                blobs[number] = blob
    return Opened(image=image, blobs=blobs)


def _select(
    store: Store, options: Options, name: str | None, found_as: str, form: Form | None
) -> tuple[Selection, str]:
    """Choose by the OCI index, or else, as for images without one, by Docker's manifest."""
    index = store.document("index.json") if form != "docker-archive" else None
    docker = store.document("manifest.json") if form in (None, "docker-archive") else None
    if index is not None:
        selection = select_oci(index, store, name=name, platform=options.platform)
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
