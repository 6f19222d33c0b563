"""What a bill of materials lists, whatever its format: parts, and who needs whom."""

from __future__ import annotations

import datetime
import hashlib
import re
import uuid
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from packageurl import PackageURL

from pyimginspect.errors import printable
from pyimginspect.formats._attested import attested_base
from pyimginspect.report import Bundled, Distribution, Interpreter, OsPackage, Report

__all__ = [
    "EPOCH",
    "IMAGE",
    "SYSTEM",
    "Part",
    "created",
    "edges_of",
    "identity",
    "parts_of",
]

IMAGE, SYSTEM = "image", "operating-system"
"""What the image itself goes by, and its operating system."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
"""The date of an image that has none, in a format that demands one."""

# The types of the package URL specification, which are by format and not by program.
_PURL_TYPES = {"dpkg": "deb", "apk": "apk", "rpm": "rpm"}
_LONGEST_VERSION = 1024  # characters, since CycloneDX 1.6
# Any fixed one will do (RFC 9562, version 5); another would give every image a new serial number.
_NAMESPACE = uuid.UUID("6f5bd0a8-2c1c-5f0e-9a53-0f2b8f0f7a61")  # of this package's serial numbers

Kind = Literal["container", "operating-system", "application", "library"]


class Part(Struct, frozen=True, kw_only=True):
    """One thing that is in the image, or the image.

    ``ref`` is unique in a report and the same from run to run; ``licenses`` are as the part's own
    metadata has them; ``properties`` are facts of ours (without the prefix ``pyimginspect:``).
    """

    ref: str
    kind: Kind
    name: str
    version: str = ""
    purl: PackageURL | None = None
    cpe: str | None = None
    description: str = ""
    licenses: tuple[str, ...] = ()
    properties: dict[str, str] = {}


def identity(report: Report) -> uuid.UUID:
    """Return what tells a bill of this image from others: the same image, the same identity."""
    image = report.image
    return uuid.uuid5(_NAMESPACE, printable(image.config_digest or image.digest or image.reference))


def created(report: Report) -> datetime.datetime | None:
    """Return when the image was made; a bill has no time of its own, which would not repeat."""
    try:
        time = datetime.datetime.fromisoformat(report.image.created or "")
    except ValueError:
        return None
    # An image's time is RFC 3339 with a zone; without one it is taken as UTC.
    return time.replace(tzinfo=time.tzinfo or datetime.UTC)


def parts_of(report: Report) -> list[Part]:
    """Return the image, its operating system, interpreters, packages and distributions.

    What distributions say that they bundle (PEP 770) follows them.
    """
    layers = _Layers(report)
    return [
        _image(report),
        *_system(report),
        *(_interpreter(each, layers) for each in report.pythons),
        *(_package(report, each, layers) for each in report.os_packages),
        *(_distribution(each, layers) for each in report.distributions),
        *(_bundled(each, layers.of(found.layer)) for found, each in _all_bundled(report)),
    ]


class _Layers:
    """Which layer a part is from: its number, the diff ID that others know, and whose it is."""

    def __init__(self, report: Report) -> None:
        self._known = {
            layer.number: {
                "layer": str(layer.number),
                "diff-id": layer.diff_id or "",
                "layer-of": "base image" if layer.base else "image",
            }
            for layer in report.layers
        }

    def of(self, number: int) -> dict[str, str]:
        return self._known.get(number, {"layer": str(number)})


def _properties(*facts: dict[str, str]) -> dict[str, str]:
    merged = {name: value for each in facts for name, value in each.items()}
    return {name: printable(value) for name, value in merged.items() if value}


def _version(text: str) -> str:
    return printable(text)[:_LONGEST_VERSION]


def _image(report: Report) -> Part:
    image = report.image
    reference = image.names[0] if image.names else image.reference
    # A colon before a slash is a registry's port, no tag.
    name, _, tag = reference.partition("@")[0].rpartition(":")
    if not name or "/" in tag:
        name, tag = reference, ""
    return Part(
        ref=IMAGE,
        kind="container",
        name=printable(name),
        version=_version(image.digest or tag),
        properties=_properties(
            {
                "platform": image.platform,
                "config-digest": image.config_digest or "",
                "libc": f"{report.libc.flavor} {report.libc.version or ''}".strip(),
                "attested-base": attested_base(report.attestations),
            }
        ),
    )


def _system(report: Report) -> list[Part]:
    """Return the operating system, without which scanners pass over all of its packages."""
    os = report.os
    if not os.id:
        return []
    return [
        Part(
            ref=SYSTEM,
            kind="operating-system",
            name=printable(os.id),
            version=_version(os.version_id),
            description=printable(os.pretty_name),
        )
    ]


def _interpreter(python: Interpreter, layers: _Layers) -> Part:
    name = python.implementation.replace("cpython", "python")
    return Part(
        ref=_python_ref(python.path),
        kind="application",
        name=printable(python.implementation),
        version=_version(python.version),
        purl=_purl("generic", name, python.version),
        cpe=_cpe(python.implementation, python.version),
        properties=_properties(
            {"path": python.path, "origin": python.origin},
            layers.of(python.layer),
            {"effective": "true" if python.effective else "false"},
        ),
    )


_ASKED = {True: "dependency", False: "asked for"}


def _package(report: Report, package: OsPackage, layers: _Layers) -> Part:
    return Part(
        ref=_package_ref(package),
        kind="library",
        name=printable(package.name),
        version=_version(package.version),
        purl=_purl(
            _PURL_TYPES[package.manager],
            package.name,
            package.version,
            namespace=report.os.id,
            arch=package.architecture,
            distro="-".join(part for part in (report.os.id, report.os.version_id) if part),
            upstream=package.source if package.source != package.name else "",
        ),
        licenses=package.licenses,
        properties=_properties(
            layers.of(package.layer),
            {
                "origin": "" if package.automatic is None else _ASKED[package.automatic],
                "size": str(package.size),
            },
        ),
    )


def _distribution(found: Distribution, layers: _Layers) -> Part:
    return Part(
        ref=_distribution_ref(found),
        kind="library",
        name=printable(found.name),
        version=_version(found.version),
        purl=_purl("pypi", found.name, found.version),
        licenses=found.licenses,
        properties=_properties(
            layers.of(found.layer),
            {
                "size": str(found.size),
                "location": found.location,
                "installer": found.installer,
                "origin": found.package or found.installer,
                "package": found.package,
                "interpreter": ", ".join(found.interpreters),
            },
        ),
    )


def _all_bundled(report: Report) -> Iterator[tuple[Distribution, Bundled]]:
    for found in report.distributions:
        own = _purl("pypi", found.name, found.version)
        for each in (*found.bundled, *found.components):
            if own is None or each.purl != own.to_string():  # its SBOM may begin with itself
                yield found, each


def _bundled(each: Bundled, layer: dict[str, str]) -> Part:
    try:
        purl = PackageURL.from_string(each.purl) if each.purl else None
    except ValueError:
        purl = None
    declared_purl = ""
    if purl is not None and purl.type in _PURL_TYPES.values():
        # Of the system that the wheel was built on. Scanners would take it for a package of the
        # image's own, and look up its version among those of another distribution.
        purl, declared_purl = None, each.purl
    return Part(
        ref=_bundled_ref(each),
        kind="library",
        name=printable(each.name),
        version=_version(each.version),
        purl=purl,
        properties=_properties(layer, {"declared-in": each.path, "declared-purl": declared_purl}),
    )


def _package_ref(package: OsPackage) -> str:
    return f"{package.manager}:{printable(package.key or package.name)}"


def _python_ref(path: str) -> str:
    return f"interpreter:{printable(path)}"


def _distribution_ref(found: Distribution) -> str:
    return f"python:{printable(found.metadata)}"


def _bundled_ref(each: Bundled) -> str:
    # One SBOM may list a name twice, in two versions: a path and a name would be no reference.
    known = f"{each.name}@{each.version} {each.purl}"
    digest = hashlib.sha256(known.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"bundled:{printable(each.path)}#{digest}"


def edges_of(report: Report) -> dict[str, set[str]]:
    """Return who needs whom: packages each other, distributions and interpreters theirs.

    Of a requirement with alternatives each one that is installed counts, as any of them meets it.
    """
    providers = _providers(report)
    packages = _needs_of_packages(report, providers)
    pythons = {
        _python_ref(python.path): {
            ref for name in python.packages for ref in providers.get(name, ())
        }
        for python in report.pythons
    }
    distributions = _needs_of_distributions(report)
    edges = {IMAGE: {*pythons, *distributions}}
    if report.os.id:
        edges[IMAGE].add(SYSTEM)
        edges[SYSTEM] = set(packages)
    else:
        edges[IMAGE].update(packages)
    edges |= packages | pythons | distributions
    for found, each in _all_bundled(report):
        edges[_distribution_ref(found)].add(_bundled_ref(each))
        edges[_bundled_ref(each)] = set()
    return edges


def _providers(report: Report) -> dict[str, set[str]]:
    """Return the packages that each name stands for."""
    providers: dict[str, set[str]] = {}
    for package in report.os_packages:
        for name in (package.name, package.key, *package.provides):
            # Virtual packages too: mail-transport-agent is a name that several may have.
            providers.setdefault(name, set()).add(_package_ref(package))
    return providers


def _needs_of_packages(report: Report, providers: dict[str, set[str]]) -> dict[str, set[str]]:
    needs = {}
    for package in report.os_packages:
        own = _package_ref(package)
        names = (name for alternatives in package.depends for name in alternatives)
        needs[own] = set().union(*(providers.get(name, ()) for name in names)) - {own}
    return needs


def _needs_of_distributions(report: Report) -> dict[str, set[str]]:
    """Return the interpreters of each distribution, for an environment the one it was made with."""
    pythons = {python.path: _python_ref(python.path) for python in report.pythons}
    for environment in report.environments:
        if environment.base in pythons:
            pythons[environment.path] = pythons[environment.base]
    return {
        _distribution_ref(found): {pythons[path] for path in found.interpreters if path in pythons}
        for found in report.distributions
    }


def _cpe(implementation: str, version: str) -> str | None:
    """Return the name under which CPython's vulnerabilities are listed (NIST IR 7695, 6.2)."""
    # The update is a component of its own in the NVD: python:3.14.0:alpha1, python:3.14.0:rc2.
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
