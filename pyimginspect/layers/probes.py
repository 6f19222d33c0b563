"""Probes: small facts from file contents, taken while the bytes go by.

A third party registers one under the entry point group ``pyimginspect.probes``: an object with
the attributes of :class:`Probe`. What it returns is kept in ``LayerIndex.extra`` under its name,
and comes back from the cache, so it must be made of what MessagePack holds (``None``, numbers,
strings, bytes, lists, dicts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pyimginspect.plugins import load_all

if TYPE_CHECKING:
    from pyimginspect.layers.elf import RandomAccess

__all__ = ["BUILTIN_VERSION", "Probe", "registered", "version_key"]

BUILTIN_VERSION = 6
"""Raised whenever an index made by an older release would say something else."""

GROUP = "pyimginspect.probes"


class Probe(Protocol):
    """What a third party's probe looks like."""

    name: str
    version: int

    def wants(self, path: str, size: int, head: bytes) -> bool:
        """Whether the file interests; ``head`` are its first four bytes."""

    def read(self, path: str, content: RandomAccess) -> Any:
        """Return the fact, or ``None`` for nothing to say."""


def registered() -> tuple[Probe, ...]:
    """Return the probes of installed third parties, by name."""
    probes = load_all(GROUP, ("name", "version", "wants", "read"))
    return tuple(sorted(probes, key=lambda probe: probe.name))


def version_key(probes: tuple[Probe, ...]) -> str:
    """Return what identifies a set of probes: part of the key of everything cached."""
    return ",".join([f"builtin={BUILTIN_VERSION}", *(f"{p.name}={p.version}" for p in probes)])
