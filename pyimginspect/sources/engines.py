"""Where a Docker engine is, and how to speak to it: environment, contexts, TLS.

The rules are those of Docker's own command line: ``DOCKER_HOST``, else ``DOCKER_CONTEXT``, else
``currentContext`` of ``config.json``, else the local socket. Contexts are read here and not by
the SDK, which looks for them in the working directory where there is no ``config.json``, and
knows no context with the certificate of a CA alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import docker
import msgspec
from docker.constants import DEFAULT_NPIPE, DEFAULT_UNIX_SOCKET, IS_WINDOWS_PLATFORM
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from msgspec import Struct
from requests import HTTPError
from urllib3.exceptions import InsecureRequestWarning

from pyimginspect.decoding import from_json
from pyimginspect.errors import DaemonError, ManifestError
from pyimginspect.model import decode_json
from pyimginspect.sources.bodies import read_body
from pyimginspect.sources.certificates import load_pair, load_roots

__all__ = ["Client", "Engine", "find_docker"]


_LARGEST_ANSWER = 64 << 20  # bytes: the list of all images of an engine
_LONGEST_ERROR = 300  # characters
# A socket of this machine, or a connection that SSH protects: TLS is for TCP.
_WITHOUT_TLS = ("unix:", "http+unix:", "npipe:", "ssh:")


class Engine(Struct, frozen=True, kw_only=True):
    """An address, and what TLS needs where it is spoken there."""

    url: str
    tls: bool = False
    verify: bool = True
    roots: Path | None = None
    pair: tuple[Path, Path] | None = None

    def settings(self) -> TLSConfig | None:
        """Return the settings of TLS for the SDK, checked.

        Raises :class:`DaemonError` for a file that is no certificate or no key.
        """
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.roots is not None:
            load_roots(context, self.roots, DaemonError)
        if self.pair is not None:
            load_pair(context, *self.pair, DaemonError)
        return TLSConfig(
            client_cert=(str(self.pair[0]), str(self.pair[1])) if self.pair else None,
            ca_cert=str(self.roots) if self.roots else None,
            verify=self.verify,
        )


class Client(docker.APIClient):
    """The SDK's client. What it was told to trust is what it trusts."""

    def get_image(self, image: Any, chunk_size: Any = None) -> Any:
        """Return the pieces of a saved image, from a socket of this machine without HTTP's chunks.

        An engine sends chunks of 32 KiB. To take 45,000 of them apart costs a second for an
        image of 1.5 GB (docs/decisions/engine-transport.md).
        """
        self._without_chunks()
        return super().get_image(image, chunk_size)

    def get_images(self, images: Iterable[str], chunk_size: int) -> Any:
        """Return the pieces of several images that are saved together (``/images/get``)."""
        self._without_chunks()
        # The SDK has no method for it. ``names`` repeats for each image (Engine API, ImageGetAll).
        response = self.get(
            f"{self.base_url}/v{self.api_version}/images/get",
            params={"names": list(images)},
            stream=True,
            timeout=self.timeout,
        )
        try:
            response.raise_for_status()
        except HTTPError as exc:
            docker.errors.create_api_error_from_http_exception(exc)
        return response.iter_content(chunk_size)

    def _without_chunks(self) -> None:
        usual = self.get_adapter(self.base_url)
        if isinstance(usual, UnixHTTPAdapter):
            # The SDK mounts one adapter for all requests; from here on this one takes its place.
            self.mount(self.base_url, _WithoutChunks(usual.socket_path, usual.timeout))

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the settings of a request; else ``REQUESTS_CA_BUNDLE`` would have its way."""
        own = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)

    def send(self, request: Any, **settings: Any) -> Any:
        """Send a request. Its answer is bounded, unless it is a stream that is no error.

        Who has switched verification off knows it, and is not warned.
        """
        is_stream = settings.get("stream", False)
        settings["stream"] = True
        if self.verify is not False:
            response = super().send(request, **settings)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InsecureRequestWarning)
                response = super().send(request, **settings)
        if not is_stream or response.status_code >= 400:
            whole: Any = response
            whole._content = read_body(response, _LARGEST_ANSWER, float(self.timeout))
        return response

    def _result(self, response: Any, json: bool = False, binary: bool = False) -> Any:
        """Return an answer; raise :class:`DaemonError` for what should be JSON and is not."""
        if not json:
            return super()._result(response, json, binary)  # type: ignore[misc]
        self._raise_for_status(response)
        try:
            return decode_json(response.content, "its answer")
        except ManifestError as exc:
            raise DaemonError(f"what answers there is no engine: {exc.message}") from exc

    def _raise_for_status(self, response: Any) -> None:
        """Raise the SDK's error; it takes what an error should hold for granted."""
        if response.status_code >= 400:
            said: object = None
            with contextlib.suppress(ManifestError):
                said = decode_json(response.content, "the error")
            if not (isinstance(said, dict) and isinstance(said.get("message"), str)):
                plain = response.content[:_LONGEST_ERROR].decode("utf-8", "replace")
                response._content = msgspec.json.encode({"message": plain.strip()})
        super()._raise_for_status(response)  # type: ignore[misc]


class _OldConnection(UnixHTTPConnection):
    """Asks in HTTP/1.0, so that the answer has no chunks and ends with the connection.

    Source: RFC 9112, section 6.1, "A server MUST NOT send a response containing
    Transfer-Encoding unless the corresponding request indicates HTTP/1.1".
    """

    # http.client's own attributes for the version that it asks in.
    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


class _OldPool(UnixHTTPConnectionPool):
    def _new_conn(self) -> Any:
        timeout: Any = self.timeout  # a number of seconds, as the SDK sets it
        return _OldConnection(self.base_url, self.socket_path, timeout)


class _WithoutChunks(UnixHTTPAdapter):
    """Asks one thing, over a connection of its own."""

    def get_connection(self, url: Any, proxies: Any = None) -> UnixHTTPConnectionPool:
        """Return a new pool of such connections, as the SDK has it for its own."""
        pool = _OldPool(url, self.socket_path, self.timeout)
        self.pools[url] = pool
        return pool


def find_docker() -> Engine:
    """Return the engine that ``docker`` would speak to.

    Raises :class:`DaemonError` for a context that is not there, or certificates that are not.
    """
    environment = os.environ
    config = Path(environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))
    if host := environment.get("DOCKER_HOST"):
        return _from_environment(host, environment, config)
    # "default" is no context that is stored, but docker's name for having none.
    name = environment.get("DOCKER_CONTEXT") or _current_context(config)
    if name == "default":
        local = DEFAULT_NPIPE if IS_WINDOWS_PLATFORM else DEFAULT_UNIX_SOCKET
        return Engine(url=local.removeprefix("http+"))
    return _from_context(name, config / "contexts")


def _from_environment(host: str, environment: Mapping[str, str], config: Path) -> Engine:
    named = environment.get("DOCKER_CERT_PATH")
    # Any value counts, even "0": docker only asks whether it is empty.
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if host.startswith(_WITHOUT_TLS) or not (named or verify):
        return Engine(url=host)
    # docker's own default for DOCKER_CERT_PATH is the directory of config.json.
    folder = Path(named) if named else config
    if verify and not (folder / "ca.pem").is_file():
        raise DaemonError(
            f"DOCKER_TLS_VERIFY is set, and there is no {folder / 'ca.pem'}",
            hint="DOCKER_CERT_PATH names the directory of ca.pem, cert.pem and key.pem",
        )
    return _with_certificates(host, folder, verify=verify)


def _with_certificates(url: str, folder: Path, *, verify: bool) -> Engine:
    roots, certificate, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if certificate.is_file() != key.is_file():
        there, lacking = (certificate, key) if certificate.is_file() else (key, certificate)
        raise DaemonError(f"there is no {lacking.name} beside {there}")
    return Engine(
        url=url,
        tls=True,
        verify=verify,
        roots=roots if roots.is_file() else None,
        pair=(certificate, key) if key.is_file() else None,
    )


# --- contexts -------------------------------------------------------------------------------------
class _Config(Struct):
    current: str = msgspec.field(default="", name="currentContext")


class _Endpoint(Struct):
    host: str = msgspec.field(default="", name="Host")
    unverified: bool = msgspec.field(default=False, name="SkipTLSVerify")


class _Meta(Struct):
    endpoints: dict[str, _Endpoint] = msgspec.field(default_factory=dict, name="Endpoints")


def _current_context(config: Path) -> str:
    try:
        data = (config / "config.json").read_bytes()
        return from_json(data, _Config).current or "default"
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return "default"


def _from_context(name: str, folder: Path) -> Engine:
    # docker/cli, cli/context/store: a context's directory is the digest of its name, so that any
    # name will do.
    identity = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    path = folder / "meta" / identity / "meta.json"
    try:
        meta = from_json(path.read_bytes(), _Meta)
    except FileNotFoundError as exc:
        raise DaemonError(
            f"there is no Docker context '{name}'", hint="docker context ls shows those there are"
        ) from exc
    except OSError as exc:
        raise DaemonError(f"{path} cannot be read: {exc.strerror}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise DaemonError(f"{path} is no Docker context") from exc
    endpoint = meta.endpoints.get("docker", _Endpoint())
    if not endpoint.host:
        raise DaemonError(f"the Docker context '{name}' names no engine")
    material = folder / "tls" / identity / "docker"
    if endpoint.host.startswith(_WITHOUT_TLS):
        return Engine(url=endpoint.host)
    found = _with_certificates(endpoint.host, material, verify=not endpoint.unverified)
    wanted = endpoint.unverified or found.roots is not None or found.pair is not None
    return found if wanted else Engine(url=endpoint.host)
