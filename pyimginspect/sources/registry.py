"""Images of a registry (OCI distribution specification v1.1, "Pull")."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import msgspec
import requests

from pyimginspect.errors import (
    AuthenticationError,
    DigestMismatchError,
    ImageNotFoundError,
    ManifestError,
    RegistryError,
)
from pyimginspect.layers.digests import algorithm, digest_of
from pyimginspect.model import Digest, parse_digest
from pyimginspect.sources.attached import descriptors_in, read_attestations
from pyimginspect.sources.blob_ranges import read_range, read_together
from pyimginspect.sources.bodies import Pace, read_body
from pyimginspect.sources.connections import Connections, shared
from pyimginspect.sources.documents import Descriptor
from pyimginspect.sources.error_text import reason
from pyimginspect.sources.hosts import dismiss
from pyimginspect.sources.indexing import locate
from pyimginspect.sources.mirrors import Place, find_places
from pyimginspect.sources.options import LARGEST_DOCUMENT, LayerCache, Options
from pyimginspect.sources.reference import parse_name
from pyimginspect.sources.resolved import Resolved, resolved_from
from pyimginspect.sources.selection import (
    LayerRef,
    check_document,
    platforms_of,
    select_oci,
)
from pyimginspect.sources.transport import ATTEMPTS, BROKEN, Transport, wait

__all__ = [
    "RemoteBlob",
    "registry_platforms",
    "remote_blob",
    "resolve_registry",
]

# Without these a registry may send schema 1.
_ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
_T = TypeVar("_T")


def resolve_registry(text: str, options: Options, *, reference: str) -> Resolved:
    """Find an image of a registry; its layers are read when they are asked for.

    Everything is checked against its digest. ``http://`` before the name allows a registry
    without TLS, as every registry on this machine is. Raises :class:`RegistryError`,
    :class:`AuthenticationError`, :class:`ImageNotFoundError`, :class:`ManifestError`,
    :class:`PlatformError`, :class:`UnsupportedError` or :class:`LayerError`.
    """
    with shared(options.connections) as connections:

        def resolve(place: Place) -> Resolved:
            store = _Repository(place, connections, options.cache)
            data, digest = store.top()
            selection = select_oci(data, store, name=None, platform=options.platform)
            if selection is None:
                raise ManifestError("the index lists no image")
            if selection.digest is None:
                selection = msgspec.structs.replace(selection, digest=digest)
            located = locate(selection.layers, store.find, options, remote=True)
            selection = msgspec.structs.replace(selection, names=(place.wanted.familiar,))
            return resolved_from(
                selection,
                located.layers,
                place.carrier,
                reference=reference,
                source="registry",
                attestations=read_attestations(selection, store, options, store.referrers),
            )

        return _first(text, resolve)


def registry_platforms(text: str, options: Options) -> tuple[str, ...]:
    """Return the platforms that a registry has images for by that name, as the index has them.

    Empty for an image of one platform. Raises as :func:`resolve_registry` does.
    """
    with shared(options.connections) as connections:

        def platforms(place: Place) -> tuple[str, ...]:
            store = _Repository(place, connections, options.cache)
            return platforms_of(store.top()[0], store)

        return _first(text, platforms)


def _first(text: str, ask: Callable[[Place], _T]) -> _T:
    """Return what the first place answers that has an image: its mirrors, then the registry.

    Where none has it, the registry's own error is raised, with what the mirrors said before it.
    """
    plain = text.startswith("http://")
    name = parse_name(text.removeprefix("http://").removeprefix("https://"))
    *mirrors, last = find_places(name, plain=plain)
    said = []
    for place in mirrors:
        try:
            return ask(place)
        except (RegistryError, ImageNotFoundError) as exc:
            said.append(exc.message)
    try:
        return ask(last)
    except (RegistryError, ImageNotFoundError) as exc:
        if not said:
            raise
        raise type(exc)("; ".join([*said, exc.message]), hint=exc.hint) from exc


class _Repository:
    """One repository of a registry, as a store of documents and layers."""

    def __init__(self, place: Place, connections: Connections, cache: LayerCache | None) -> None:
        name = self._name = place.name
        self._transport = connections.to(
            name.registry, name.repository, plain=place.plain, insecure=place.insecure
        )
        self._base = f"/v2/{quote(name.repository)}"
        self._cache = cache

    def top(self) -> tuple[bytes, Digest]:
        """Return the manifest or index that the name stands for, and its digest."""
        wanted = self._name.digest
        if wanted is not None:
            data = self.blob_document(wanted, manifest=True)
            if data is None:
                raise self._unknown()
            check_document(data, wanted, "the manifest")
            return data, wanted
        path = f"manifests/{self._name.tag}"
        if (known := self._known(path)) is not None:
            return known
        found = self._document(path)
        if found is None:
            raise self._unknown()
        data, claimed = found
        digest = digest_of(data)
        with contextlib.suppress(ManifestError):  # what is no digest at all claims nothing
            digest = parse_digest(claimed or digest)
        check_document(data, digest, "the manifest")
        if self._cache is not None:
            self._cache.put_document(data, algorithm(digest))
        return data, digest

    def _known(self, path: str) -> tuple[bytes, Digest] | None:
        """Return a manifest that the cache has, and that the registry still says is the one.

        To ask that is a ``HEAD``, which counts against nobody's quota (as Docker Hub's). A
        registry that does not answer it so (distribution specification, "Pulling manifests",
        does not ask for the digest) is asked for the manifest itself.
        """
        if self._cache is None:
            return None
        url = f"{self._base}/{path}"
        response = self._transport.get(url, method="HEAD", Accept=_ACCEPT)
        dismiss(response)
        claimed = response.headers.get("Docker-Content-Digest", "")
        if response.status_code != 200 or not claimed:
            return None
        with contextlib.suppress(ManifestError):
            digest = parse_digest(claimed)
            data = self._cache.get_document(digest)
            return (data, digest) if data is not None else None
        return None

    def _unknown(self) -> ImageNotFoundError:
        return ImageNotFoundError(f"{self._name.registry} has no image {self._name}")

    def document(self, name: str) -> bytes | None:
        """Return nothing: documents of a registry have no names."""
        return None

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        """Return a document by its digest, from the cache where it is there."""
        data = self._cache.get_document(digest) if self._cache is not None else None
        if data is None:
            found = self._document(f"{'manifests' if manifest else 'blobs'}/{digest}")
            if found is None:
                return None
            data = found[0]
            check_document(data, digest, "the document")
            if self._cache is not None:
                self._cache.put_document(data, algorithm(digest))
        return data

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """Return the manifests whose subject is the one of that digest.

        From the API for it, or else from the tag that stands for it (distribution
        specification, "Referrers tag schema"). Raises what :meth:`blob_document` raises.
        """
        algorithm_, _, encoded = digest.partition(":")
        found = self._document(f"referrers/{digest}")
        if found is None:
            # The schema's own limits, so that the result is a tag.
            found = self._document(f"manifests/{algorithm_[:32]}-{encoded[:64]}")
        return descriptors_in(found[0]) if found is not None else ()

    def _document(self, path: str) -> tuple[bytes, str | None] | None:
        for attempt in range(ATTEMPTS):
            with self._transport.get(f"{self._base}/{path}", Accept=_ACCEPT) as response:
                if response.status_code == 404:
                    return None
                _check_status(response, self._name.registry)
                if "html" in response.headers.get("Content-Type", ""):
                    raise RegistryError(
                        f"{self._name.registry} answers with a web page: it is no registry"
                    )
                try:
                    data = read_body(response, LARGEST_DOCUMENT, self._transport.patience)
                except BROKEN as exc:
                    if attempt == ATTEMPTS - 1:
                        raise _went_away(self._name.registry, exc) from exc
                    wait(attempt)
                    continue
                return data, response.headers.get("Docker-Content-Digest")
        raise AssertionError("the last attempt returns or raises")

    def find(self, ref: LayerRef) -> RemoteBlob | None:
        """Return a layer that is fetched when it is opened; ``None`` for one kept elsewhere."""
        if ref.digest is None or ref.size is None:
            raise ManifestError("its descriptor has no size")
        blob = remote_blob(self._transport, self._name.repository, ref)
        if ref.foreign:
            response = self._transport.get(blob.path, method="HEAD")
            dismiss(response)
            if response.status_code == 404:
                return None
        return blob


def remote_blob(transport: Transport, repository: str, ref: LayerRef) -> RemoteBlob:
    """Return a layer of a repository, which is fetched when it is opened."""
    return RemoteBlob(transport, f"/v2/{quote(repository)}/blobs/{ref.digest}", ref.size or 0)


class RemoteBlob:
    """A blob of a registry."""

    def __init__(self, transport: Transport, path: str, size: int) -> None:
        self.transport = transport
        self.path = path
        self.size: int | None = size

    def open(self) -> BinaryIO:
        """Return a reader at the first byte; the connection is made when it is read."""
        return _Reader(self, self.size or 0)

    def read_range(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` to ``stop``.

        Raises :class:`UnusableTocError` where the registry gives no ranges, and what reading the
        blob raises.
        """
        return read_range(self.transport, self.path, start, stop)

    def read_together(self, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return several ranges at once; ``None`` where the registry does not send them so."""
        return read_together(self.transport, self.path, ranges)


class _Reader(io.RawIOBase, BinaryIO):
    """A blob as it comes; a connection that breaks is made again where it broke."""

    def __init__(self, blob: RemoteBlob, size: int) -> None:
        self._blob = blob
        self._size = size
        self._position = 0
        self._response: requests.Response | None = None
        self._failures = 0
        self._pace = Pace(blob.transport.patience)

    def read(self, count: int | None = -1, /) -> bytes:
        wanted = self._size - self._position
        if count is not None and count >= 0:
            wanted = min(wanted, count)
        if self._position == self._size:
            self._check_end()
        while wanted:
            try:
                if self._response is None:
                    self._response = self._connect()
                data = self._pace.read(self._response, wanted)
                if data:
                    self._position += len(data)
                    self._failures = 0
                    return data
                cause: BaseException | None = None
            except BROKEN as exc:
                cause = exc
            self._again(cause)
        return b""

    def _again(self, cause: BaseException | None) -> None:
        """Prepare to go on after a break, unless nothing has come for too often."""
        self._drop()
        registry = self._blob.transport.registry
        if self._failures == ATTEMPTS - 1:
            if cause is None:
                raise DigestMismatchError(
                    f"{registry} sends {self._position:,} bytes of {self._size:,}, and no more"
                )
            raise _went_away(registry, cause) from cause
        wait(self._failures)
        self._failures += 1

    def _connect(self) -> requests.Response:
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        transport = self._blob.transport
        response = transport.get(self._blob.path, **headers)
        if response.status_code == 404:
            response.close()
            raise ManifestError(f"{transport.registry} does not have it")
        _check_status(response, transport.registry)
        if self._position and response.status_code == 206:
            begins = f"bytes {self._position}-"
            if not response.headers.get("Content-Range", "").startswith(begins):
                response.close()
                raise RegistryError(f"{transport.registry} sends another range than asked for")
        elif self._position:  # it knows no ranges: all once more, up to where it broke
            left = self._position
            while left and (data := self._pace.read(response, min(left, 1 << 18))):
                left -= len(data)
        return response

    def _check_end(self) -> None:
        if self._response is None:
            return
        response, self._response = self._response, None
        try:
            more = response.raw.read(1)
        except BROKEN:
            more = b""
        finally:
            response.close()
        if more:
            raise DigestMismatchError(f"the blob has more than {self._size:,} bytes")

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def close(self) -> None:
        self._drop()
        super().close()


def _check_status(response: requests.Response, registry: str) -> None:
    if response.status_code == 403:
        response.close()
        raise AuthenticationError(f"{registry} denies access", hint=f"docker login {registry}")
    if response.status_code not in (200, 206):
        response.close()
        raise RegistryError(f"{registry} answers {response.status_code}")


def _went_away(registry: str, cause: BaseException) -> RegistryError:
    return RegistryError(f"{registry} went away: {reason(cause)}")
