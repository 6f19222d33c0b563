"""Digests of bytes, in the algorithms that this package can check.

Source: OCI image specification v1.1, descriptor.md, "Registered algorithms": everybody must
know SHA-256 and may know SHA-512. Others may be registered, and are then distinguished by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from pyimginspect.errors import UnsupportedError
from pyimginspect.model import Digest

__all__ = ["Algorithms", "Sums", "algorithm", "check_algorithm", "digest_of"]

_KNOWN = frozenset({"sha256", "sha512"})


class Algorithms(NamedTuple):
    """In which algorithms a layer is summed up: its stored bytes, and uncompressed."""

    digest: tuple[str, ...] = ("sha256",)
    diff_id: tuple[str, ...] = ("sha256",)


class Sums:
    """The sums of bytes that go by, one for each algorithm."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name) for name in algorithms}

    def update(self, data: bytes) -> None:
        """Add ``data``."""
        for each in self._hashes.values():
            each.update(data)

    def digests(self) -> tuple[Digest, ...]:
        """Return the digests of all that was added, in the order of the algorithms."""
        return tuple(Digest(f"{name}:{each.hexdigest()}") for name, each in self._hashes.items())


def algorithm(digest: Digest) -> str:
    """Return the name of a digest's algorithm."""
    return digest.partition(":")[0]


def check_algorithm(digest: Digest) -> str:
    """Return the name of a digest's algorithm; :class:`UnsupportedError` where it is not known."""
    name = algorithm(digest)
    if name not in _KNOWN:
        raise UnsupportedError(
            f"digests of '{name}' cannot be checked, only those of {' and '.join(sorted(_KNOWN))}"
        )
    return name


def digest_of(data: bytes, name: str = "sha256") -> Digest:
    """Return the digest of ``data`` in a known algorithm."""
    return Digest(f"{name}:{hashlib.new(name, data).hexdigest()}")
