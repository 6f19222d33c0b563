"""Saved images: Docker archives, OCI archives, OCI layouts; plain, or compressed as a whole."""

from __future__ import annotations

import os
from typing import BinaryIO, Protocol

from pyimginspect.errors import ArchiveError, ImageNotFoundError, ManifestError, PyimginspectError
from pyimginspect.layers import FileBlob, Indexed
from pyimginspect.layers.blobs import Blob
from pyimginspect.layers.compression import MAGIC_LENGTH, sniff
from pyimginspect.model import Digest
from pyimginspect.sources.indexing import Opened, build_image, index_all
from pyimginspect.sources.options import Options
from pyimginspect.sources.selection import LayerRef, Selection, select_docker, select_oci
from pyimginspect.sources.stores import ArchiveStore, LayoutStore
from pyimginspect.sources.streams import StreamStore

__all__ = ["open_saved", "open_stream"]


class _Source(Protocol):
    """A store that also delivers layers."""

    def document(self, name: str) -> bytes | None: ...
    def blob_document(self, digest: Digest) -> bytes | None: ...
    def fetch(self, ref: LayerRef) -> Blob | Indexed: ...


def open_saved(path: str, options: Options, *, name: str | None, reference: str) -> Opened:
    """Open an image in a file or a directory; ``name`` chooses one of several.

    Raises :class:`ImageNotFoundError`, :class:`ArchiveError`, :class:`ManifestError`,
    :class:`PlatformError`, :class:`UnsupportedError` or :class:`LayerError`.
    """
    try:
        if os.path.isdir(path):
            if not os.path.exists(os.path.join(path, "index.json")):
                raise ArchiveError("the directory is no OCI layout: it has no index.json")
            return _open(LayoutStore(path), options, name, reference, "oci")
        with open(path, "rb") as file:
            if sniff(file.read(MAGIC_LENGTH)) == "none":
                return _open(ArchiveStore(path), options, name, reference, "oci-archive")
            file.seek(0)
            return _open(StreamStore(file, options), options, name, reference, "oci-archive")
    except FileNotFoundError as exc:
        raise ImageNotFoundError("there is no such file", image=reference) from exc
    except OSError as exc:
        raise ArchiveError(f"cannot be read: {exc.strerror}", image=reference) from exc
    except PyimginspectError as exc:
        raise exc.at(image=reference) from exc.__cause__


def open_stream(stream: BinaryIO, options: Options, *, name: str | None, reference: str) -> Opened:
    """Open a saved image that goes by once. Raises as :func:`open_saved` does."""
    try:
        return _open(StreamStore(stream, options), options, name, reference, "oci-archive")
    except PyimginspectError as exc:
        raise exc.at(image=reference) from exc.__cause__


def _open(
    store: _Source, options: Options, name: str | None, reference: str, source: str
) -> Opened:
    selection, source = _select(store, options, name, source)
    indexed = index_all(selection, store.fetch, options)
    image = build_image(selection, indexed, reference=reference, source=source)
    blobs = {}
    if isinstance(store, ArchiveStore | LayoutStore):
        for number, ref in enumerate(selection.layers):
            if number in indexed and indexed[number].index.checksums is None:
                blob = store.fetch(ref)
                if isinstance(blob, FileBlob):
                    blobs[number] = blob
    return Opened(image=image, blobs=blobs)


def _select(
    store: _Source, options: Options, name: str | None, source: str
) -> tuple[Selection, str]:
    """Choose by the OCI index, or else, as for images without one, by Docker's manifest."""
    index = store.document("index.json")
    docker = store.document("manifest.json")
    if index is not None:
        selection = select_oci(index, store, name=name, platform=options.platform)
        if selection is not None and (selection.layers or docker is None):
            return selection, "docker-archive" if docker is not None else source
    if docker is not None:
        selection = select_docker(docker, store, name)
        if options.platform is not None and not options.platform.accepts(selection.config.platform):
            raise ManifestError(
                f"the image is for {selection.config.platform}, not {options.platform}"
            )
        return selection, "docker-archive"
    if index is not None:
        raise ManifestError("index.json lists no image")
    raise ArchiveError(
        "no manifest.json and no index.json: this is no archive of an image",
        hint="docker save and skopeo write such archives",
    )
