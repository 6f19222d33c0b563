"""Statements of in-toto and what they hold: provenance of SLSA, bills of materials.

They are untrusted JSON: what is not as specified is left out, and every list has a limit.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pyimginspect.attestations import Attestation, Material
from pyimginspect.errors import ManifestError
from pyimginspect.model import decode_json
from pyimginspect.sources.provenance import build_facts
from pyimginspect.sources.selection import LayerRef
from pyimginspect.sources.untrusted import items, mapping, text

__all__ = ["read_statement"]

# in-toto's predicate types. SPDX and CycloneDX append their version to theirs, as in
# https://spdx.dev/Document/v2.3, so those are compared by their beginning.
_PROVENANCE = ("https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1")
_SPDX = "https://spdx.dev/Document"
_CYCLONEDX = "https://cyclonedx.org/bom"
# Larger than any real one: a build has some tens of materials, an image some thousand packages.
_MOST_MATERIALS = 500
_MOST_PURLS = 20_000


def read_statement(
    data: bytes, about: Sequence[str], layers: tuple[LayerRef, ...], known: Attestation
) -> Attestation:
    """Return what a document attached to an image says of it.

    ``about`` are the digests of the image: its manifest, configuration and layers, of which a
    statement must name one as its subject, unless it names none: BuildKit takes subjects from
    the image's names, and an image that is written to a file may have none. What lists the
    document says which image it is about. ``known`` is what is known without the document.
    """
    try:
        document = mapping(decode_json(data, "the attestation"))
        document = _unwrapped(document)
    except ManifestError as exc:
        return msgspec.structs.replace(known, ignored=exc.message)
    # A bill of materials as it is, without a statement around it, as registries' tools attach it.
    if "predicateType" not in document:
        return _bill(document, known)
    kind = text(document["predicateType"])
    known = msgspec.structs.replace(known, predicate_type=kind or known.predicate_type)
    subjects = list(_digests(document.get("subject")))
    if document.get("subject") and not set(subjects) & set(about):
        other = f"about {subjects[0][:19]}…" if subjects else "about nothing"
        return msgspec.structs.replace(known, ignored=f"it is {other}, not about this image")
    predicate = mapping(document.get("predicate"))
    if kind.startswith((_SPDX, _CYCLONEDX)):
        return _bill(predicate, known)
    if kind not in _PROVENANCE:
        return msgspec.structs.replace(known, ignored="statements of its type are not read")
    return _provenance(predicate, layers, known)


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """Return a statement without its envelope (DSSE, also within a Sigstore bundle).

    Signatures are not verified: the statement is a claim all the same.
    """
    envelope = mapping(document.get("dsseEnvelope")) or document
    payload = envelope.get("payload")
    if not isinstance(payload, str) or "payloadType" not in envelope:
        return document
    try:
        # DSSE (envelope.md): standard or URL-safe, as the signer likes; a mixture is neither.
        safe = "-" in payload or "_" in payload
        data = base64.b64decode(payload, b"-_" if safe else None, validate=True)
        if safe and ("+" in payload or "/" in payload):
            raise ValueError("both encodings at once")
        return mapping(decode_json(data, "its payload"))
    except (binascii.Error, ValueError) as exc:
        raise ManifestError("its payload is not base64") from exc


def _digests(subjects: object) -> Iterator[str]:
    for subject in items(subjects)[:_MOST_MATERIALS]:
        for algorithm, value in mapping(mapping(subject).get("digest")).items():
            yield f"{algorithm}:{text(value)}"


def _bill(document: dict[str, Any], known: Attestation) -> Attestation:
    """Read a bill of materials in SPDX 2 or CycloneDX."""
    if text(document.get("bomFormat")) == "CycloneDX":
        parts = items(document.get("components"))
        purls = [text(mapping(part).get("purl")) for part in parts]
        # An object with components since CycloneDX 1.5; before, an array, which is not read.
        tools = mapping(mapping(document.get("metadata")).get("tools")).get("components")
        tool = next((text(mapping(each).get("name")) for each in items(tools)), "")
        kind = known.predicate_type or _CYCLONEDX
    elif text(document.get("spdxVersion")).startswith("SPDX-2"):
        parts = items(document.get("packages"))
        purls = [_purl(mapping(part)) for part in parts]
        creators = items(mapping(document.get("creationInfo")).get("creators"))
        # SPDX 2: each creator begins with "Tool: ", "Person: " or "Organization: ".
        named = [text(each) for each in creators]
        tool = next((n.removeprefix("Tool: ") for n in named if n.startswith("Tool: ")), "")
        kind = known.predicate_type or _SPDX
    else:
        return msgspec.structs.replace(known, ignored="documents of its type are not read")
    return msgspec.structs.replace(
        known,
        kind="sbom",
        predicate_type=kind,
        tool=tool,
        packages=len(parts),
        purls=tuple(sorted({purl for purl in purls if purl})[:_MOST_PURLS]),
    )


def _purl(package: dict[str, Any]) -> str:
    # A package of SPDX has one purl, beside CPEs that syft guesses by the dozen.
    for reference in map(mapping, items(package.get("externalRefs"))[:50]):
        if reference.get("referenceType") == "purl":
            return text(reference.get("referenceLocator"))
    return ""


def _provenance(
    predicate: dict[str, Any], layers: tuple[LayerRef, ...], known: Attestation
) -> Attestation:
    facts = build_facts(predicate, layers)
    return msgspec.structs.replace(
        known,
        kind="provenance",
        builder=facts.builder,
        materials=tuple(_materials(facts.materials)),
        source=facts.source,
        revision=facts.revision,
        dockerfile=facts.dockerfile,
        lines=facts.lines,
        base_name=facts.base_name,
        base_digest=facts.base_digest,
        base_layers=facts.base_layers,
        contradictions=facts.contradictions,
    )


def _materials(listed: list[Any]) -> Iterator[Material]:
    for each in map(mapping, listed[:_MOST_MATERIALS]):
        digests = mapping(each.get("digest"))
        digest = next((f"{name}:{text(value)}" for name, value in digests.items()), "")
        if uri := text(each.get("uri")):
            yield Material(uri=uri, digest=digest)
