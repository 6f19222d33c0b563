"""Programs that know credentials: ``docker-credential-…``, asked with a limit of time.

Sources: docker/docker-credential-helpers ("Development": a host on standard input, JSON with
``Username`` and ``Secret`` on standard output), and what the registries of the clouds document
for their own: Amazon ECR (amazon-ecr-credential-helper), Google Artifact Registry
(gcloud and docker-credential-gcr), Azure (docker-credential-acr-env).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json

__all__ = ["HELPER_SECONDS", "HelperAnswer", "ask_helper", "cloud_helpers"]

HELPER_SECONDS = 30.0
"""How long a helper may take, unless the caller sets another limit of time."""

# Bytes: a token of a cloud has a few thousand.
_LARGEST_ANSWER = 1 << 20
_PREFIX = "docker-credential-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # no path: the program is looked for in PATH

# Registries whose helpers know credentials without being named in a config.json. ECR's hosts
# begin with the account's twelve digits; dkr-ecr.REGION.on.aws are its dual-stack endpoints.
_CLOUDS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)"),
        ("ecr-login",),
    ),
    (re.compile(r"public\.ecr\.aws"), ("ecr-login",)),
    (re.compile(r"([a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev"), ("gcr", "gcloud")),
    (re.compile(r"[a-z0-9-]+\.azurecr\.(io|cn|us|de)"), ("acr-env",)),
)
_FAILURES = (OSError, ValueError, subprocess.SubprocessError)


class HelperAnswer(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What a helper knows; the user name ``<token>`` means that the secret is an identity token."""

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"HelperAnswer(username={self.username!r})"


def cloud_helpers(registry: str) -> list[str]:
    """Return the helpers, by their short names, that a cloud's registry has and that are here."""
    found = [names for pattern, names in _CLOUDS if pattern.fullmatch(registry)]
    return [name for names in found for name in names if shutil.which(_PREFIX + name)]


def ask_helper(name: str, registry: str, seconds: float) -> HelperAnswer | str:
    """Return what ``docker-credential-NAME`` knows of a registry, or why it says nothing.

    The reason is for people, and nothing of what the helper wrote is in it, which may be secret.
    It is empty where the helper simply does not know the registry.
    """
    program = f"{_PREFIX}{name}"
    path = shutil.which(program) if _NAME.fullmatch(name) else None
    if path is None:
        return f"{program}, which may know them, is not installed"
    try:
        status, answer = _output_of(path, registry, seconds)
    except subprocess.TimeoutExpired:
        return f"{program} has not answered within {seconds:g} s"
    except _FAILURES as exc:
        return f"{program} cannot be run: {type(exc).__name__}"
    if status:
        # The protocol's own words, which all helpers write on standard output.
        unknown = b"credentials not found" in answer
        return "" if unknown else f"{program} fails with status {status}"
    try:
        return from_json(answer, HelperAnswer)
    except (msgspec.MsgspecError, ValueError):
        return f"{program} answers something else than credentials"


def _output_of(path: str, registry: str, seconds: float) -> tuple[int, bytes]:
    """Return the status of a helper and the first bytes of its output.

    Its output goes to a file: a child of the helper that outlives it would keep a pipe open, and
    whoever waits for the end of a pipe would wait for the child. All of its process group is
    ended with it.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.DEVNULL,
            # The process group that is ended with it, and no terminal to ask for a password at.
            start_new_session=True,
        )
        with _ended(process):
            assert process.stdin is not None
            # A helper for one registry alone may end without reading which one is meant.
            with contextlib.suppress(BrokenPipeError), process.stdin as stream:
                stream.write(registry.encode())
            status = process.wait(seconds)
        output.seek(0)
        return status, output.read(_LARGEST_ANSWER)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process and its group, however the ``with`` statement is left."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
