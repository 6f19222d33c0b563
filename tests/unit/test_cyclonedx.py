"""CycloneDX: the reference implementation accepts it, purls are right, runs are the same."""

import json
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from pyimginspect.formats import render
from pyimginspect.inventory.facts import OperatingSystem, OsPackage
from pyimginspect.report import Report
from tests.reports import bad_report, clean_report, judged_report, with_strings


def bom(report: Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(report, "cyclonedx"))
    return document


@pytest.mark.parametrize(
    "report",
    [
        clean_report(),
        bad_report(),
        judged_report(),
        with_strings(bad_report(), "\x00\x1b\udcff\u2028<>&@:/?#%"),
        clean_report(pythons=(), distributions=(), os_packages=()),
    ],
    ids=["clean", "bad", "judged", "hostile", "empty"],
)
def test_the_reference_implementation_accepts(report: Report) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(render(report, "cyclonedx"))
    assert error is None, error


def test_the_validator_would_refuse_a_wrong_one() -> None:
    document = {**bom(bad_report()), "bomFormat": "SPDX"}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is not None


def test_components_and_their_purls() -> None:
    every = bom(bad_report())["components"]
    components = {item["bom-ref"]: item["purl"] for item in every if "purl" in item}
    assert components == {
        "interpreter:usr/bin/python3.11": "pkg:generic/python@3.11.2",
        "interpreter:usr/local/bin/python3.13": "pkg:generic/python@3.13.1",
        "dpkg:gcc-12": "pkg:deb/debian/gcc-12@12.2.0-14?arch=amd64&distro=debian-12",
        "dpkg:libc6": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9"
        "?arch=amd64&distro=debian-12&upstream=glibc",
        "dpkg:python3": "pkg:deb/debian/python3@3.11.2-1%2Bb1?arch=amd64&distro=debian-12",
        "dpkg:python3-yaml": "pkg:deb/debian/python3-yaml@6.0-3%2Bb2?arch=amd64&distro=debian-12",
        "dpkg:python3.11": "pkg:deb/debian/python3.11@3.11.2-6?arch=amd64&distro=debian-12",
        "dpkg:python3.11-minimal": "pkg:deb/debian/python3.11-minimal@3.11.2-6"
        "?arch=amd64&distro=debian-12",
        "python:usr/lib/python3/dist-packages/PyYAML-6.0.egg-info": "pkg:pypi/pyyaml@6.0",
        "python:usr/local/lib/python3.13/site-packages/requests-2.32.3.dist-info":
            "pkg:pypi/requests@2.32.3",
    }  # fmt: skip
    for purl in components.values():
        assert PackageURL.from_string(purl).to_string() == purl


def test_a_distribution_tells_layer_and_interpreter() -> None:
    (found,) = (c for c in bom(bad_report())["components"] if c["name"] == "pyyaml")
    assert {item["name"]: item["value"] for item in found["properties"]} == {
        "pyimginspect:layer": "4",
        "pyimginspect:layer-of": "image",
        "pyimginspect:origin": "python3-yaml",
        "pyimginspect:diff-id": str(bad_report().layers[4].diff_id),
        "pyimginspect:size": "320000",
        "pyimginspect:location": "usr/lib/python3/dist-packages",
        "pyimginspect:installer": "dpkg",
        "pyimginspect:package": "python3-yaml",
        "pyimginspect:interpreter": "usr/bin/python3.11",
    }


@pytest.mark.parametrize(
    ("manager", "os_id", "purl"),
    [
        ("apk", "alpine", "pkg:apk/alpine/x@1?arch=x86_64&distro=alpine-3.20"),
        ("rpm", "rhel", "pkg:rpm/rhel/x@1?arch=x86_64&distro=rhel-3.20"),
        ("dpkg", "", "pkg:deb/x@1?arch=x86_64&distro=3.20"),
    ],
)
def test_a_purl_follows_the_manager(manager: Any, os_id: str, purl: str) -> None:
    package = OsPackage(
        manager=manager, key="x", name="x", version="1", architecture="x86_64", layer=0
    )
    os = OperatingSystem(id=os_id, version_id="3.20")
    report = clean_report(os=os, os_packages=(package,), distributions=(), pythons=())
    purls = [component.get("purl") for component in bom(report)["components"]]
    assert [each for each in purls if each] == [purl]


@pytest.mark.parametrize(
    ("reference", "digest", "name", "version"),
    [
        ("acme/api:1.4", None, "acme/api", "1.4"),
        ("localhost:5000/api", None, "localhost:5000/api", None),
        ("localhost:5000/api:2", None, "localhost:5000/api", "2"),
        ("api", None, "api", None),
        ("api:1@sha256:00", "sha256:00", "api", "sha256:00"),
    ],
)
def test_the_image_is_the_subject(
    reference: str, digest: str | None, name: str, version: str | None
) -> None:
    image = msgspec.structs.replace(clean_report().image, names=(reference,), digest=digest)
    subject = bom(clean_report(image=image))["metadata"]["component"]
    assert (subject["type"], subject["name"]) == ("container", name)
    assert subject.get("version") == version


@pytest.mark.parametrize(
    ("created", "timestamp"),
    [
        ("2024-12-23T00:00:00Z", "2024-12-23T00:00:00+00:00"),
        ("2024-12-23T01:00:00.123456789+01:00", "2024-12-23T01:00:00.123456+01:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_time_is_the_image_s_own(created: str | None, timestamp: str | None) -> None:
    report = clean_report(image=msgspec.structs.replace(clean_report().image, created=created))
    assert bom(report)["metadata"].get("timestamp") == timestamp
    assert render(report, "cyclonedx") == render(report, "cyclonedx")


def test_a_version_is_no_longer_than_the_specification_allows() -> None:
    report = bad_report()
    (first, *_) = report.distributions
    long = msgspec.structs.replace(first, version="9" * 5000)
    document = json.loads(
        render(msgspec.structs.replace(report, distributions=(long,)), "cyclonedx")
    )
    versions = [len(part.get("version", "")) for part in document["components"]]
    assert max(versions) == 1024


def test_another_image_has_another_serial_number() -> None:
    numbers = {bom(report)["serialNumber"] for report in (clean_report(), bad_report())}
    image = msgspec.structs.replace(clean_report().image, config_digest=f"sha256:{7:064x}")
    numbers.add(bom(clean_report(image=image))["serialNumber"])
    assert len(numbers) == 2  # the two reports are of images with one ID


def test_the_operating_system_is_a_component() -> None:
    (system,) = (c for c in bom(bad_report())["components"] if c["type"] == "operating-system")
    assert (system["name"], system["version"]) == ("debian", "12")
    unknown = bom(clean_report(os=OperatingSystem()))["components"]
    assert "operating-system" not in {component["type"] for component in unknown}


def test_who_needs_whom() -> None:
    edges = {
        item["ref"]: set(item.get("dependsOn", ())) for item in bom(bad_report())["dependencies"]
    }
    packages = {ref for ref in edges if ref.startswith("dpkg:")}
    assert edges["operating-system"] == packages
    assert "operating-system" in edges["image"]
    assert not edges["image"] & packages
    debian = "interpreter:usr/bin/python3.11"
    assert edges[debian] == {"dpkg:python3.11-minimal"}
    assert edges["interpreter:usr/local/bin/python3.13"] == set()
    assert edges["python:usr/lib/python3/dist-packages/PyYAML-6.0.egg-info"] == {debian}
    assert {debian, "python:usr/lib/python3/dist-packages/PyYAML-6.0.egg-info"} <= edges["image"]


def test_packages_depend_on_what_meets_a_requirement() -> None:
    def package(name: str, *depends: tuple[str, ...], provides: tuple[str, ...] = ()) -> OsPackage:
        return OsPackage(
            manager="dpkg",
            key=name,
            name=name,
            version="1",
            depends=depends,
            provides=provides,
            layer=0,
        )

    packages = (
        package("a", ("b", "c"), ("absent",), ("virtual",), ("a",)),
        package("b"),
        package("c"),
        package("d", provides=("virtual",)),
    )
    report = clean_report(os_packages=packages, os=OperatingSystem())
    edges = {item["ref"]: item.get("dependsOn", []) for item in bom(report)["dependencies"]}
    assert edges["dpkg:a"] == ["dpkg:b", "dpkg:c", "dpkg:d"]
    assert edges["dpkg:d"] == []
    assert {"dpkg:a", "dpkg:b", "dpkg:c", "dpkg:d"} <= {*edges["image"]}  # no system to be of


@pytest.mark.parametrize(
    ("implementation", "version", "cpe"),
    [
        ("cpython", "3.11.2", "cpe:2.3:a:python:python:3.11.2:*:*:*:*:*:*:*"),
        ("cpython", "3.14.0rc1", "cpe:2.3:a:python:python:3.14.0:rc1:*:*:*:*:*:*"),
        ("cpython", "3.14.0a2", "cpe:2.3:a:python:python:3.14.0:alpha2:*:*:*:*:*:*"),
        ("cpython", "3.11.2+", None),
        ("cpython", "", None),
        ("pypy", "3.10.14", None),
    ],
)
def test_the_name_under_which_vulnerabilities_are_listed(
    implementation: str, version: str, cpe: str | None
) -> None:
    first = clean_report().pythons[0]
    python = msgspec.structs.replace(first, implementation=implementation, version=version)
    report = clean_report(pythons=(python,), os_packages=(), distributions=())
    (found,) = (c for c in bom(report)["components"] if c["type"] == "application")
    assert found.get("cpe") == cpe


def test_the_tool_is_named() -> None:
    tools = bom(clean_report())["metadata"]["tools"]["components"]
    assert [tool["name"] for tool in tools] == ["pyimginspect"]
