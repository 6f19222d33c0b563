"""A Dockerfile to prove plans with: ``tests/dockerfiles/NAME/``, with its ``proof.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["FOLDER", "Proof", "ProofError", "Smoke", "find_proofs", "read_proof"]

FOLDER: Final = Path(__file__).parent


class ProofError(Exception):
    """A directory that is not as the format says."""


class Smoke(Struct, frozen=True, forbid_unknown_fields=True):
    """What a container does: ``command`` (the image's own if empty), and all that it prints."""

    prints: str
    command: tuple[str, ...] = ()


class Details(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``proof.toml`` says.

    ``reference`` is the public Dockerfile that was read for its structure, ``shape`` what that is
    in words. ``sample`` marks those that CI takes. ``python`` is the interpreter whose modules
    are imported. ``gone`` are modules that an edit may take away: build tools.
    """

    reference: str
    shape: str
    smoke: Smoke
    sample: bool = False
    python: str = "python3"
    gone: tuple[str, ...] = ()


class Proof(Struct, frozen=True, kw_only=True):
    """One Dockerfile: its name, its directory, and what its containers do."""

    name: str
    folder: Path
    details: Details

    @property
    def dockerfile(self) -> str:
        """The Dockerfile as it stands, line ends included."""
        return (self.folder / "Dockerfile").read_bytes().decode()


def find_proofs(folder: Path = FOLDER) -> tuple[Proof, ...]:
    """All of them, by name. Raises :class:`ProofError` for one that is malformed."""
    return tuple(read_proof(path.parent) for path in sorted(folder.glob("*/proof.toml")))


def read_proof(folder: Path) -> Proof:
    """Read what is in ``folder``. Raises :class:`ProofError`."""
    path = folder / "proof.toml"
    try:
        details = msgspec.toml.decode(path.read_bytes(), type=Details)
    except (msgspec.MsgspecError, OSError) as exc:
        raise ProofError(f"{path}: {exc}") from exc
    if not (folder / "Dockerfile").is_file():
        raise ProofError(f"{folder}: there is no Dockerfile")
    if not details.reference.startswith("https://"):
        raise ProofError(f"{path}: the reference must be a public address")
    return Proof(name=folder.name, folder=folder, details=details)
