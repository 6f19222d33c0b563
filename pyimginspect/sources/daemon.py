"""Images of a Docker Engine or of a Podman service: their ``save``, read as it comes."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import (
    ArchiveError,
    DaemonError,
    ImageNotFoundError,
    ManifestError,
    TruncatedError,
)
from pyimginspect.layers import Indexed
from pyimginspect.model import Digest, ImageConfig, decode_json, parse_digest
from pyimginspect.sources.documents import parse_config
from pyimginspect.sources.error_text import innermost, is_about_tls, reason
from pyimginspect.sources.options import LayerCache, Options
from pyimginspect.sources.readahead import ReadAhead
from pyimginspect.sources.reference import parse_name
from pyimginspect.sources.resolved import Resolved, StreamCarrier, resolved_from
from pyimginspect.sources.saved import resolve_store
from pyimginspect.sources.selection import LayerRef, Selection, check_platform, select_oci
from pyimginspect.sources.streams import StreamStore
from pyimginspect.sources.time_limits import time_limits

if TYPE_CHECKING:
    from docker.tls import TLSConfig

    from pyimginspect.sources.engines import Client

__all__ = ["list_images", "podman_addresses", "resolve_docker", "resolve_podman"]

# An engine writes the whole image to a disk of its own before it sends the first byte.
_TIMEOUT = 600.0
_CHUNK = 1 << 19


def resolve_docker(text: str, options: Options, *, reference: str) -> Resolved:
    """Find an image of the Docker Engine that ``docker`` itself would speak to.

    That is ``DOCKER_HOST`` (with ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH``), else the
    current context, else the local socket. ``text`` is a name, or an image ID. Raises
    :class:`DaemonError`, :class:`ImageNotFoundError`, and what reading an archive raises.
    """
    parse_name(text)
    with _docker(_asked(options)) as client:
        return _open(client, text, options, reference, "docker")


@contextlib.contextmanager
def _docker(seconds: float | None = None) -> Iterator[Client]:
    """Speak to the Docker Engine that ``docker`` itself would speak to."""
    with _translated("Docker"):
        from pyimginspect.sources.engines import find_docker

        engine = find_docker()
        if not _is_there(engine.url):
            raise DaemonError(f"no Docker service listens at {engine.url}")
        with _connected(engine.url, seconds, engine.settings() or False) as client:
            yield client


def resolve_podman(text: str, options: Options, *, reference: str) -> Resolved:
    """Find an image of a Podman service, rootless or root's. Raises as :func:`resolve_docker`."""
    parse_name(text)
    addresses = [address for address in podman_addresses() if _is_there(address)]
    if not addresses:
        named = os.environ.get("CONTAINER_HOST")
        raise DaemonError(
            f"no Podman service listens at {named}" if named else "no Podman service runs here",
            hint="systemctl --user start podman.socket",
        )
    with _translated("Podman"):
        from docker.errors import ImageNotFound

        for last, address in zip([*[False] * (len(addresses) - 1), True], addresses, strict=True):
            with _connected(address, _asked(options)) as client:
                try:
                    return _open(client, text, options, reference, "podman")
                except ImageNotFound:
                    if last:
                        raise
    raise AssertionError("the last address returns or raises")


def list_images(service: Literal["docker", "podman"]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the images that an engine has: each one's ID, and its names if it has any.

    Raises :class:`DaemonError` where none answers.
    """
    if service == "docker":
        with _docker() as client:
            return _listed(client)
    listed: dict[str, tuple[str, ...]] = {}
    addresses = [address for address in podman_addresses() if _is_there(address)]
    if not addresses:
        raise DaemonError(
            "no Podman service runs here", hint="systemctl --user start podman.socket"
        )
    for address in addresses:
        with _translated("Podman"), _connected(address, None) as client:
            listed.update(_listed(client))
    return list(listed.items())


def _listed(client: Client) -> list[tuple[str, tuple[str, ...]]]:
    listed = client.images()
    if not isinstance(listed, list):
        raise DaemonError("what answers there is no engine: it lists no images")
    images = [_inspected(each) for each in listed]
    unnamed = "<none>:<none>"
    return [
        (image.identity, tuple(name for name in image.tags or () if name != unnamed))
        for image in images
    ]


def podman_addresses() -> list[str]:
    """Return where a Podman service may listen: ``CONTAINER_HOST`` alone where it is set."""
    if host := os.environ.get("CONTAINER_HOST"):
        return [host.replace("unix://", "unix:///", 1) if host.count("/") < 3 else host]
    found = []
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        found.append(f"{runtime}/podman/podman.sock")
    if sys.platform != "win32":
        found.append(f"/run/user/{os.getuid()}/podman/podman.sock")
        found.append("/run/podman/podman.sock")
    home = os.path.expanduser("~/.local/share/containers/podman/machine/podman.sock")
    return [f"unix://{path}" for path in dict.fromkeys([*found, home])]


def _is_there(address: str) -> bool:
    """Whether a socket exists; what is no socket of this machine may be there."""
    return not address.startswith("unix:") or os.path.exists(address.removeprefix("unix://"))


def _asked(options: Options) -> float | None:
    """Return the limit of time that the caller has set, in seconds."""
    return options.connections.timeout if options.connections is not None else None


@contextlib.contextmanager
def _connected(
    address: str, seconds: float | None, tls: TLSConfig | Literal[False] = False
) -> Iterator[Client]:
    """Speak to a service for as long as the ``with`` statement lasts."""
    from pyimginspect.sources.engines import Client

    timeout = math.ceil(time_limits(seconds, default=(_TIMEOUT, _TIMEOUT))[1])
    try:
        client = Client(base_url=address, tls=tls, version="auto", timeout=timeout)
    except ValueError as exc:  # of a version that is none
        raise DaemonError(f"what answers there is no engine: {reason(exc)}") from exc
    with contextlib.closing(client):
        yield client


@contextlib.contextmanager
def _translated(service: str) -> Iterator[None]:
    """Turn the errors of the SDK and of its HTTP library into ours."""
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except docker.errors.ImageNotFound as exc:
        raise ImageNotFoundError(f"{service} has no such image") from exc
    except docker.errors.APIError as exc:
        said = exc.explanation or exc.response.reason if exc.response is not None else str(exc)
        raise DaemonError(f"{service} refused: {str(said)[:300]}") from exc
    except (docker.errors.DockerException, requests.RequestException) as exc:
        raise _no_answer(service, exc) from exc
    except (urllib3.exceptions.HTTPError, OSError) as exc:
        raise DaemonError(f"the {service} service went away: {reason(exc)}") from exc


def _no_answer(service: str, exc: Exception) -> DaemonError:
    if is_about_tls(exc):
        return DaemonError(
            f"no secure connection to {service}: {reason(exc)}",
            hint="DOCKER_CERT_PATH, or the context, has the ca.pem, cert.pem and key.pem for it",
        )
    inner = innermost(exc)
    if isinstance(inner, PermissionError):
        return DaemonError(
            f"this user has no permission to use the socket of {service}",
            hint=f"run as root or as a user with access to {service}, or save the image to a file",
        )
    if "to an HTTPS server" in str(exc):  # the answer of Go's net/http
        return DaemonError(
            f"{service} speaks TLS there",
            hint="set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to where its certificates are",
        )
    if isinstance(inner, NameError):  # the SDK lacks a module, and says so in its own error
        return DaemonError(f"no {service} service answers: {exc}")
    return DaemonError(f"no {service} service answers: {reason(exc)}")


def _open(client: Client, text: str, options: Options, reference: str, source: str) -> Resolved:
    known = _inspected(client.inspect_image(text))  # type: ignore[no-untyped-call]
    again = f"{source}:{known.identity or text}"
    found = _from_cache(known, options, reference, source, again) if options.cache else None
    if found is None:
        recorded = _saved(client, text, options, source)
        found = resolve_store(
            recorded, options, name=None, reference=reference, found_as=source, again=again
        )
        if options.cache is not None:
            for data in recorded.documents:
                options.cache.put_document(data)
    return msgspec.structs.replace(found, names=tuple(sorted(known.tags or ())))


def _saved(client: Client, text: str, options: Options, source: str) -> _Recorded:
    import requests

    chunks = client.get_image(text, chunk_size=_CHUNK)
    cause: Exception | None = None
    try:
        with ReadAhead(lambda: next(chunks, b"")) as stream:
            recorded = _Recorded(stream, options)
        if recorded.members():
            return recorded
    except (requests.exceptions.ChunkedEncodingError, requests.ConnectionError) as exc:
        cause = exc
    except ArchiveError as exc:
        # Over a socket of this machine only the archive tells that it is not the end yet.
        if not isinstance(exc.__cause__, TruncatedError):
            raise
        cause = exc
    service = source.capitalize()
    raise DaemonError(
        f"the {service} service went away before the whole image had come",
        hint="its log may say why; it needs room for the image on a disk of its own",
    ) from cause


class _Inspected(Struct):
    """What an engine says of an image, as far as it is of use here."""

    identity: str = msgspec.field(default="", name="Id")
    tags: list[str] | None = msgspec.field(default=None, name="RepoTags")


def _inspected(answer: object) -> _Inspected:
    try:
        return from_builtins(answer, _Inspected)
    except msgspec.ValidationError as exc:
        raise DaemonError(f"what answers there is no engine: {exc}") from exc


class _Recorded(StreamStore):
    """What goes by, and the documents that were asked for."""

    def __init__(self, stream: BinaryIO, options: Options) -> None:
        super().__init__(stream, options)
        self.documents: list[bytes] = []

    def document(self, name: str) -> bytes | None:
        """Return a small member, and remember it."""
        data = super().document(name)
        if data is not None:
            self.documents.append(data)
        return data


# --- an image seen before -------------------------------------------------------------------------
def _from_cache(
    known: _Inspected, options: Options, reference: str, source: str, again: str
) -> Resolved | None:
    """Return the image without a byte of it, if all that it is made of has been seen before.

    An image's ID is the digest of its configuration, or of its manifest where the engine keeps
    images in containerd's store; either leads to the diff IDs, and these to the indexes.
    """
    cache = options.cache
    if cache is None or options.verify:
        return None
    try:
        identity = parse_digest(known.identity)
        data = cache.get_document(identity)
        selection = _select(data, identity, cache, options) if data is not None else None
    except ManifestError:
        return None
    if selection is None:
        return None
    indexed = {}
    layers = []
    for number, ref in enumerate(selection.layers):
        index = cache.get(ref.diff_id, ref.digest)
        if index is None:
            return None
        size = ref.size if ref.size is not None else index.size
        indexed[number] = Indexed(index=index, blob_size=size)
        layers.append(msgspec.structs.replace(ref, number=number, size=size))
    check_platform(selection, options.platform)
    return resolved_from(
        selection,
        tuple(layers),
        StreamCarrier(reference=again),
        reference=reference,
        source=source,
        indexed=indexed,
    )


class _Kept:
    """The documents in the cache, as a store."""

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache

    def document(self, name: str) -> bytes | None:
        return None

    def blob_document(self, digest: Digest, *, manifest: bool = False) -> bytes | None:
        return self._cache.get_document(digest)


def _select(data: bytes, identity: Digest, cache: LayerCache, options: Options) -> Selection | None:
    if "rootfs" in decode_json(data, "the configuration"):
        config: ImageConfig = parse_config(data, "the configuration")
        layers = tuple(LayerRef(name=d, diff_id=d) for d in config.diff_ids)
        return Selection(config=config, layers=layers, config_digest=identity)
    return select_oci(data, _Kept(cache), name=None, platform=options.platform)
