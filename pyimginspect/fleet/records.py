"""What the parts of a fleet's run hand to each other: plain records, safe to send anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from msgspec import Struct

from pyimginspect.report import Report, Severity

__all__ = [
    "FindingRow",
    "Folded",
    "ImageRow",
    "LayerRow",
    "Outcome",
    "PythonRow",
    "Status",
    "Target",
]

Status = Literal["inspected", "failed", "deferred"]
"""``deferred``: a quota is exhausted, so the next run asks again."""


class Target(Struct, frozen=True, kw_only=True):
    """One image to inspect, as the references of a fleet named it.

    ``platform`` is one of a multi-platform image, empty where the default is wanted.
    ``namespace`` is that of the Kubernetes pod that runs it.
    """

    reference: str
    platform: str = ""
    namespace: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells targets apart."""
        return self.reference, self.platform

    def __str__(self) -> str:
        return f"{self.reference} ({self.platform})" if self.platform else self.reference


# gc=False: texts and numbers alone, which are part of no cycle, and a fleet has millions.
class LayerRow(Struct, frozen=True, kw_only=True, gc=False):
    """One layer of one image. Sizes are in bytes.

    ``identity`` is the diff ID, or another name that no other layer has. ``chain`` identifies the
    layer together with all below it (OCI image specification, config.md, "Layer ChainID").
    ``size`` is the length of the uncompressed archive; ``stored`` the bytes of file content, of
    which ``live`` are seen by a container.
    """

    identity: str
    chain: str
    size: int
    stored: int
    live: int
    entries: int
    blob_size: int | None
    instruction: str
    base: bool


class FindingRow(Struct, frozen=True, kw_only=True):
    """A finding that the policy lets count; ``savings`` has its saving by number of the layer."""

    rule: str
    severity: Severity
    subject: str
    message: str
    fix: str
    fingerprint: str
    saving: int
    savings: Mapping[int, int]
    fails: bool
    waived: bool


class PythonRow(Struct, frozen=True, kw_only=True):
    """An interpreter; ``ends`` is the day on which its support ends, empty if not known."""

    path: str
    version: str
    implementation: str
    origin: str
    layer: int
    size: int
    effective: bool
    packages: tuple[str, ...]
    ends: str
    past_end: bool


class ImageRow(Struct, frozen=True, kw_only=True):
    """An image, whatever it is called. ``labels`` are those of its configuration."""

    key: str
    config_digest: str
    platform: str
    created: str
    os: str
    os_version: str
    libc: str
    libc_version: str
    base: str
    base_family: str
    base_variant: str
    base_layers: int
    size: int
    live: int
    fails: bool
    labels: Mapping[str, str]


class Folded(Struct, frozen=True, kw_only=True):
    """All that is kept of an image: rows for the tables, and the report, compressed."""

    image: ImageRow
    layers: tuple[LayerRow, ...]
    findings: tuple[FindingRow, ...]
    pythons: tuple[PythonRow, ...]
    report: bytes


# dict=True is where cached_property puts its value.
class Outcome(Struct, frozen=True, kw_only=True, dict=True):
    """What became of one target.

    ``key`` identifies its image, ``fails`` is whether the policy fails it. ``known`` is true
    where the image was in the results already. ``error`` says why it was not inspected.
    """

    reference: str
    platform: str = ""
    namespace: str = ""
    status: Status
    key: str = ""
    fails: bool = False
    known: bool = False
    error: str = ""
    packed: bytes = b""
    named: bytes = b""

    @cached_property
    def report(self) -> Report | None:
        """The report, as :func:`pyimginspect.inspect` returns it; ``None`` if there is none."""
        from pyimginspect.fleet.packing import unpack_report

        return unpack_report(self.packed, self.named) if self.packed else None
