"""Answering a registry that wants to know who asks.

Sources: RFC 9110, 11.6.1 (``WWW-Authenticate``); the token authentication of the distribution
project (docs/spec/auth/token.md, oauth.md).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import requests

from pyimginspect.errors import AuthenticationError, ManifestError, RegistryError
from pyimginspect.model import decode_json
from pyimginspect.sources.addresses import is_loopback
from pyimginspect.sources.bodies import read_body
from pyimginspect.sources.credentials import Credentials
from pyimginspect.sources.error_text import reason

__all__ = [
    "Authorization",
    "Challenge",
    "bypass",
    "fetch_token",
    "parse_challenges",
]

Challenge = dict[str, str]

# Larger than any real one: a realm, a service and a scope.
_LONGEST_HEADER = 8192  # characters
_LARGEST_TOKEN = 1 << 20  # bytes of the answer that has it
# What the token server is given of a challenge (distribution, docs/spec/auth/token.md).
_ASKED: tuple[str, ...] = ("service", "scope")
_TOKEN = re.compile(r"[!-~]+")  # what a header can hold: an error would show it otherwise
# RFC 9110, 11.2 and 11.6.1. Some registries leave out the quotes.
_SCHEME = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9-]*)(?=\s|$)\s*")
_PARAMETER = re.compile(r"\s*,?\s*([A-Za-z_]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,\"]+))")


def parse_challenges(header: str) -> dict[str, Challenge]:
    """Return the parameters of each challenge of a header, by its scheme in lower case."""
    header = header[:_LONGEST_HEADER]
    found: dict[str, Challenge] = {}
    position = 0
    while scheme := _SCHEME.match(header, position):
        parameters = found.setdefault(scheme[1].lower(), {})
        position = scheme.end()
        while parameter := _PARAMETER.match(header, position):
            value = parameter[2] if parameter[2] is not None else parameter[3]
            parameters.setdefault(parameter[1].lower(), value)
            position = parameter.end()
    return found


def fetch_token(
    session: requests.Session,
    challenge: Challenge,
    credentials: Credentials | None,
    timeout: tuple[float, float],
) -> str | None:
    """Return the token that a challenge asks for, or ``None`` where it is refused.

    Raises :class:`RegistryError` where the token service does not work.
    """
    try:
        with session.request(
            **_question(challenge, credentials),
            proxies=bypass(challenge["realm"]),
            timeout=timeout,
            stream=True,
            allow_redirects=False,
        ) as response:
            # Some services say 400 to credentials, as OAuth2 does of a grant (RFC 6749, 5.2).
            if response.status_code in (400, 401, 403):
                return None
            if response.status_code != 200:
                raise RegistryError(f"the token service answers {response.status_code}")
            data = read_body(response, _LARGEST_TOKEN, timeout[1])
            document = decode_json(data, "the token")
    except (requests.RequestException, TypeError, ValueError) as exc:
        raise RegistryError(f"the token service does not answer: {reason(exc)}") from exc
    except ManifestError as exc:
        raise AuthenticationError("what the token service answers is no token") from exc
    token = _token_in(document)
    if token is None:
        raise AuthenticationError("what the token service answers is no token")
    return token


def _question(challenge: Challenge, credentials: Credentials | None) -> dict[str, Any]:
    """Return the request for a token: OAuth2's where there is a refresh token to show."""
    asked: dict[str, str] = {name: challenge[name] for name in _ASKED if name in challenge}
    question: dict[str, Any] = {"method": "GET", "url": challenge["realm"], "params": asked}
    question["auth"] = Authorization(None)
    if credentials is not None and credentials.refresh_token is not None:
        form = {**asked, "grant_type": "refresh_token", "client_id": "pyimginspect"}
        form["refresh_token"] = credentials.refresh_token
        question |= {"method": "POST", "params": None, "data": form}
    elif credentials is not None:
        question["auth"] = Authorization(credentials.basic)
    return question


def _token_in(document: object) -> str | None:
    if not isinstance(document, dict):
        return None
    # token.md: "access_token" means the same, for OAuth2's sake.
    found = (document.get(name) for name in ("token", "access_token"))
    return next((each for each in found if isinstance(each, str) and _TOKEN.fullmatch(each)), None)


class Authorization(requests.auth.AuthBase):
    """An ``Authorization`` header, or none: what ``.netrc`` says is not for registries."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: Any) -> Any:
        """Add the header to a request."""
        if self._value is not None:
            request.headers["Authorization"] = self._value
        return request


def bypass(url: str) -> dict[str, str]:
    """Return the ``proxies`` for a request: the environment's, but none to this machine."""
    netloc = urlsplit(url).netloc
    # requests has no other way to go past a proxy that the environment names for one request.
    return {"no_proxy": urlsplit(url).hostname or ""} if is_loopback(netloc) else {}
