"""HTTP as registries need it: challenges, redirects, patience, and never a secret too far."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from pyimginspect.errors import AuthenticationError, RegistryError
from pyimginspect.sources.challenges import (
    Authorization,
    Challenge,
    bypass,
    fetch_token,
    is_loopback,
    parse_challenges,
)
from pyimginspect.sources.credentials import Credentials, find_credentials

__all__ = ["ATTEMPTS", "Transport", "innermost", "reason", "wait"]

ATTEMPTS = 5
_TIMEOUT = (10, 60)  # seconds to connect, and between two packets
_LONGEST_WAIT = 30.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_QUERY = re.compile(r"\?\S+")  # of a URL: it may hold a signature


def innermost(exc: BaseException) -> BaseException:
    """Return the error that all others of a chain are about."""
    while True:
        deeper = exc.__cause__ or exc.__context__
        if deeper is None and exc.args and isinstance(exc.args[-1], BaseException):
            deeper = exc.args[-1]
        if deeper is None:
            return exc
        exc = deeper


def reason(exc: BaseException) -> str:
    """Return what the innermost cause of an error says, without what a URL may carry."""
    inner = innermost(exc)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    if "IncompleteRead" in type(inner).__name__:
        return "the connection broke"
    said = str(inner) or type(inner).__name__
    return _QUERY.sub("?…", said)[:200]


def wait(attempt: int, response: requests.Response | None = None) -> None:
    """Sleep before another attempt: as long as the registry asks, else ever longer."""
    seconds = 0.25 * 2**attempt
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdigit():
        seconds = float(asked)
    time.sleep(min(seconds, _LONGEST_WAIT))


class Transport:
    """One registry, spoken to from several threads."""

    def __init__(self, registry: str, *, plain: bool = False) -> None:
        """``registry`` is the host as a reference names it; ``plain`` allows HTTP without TLS."""
        self.registry = registry
        self._host = "registry-1.docker.io" if registry == "docker.io" else registry
        self._wants_plain = plain
        # A registry on this machine speaks with TLS or without: which, the first answer tells.
        self._unsure = is_loopback(registry) and not plain
        self._scheme = "http" if plain or self._unsure else "https"
        self._lock = threading.Lock()
        self._authorization: str | None = None
        self._credentials: Credentials | None = None
        self._asked_for_credentials = False
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "pyimginspect", "Accept-Encoding": "identity"})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=16))

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
                raise RegistryError(
                    f"{self.registry} is busy or broken: it answers {response.status_code}"
                )
            else:
                return response
        raise AuthenticationError(f"{self.registry} refuses every token it gives")

    def _once(
        self, method: str, path: str, headers: dict[str, str], attempt: int
    ) -> requests.Response | None:
        """Return a response, or ``None`` for one more attempt."""
        try:
            response = self._follow(method, f"{self._scheme}://{self._host}{path}", headers)
        except requests.exceptions.SSLError as exc:
            raise RegistryError(
                f"no secure connection to {self.registry}: {reason(exc)}",
                hint="REQUESTS_CA_BUNDLE names a file of trusted certificates",
            ) from exc
        except (requests.ConnectionError, requests.Timeout) as exc:
            if attempt == ATTEMPTS - 1 or _is_hopeless(exc):
                raise RegistryError(f"no answer from {self.registry}: {reason(exc)}") from exc
            if not self._settle(None):
                wait(attempt)
            return None
        except requests.RequestException as exc:
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
        parts = urlsplit(url)
        plain = self._wants_plain or is_loopback(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            raise RegistryError(f"{self.registry} {what} to {parts.scheme}://{parts.netloc}")

    def _answer(self, header: str, used: str | None) -> None:
        """Get what the registry wants to see, unless another thread just did."""
        with self._lock:
            if self._authorization != used:
                return
            challenges = parse_challenges(header)
            if not self._asked_for_credentials:
                self._credentials = find_credentials(self.registry)
                self._asked_for_credentials = True
            if bearer := challenges.get("bearer"):
                self._authorization = self._bearer(bearer, used)
            elif self._credentials is None:
                raise AuthenticationError(
                    f"{self.registry} wants credentials", hint=f"docker login {self.registry}"
                )
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
            f"{self.registry} has no such public image",
            hint=f"docker login {self.registry} shows yours",
        )


def _is_hopeless(exc: requests.RequestException) -> bool:
    """Whether there is no such host, or nothing listens: waiting would not help."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    return isinstance(innermost(exc), ConnectionRefusedError | socket.gaierror)
