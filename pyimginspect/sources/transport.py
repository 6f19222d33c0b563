"""HTTP as registries need it: challenges, redirects, patience, and never a secret too far."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import requests
import urllib3

from pyimginspect.errors import AuthenticationError, QuotaError, RegistryError
from pyimginspect.sources.challenges import Challenge, fetch_token, parse_challenges
from pyimginspect.sources.credentials import Credentials, find_credentials
from pyimginspect.sources.helpers import HELPER_SECONDS
from pyimginspect.sources.hosts import ATTEMPTS, Host, dismiss, wait

__all__ = ["ATTEMPTS", "BROKEN", "Transport", "wait"]

BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What is raised where a connection breaks: before an answer, or in the middle of its body."""

# RFC 6585, 4 (429), and the errors of RFC 9110, 15.6 that proxies and stores give for a moment.
_BUSY = frozenset({429, 500, 502, 503, 504})


class Transport:
    """One repository of a registry, spoken to from several threads."""

    def __init__(
        self,
        registry: str,
        *,
        repository: str = "",
        plain: bool = False,
        directories: Sequence[Path] | None = None,
        host: Host | None = None,
    ) -> None:
        """``registry`` is the host as a reference names it; ``plain`` allows HTTP without TLS.

        The credentials are those for ``repository``, where there are such. ``directories`` are
        where certificates are looked for; see :mod:`.certificates`. ``host`` is what speaks to
        the registry already, for another repository, and is left open.
        """
        self.registry = registry
        self._repository = repository
        self._shared = host is not None
        self._host = host or Host(registry, plain=plain, directories=directories)
        self._lock = threading.Lock()
        self._authorization: str | None = None
        self._credentials: Credentials | None = None
        self._hint = ""

    @property
    def patience(self) -> float:
        """How many seconds the registry may be silent."""
        return self._host.timeout[1]

    def close(self) -> None:
        """Close all connections, but for those that are shared."""
        if not self._shared:
            self._host.close()

    def get(self, path: str, *, method: str = "GET", **headers: str) -> requests.Response:
        """Ask for ``path``; the response's body is not yet read, its status may be any below 500.

        Connections that break and registries that are busy are tried again, and challenges are
        answered. Raises :class:`RegistryError` or :class:`AuthenticationError`.
        """
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        used: str | None = None
        for attempt in range(ATTEMPTS):
            used = self._authorization
            response = self._host.send(method, path, asked, used, attempt)
            if response is None:
                continue
            # Not only the first time: tokens are good for as little as a minute (distribution,
            # docs/spec/auth/token.md, "expires_in"), and a large layer takes longer.
            if response.status_code == 401:
                challenge = response.headers.get("WWW-Authenticate", "")
                dismiss(response)
                self._answer(challenge, used)
            elif response.status_code in _BUSY and attempt < ATTEMPTS - 1:
                dismiss(response)
                self._host.be_patient(attempt, response)
            elif response.status_code in _BUSY:
                dismiss(response)
                raise self._busy(response.status_code)
            else:
                return response
        raise AuthenticationError(f"{self.registry} refuses every token it gives")

    def check(self, url: str) -> None:
        """Raise :class:`RegistryError` for an address that credentials may not be sent to."""
        self._host.check_scheme(url, "sends its credentials")

    def _busy(self, status: int) -> RegistryError:
        kind = QuotaError if status == 429 else RegistryError
        return kind(f"{self.registry} is busy or broken: it answers {status}")

    def challenge(self) -> str:
        """Return the ``WWW-Authenticate`` header for who asks without credentials, or nothing."""
        for attempt in range(ATTEMPTS):
            response = self._host.send("GET", "/v2/", {}, None, attempt)
            if response is not None:
                with response:
                    return response.headers.get("WWW-Authenticate", "")
        return ""

    def _answer(self, header: str, used: str | None) -> None:
        """Get what the registry wants to see, unless another thread just did."""
        with self._lock:
            # The token that was refused has been replaced since.
            if self._authorization != used:
                return
            challenges = parse_challenges(header)
            if self._credentials is None:  # who tries again may have logged in meanwhile
                seconds = min(HELPER_SECONDS, self._host.timeout[1])
                search = find_credentials(self.registry, self._repository, seconds=seconds)
                self._credentials, self._hint = search
            # Before basic authentication: the password is then shown to the token service alone.
            if bearer := challenges.get("bearer"):
                self._authorization = self._bearer(bearer, used)
            elif self._credentials is None:
                said = f"{self.registry} wants credentials"
                raise AuthenticationError(said, hint=self._who_knows())
            # The same user and password would be refused once more.
            elif used is not None or "basic" not in challenges:
                raise self._refused()
            else:
                self._authorization = self._credentials.basic

    def _bearer(self, challenge: Challenge, used: str | None) -> str:
        # The token was good, but does not reach this far (RFC 6750, 3.1): another is no better.
        if used is not None and challenge.get("error") in ("insufficient_scope", "access_denied"):
            raise self._refused()
        realm = challenge.get("realm", "")
        self.check(realm)
        token = fetch_token(self._host.session, challenge, self._credentials, self._host.timeout)
        if token is None:
            raise self._refused()
        return f"Bearer {token}"

    def _refused(self) -> AuthenticationError:
        refused, self._credentials = self._credentials, None
        if refused is not None:
            return AuthenticationError(
                f"{self.registry} refuses the credentials of '{refused.username}'",
                hint=f"docker login {self.registry}",
            )
        return AuthenticationError(
            f"{self.registry} has no such public image", hint=self._who_knows()
        )

    def _who_knows(self) -> str:
        """Return how to come by credentials where there are none."""
        return self._hint or f"docker login {self.registry}"
