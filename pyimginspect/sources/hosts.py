"""One host of a registry: its connections, its TLS, and the patience that it asks for."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pyimginspect.errors import RegistryError
from pyimginspect.sources.adapters import Adapter
from pyimginspect.sources.addresses import addresses_of, is_loopback, may_lead_to
from pyimginspect.sources.certificates import find_certificates, trusting_context
from pyimginspect.sources.challenges import Authorization, bypass
from pyimginspect.sources.error_text import innermost, is_about_tls, reason
from pyimginspect.sources.time_limits import time_limits

__all__ = ["ATTEMPTS", "Host", "dismiss", "wait"]

ATTEMPTS = 5

_CERTIFICATES = "~/.config/containers/certs.d"
_LONGEST_WAIT = 30.0
# What the standard library may raise for a date that makes no sense.
_NO_DATE = (ValueError, TypeError, IndexError, OverflowError)
_SHORT_DIGITS = 5  # bodies below 10,000 bytes
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_LONGEST_NAME = 253  # characters (RFC 1035, 2.3.4)
# For addresses and headers that make no sense, as a registry sends them or as the environment
# names a proxy, requests and the standard library have errors of every kind.
_UNFIT = (requests.RequestException, TypeError, ValueError)


def wait(attempt: int, response: requests.Response | None = None) -> None:
    """Sleep before another attempt: as long as the registry asks, else ever longer."""
    asked = _seconds_asked(response) if response is not None else 0.0
    # A quarter of a second to four, for as many as ATTEMPTS; a registry may ask for an hour.
    time.sleep(min(asked or 0.25 * 2**attempt, _LONGEST_WAIT))


def _seconds_asked(response: requests.Response) -> float:
    """Return how long the registry asks to wait (RFC 9110, 10.2.3): seconds, or until a date."""
    asked = response.headers.get("Retry-After", "")
    with contextlib.suppress(urllib3.exceptions.InvalidHeader, *_NO_DATE):
        return float(urllib3.Retry().parse_retry_after(asked))
    return 0.0


def dismiss(response: requests.Response) -> None:
    """Close a response whose body nobody wants; a short one is read, to keep the connection."""
    length = response.headers.get("Content-Length", "")
    short = length.isascii() and length.isdigit() and len(length) < _SHORT_DIGITS
    with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        if short or response.request.method == "HEAD":
            response.content  # noqa: B018 - that is what reads it
    response.close()


class _Session(requests.Session):
    """A session that leaves redirects alone, as :class:`Transport` has rules of its own for them.

    Even where it does not follow them, ``requests`` would read where they lead, and lose the
    connection where that makes no sense.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Tell that no response is a redirect."""


class Host:
    """One host, spoken to from several threads, for all repositories that it has."""

    def __init__(
        self,
        registry: str,
        *,
        plain: bool = False,
        insecure: bool = False,
        directories: Sequence[Path] | None = None,
        timeout: float | None = None,
    ) -> None:
        """``registry`` is the host as a reference names it; ``plain`` allows HTTP without TLS.

        ``insecure`` is what registries.conf means by it: any certificate will do, and where
        there is no TLS, HTTP. ``directories`` are where certificates are looked for; see
        :mod:`.certificates`. ``timeout`` is that of :func:`time_limits`.
        """
        self.registry = registry
        # docker.io itself serves the web site (moby, registry/config.go, DefaultV2Registry).
        self._host = "registry-1.docker.io" if registry == "docker.io" else registry
        self._wants_plain = plain or insecure
        self._insecure = insecure and not plain
        self.timeout = time_limits(timeout)
        # A registry on this machine speaks with TLS or without: which, the first answer tells.
        self._unsure = is_loopback(registry) and not plain
        self._scheme = "http" if plain or self._unsure else "https"
        self._lock_of_tls = threading.Lock()
        self._pause = threading.Lock()
        self.session = _Session()
        # Digests and ranges are of the bytes as stored; requests would ask for gzip.
        self.session.headers.update({"User-Agent": "pyimginspect", "Accept-Encoding": "identity"})
        self.session.mount("http://", Adapter(self._check_address))
        self._directories = directories
        self._secured = False

    def close(self) -> None:
        """Close all connections."""
        self.session.close()

    def be_patient(self, attempt: int, response: requests.Response) -> None:
        """Wait as :func:`wait` does after an answer that says that the registry is busy.

        Where it asks for a time, all who speak to this host wait, for one another's time alone.
        """
        if not _seconds_asked(response):
            wait(attempt)
        elif self._pause.acquire(blocking=False):
            try:
                wait(attempt, response)
            finally:
                self._pause.release()

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        authorization: str | None,
        attempt: int,
    ) -> requests.Response | None:
        """Return a response, or ``None`` for one more attempt.

        Raises :class:`RegistryError` where there will be none.
        """
        with self._pause:  # for as long as the registry has asked somebody to wait
            pass
        try:
            address = f"{self._scheme}://{self._host}{path}"
            response = self._follow(method, address, headers, authorization)
        except (requests.ConnectionError, requests.Timeout) as exc:
            if is_about_tls(exc) or (self._insecure and self._scheme == "https"):
                if self._insecure and self._scheme == "https":
                    self._scheme = "http"
                    return None
                raise self._not_secure(exc) from exc
            if attempt == ATTEMPTS - 1 or _is_hopeless(exc):
                # A server that turns a client away often closes before that can read the reason.
                broke = isinstance(innermost(exc), ssl.SSLEOFError | ConnectionResetError)
                hint = self._own_certificate() if broke and self._secured else None
                raise RegistryError(
                    f"no answer from {self.registry}: {reason(exc)}", hint=hint
                ) from exc
            if not self._settle(None):
                wait(attempt)
            return None
        except _UNFIT as exc:
            raise RegistryError(f"{self.registry}: {reason(exc)}") from exc
        if self._settle(response.status_code):
            response.close()
            return None
        return response

    def _settle(self, status: int | None) -> bool:
        """Decide between HTTP and HTTPS by a first answer; tell whether to ask again with TLS.

        A port that wants TLS answers plain HTTP with status 400, or by closing the connection.
        """
        if not self._unsure:
            return False
        self._unsure = False
        # Go's net/http: "Client sent an HTTP request to an HTTPS server".
        if status in (None, 400):
            self._scheme = "https"
            return True
        return False

    def _follow(
        self, method: str, url: str, headers: dict[str, str], authorization: str | None
    ) -> requests.Response:
        origin = urlsplit(url)[:2]
        self._secure(url)
        for _ in range(_MAX_REDIRECTS):
            # Credentials are for the registry itself, never for where it sends us (RFC 9110,
            # 15.4), and its word does not take us from TLS to plain text.
            own = authorization if urlsplit(url)[:2] == origin else None
            response: requests.Response = self.session.request(
                method,
                url,
                headers=headers,
                auth=Authorization(own),
                proxies=bypass(url),
                timeout=self.timeout,
                stream=True,
                allow_redirects=False,
            )
            if response.status_code not in _REDIRECTS:
                return response
            dismiss(response)
            url = urljoin(url, response.headers.get("Location", ""))
            self.check_scheme(url, "redirects")
        raise RegistryError(f"{self.registry} redirects in circles")

    def check_scheme(self, url: str, what: str) -> None:
        """Raise :class:`RegistryError` where the registry leads to plain text; be ready for TLS.

        ``what`` it does, the message tells.
        """
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise RegistryError(f"{self.registry} {what} to what is no address") from exc
        plain = self._wants_plain or is_loopback(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            place = f"{parts.scheme}://{parts.hostname or ''}"
            raise RegistryError(f"{self.registry} {what} to {_short(place)}")
        # The port is of no matter here, and what is wrong with it the request will say.
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(parts.hostname or "")
            self._check_address(parts.hostname or "", None, parts.hostname)
        self._secure(url)

    def _check_address(self, host: str, port: int | None, address: str | None) -> None:
        """Raise :class:`RegistryError` where the registry leads to what only some can reach.

        Before there is a connection, all addresses that the host has are examined.
        """
        own = urlsplit(f"//{self._host}")
        # The registry itself may be anywhere: the user has named it.
        if host == own.hostname and port in (own.port, None, 80, 443):
            return
        found = addresses_of(host) if address is None else {address}
        if not may_lead_to(found, addresses_of(own.hostname or "")):
            raise RegistryError(
                f"{self.registry} leads to {_short(host)}, which is not open to all "
                "as the registry is",
                hint="it may be after what this machine alone can reach",
            )

    def _secure(self, url: str) -> None:
        """Have TLS ready for ``url`` if it needs that: reading the certificates takes a while.

        The roots in the registry's directory are trusted for all that it sends us to as well, as
        Docker and Podman do; the client's certificate is shown to the registry alone.
        """
        if not url.startswith("https:"):
            return
        with self._lock_of_tls:
            if self._secured:
                return
            found = find_certificates(self.registry, self._directories)
            others = trusting_context(found, client=False)
            own = trusting_context(found, client=True) if found.pair is not None else others
            if self._insecure:
                own = ssl.create_default_context()
                # In this order: a context refuses CERT_NONE for as long as it checks the name.
                own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
            self.session.mount("https://", Adapter(self._check_address, others))
            # requests takes the adapter of the longest prefix. Without the slash this one would
            # be for https://HOST.example as well, and show the certificate there.
            self.session.mount(f"https://{self._host}/", Adapter(self._check_address, own))
            self._secured = True

    def _not_secure(self, exc: Exception) -> RegistryError:
        hint = self._own_certificate()
        if isinstance(innermost(exc), ssl.SSLCertVerificationError):
            where = f"{_CERTIFICATES}/{self.registry}/ca.crt"
            hint = f"put the certificate of its CA into {where}, or name it in SSL_CERT_FILE"
        said = reason(exc)
        return RegistryError(f"no secure connection to {self.registry}: {said}", hint=hint)

    def _own_certificate(self) -> str:
        where = f"{_CERTIFICATES}/{self.registry}"
        return (
            f"if it requires a client certificate: put it at {where}/client.cert, with client.key"
        )


def _short(place: str) -> str:
    """Return where a registry leads, for a message: no longer than the longest name of a host."""
    return place if len(place) <= _LONGEST_NAME else f"{place[:_LONGEST_NAME]}…"


def _is_hopeless(exc: requests.RequestException) -> bool:
    """Whether there is no such host, or nothing listens: waiting would not help."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    return isinstance(innermost(exc), ConnectionRefusedError | socket.gaierror)
