"""What is installed as an SPDX 3.0.1 document in JSON-LD, by SPDX's own model for Python."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from spdx_python_model import v3_0_1 as spdx

from pyimginspect.formats._sbom import (
    EPOCH,
    IMAGE,
    Part,
    created,
    edges_of,
    identity,
    parts_of,
)
from pyimginspect.formats._sbom_licenses import declared
from pyimginspect.report import Report

__all__ = ["render"]

_PURPOSES = {
    "container": "container",
    "operating-system": "operatingSystem",
    "application": "application",
    "library": "library",
}


def render(report: Report) -> str:
    """Return interpreters, OS packages and Python distributions as an SPDX 3.0.1 document.

    Its identifiers follow from the image, and its time is the image's own: the same image gives
    the same document.
    """
    return _Writer(report).text()


class _Writer:
    """The elements of one document, all of one namespace and of one creation."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._base = f"https://spdx.org/spdxdocs/pyimginspect-{identity(report)}"
        self._elements: list[Any] = []
        self._licenses: dict[str, Any] = {}
        # A blank node: CreationInfo is no Element, and needs no IRI.
        self._info = spdx.CreationInfo(_id="_:creation")
        self._info.specVersion = "3.0.1"
        time = (created(report) or EPOCH).astimezone(datetime.UTC)
        # DateTime of SPDX 3 has seconds and no fractions.
        self._info.created = time.replace(microsecond=0)
        tool = self._add("Tool", "tool", name="pyimginspect")
        agent = self._add("SoftwareAgent", "agent", name=f"pyimginspect-{report.tool_version}")
        self._info.createdBy = [agent]
        self._info.createdUsing = [tool]

    def text(self) -> str:
        parts = {part.ref: self._package(part) for part in parts_of(self._report)}
        for ref, others in edges_of(self._report).items():
            inside = {each for each in others if ref == IMAGE or each.startswith("bundled:")}
            for kind, some in (("contains", inside), ("dependsOn", others - inside)):
                if some:
                    self._relate(ref, kind, parts[ref], [parts[each] for each in sorted(some)])
        bom = self._add("software_Sbom", "sbom", rootElement=[parts[IMAGE]])
        bom.software_sbomType = [spdx.software_SbomType.analyzed]
        # All but itself, which was added last.
        bom.element = list(self._elements[:-1])
        document = self._add("SpdxDocument", "document", rootElement=[bom])
        document.profileConformance = [
            spdx.ProfileIdentifierType.core,
            spdx.ProfileIdentifierType.software,
            spdx.ProfileIdentifierType.simpleLicensing,
        ]
        document.element = list(self._elements[:-1])
        objects = spdx.SHACLObjectSet([*self._elements, self._info])
        plain = spdx.JSONLDSerializer().serialize_data(objects, force_at_graph=True)
        return json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def _add(self, kind: str, key: str, **values: Any) -> Any:
        element = getattr(spdx, kind)(_id=f"{self._base}#{key}", creationInfo=self._info)
        for name, value in values.items():
            setattr(element, name, value)
        self._elements.append(element)
        return element

    def _package(self, part: Part) -> Any:
        purpose = getattr(spdx.software_SoftwarePurpose, _PURPOSES[part.kind])
        package = self._add("software_Package", _key(part.ref), name=part.name)
        package.software_primaryPurpose = purpose
        if part.version:
            package.software_packageVersion = part.version
        if part.description:
            package.description = part.description
        if part.purl is not None:
            package.software_packageUrl = part.purl.to_string()
            package.externalIdentifier.append(self._identifier("packageUrl", part.purl.to_string()))
        if part.cpe is not None:
            package.externalIdentifier.append(self._identifier("cpe23", part.cpe))
        if part.properties:
            facts = spdx.extension_CdxPropertiesExtension()
            for name, value in part.properties.items():
                entry = spdx.extension_CdxPropertyEntry()
                entry.extension_cdxPropName = f"pyimginspect:{name}"
                entry.extension_cdxPropValue = value
                facts.extension_cdxProperty.append(entry)
            package.extension.append(facts)
        license_ = self._license(part.licenses)
        if license_ is not None:
            self._relate(part.ref, "hasDeclaredLicense", package, [license_])
        return package

    def _identifier(self, kind: str, value: str) -> Any:
        found = spdx.ExternalIdentifier()
        found.externalIdentifierType = getattr(spdx.ExternalIdentifierType, kind)
        found.identifier = value
        return found

    def _license(self, names: tuple[str, ...]) -> Any:
        """Return the one element of a licence; names that SPDX does not know are elements too."""
        known = declared(names)
        if known is None:
            return None
        # One element for each expression: hundreds of packages have the same licence.
        if known.expression not in self._licenses:
            element = self._add("simplelicensing_LicenseExpression", _key(known.expression))
            element.simplelicensing_licenseExpression = known.expression
            for key, name in known.others.items():
                entry = spdx.DictionaryEntry()
                entry.key = key
                entry.value = self._unknown(key, name)._id
                element.simplelicensing_customIdToUri.append(entry)
            self._licenses[known.expression] = element
        return self._licenses[known.expression]

    def _unknown(self, key: str, name: str) -> Any:
        if key not in self._licenses:
            self._licenses[key] = self._add(
                "simplelicensing_SimpleLicensingText",
                f"text-{key}",
                name=name,
                simplelicensing_licenseText=f"{name} (the name in the package's metadata)",
            )
        return self._licenses[key]

    def _relate(self, ref: str, kind: str, one: Any, others: list[Any]) -> None:
        relation = self._add("Relationship", f"{kind}-{_key(ref)}", from_=one, to=others)
        relation.relationshipType = getattr(spdx.RelationshipType, kind)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
