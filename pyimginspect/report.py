"""The result: facts about an image, findings, and the report that holds them.

Everything here is plain data: JSON, MessagePack and the published JSON Schema come from these
definitions. Reports of one ``schema_version`` can be read by any release that writes it; fields
may be added, never changed in meaning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

import msgspec
from msgspec import Struct

from pyimginspect.attestations import Attestation
from pyimginspect.decoding import from_json
from pyimginspect.errors import ReportError
from pyimginspect.inventory.facts import (
    Area,
    BaseImage,
    BuildTool,
    Bundled,
    Cache,
    Distribution,
    Environment,
    Interpreter,
    LayerAccount,
    Libc,
    OperatingSystem,
    OsPackage,
    Startup,
    WastedFile,
)
from pyimginspect.mappings import freeze
from pyimginspect.model import Evidence, Note

__all__ = [
    "SCHEMA_VERSION",
    "SEVERITIES",
    "BaselineEntry",
    "Bundled",
    "Distribution",
    "Failure",
    "Finding",
    "ImageFacts",
    "Interpreter",
    "LayerFacts",
    "OsPackage",
    "Report",
    "Reports",
    "RuleVerdict",
    "Severity",
    "Verdict",
    "Waived",
    "Waste",
    "as_json",
    "instruction_of",
]

SCHEMA_VERSION = 2

Severity = Literal["error", "warning", "note"]
"""``error``: it will fail, or has; ``warning``: against the policy; ``note``: good to know."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong, with what shows it and what fixes it.

    ``subject`` is what the finding is about, in words that survive a rebuild of the image (a
    package, a path, an interpreter): with ``rule`` it makes the ``fingerprint``. ``message`` is
    one line. ``layers`` are the numbers of the layers that brought it, ``instruction`` what the
    Dockerfile said there. ``paths`` and ``packages`` may be a selection: the evidence says of
    how many. ``saving`` is in bytes: how much smaller the layers would be with the fix, 0 where
    the fix saves nothing or nobody can tell; ``savings`` are the same bytes by the number of the
    layer that stores them (empty where that is not known). A byte is counted by one finding of a
    report, however many fixes free it; ``shared`` are the bytes that this fix frees too and that
    other findings count. ``fix`` is an edit in words that can be pasted.
    """

    rule: str
    severity: Severity
    subject: str
    message: str
    evidence: tuple[Evidence, ...]
    layers: tuple[int, ...] = ()
    instruction: str = ""
    paths: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    saving: int = 0
    savings: Mapping[int, int] = {}
    shared: int = 0
    fix: str = ""

    def __post_init__(self) -> None:
        freeze(self, "savings")

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that stay the same from build to build of an image."""
        # A name that is no UTF-8 counts as it is spelled in a report that was written and read.
        name = f"{self.rule}\0{self.subject}".encode("utf-8", "backslashreplace")
        # 64 bits are enough for the thousands of findings that a baseline has at most.
        return hashlib.sha256(name).hexdigest()[:16]

    @property
    def order(self) -> tuple[object, ...]:
        """Sort key: the worst first, then what saves most, then by name."""
        return (SEVERITIES.index(self.severity), -self.saving, self.rule, self.subject)


class ImageFacts(Struct, frozen=True, kw_only=True):
    """Which image was inspected, and where. ``environment`` holds only what bears on Python."""

    reference: str
    source: str
    names: tuple[str, ...] = ()
    digest: str | None = None
    config_digest: str | None = None
    platform: str = ""
    created: str | None = None
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        freeze(self, "environment")


class LayerFacts(Struct, frozen=True, kw_only=True):
    """One layer: how large, by which instruction, and what became of its bytes.

    ``size`` is the length of the uncompressed archive, ``blob_size`` that of the blob as the
    source stores it; ``account`` says what became of the bytes of file content. ``base`` tells
    the layers of the base image from those built on it. ``toc_digest`` is that of the table of
    contents that the layer was read by, whose word for the layer's content was taken; ``None``
    where all of the layer was read.
    """

    number: int
    instruction: str
    size: int
    entries: int
    account: LayerAccount
    diff_id: str | None = None
    digest: str | None = None
    blob_size: int | None = None
    created: str | None = None
    base: bool = False
    absent: bool = False
    toc_digest: str | None = None


class Waste(Struct, frozen=True, kw_only=True):
    """Bytes that ship and that no container sees; ``largest`` are the biggest of ``files``."""

    size: int
    overwritten: int
    removed: int
    repeated: int
    files: int
    largest: tuple[WastedFile, ...] = ()


class Waived(Struct, frozen=True, kw_only=True):
    """A finding that the policy lets pass, why, and until when (``YYYY-MM-DD``, or for ever)."""

    finding: Finding
    reason: str
    expires: str = ""


class BaselineEntry(Struct, frozen=True, kw_only=True):
    """A finding that the baseline knows and that this image no longer has."""

    fingerprint: str
    rule: str
    subject: str
    message: str = ""


class RuleVerdict(Struct, frozen=True, kw_only=True):
    """How the image fares by one rule: the numbers of findings, and of those that fail it."""

    rule: str
    passed: bool
    findings: int = 0
    failing: int = 0
    waived: int = 0
    accepted: int = 0


class Verdict(Struct, frozen=True, kw_only=True):
    """What a policy and a baseline make of the findings: pass or fail, by rule and in all.

    ``fail_on`` is the least severity that fails; ``None``: nothing does. ``accepted`` are the
    findings that the baseline knew already, ``fixed`` those that it knew and that are no more.
    """

    policy: str
    passed: bool
    fail_on: Severity | None = None
    rules: tuple[RuleVerdict, ...] = ()
    waived: tuple[Waived, ...] = ()
    accepted: tuple[Finding, ...] = ()
    fixed: tuple[BaselineEntry, ...] = ()

    def fails(self, finding: Finding) -> bool:
        """Whether a finding of this severity fails the image."""
        if self.fail_on is None:
            return False
        return SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.fail_on)


class Report(Struct, frozen=True, kw_only=True):
    """All that is known of an image, and what is wrong with it; worst findings first.

    ``startup`` is what a container of it starts. ``attestations`` are what is attached to the
    image and says how it was built or what is in it: claims, checked against the layers.

    ``size`` is the bytes of file content in all layers, ``live`` those that a container sees.
    ``notes`` are what limits or oddities of the image kept us from knowing. Once a policy was
    applied, ``verdict`` is its outcome, and ``findings`` are those that it neither switched off
    nor waived, and that the baseline does not know. ``areas`` say where all stored bytes are,
    ``saving`` is what all edits of the plan save together, in bytes, each counted once, whatever
    the policy makes of the findings; ``None`` unless it was asked for.
    """

    schema_version: int = SCHEMA_VERSION
    tool_version: str
    image: ImageFacts
    size: int
    live: int
    os: OperatingSystem
    base: BaseImage
    libc: Libc
    pythons: tuple[Interpreter, ...]
    environments: tuple[Environment, ...]
    distributions: tuple[Distribution, ...]
    os_packages: tuple[OsPackage, ...]
    build_tools: tuple[BuildTool, ...]
    caches: tuple[Cache, ...]
    layers: tuple[LayerFacts, ...]
    waste: Waste
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...] = ()
    verdict: Verdict | None = None
    areas: tuple[Area, ...] = ()
    saving: int | None = None
    startup: Startup = Startup()
    attestations: tuple[Attestation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, strings and numbers, ready for JSON.

        Bytes of names that are no UTF-8 are spelled out, as ``\\udcff``.
        """
        return _plain(self)

    def to_json(self, *, indent: int = 2) -> str:
        """Return the report as JSON, the same characters from run to run."""
        return as_json(self, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises :class:`ReportError` for anything else, or for another schema version.
        """
        return _read(text, cls)


class Failure(Struct, frozen=True, kw_only=True):
    """An image that could not be inspected: how it was named, and why, in one line."""

    reference: str
    message: str


class Reports(Struct, frozen=True, kw_only=True):
    """What ``--format json`` writes: the reports of one or of many images.

    ``errors`` are the images that could not be inspected. The shape is the same however many
    there are of either.
    """

    schema_version: int = SCHEMA_VERSION
    reports: tuple[Report, ...] = ()
    errors: tuple[Failure, ...] = ()

    def to_json(self, *, indent: int = 2) -> str:
        """Return the document as JSON, the same characters from run to run."""
        return as_json(self, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises :class:`ReportError` for anything else, or for another schema version.
        """
        return _read(text, cls)


class _Versioned(Struct):
    schema_version: int


_Document = TypeVar("_Document", bound="Report | Reports")


def _read(text: str | bytes, kind: type[_Document]) -> _Document:
    try:
        # First the version alone, since a report of another one may lack fields, or have others.
        version = from_json(text, _Versioned).schema_version
        if version != SCHEMA_VERSION:
            raise ReportError(
                f"the report has schema version {version}, this release reads {SCHEMA_VERSION}"
            )
        return from_json(text, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ReportError(f"not a report of this tool: {exc}") from exc


def as_json(record: Struct, *, indent: int = 2) -> str:
    """Return a record as JSON that ends in a line break, the same characters from run to run.

    Bytes of names that are no UTF-8 are spelled out, as ``\\udcff``.
    """
    try:
        # Few reports have such names; only they are gone through once more.
        data = msgspec.json.encode(record)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_plain(record))
    return msgspec.json.format(data, indent=indent).decode() + "\n"


def _plain(record: Struct) -> dict[str, Any]:
    # JSON has no numbers as keys, which `savings` has.
    plain: dict[str, Any] = _encodable(msgspec.to_builtins(record, str_keys=True))
    return plain


def _encodable(value: Any) -> Any:
    """Return plain data with undecodable bytes of names, which no JSON can hold, spelled out."""
    if isinstance(value, str):
        # CPython keeps with each string whether it is ASCII (PEP 393), as nearly all names are.
        return value.encode("utf-8", "backslashreplace").decode() if not value.isascii() else value
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value


def instruction_of(report: Report, finding: Finding) -> str:
    """Return the instruction that brought a finding, or an empty string."""
    if finding.instruction:
        return finding.instruction
    wanted = finding.layers[0] if finding.layers else None
    return next((layer.instruction for layer in report.layers if layer.number == wanted), "")
