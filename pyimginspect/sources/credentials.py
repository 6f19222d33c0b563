"""Who we are to a registry: what ``docker login`` and ``podman login`` left behind.

``oras`` reads their files and runs their helpers (``docker-credential-…``).
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from msgspec import Struct
from oras.auth import TokenAuth

from pyimginspect.errors import AuthenticationError, ManifestError
from pyimginspect.model import decode_json

__all__ = ["Credentials", "find_credentials", "missing_helper"]

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_UNREADABLE = (OSError, ValueError, AttributeError, subprocess.SubprocessError)
_REFRESH = "<token>"  # the user name that helpers give with an identity token


class Credentials(Struct, frozen=True, kw_only=True):
    """A user's name and secret. Never printed: the secret stays out of its representation."""

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header (RFC 7617)."""
        pair = f"{self.username}:{self.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    @property
    def refresh_token(self) -> str | None:
        """The identity token, where that is what the secret is."""
        return self.secret if self.username == _REFRESH else None


def find_credentials(registry: str, repository: str = "") -> Credentials | None:
    """Return what is stored for ``registry``, the host as a reference names it.

    Looked for in ``DOCKER_CONFIG`` (else ``~/.docker``), then where Podman keeps its own, which
    may be for a ``repository`` or its first parts alone (containers-auth.json(5)).
    Raises :class:`AuthenticationError` for a file or a helper that cannot be used.
    """
    names = [registry, f"https://{registry}", f"https://{registry}/v1/"]
    if registry in _HUB:
        names = ["https://index.docker.io/v1/", *_HUB]
    parts = repository.split("/")
    scopes = [f"{registry}/{'/'.join(parts[:end])}" for end in range(len(parts), 0, -1)]
    for path in _files():
        if path.is_file():
            found = _Stored(_read(path)).find(scopes, names)
            if found is not None:
                return found
    return None


def missing_helper(registry: str) -> str | None:
    """Return the program that is to know the credentials for ``registry``, if it is not there."""
    for path in _files():
        if path.is_file():
            document = _read(path)
            helpers = document.get("credHelpers")
            suffix = helpers.get(registry) if isinstance(helpers, dict) else None
            program = f"docker-credential-{suffix or document.get('credsStore')}"
            if (suffix or document.get("credsStore")) and shutil.which(program) is None:
                return program
    return None


def _files() -> list[Path]:
    docker = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    own = os.environ.get("REGISTRY_AUTH_FILE")
    return [
        Path(docker, "config.json"),
        *([Path(own)] if own else []),
        *([Path(runtime, "containers", "auth.json")] if runtime else []),
        Path(config, "containers", "auth.json"),
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        data = decode_json(path.read_bytes(), str(path))
    except OSError as exc:
        raise AuthenticationError(f"{path} cannot be read: {exc.strerror}") from exc
    except ManifestError as exc:
        raise AuthenticationError(f"{path} is not JSON", hint="log in again") from exc
    return data if isinstance(data, dict) else {}


class _Stored(TokenAuth):  # type: ignore[misc]
    """What one file knows, and the helpers that it names."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__()
        self._basic_auth: str | None = None
        auths = document.get("auths") or {}
        self._auths = {**_by_host(auths), **auths} if isinstance(auths, dict) else {}
        self._auth_config = {
            "auths": self._auths,
            "credsStore": document.get("credsStore"),
            "credHelpers": document.get("credHelpers") or {},
        }

    def find(self, scopes: list[str], names: list[str]) -> Credentials | None:
        """Return the credentials under the first of ``scopes`` and ``names`` that has any.

        Helpers know registries as a whole: they are asked for ``names`` alone.
        """
        # A helper that knows nothing is no news; oras would print what it said.
        logging.getLogger("oras.logger").disabled = True
        try:
            for name in (*scopes, *names):
                entry = self._auths.get(name)
                if entry and (found := _written(entry)) is not None:
                    return found
            for name in names:
                if self._load_auth(name) and self._basic_auth:
                    return _decoded(self._basic_auth)
        except (LookupError, TypeError, *_UNREADABLE) as exc:
            raise AuthenticationError("the credentials stored for it cannot be read") from exc
        return None


def _by_host(auths: dict[str, Any]) -> dict[str, Any]:
    """Return entries whose key is an address by its host, which is what counts for Docker."""
    keys = [key for key in auths if key.startswith(("http://", "https://"))]
    return {key.partition("://")[2].partition("/")[0]: auths[key] for key in keys}


def _written(entry: dict[str, Any]) -> Credentials | None:
    """Return the credentials that an entry of ``auths`` has in it (Docker's ``AuthConfig``)."""
    if token := entry.get("identitytoken"):
        return Credentials(username=_REFRESH, secret=str(token))
    if auth := entry.get("auth"):
        return _decoded(auth)
    if entry.get("username") and entry.get("password"):
        return Credentials(username=str(entry["username"]), secret=str(entry["password"]))
    return None


def _decoded(text: str) -> Credentials:
    try:
        username, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise AuthenticationError("the credentials stored for it are not base64") from exc
    if not colon:
        raise AuthenticationError("the credentials stored for it are no name and password")
    return Credentials(username=username, secret=secret.rstrip("\0"))
