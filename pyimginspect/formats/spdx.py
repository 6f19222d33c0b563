"""What is installed as an SPDX 2.3 document in JSON.

Source: the SPDX specification 2.3 and its JSON schema. The document is plain; it is written by
records of our own, as importing ``spdx-tools`` takes two seconds, checked against that library's
validation in the tests (docs/decisions/sbom-readers.md).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re

import msgspec
from msgspec import Struct

from pyimginspect.formats._sbom import (
    EPOCH,
    IMAGE,
    SYSTEM,
    Part,
    created,
    edges_of,
    identity,
    parts_of,
)
from pyimginspect.formats._sbom_licenses import declared
from pyimginspect.report import Report

__all__ = ["render"]

_NOT_SAID = "NOASSERTION"
_PURPOSES = {
    "container": "CONTAINER",
    "operating-system": "OPERATING-SYSTEM",
    "application": "APPLICATION",
    "library": "LIBRARY",
}


class _Reference(Struct, frozen=True, rename="camel", kw_only=True):
    reference_category: str
    reference_type: str
    reference_locator: str


class _Annotation(Struct, frozen=True, rename="camel", kw_only=True):
    annotation_date: str
    annotator: str
    comment: str
    annotation_type: str = "OTHER"


class _Package(Struct, frozen=True, rename="camel", kw_only=True):
    spdx_id: str = msgspec.field(name="SPDXID")
    name: str
    primary_package_purpose: str
    version_info: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    download_location: str = _NOT_SAID
    # True would demand a verification code over the files (clause 7.9).
    files_analyzed: bool = False
    license_declared: str = _NOT_SAID
    license_concluded: str = _NOT_SAID
    copyright_text: str = _NOT_SAID
    external_refs: list[_Reference] | msgspec.UnsetType = msgspec.UNSET
    annotations: list[_Annotation] | msgspec.UnsetType = msgspec.UNSET


class _Relationship(Struct, frozen=True, rename="camel", kw_only=True):
    spdx_element_id: str
    relationship_type: str
    related_spdx_element: str


class _License(Struct, frozen=True, rename="camel", kw_only=True):
    license_id: str
    name: str
    extracted_text: str


class _CreationInfo(Struct, frozen=True, rename="camel", kw_only=True):
    created: str
    creators: list[str]


class _Document(Struct, frozen=True, rename="camel", kw_only=True):
    spdx_version: str = "SPDX-2.3"
    # The one value that clause 6.2 allows.
    data_license: str = "CC0-1.0"
    spdx_id: str = msgspec.field(name="SPDXID", default="SPDXRef-DOCUMENT")
    name: str
    document_namespace: str
    creation_info: _CreationInfo
    packages: list[_Package]
    relationships: list[_Relationship]
    has_extracted_licensing_infos: list[_License]


def render(report: Report) -> str:
    """Return interpreters, OS packages and Python distributions as an SPDX 2.3 document.

    Its namespace follows from the image, and its time is the image's own: the same image gives
    the same document.
    """
    parts = parts_of(report)
    time = (created(report) or EPOCH).astimezone(datetime.UTC)
    # The specification has UTC with a Z and no fractions of a second (6.9).
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    tool = f"Tool: pyimginspect-{report.tool_version}"
    others = {}
    for part in parts:
        if (license_ := declared(part.licenses)) is not None:
            others.update(license_.others)
    document = _Document(
        name=parts[0].name,
        document_namespace=f"https://spdx.org/spdxdocs/pyimginspect-{identity(report)}",
        creation_info=_CreationInfo(created=date, creators=[tool]),
        packages=[_package(part, date, tool) for part in parts],
        relationships=_relationships(report),
        has_extracted_licensing_infos=[
            _License(
                license_id=key,
                name=name,
                extracted_text=f"{name} (the name in the package's metadata, which has its text)",
            )
            for key, name in sorted(others.items())
        ],
    )
    plain = json.loads(msgspec.json.encode(document))
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _package(part: Part, date: str, tool: str) -> _Package:
    license_ = declared(part.licenses)
    references = []
    if part.purl is not None:
        references.append(
            _Reference(
                reference_category="PACKAGE-MANAGER",
                reference_type="purl",
                reference_locator=part.purl.to_string(),
            )
        )
    if part.cpe is not None:
        references.append(
            _Reference(
                reference_category="SECURITY",
                reference_type="cpe23Type",
                reference_locator=part.cpe,
            )
        )
    facts = "\n".join(f"pyimginspect:{name}={value}" for name, value in part.properties.items())
    annotation = _Annotation(annotation_date=date, annotator=tool, comment=facts)
    return _Package(
        spdx_id=_id(part.ref),
        name=part.name,
        primary_package_purpose=_PURPOSES[part.kind],
        version_info=part.version or msgspec.UNSET,
        description=part.description or msgspec.UNSET,
        license_declared=license_.expression if license_ is not None else _NOT_SAID,
        external_refs=references or msgspec.UNSET,
        annotations=[annotation] if facts else msgspec.UNSET,
    )


def _relationships(report: Report) -> list[_Relationship]:
    found = [("DOCUMENT", "DESCRIBES", IMAGE)]
    for ref, others in edges_of(report).items():
        # What the image needs is in it; so is, in a wheel, what that says it bundles.
        for other in sorted(others):
            inside = ref == IMAGE or other.startswith("bundled:")
            found.append((ref, "CONTAINS" if inside else "DEPENDS_ON", other))
    return [
        _Relationship(
            spdx_element_id="SPDXRef-DOCUMENT" if one == "DOCUMENT" else _id(one),
            relationship_type=kind,
            related_spdx_element=_id(other),
        )
        for one, kind, other in found
    ]


def _id(ref: str) -> str:
    """Return an identifier: letters, digits, dots and dashes; what they cannot tell, a digest."""
    if ref == SYSTEM:
        # Trivy knows the operating system by this beginning (`pkg/sbom/spdx/unmarshal.go`), not
        # by its purpose, and passes over all system packages where it finds none.
        return "SPDXRef-OperatingSystem"
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", ref).strip("-")
    if plain == ref:
        return f"SPDXRef-{ref}"
    digest = hashlib.sha256(ref.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    # By a digest, as two references may differ in what was left out alone.
    return f"SPDXRef-{plain[:80]}-{digest}"
