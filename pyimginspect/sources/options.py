"""What a caller may ask of any source."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from pyimginspect.attestations import AttestationMode
from pyimginspect.layers import DEFAULT_LIMITS, Limits, Probe
from pyimginspect.model import Digest, LayerIndex, Platform
from pyimginspect.sources.connections import Connections

__all__ = ["LayerCache", "NoProgress", "Options", "Reporter", "default_workers"]

LARGEST_DOCUMENT = 4 << 20
"""Bytes of a manifest, index or configuration: the limit that registries have too."""


class LayerCache(Protocol):
    """Where indexes of layers seen before are kept, by the digest of their verified content.

    Manifests and configurations too, so that an image seen before need not be asked for, and
    reports, so that nothing of it need be worked out again.
    """

    def get(self, diff_id: Digest | None, digest: Digest | None) -> LayerIndex | None:
        """Return the index of a layer, by either of its digests."""

    def put(self, diff_id: Digest, digest: Digest | None, index: LayerIndex) -> None:
        """Keep an index; both digests must have been computed from the bytes themselves."""

    def get_document(self, digest: Digest) -> bytes | None:
        """Return a manifest, index or configuration."""

    def put_document(self, data: bytes, algorithm: str = "sha256", /) -> None:
        """Keep a manifest, index or configuration, under the digest of its bytes."""

    def get_report(self, key: Digest) -> bytes | None:
        """Return the report kept under the digest of all that it was made from."""

    def put_report(self, key: Digest, data: bytes) -> None:
        """Keep a report under the digest of all that it was made from."""


class Reporter(Protocol):
    """Gets to know how the reading goes on; called from several threads."""

    def wait(self, what: str) -> None:
        """Something is waited for before bytes come, such as an engine that exports an image."""

    def expect(self, layers: int, size: int) -> None:
        """So many layers are to be read, of ``size`` bytes as stored, as far as is known."""

    def begin(self, label: str, total: int | None) -> None:
        """A layer is about to be read; ``total`` is its length in bytes as stored, if known."""

    def advance(self, label: str, count: int) -> None:
        """``count`` more bytes of that layer have been read."""

    def finish(self, label: str, *, cached: bool) -> None:
        """The layer has been read, or came from the cache."""


class NoProgress:
    """A reporter that says nothing."""

    def wait(self, what: str) -> None:
        """Say nothing."""

    def expect(self, layers: int, size: int) -> None:
        """Say nothing."""

    def begin(self, label: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, label: str, count: int) -> None:
        """Say nothing."""

    def finish(self, label: str, *, cached: bool) -> None:
        """Say nothing."""


# Threads share one interpreter, and each holds its decompressor's buffers: more gain little.
def default_workers() -> int:
    """Return how many layers to read at once: as many as there are processors, up to 8."""
    return max(1, min(8, os.cpu_count() or 1))


class Options(Struct, frozen=True, kw_only=True):
    """How to open an image.

    ``platform`` picks one image of a multi-platform index, ``verify`` holds every blob of a
    local archive against its digest (what comes over a network always is), ``cache`` is used
    when given, ``workers`` layers are read at once. ``connections`` are those to registries
    that several images share. ``attestations`` says where those of the image are looked for;
    with ``index`` nothing is asked for where the index of the image lists none. ``arrived`` may be
    called with a layer's number and index while others are still being read.
    """

    platform: Platform | None = None
    verify: bool = False
    probes: tuple[Probe, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    cache: LayerCache | None = None
    progress: Reporter = NoProgress()
    workers: int = 0
    connections: Connections | None = None
    attestations: AttestationMode = "index"
    arrived: Callable[[int, LayerIndex], None] | None = None
