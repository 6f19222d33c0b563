"""What is installed as a CycloneDX 1.6 bill of materials, by the reference implementation."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from pyimginspect.errors import printable
from pyimginspect.report import Report

__all__ = ["render"]

_PURL_TYPES = {"dpkg": "deb", "apk": "apk", "rpm": "rpm"}
_LONGEST_VERSION = 1024  # characters, since CycloneDX 1.6
_NAMESPACE = uuid.UUID("6f5bd0a8-2c1c-5f0e-9a53-0f2b8f0f7a61")  # of this package's serial numbers


def render(report: Report) -> str:
    """Return interpreters, OS packages and Python distributions as CycloneDX JSON.

    The serial number follows from the image, and the time is the image's own: the same image
    gives the same document.
    """
    image = report.image
    created = _time(image.created)
    identity = image.config_digest or image.digest or image.reference
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, printable(identity)),
        metadata=BomMetaData(
            component=_image(report),
            tools=None,
            timestamp=created or datetime.datetime.now(datetime.UTC),
            properties=_properties({"tool": f"pyimginspect {report.tool_version}"}),
        ),
        components=[*_interpreters(report), *_packages(report), *_distributions(report)],
    )
    assert bom.metadata.component is not None
    parts = [Dependency(ref=component.bom_ref) for component in bom.components]
    bom.dependencies = [Dependency(bom.metadata.component.bom_ref, parts), *parts]
    # The library makes sure of each by looking through all, which takes the square of the time.
    setattr(bom, "register_dependency", lambda **_: None)  # noqa: B010  # its own method
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    if created is None:
        # The library always writes a time; one that is not the image's would not repeat.
        del document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _time(text: str | None) -> datetime.datetime | None:
    try:
        time = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or datetime.UTC)


def _version(text: str) -> str:
    return printable(text)[:_LONGEST_VERSION]


def _properties(facts: dict[str, str | int | None]) -> Iterable[Property]:
    return [
        Property(name=f"pyimginspect:{name}", value=printable(str(value)))
        for name, value in facts.items()
        if value not in (None, "")
    ]


def _image(report: Report) -> Component:
    image = report.image
    reference = image.names[0] if image.names else image.reference
    name, _, tag = reference.partition("@")[0].rpartition(":")
    if not name or "/" in tag:
        name, tag = reference, ""
    return Component(
        type=ComponentType.CONTAINER,
        bom_ref="image",
        name=printable(name),
        version=_version(image.digest or tag) or None,
        properties=_properties(
            {
                "platform": image.platform,
                "config-digest": image.config_digest,
                "libc": f"{report.libc.flavor} {report.libc.version or ''}".strip(),
            }
        ),
    )


def _interpreters(report: Report) -> list[Component]:
    return [
        Component(
            type=ComponentType.APPLICATION,
            bom_ref=f"interpreter:{printable(python.path)}",
            name=printable(python.implementation),
            version=_version(python.version),
            purl=_purl("generic", "python", python.version),
            properties=_properties(
                {
                    "path": python.path,
                    "origin": python.origin,
                    "layer": python.layer,
                    "effective": "true" if python.effective else "false",
                }
            ),
        )
        for python in report.pythons
    ]


def _packages(report: Report) -> list[Component]:
    distro = "-".join(part for part in (report.os.id, report.os.version_id) if part)
    return [
        Component(
            bom_ref=f"{package.manager}:{printable(package.key or package.name)}",
            name=printable(package.name),
            version=_version(package.version),
            purl=_purl(
                _PURL_TYPES[package.manager],
                package.name,
                package.version,
                namespace=report.os.id,
                arch=package.architecture,
                distro=distro,
                upstream=package.source if package.source != package.name else "",
            ),
            properties=_properties({"layer": package.layer, "size": package.size}),
        )
        for package in report.os_packages
    ]


def _distributions(report: Report) -> list[Component]:
    return [
        Component(
            bom_ref=f"python:{printable(found.metadata)}",
            name=printable(found.name),
            version=_version(found.version),
            purl=_purl("pypi", found.name, found.version),
            properties=_properties(
                {
                    "layer": found.layer,
                    "size": found.size,
                    "location": found.location,
                    "installer": found.installer,
                    "package": found.package,
                    "interpreter": ", ".join(found.interpreters),
                }
            ),
        )
        for found in report.distributions
    ]


def _purl(
    kind: str, name: str, version: str, *, namespace: str = "", **qualifiers: str
) -> PackageURL | None:
    """Return the package URL, or ``None`` for a name that none can hold."""
    try:
        return PackageURL(
            type=kind,
            namespace=printable(namespace) or None,
            name=printable(name),
            version=printable(version) or None,
            qualifiers={
                key: printable(value) for key, value in sorted(qualifiers.items()) if value
            },
        )
    except ValueError:
        return None
