"""Native libraries from two places, CUDA's above all, and what distributions say they bundle."""

import json

import pytest

from pyimginspect.analyzers import duplicate_native_library
from pyimginspect.formats import render
from pyimginspect.inventory.bundled import read_sbom
from pyimginspect.inventory.derived.cuda import is_cuda
from pyimginspect.inventory.derived.duplicates import library_key
from pyimginspect.inventory.facts import Distribution
from tests.inventories import apt, on_slim, taken
from tests.reports import clean_report
from tests.unit.rules.bundled import ALL, BINARY, PQ, SITE, whats


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("libpq.so.5", ("libpq", "5")),
        ("libpq.so.5.17", ("libpq", "5")),
        ("libssl.so.1.1", ("libssl", "1")),
        ("libgcc_s.so.1", ("libgcc_s", "1")),
        ("libfoo.so", ("libfoo", "")),
        ("libdb-5.3.so", ("libdb-5.3", "")),
        ("other", ("other", "")),
    ],
)
def test_libraries_are_one_by_name_and_major_version(name: str, key: tuple[str, str]) -> None:
    assert library_key(name) == key


@pytest.mark.parametrize(
    ("name", "cuda"),
    [
        ("libcublas.so.12", True), ("libcublasLt.so.11", True), ("libcudnn_ops_infer.so.8", True),
        ("libnvrtc-builtins.so.12.4", True), ("libnccl.so.2", True), ("libcudart.so.12", True),
        ("libnvToolsExt.so.1", True), ("libcuda.so.1", False), ("libcurl.so.4", False),
        ("libnvidia-ml.so.1", False), ("libcupsimage.so.2", False),
    ],
)  # fmt: skip
def test_what_is_cudas(name: str, cuda: bool) -> None:
    assert is_cuda(name) == cuda


AUDITWHEEL = {
    "bomFormat": "CycloneDX",
    "components": [
        {"type": "library", "name": "psycopg2_binary", "purl": "pkg:pypi/psycopg2_binary@2.9.13"},
        {"type": "library", "name": "libpq", "version": "17.4",
         "purl": "pkg:rpm/almalinux/libpq@17.4"},
    ],
}  # fmt: skip


SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {"name": "zlib", "versionInfo": "1.3.1", "primaryPackagePurpose": "LIBRARY"},
        {"name": "serde", "externalRefs": [
            {"referenceType": "purl", "referenceLocator": "pkg:cargo/serde@1"}]},
        {"name": "make", "primaryPackagePurpose": "APPLICATION"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (AUDITWHEEL, [("libpq", "17.4")]),
        (SPDX, [("zlib", "1.3.1")]),
        ({"components": [{"type": "library", "name": "openssl", "version": "4",
                          "purl": "pkg:generic/openssl@4"}]}, [("openssl", "4")]),
        ({"components": [{"type": "library", "name": "syn", "purl": "pkg:cargo/syn@2"}]}, []),
        ({"components": [{"type": "file", "name": "x"}, 3, {"name": 4}, {}]}, []),
        ({"components": 3}, []),
        ([], []),
        ({}, []),
    ],
)  # fmt: skip
def test_sboms(document: object, expected: list[tuple[str, str]]) -> None:
    found = read_sbom(json.dumps(document).encode(), "x.json")
    assert [(each.name, each.version) for each in found] == expected


def test_of_an_sbom_2_000_components_are_read_and_500_characters_of_each_field() -> None:
    components = [{"name": f"x{n}"} for n in range(2_001)]
    found = list(read_sbom(json.dumps({"components": components}).encode(), "x.json"))
    assert (len(found), found[-1].name) == (2_000, "x1999")
    long = {"components": [{"name": "n" * 501, "version": "1" * 501}]}
    (one,) = read_sbom(json.dumps(long).encode(), "x.json")
    assert (one.name, one.version) == ("n" * 500, "1" * 500)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_sboms_that_are_none(data: bytes) -> None:
    assert list(read_sbom(data, "x.json")) == []


def test_what_a_distribution_bundles_is_a_fact_of_it() -> None:
    info = f"{SITE}/psycopg2_binary-1.0.dist-info/sboms/auditwheel.cdx.json"
    crate = {"type": "library", "name": "serde", "purl": "pkg:cargo/serde@1"}
    beside = info.replace("auditwheel", "cargo")
    tree = {**BINARY, info: json.dumps(AUDITWHEEL), beside: json.dumps({"components": [crate]})}
    found = taken(on_slim(apt(PQ, manual=ALL), tree, history=["RUN a", "RUN b"]))
    (distribution,) = (each for each in found.distributions if each.bundled)
    (bundled,) = distribution.bundled
    assert [(each.name, each.path) for each in distribution.components] == [
        ("psycopg2_binary", info),  # the distribution itself is among them
        ("serde", beside),
    ]
    assert (distribution.name, bundled.name, bundled.purl, bundled.path) == (
        "psycopg2-binary", "libpq", "pkg:rpm/almalinux/libpq@17.4", info,
    )  # fmt: skip
    (finding,) = duplicate_native_library.ANALYZER.run(found)
    assert "the distribution's SBOM says that it is libpq 17.4" in whats(finding)


def test_all_tables_have_what_is_bundled() -> None:
    (one,) = read_sbom(json.dumps(AUDITWHEEL).encode(), "x.json")
    distribution = Distribution(
        name="psycopg2-binary", version="1", location="x", metadata="x/m", layer=1, bundled=(one,)
    )
    page = render(clean_report(distributions=(distribution,)), "table", width=100, detail=2)
    assert "Native libraries that distributions say they bundle" in page
    assert "psycopg2-binary  libpq    17.4     pkg:rpm/almalinux/libpq@17.4" in page
