"""What is installed as a CycloneDX 1.6 bill of materials, by the reference implementation."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Iterable

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from pyimginspect.errors import printable
from pyimginspect.report import Report

__all__ = ["render"]

_IMAGE, _SYSTEM = "image", "operating-system"
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
            tools=ToolRepository(components=[_tool(report)]),
            timestamp=created or datetime.datetime.now(datetime.UTC),
        ),
        components=[
            *_system(report),
            *_interpreters(report),
            *_packages(report),
            *_distributions(report),
        ],
    )
    bom.dependencies = _dependencies(report)
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
        bom_ref=_IMAGE,
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


def _tool(report: Report) -> Component:
    return Component(
        type=ComponentType.APPLICATION, name="pyimginspect", version=report.tool_version
    )


def _system(report: Report) -> list[Component]:
    """Return the operating system, without which scanners pass over all of its packages."""
    os = report.os
    if not os.id:
        return []
    return [
        Component(
            type=ComponentType.OPERATING_SYSTEM,
            bom_ref=_SYSTEM,
            name=printable(os.id),
            version=_version(os.version_id) or None,
            description=printable(os.pretty_name) or None,
        )
    ]


def _interpreters(report: Report) -> list[Component]:
    return [
        Component(
            type=ComponentType.APPLICATION,
            bom_ref=_python_ref(python.path),
            name=printable(python.implementation),
            version=_version(python.version),
            purl=_purl(
                "generic", python.implementation.replace("cpython", "python"), python.version
            ),
            cpe=_cpe(python.implementation, python.version),
            properties=_properties(
                {
                    "path": python.path,
                    "origin": python.origin,
                    **_layer(report, python.layer),
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
            bom_ref=_package_ref(package.manager, package.key or package.name),
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
            properties=_properties({**_layer(report, package.layer), "size": package.size}),
        )
        for package in report.os_packages
    ]


def _distributions(report: Report) -> list[Component]:
    return [
        Component(
            bom_ref=_distribution_ref(found.metadata),
            name=printable(found.name),
            version=_version(found.version),
            purl=_purl("pypi", found.name, found.version),
            properties=_properties(
                {
                    **_layer(report, found.layer),
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


def _layer(report: Report, number: int) -> dict[str, str | int | None]:
    """Return which layer a component is from: its number, and the diff ID that others know."""
    known = {layer.number: layer.diff_id for layer in report.layers}
    diff_id = known.get(number)
    return {"layer": number, "diff-id": str(diff_id) if diff_id else None}


def _package_ref(manager: str, key: str) -> str:
    return f"{manager}:{printable(key)}"


def _python_ref(path: str) -> str:
    return f"interpreter:{printable(path)}"


def _distribution_ref(metadata: str) -> str:
    return f"python:{printable(metadata)}"


def _dependencies(report: Report) -> list[Dependency]:
    """Return who needs whom: packages each other, distributions and interpreters theirs.

    Of a requirement with alternatives each one that is installed counts, as any of them meets it.
    """
    edges: dict[str, set[str]] = {_IMAGE: set()}
    pythons = {python.path: _python_ref(python.path) for python in report.pythons}
    for environment in report.environments:
        if environment.base in pythons:
            pythons[environment.path] = pythons[environment.base]
    providers: dict[str, set[str]] = {}
    for package in report.os_packages:
        for name in (package.name, package.key, *package.provides):
            providers.setdefault(name, set()).add(
                _package_ref(package.manager, package.key or package.name)
            )
    system = {
        _package_ref(package.manager, package.key or package.name) for package in report.os_packages
    }
    if report.os.id:
        edges[_IMAGE].add(_SYSTEM)
        edges[_SYSTEM] = system
    else:
        edges[_IMAGE] |= system
    for package in report.os_packages:
        own = _package_ref(package.manager, package.key or package.name)
        edges[own] = set()
        for alternatives in package.depends:
            edges[own].update(*(providers.get(name, ()) for name in alternatives))
        edges[own].discard(own)
    for python in report.pythons:
        edges[_IMAGE].add(_python_ref(python.path))
        edges[_python_ref(python.path)] = {
            ref for name in python.packages for ref in providers.get(name, ())
        }
    for found in report.distributions:
        edges[_IMAGE].add(_distribution_ref(found.metadata))
        edges[_distribution_ref(found.metadata)] = {
            pythons[path] for path in found.interpreters if path in pythons
        }
    return [
        Dependency(BomRef(ref), [Dependency(BomRef(other)) for other in sorted(others)])
        for ref, others in edges.items()
    ]


def _cpe(implementation: str, version: str) -> str | None:
    """Return the name under which CPython's vulnerabilities are listed (NIST IR 7695, 6.2)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)*)((?:a|b|rc)\d+)?", version)
    if implementation != "cpython" or match is None:
        return None
    update = (match[2] or "*").replace("a", "alpha").replace("b", "beta")
    return f"cpe:2.3:a:python:python:{match[1]}:{update}:*:*:*:*:*:*"


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
