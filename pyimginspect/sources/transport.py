"""HTTP as registries need it: challenges, redirects, patience, and never a secret too far."""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from pyimginspect.errors import AuthenticationError, QuotaError, RegistryError
from pyimginspect.sources.certificates import find_certificates, trusting_context
from pyimginspect.sources.challenges import (
    Authorization,
    Challenge,
    bypass,
    fetch_token,
    is_loopback,
    parse_challenges,
)
from pyimginspect.sources.credentials import Credentials, find_credentials, missing_helper
from pyimginspect.sources.reasons import innermost, is_about_tls, reason

__all__ = ["ATTEMPTS", "Transport", "wait"]

ATTEMPTS = 5
_CONNECTIONS = 16
_CERTIFICATES = "~/.config/containers/certs.d"
_TIMEOUT = (10, 60)  # seconds to connect, and between two packets
_LONGEST_WAIT = 30.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
# For addresses and headers that make no sense, as a registry sends them or as the environment
# names a proxy, requests and the standard library have errors of every kind.
_UNFIT = (requests.RequestException, TypeError, ValueError)


def wait(attempt: int, response: requests.Response | None = None) -> None:
    """Sleep before another attempt: as long as the registry asks, else ever longer."""
    asked = _seconds_asked(response) if response is not None else 0.0
    time.sleep(min(asked or 0.25 * 2**attempt, _LONGEST_WAIT))


def _seconds_asked(response: requests.Response) -> float:
    """Return how long the registry asks to wait (RFC 9110, 10.2.3): seconds, or until a date."""
    asked = response.headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        until = email.utils.parsedate_to_datetime(asked)
        return max(0.0, until.timestamp() - time.time())
    return 0.0


class _Session(requests.Session):
    """A session that leaves redirects alone, as :class:`Transport` has rules of its own for them.

    Even where it does not follow them, ``requests`` would read where they lead, and lose the
    connection where that makes no sense.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Tell that no response is a redirect."""


class _Secure(HTTPAdapter):
    """Connections whose TLS is that of a context of our own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
        """Make connections with the context."""
        super().init_poolmanager(*arguments, **settings, ssl_context=self._context)

    def proxy_manager_for(self, proxy: Any, **settings: Any) -> Any:
        """Make connections through a proxy with it, too."""
        return super().proxy_manager_for(proxy, **settings, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave it at that: by itself it would load ``certifi``'s roots into the context."""
        conn.cert_reqs = "CERT_REQUIRED"


class Transport:
    """One registry, spoken to from several threads."""

    def __init__(
        self,
        registry: str,
        *,
        repository: str = "",
        plain: bool = False,
        directories: Sequence[Path] | None = None,
    ) -> None:
        """``registry`` is the host as a reference names it; ``plain`` allows HTTP without TLS.

        The credentials are those for ``repository``, where there are such. ``directories`` are
        where certificates are looked for; see :mod:`.certificates`.
        """
        self.registry = registry
        self._repository = repository
        self._host = "registry-1.docker.io" if registry == "docker.io" else registry
        self._wants_plain = plain
        # A registry on this machine speaks with TLS or without: which, the first answer tells.
        self._unsure = is_loopback(registry) and not plain
        self._scheme = "http" if plain or self._unsure else "https"
        self._lock = threading.Lock()
        self._lock_of_tls = threading.Lock()
        self._authorization: str | None = None
        self._credentials: Credentials | None = None
        self._asked_for_credentials = False
        self._session = _Session()
        self._session.headers.update({"User-Agent": "pyimginspect", "Accept-Encoding": "identity"})
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        self._directories = directories
        self._secured = False

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def get(self, path: str, *, method: str = "GET", **headers: str) -> requests.Response:
        """Ask for ``path``; the response's body is not yet read, its status may be any below 500.

        Connections that break and registries that are busy are tried again, and challenges are
        answered. Raises :class:`RegistryError` or :class:`AuthenticationError`.
        """
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        used: str | None = None
        for attempt in range(ATTEMPTS):
            used = self._authorization
            response = self._once(method, path, asked, attempt)
            if response is None:
                continue
            if response.status_code == 401:
                challenge = response.headers.get("WWW-Authenticate", "")
                response.close()
                self._answer(challenge, used)
            elif response.status_code in _BUSY and attempt < ATTEMPTS - 1:
                response.close()
                wait(attempt, response)
            elif response.status_code in _BUSY:
                response.close()
                raise self._busy(response.status_code)
            else:
                return response
        raise AuthenticationError(f"{self.registry} refuses every token it gives")

    def _busy(self, status: int) -> RegistryError:
        kind = QuotaError if status == 429 else RegistryError
        return kind(f"{self.registry} is busy or broken: it answers {status}")

    def challenge(self) -> str:
        """Return the ``WWW-Authenticate`` header for who asks without credentials, or nothing."""
        for attempt in range(ATTEMPTS):
            response = self._once("GET", "/v2/", {}, attempt)
            if response is not None:
                with response:
                    return response.headers.get("WWW-Authenticate", "")
        return ""

    def _once(
        self, method: str, path: str, headers: dict[str, str], attempt: int
    ) -> requests.Response | None:
        """Return a response, or ``None`` for one more attempt."""
        try:
            response = self._follow(method, f"{self._scheme}://{self._host}{path}", headers)
        except (requests.ConnectionError, requests.Timeout) as exc:
            if is_about_tls(exc):
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
        if status in (None, 400):
            self._scheme = "https"
            return True
        return False

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        origin = urlsplit(url)[:2]
        self._secure(url)
        for _ in range(_MAX_REDIRECTS):
            # Credentials are for the registry itself, never for where it sends us (RFC 9110,
            # 15.4), and its word does not take us from TLS to plain text.
            own = self._authorization if urlsplit(url)[:2] == origin else None
            response: requests.Response = self._session.request(
                method,
                url,
                headers=headers,
                auth=Authorization(own),
                proxies=bypass(url),
                timeout=_TIMEOUT,
                stream=True,
                allow_redirects=False,
            )
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            url = urljoin(url, response.headers.get("Location", ""))
            self._check_scheme(url, "redirects")
        raise RegistryError(f"{self.registry} redirects in circles")

    def _check_scheme(self, url: str, what: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise RegistryError(f"{self.registry} {what} to what is no address") from exc
        plain = self._wants_plain or is_loopback(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            raise RegistryError(f"{self.registry} {what} to {parts.scheme}://{parts.netloc}")
        self._secure(url)

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
            self._session.mount("https://", _Secure(others))
            self._session.mount(f"https://{self._host}/", _Secure(own))
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
        return f"if it wants to know you: your certificate as {where}/client.cert, with client.key"

    def _answer(self, header: str, used: str | None) -> None:
        """Get what the registry wants to see, unless another thread just did."""
        with self._lock:
            if self._authorization != used:
                return
            challenges = parse_challenges(header)
            if not self._asked_for_credentials:
                self._credentials = find_credentials(self.registry, self._repository)
                self._asked_for_credentials = True
            if bearer := challenges.get("bearer"):
                self._authorization = self._bearer(bearer, used)
            elif self._credentials is None:
                said = f"{self.registry} wants credentials"
                raise AuthenticationError(said, hint=self._who_knows())
            elif used is not None or "basic" not in challenges:
                raise self._refused()
            else:
                self._authorization = self._credentials.basic

    def _bearer(self, challenge: Challenge, used: str | None) -> str:
        if used is not None and challenge.get("error") in ("insufficient_scope", "access_denied"):
            raise self._refused()
        realm = challenge.get("realm", "")
        self._check_scheme(realm, "sends its credentials")
        token = fetch_token(self._session, challenge, self._credentials, _TIMEOUT)
        if token is None:
            raise self._refused()
        return f"Bearer {token}"

    def _refused(self) -> AuthenticationError:
        if self._credentials is not None:
            return AuthenticationError(
                f"{self.registry} refuses the credentials of '{self._credentials.username}'",
                hint=f"docker login {self.registry}",
            )
        return AuthenticationError(
            f"{self.registry} has no such public image", hint=self._who_knows()
        )

    def _who_knows(self) -> str:
        """Return how to come by credentials where there are none."""
        if program := missing_helper(self.registry):
            return f"{program}, which may know them, is not installed"
        return f"docker login {self.registry}"


def _is_hopeless(exc: requests.RequestException) -> bool:
    """Whether there is no such host, or nothing listens: waiting would not help."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    return isinstance(innermost(exc), ConnectionRefusedError | socket.gaierror)
