"""What is installed as a CycloneDX 1.6 bill of materials, by the reference implementation."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import (
    DisjunctiveLicense,
    License,
    LicenseAcknowledgement,
    LicenseExpression,
)
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id

from pyimginspect.errors import printable
from pyimginspect.formats._sbom import IMAGE, Part, created, edges_of, identity, parts_of
from pyimginspect.formats._sbom_licenses import declared
from pyimginspect.report import Report

__all__ = ["render"]


def render(report: Report) -> str:
    """Return interpreters, OS packages and Python distributions as CycloneDX JSON.

    The serial number follows from the image, and the time is the image's own: the same image
    gives the same document.
    """
    time = created(report)
    parts = parts_of(report)
    bom = Bom(
        serial_number=identity(report),
        metadata=BomMetaData(
            component=next(_component(part) for part in parts if part.ref == IMAGE),
            tools=ToolRepository(components=[_tool(report)]),
            timestamp=time or datetime.datetime.now(datetime.UTC),
        ),
        components=[_component(part) for part in parts if part.ref != IMAGE],
    )
    bom.dependencies = _dependencies(edges_of(report))
    # The library makes sure of each by looking through all, which takes the square of the time.
    setattr(bom, "register_dependency", lambda **_: None)  # noqa: B010  # its own method
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    if time is None:
        # The library always writes a time; one that is not the image's would not repeat.
        del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _component(part: Part) -> Component:
    return Component(
        type=ComponentType(part.kind),
        bom_ref=part.ref,
        name=part.name,
        version=part.version or None,
        description=part.description or None,
        purl=part.purl,
        cpe=part.cpe,
        licenses=_licenses(part.licenses),
        properties=[
            Property(name=f"pyimginspect:{name}", value=value)
            for name, value in part.properties.items()
        ],
    )


def _licenses(names: tuple[str, ...]) -> list[License]:
    """Return licences as the metadata has them: an expression stands alone, names side by side."""
    how = LicenseAcknowledgement.DECLARED
    if len(names) == 1 and (known := declared(names)) is not None and not known.others:
        return [LicenseExpression(known.expression, acknowledgement=how)]
    licenses: list[License] = []
    for text in names:
        # Names of the SPDX list are ids; the schema refuses any other word there.
        known_id = fixup_id(text)
        name = None if known_id else printable(text)
        licenses.append(DisjunctiveLicense(id=known_id, name=name, acknowledgement=how))
    return licenses


def _tool(report: Report) -> Component:
    return Component(
        type=ComponentType.APPLICATION, name="pyimginspect", version=report.tool_version
    )


def _dependencies(edges: Mapping[str, set[str]]) -> list[Dependency]:
    return [
        Dependency(BomRef(ref), [Dependency(BomRef(other)) for other in sorted(others)])
        for ref, others in edges.items()
    ]
