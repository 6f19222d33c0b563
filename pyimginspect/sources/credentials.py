"""Who we are to a registry: what the environment, ``docker login`` or ``podman login`` say.

``oras`` chooses among the credential stores and helpers that their files name; the programs
themselves are run by :mod:`.helpers`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct
from oras.auth import TokenAuth

from pyimginspect.errors import AuthenticationError, ManifestError
from pyimginspect.model import decode_json
from pyimginspect.sources.helpers import HELPER_SECONDS, ask_helper, cloud_helpers

__all__ = ["Credentials", "Search", "find_credentials"]

# Docker Hub: what names of images have, what `docker login` writes down, where the registry is.
_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_REFRESH = "<token>"  # the user name that helpers give with an identity token
_VARIABLE = "PYIMGINSPECT_REGISTRY_"
_LONGEST_PASSWORD = 1 << 16  # bytes of a file: tokens of clouds have a few thousand


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


class Search(NamedTuple):
    """What was found for a registry, and if nothing was, what kept it from being found."""

    found: Credentials | None
    hint: str = ""


def find_credentials(
    registry: str, repository: str = "", *, seconds: float = HELPER_SECONDS
) -> Search:
    """Return what is known for ``registry``, the host as a reference names it.

    The first of these that has any counts: ``PYIMGINSPECT_REGISTRY_USER`` and its password;
    ``DOCKER_AUTH_CONFIG``, the content of a ``config.json``; the file of ``REGISTRY_AUTH_FILE``;
    ``config.json`` in ``DOCKER_CONFIG`` (else ``~/.docker``); where Podman keeps its own; the
    helper of a cloud's registry. Podman's entries may be for a ``repository`` or its first parts
    alone (containers-auth.json(5)). A helper may take ``seconds``.
    Raises :class:`AuthenticationError` for what is set or stored and cannot be used.
    """
    if (own := _from_variables(registry)) is not None:
        return Search(own)
    # Old clients wrote an address, Docker and Podman now write the host alone.
    names = [registry, f"https://{registry}", f"https://{registry}/v1/"]
    if registry in _HUB:
        # docker/cli still keeps Docker Hub's under the address of the first version of its API.
        names = ["https://index.docker.io/v1/", *_HUB]
    parts = repository.split("/")
    # The longest first: the most specific entry counts (containers-auth.json(5)).
    scopes = [f"{registry}/{'/'.join(parts[:end])}" for end in range(len(parts), 0, -1)]
    hints: list[str] = []
    for document in _documents():
        stored = _Stored(document, seconds)
        if (found := stored.find(scopes, names)) is not None:
            return Search(found)
        hints += stored.silent.values()
    for helper in cloud_helpers(registry):
        answer = ask_helper(helper, registry, seconds)
        if not isinstance(answer, str):
            return Search(Credentials(username=answer.username, secret=answer.secret))
        hints.append(answer)
    hints += [f"REGISTRY_AUTH_FILE is '{path}', which does not exist" for path in _missing_file()]
    return Search(None, next(filter(None, hints), ""))


def _from_variables(registry: str) -> Credentials | None:
    """Return the credentials of our own variables, unless they are for another registry."""
    user = os.environ.get(f"{_VARIABLE}USER", "")
    password = os.environ.get(f"{_VARIABLE}PASSWORD", "")
    file = os.environ.get(f"{_VARIABLE}PASSWORD_FILE", "")
    host = os.environ.get(f"{_VARIABLE}HOST", "")
    if not (user or password or file) or (host and host != registry):
        return None
    if not user:
        raise AuthenticationError(f"a password is set, but {_VARIABLE}USER is not")
    if file and not password:
        password = _password_in(file)
    if not password:
        raise AuthenticationError(
            f"{_VARIABLE}USER is set, but no password",
            hint=f"set {_VARIABLE}PASSWORD, or {_VARIABLE}PASSWORD_FILE",
        )
    return Credentials(username=user, secret=password)


def _password_in(path: str) -> str:
    """Return what a file has, without the line end that editors and ``echo`` put there."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LONGEST_PASSWORD + 1)
        text = data.decode() if len(data) <= _LONGEST_PASSWORD else ""
    except OSError as exc:
        raise AuthenticationError(f"{path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise AuthenticationError(f"{path} holds no password: it is no text") from exc
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise AuthenticationError(f"{path} holds no password")
    return password


def _documents() -> Iterator[dict[str, Any]]:
    """Yield what is stored, the first to count first; a file is read when its turn comes."""
    if text := os.environ.get("DOCKER_AUTH_CONFIG"):
        yield _decoded_document(text.encode("utf-8", "surrogateescape"), "DOCKER_AUTH_CONFIG")
    for path in _files():
        if path.is_file():
            yield _read(path)


def _missing_file() -> list[str]:
    own = os.environ.get("REGISTRY_AUTH_FILE")
    return [own] if own and not Path(own).is_file() else []


def _files() -> list[Path]:
    docker = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    own = os.environ.get("REGISTRY_AUTH_FILE")
    return [
        *([Path(own)] if own else []),
        Path(docker, "config.json"),
        *([Path(runtime, "containers", "auth.json")] if runtime else []),
        Path(config, "containers", "auth.json"),
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise AuthenticationError(f"{path} cannot be read: {exc.strerror}") from exc
    return _decoded_document(data, str(path))


def _decoded_document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = decode_json(data, what)
    except ManifestError as exc:
        raise AuthenticationError(f"{what} is not JSON", hint="log in again") from exc
    return document if isinstance(document, dict) else {}


class _Stored(TokenAuth):  # type: ignore[misc]
    """What one document knows, and the helpers that it names."""

    def __init__(self, document: dict[str, Any], seconds: float) -> None:
        super().__init__()
        self._basic_auth: str | None = None
        self._seconds = seconds
        self.silent: dict[str, str] = {}
        """Why a helper said nothing: it is not asked again under another name."""
        auths = document.get("auths") or {}
        self._auths = {**_by_host(auths), **auths} if isinstance(auths, dict) else {}
        self._auth_config = {
            "auths": {},  # oras would take an entry before it asks a helper
            "credsStore": document.get("credsStore"),
            "credHelpers": document.get("credHelpers") or {},
        }

    def find(self, scopes: list[str], names: list[str]) -> Credentials | None:
        """Return the credentials of a helper, else those under the first name that has any.

        As in Docker, a helper comes before what an entry says; helpers know registries as a
        whole, and are asked for ``names`` alone. Where one cannot be asked, entries still count.
        """
        try:
            for name in names:
                if self._load_auth(name) and self._basic_auth:
                    return _decoded(self._basic_auth)
            for name in (*scopes, *names):
                entry = self._auths.get(name)
                if entry and (found := _written(entry)) is not None:
                    return found
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            raise AuthenticationError("the credentials stored for it cannot be read") from exc
        return None

    def _get_auth_from_creds_store(self, suffix: str, hostname: str) -> str | None:
        """Ask a helper; ``oras`` itself would wait for one without end."""
        if suffix in self.silent:
            return None
        answer = ask_helper(suffix, hostname, self._seconds)
        if isinstance(answer, str):
            if answer:
                self.silent[suffix] = answer
            return None
        return base64.b64encode(f"{answer.username}:{answer.secret}".encode()).decode()


def _by_host(auths: dict[str, Any]) -> dict[str, Any]:
    """Return entries whose key is an address by its host, which is what counts for Docker."""
    keys = [key for key in auths if key.startswith(("http://", "https://"))]
    return {key.partition("://")[2].partition("/")[0]: auths[key] for key in keys}


def _written(entry: dict[str, Any]) -> Credentials | None:
    """Return the credentials that an entry of ``auths`` has in it (Docker's ``AuthConfig``)."""
    # Before "auth", which then has a name and no password.
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
    # As docker/cli does (cli/config/configfile/file.go, decodeAuth).
    return Credentials(username=username, secret=secret.rstrip("\0"))
