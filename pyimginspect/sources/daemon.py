"""Images of a Docker Engine or of a Podman service: their ``save``, read as it comes."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import (
    ArchiveError,
    DaemonError,
    ImageNotFoundError,
    TruncatedError,
)
from pyimginspect.sources.error_text import innermost, is_about_tls, reason
from pyimginspect.sources.known_images import image_in_cache, is_in_cache, without_archive
from pyimginspect.sources.options import Options
from pyimginspect.sources.passing import PassingStore
from pyimginspect.sources.processes import loading_meanwhile
from pyimginspect.sources.readahead import ReadAhead
from pyimginspect.sources.reference import parse_name
from pyimginspect.sources.resolved import Resolved, StreamCarrier
from pyimginspect.sources.saved import resolve_store
from pyimginspect.sources.streams import StreamStore
from pyimginspect.sources.time_limits import time_limits

if TYPE_CHECKING:
    from docker.tls import TLSConfig

    from pyimginspect.sources.engines import Client

__all__ = [
    "list_images",
    "podman_addresses",
    "resolve_docker",
    "resolve_podman",
    "save_together",
]

_S = TypeVar("_S", bound="StreamStore")


# An engine writes the whole image to a disk of its own before it sends the first byte.
_TIMEOUT = 600.0
_CHUNK = 1 << 19  # bytes
# The engine writes them all to its disk before it sends anything.
_MOST_TOGETHER = 8 << 30  # bytes of images that are saved at once, shared layers counted for each


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
    addresses = _podmans()
    with _translated("Podman"):
        from docker.errors import ImageNotFound

        # Rootless Podman and root's have images of their own, so the next may have it.
        for last, address in zip([*[False] * (len(addresses) - 1), True], addresses, strict=True):
            with _connected(address, _asked(options)) as client:
                try:
                    return _open(client, text, options, reference, "podman")
                except ImageNotFound:
                    if last:
                        raise
    raise AssertionError("the last address returns or raises")


def save_together(
    service: Literal["docker", "podman"], names: Iterable[str], options: Options
) -> None:
    """Have an engine save several images at once, and keep all that goes by in the cache.

    What they share goes by once, and opening one of them then finds it in the cache. Images that
    are there are not asked for, nor is one alone. Raises :class:`DaemonError` and
    :class:`ArchiveError`; what has gone by until then is kept.
    """
    asked = tuple(names)
    for client in _clients(service, _asked(options)):
        with _translated(service.capitalize()):
            for group in _groups(_to_be_saved(client, asked, options)):
                if len(group) > 1:
                    _passed(client.get_images(group, _CHUNK), options, service, PassingStore)


def _to_be_saved(
    client: Client, names: Iterable[str], options: Options
) -> Iterator[tuple[str, int]]:
    """Return the names of images that the cache has not, and how many bytes each has."""
    from docker.errors import ImageNotFound

    for name in names:
        with contextlib.suppress(ImageNotFound):
            known = _inspected(client.inspect_image(name))  # type: ignore[no-untyped-call]
            if not is_in_cache(known.identity, options):
                yield name, known.size or 0


def _groups(sizes: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Divide images into groups for whose archive an engine should have room on its disk."""
    group: list[str] = []
    total = 0
    for name, size in sizes:
        if group and total + size > _MOST_TOGETHER:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    yield group


def list_images(service: Literal["docker", "podman"]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the images that an engine has: each one's ID, and its names if it has any.

    Raises :class:`DaemonError` where none answers.
    """
    listed: dict[str, tuple[str, ...]] = {}
    for client in _clients(service, None):
        with _translated(service.capitalize()):
            listed.update(_listed(client))
    return list(listed.items())


def _clients(service: Literal["docker", "podman"], seconds: float | None) -> Iterator[Client]:
    """Speak to each engine of that kind in turn. Raises :class:`DaemonError` where none answers."""
    if service == "docker":
        with _docker(seconds) as client:
            yield client
        return
    for address in _podmans():
        with _translated("Podman"), _connected(address, seconds) as client:
            yield client


def _podmans() -> list[str]:
    addresses = [address for address in podman_addresses() if _is_there(address)]
    if not addresses:
        named = os.environ.get("CONTAINER_HOST")
        raise DaemonError(
            f"no Podman service listens at {named}" if named else "no Podman service runs here",
            hint="systemctl --user start podman.socket",
        )
    return addresses


def _listed(client: Client) -> list[tuple[str, tuple[str, ...]]]:
    listed = client.images()
    if not isinstance(listed, list):
        raise DaemonError("what answers there is no engine: it lists no images")
    images = [_inspected(each) for each in listed]
    # What the Engine API had for an image without a name before version 1.43.
    unnamed = "<none>:<none>"
    return [
        (image.identity, tuple(name for name in image.tags or () if name != unnamed))
        for image in images
    ]


def podman_addresses() -> list[str]:
    """Return where a Podman service may listen: ``CONTAINER_HOST`` alone where it is set."""
    if host := os.environ.get("CONTAINER_HOST"):
        # "unix://run/podman.sock" has the first part of the path where a URL has the host.
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

    # The SDK's own signature wants whole seconds, and 0 would not wait at all.
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
    # By its ID: the name may lead to another image by the time that layers are read again.
    again = f"{source}:{known.identity or text}"
    carrier = StreamCarrier(reference=again)
    found = image_in_cache(known.identity, carrier, options, reference=reference, source=source)
    if found is None:
        options.progress.expect(0, known.size or 0)
        options.progress.wait(f"{source.capitalize()} to export {text}")
        recorded = _saved(client, text, options, source)
        found = resolve_store(
            recorded, options, name=None, reference=reference, found_as=source, again=again
        )
        if options.cache is not None:
            for data in recorded.documents:
                options.cache.put_document(data)
        # As the next time, when the cache has it and no archive is read.
        found = without_archive(found, known.identity)
    return msgspec.structs.replace(found, names=tuple(sorted(known.tags or ())))


def _saved(client: Client, text: str, options: Options, source: str) -> _Recorded:
    with loading_meanwhile():  # for seconds the engine only writes to its disk
        chunks = client.get_image(text, chunk_size=_CHUNK)
    return _passed(chunks, options, source, _Recorded)


def _passed(chunks: Iterator[bytes], options: Options, source: str, kind: type[_S]) -> _S:
    """Have what an engine saves go by, as a store of that ``kind``."""
    import requests

    cause: Exception | None = None
    try:
        with ReadAhead(lambda: next(chunks, b"")) as stream:
            store = kind(stream, options)
        if store.members():
            return store
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
    size: int | None = msgspec.field(default=None, name="Size")


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
