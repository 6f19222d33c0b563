"""SPDX 2.3 and 3.0.1: SPDX's own libraries accept them, and they say what CycloneDX says."""

import io
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from spdx_python_model import v3_0_1 as spdx3
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from pyimginspect.formats import render
from pyimginspect.formats._sbom import parts_of
from pyimginspect.formats._sbom_licenses import declared
from pyimginspect.inventory.facts import Bundled
from pyimginspect.report import Report
from tests.reports import bad_report, clean_report, judged_report, with_strings


def licensed_report() -> Report:
    """A report whose parts have licences of every sort, and a wheel with an SBOM."""
    report = bad_report()
    sboms = "usr/lib/x.dist-info/sboms/auditwheel.cdx.json"
    bundled = Bundled(name="zlib", version="1.3", purl="pkg:rpm/almalinux/zlib@1.3", path=sboms)
    crate = Bundled(name="serde", version="1.0", purl="pkg:cargo/serde@1.0", path=sboms)
    odd = Bundled(name="odd", purl="no purl", path=sboms)
    licences = [("MIT",), ("GPL-2+", "Expat"), (), ("BSD OR (x",), ("Apache-2.0 OR MIT", "Zlib")]
    packages = tuple(
        msgspec.structs.replace(package, licenses=licences[number % len(licences)])
        for number, package in enumerate(report.os_packages)
    )
    first, *others = report.distributions
    itself = Bundled(
        name=first.name,
        version=first.version,
        purl=f"pkg:pypi/{first.name}@{first.version}",
        path=sboms,
    )
    first = msgspec.structs.replace(
        first, licenses=("mit",), bundled=(bundled, odd), components=(crate, itself)
    )
    return msgspec.structs.replace(report, os_packages=packages, distributions=(first, *others))


REPORTS = {
    "clean": clean_report(),
    "bad": bad_report(),
    "judged": judged_report(),
    "hostile": with_strings(bad_report(), "\x00\x1b\udcff\u2028<>&@:/?#%"),
    "empty": clean_report(pythons=(), distributions=(), os_packages=()),
    "licensed": licensed_report(),
}


def test_scanners_find_the_operating_system_by_its_identifier() -> None:
    document = json.loads(render(bad_report(), "spdx"))
    (system,) = (
        p for p in document["packages"] if p["primaryPackagePurpose"] == "OPERATING-SYSTEM"
    )
    assert (system["SPDXID"], system["name"]) == ("SPDXRef-OperatingSystem", "debian")
    inside = [
        each["relatedSpdxElement"]
        for each in document["relationships"]
        if each["spdxElementId"] == "SPDXRef-OperatingSystem"
    ]
    assert len(inside) == len(bad_report().os_packages)


@pytest.mark.parametrize("kind", ["rpm", "deb", "apk"])
def test_a_bundled_package_of_another_system_is_none_of_the_image_s(kind: str) -> None:
    purl = f"pkg:{kind}/other/zlib@1.3"
    first, *others = bad_report().distributions
    bundled = Bundled(name="zlib", version="1.3", purl=purl, path="x/sboms/a.json")
    first = msgspec.structs.replace(first, bundled=(bundled,))
    report = bad_report(distributions=(first, *others))
    (part,) = (part for part in parts_of(report) if part.name == "zlib")
    assert part.purl is None
    assert part.properties["declared-purl"] == purl


def elements(report: Report) -> spdx3.SHACLObjectSet:
    found = spdx3.SHACLObjectSet()
    spdx3.JSONLDDeserializer().read(io.BytesIO(render(report, "spdx3").encode()), found)
    return found


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_library_of_spdx_2_accepts(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "image.spdx.json"
    path.write_text(render(report, "spdx"))
    document = parse_file(str(path))
    assert validate_full_spdx_document(document) == []


def test_the_validation_would_refuse_a_wrong_one(tmp_path: Path) -> None:
    path = tmp_path / "image.spdx.json"
    document = json.loads(render(bad_report(), "spdx"))
    document["packages"][0]["licenseDeclared"] = "LicenseRef-none-such"
    path.write_text(json.dumps(document))
    assert validate_full_spdx_document(parse_file(str(path))) != []


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_model_of_spdx_3_accepts(report: Report) -> None:
    """Reading checks every type and cardinality; whatever is referred to is there."""
    found = elements(report)
    assert found.missing_ids == set()
    (document,) = found.foreach_type(spdx3.SpdxDocument)
    assert len(list(document.element)) > 3
    for relation in found.foreach_type(spdx3.Relationship):
        assert list(relation.to)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_all_formats_list_the_same(report: Report) -> None:
    cyclonedx = json.loads(render(report, "cyclonedx"))
    listed = [cyclonedx["metadata"]["component"], *cyclonedx["components"]]
    ours = sorted((each["name"], each.get("purl", ""), each.get("cpe", "")) for each in listed)
    packages = json.loads(render(report, "spdx"))["packages"]
    assert ours == sorted(
        (each["name"], _reference(each, "purl"), _reference(each, "cpe23Type")) for each in packages
    )
    assert ours == sorted(
        (
            each.name,
            each.software_packageUrl or "",
            next((i.identifier for i in each.externalIdentifier if "cpe23" in str(
                i.externalIdentifierType)), ""),
        )
        for each in elements(report).foreach_type(spdx3.software_Package)
    )  # fmt: skip


def _reference(package: dict[str, Any], kind: str) -> str:
    found = (r["referenceLocator"] for r in package.get("externalRefs", ())
             if r["referenceType"] == kind)  # fmt: skip
    return next(found, "")


def test_the_same_image_gives_the_same_document() -> None:
    for name in ("spdx", "spdx3"):
        assert render(bad_report(), name) == render(bad_report(), name)
    other = msgspec.structs.replace(
        bad_report(), image=msgspec.structs.replace(bad_report().image, config_digest="sha256:1")
    )
    one, two = (json.loads(render(each, "spdx")) for each in (bad_report(), other))
    assert one["documentNamespace"] != two["documentNamespace"]


def test_what_depends_on_what_and_what_is_inside() -> None:
    document = json.loads(render(licensed_report(), "spdx"))
    names = {each["SPDXID"]: each["name"] for each in document["packages"]}
    found = {
        (names.get(r["spdxElementId"], "document"), r["relationshipType"],
         names[r["relatedSpdxElement"]])
        for r in document["relationships"]
    }  # fmt: skip
    first = licensed_report().distributions[0].name
    assert ("document", "DESCRIBES", names["SPDXRef-image"]) in found
    assert (names["SPDXRef-image"], "CONTAINS", "debian") in found
    assert ("debian", "DEPENDS_ON", "libc6") in found
    inside = {name for one, kind, name in found if (one, kind) == (first, "CONTAINS")}
    assert inside == {"zlib", "serde", "odd"}, "and not the distribution itself once more"


GPL = "LicenseRef-GPL-2-plus-f7215fea"


@pytest.mark.parametrize(
    ("licences", "expression", "others"),
    [
        ((), None, {}),
        (("MIT",), "MIT", {}),
        (("mit",), "MIT", {}),
        (("Apache-2.0 OR BSD-3-Clause",), "Apache-2.0 OR BSD-3-Clause", {}),
        (("MIT", "Zlib"), "MIT AND Zlib", {}),
        (("MIT OR Zlib", "0BSD"), "(MIT OR Zlib) AND 0BSD", {}),
        (("BSD",), "LicenseRef-BSD", {"LicenseRef-BSD": "BSD"}),
        (("GPL-2+",), GPL, {GPL: "GPL-2+"}),
        (("",), None, None),
    ],
)  # fmt: skip
def test_licences(licences: tuple[str, ...], expression: str | None, others: Any) -> None:
    found = declared(licences)
    if others is None:
        assert found is not None
        assert found.expression.startswith("LicenseRef-")
    elif expression is None:
        assert found is None
    else:
        assert found is not None
        assert found.others == others
        assert found.expression == expression


def test_licences_of_any_text() -> None:
    """What the metadata says may be anything; the library for expressions fails in many ways."""
    words = ["MIT", "GPL-2.0", "AND", "OR", "WITH", "(", ")", "+", "and/or", "é", "\udcff", "\0"]
    chance = random.Random(1)
    for _ in range(3000):
        text = " ".join(chance.choice(words) for _ in range(chance.randrange(6)))
        found = declared((text,))
        assert found is not None
        assert found.expression
