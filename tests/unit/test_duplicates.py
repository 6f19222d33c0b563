"""Native libraries from two places, CUDA's above all, and what distributions say they bundle."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.analyzers import duplicate_native_library
from pyimginspect.formats import render
from pyimginspect.inventory.bundled import read_sbom
from pyimginspect.inventory.derived.cuda import is_cuda
from pyimginspect.inventory.derived.duplicates import library_key
from pyimginspect.inventory.facts import Distribution
from pyimginspect.plan import make_plan
from pyimginspect.report import Finding
from tests.elf import elf
from tests.images import Content, File, Package
from tests.inventories import apt, on_slim, taken
from tests.reports import clean_report
from tests.systems import X86
from tests.trees import dist_info

SITE = "usr/local/lib/python3.13/site-packages"
SUFFIX = ".cpython-313-x86_64-linux-gnu.so"
LIB = "usr/lib/x86_64-linux-gnu"
TAG = "cp313-cp313-manylinux_2_17_x86_64"
Tree = Mapping[str, Content]


def wheel(name: str, files: Mapping[str, bytes | str], **more: Any) -> dict[str, Content]:
    return dist_info(name, "1.0", dict(files), site=SITE, tags=[TAG], **more)


def library(soname: str, size: int = 0, needed: Sequence[str] = (), **more: Any) -> bytes:
    return elf(soname=soname, needed=[*needed, "libc.so.6"], extra=bytes(size), **more)


def judge(*layers: Tree) -> list[Finding]:
    image = on_slim(
        *(dict(each) for each in layers), history=[f"RUN s{n}" for n, _ in enumerate(layers)]
    )
    found = taken(image)
    findings = list(duplicate_native_library.ANALYZER.run(found))
    # Whatever a finding promises, the plan has an edit for.
    plan = make_plan(found)
    advised = sum(e.saving for e in plan.edits if e.rules == ("duplicate-native-library",))
    assert sum(finding.saving for finding in findings) == advised
    return findings


def only(*layers: Tree) -> Finding:
    (finding,) = judge(*layers)
    return finding


def whats(finding: Finding) -> str:
    return "\n".join(each.what for each in finding.evidence)


# --- names ----------------------------------------------------------------------------------------
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


# --- a wheel beside packages ----------------------------------------------------------------------
PQ: dict[str, Package] = {
    "libpq5": {
        "Depends": "libldap-2.5-0",
        "files": {f"{LIB}/libpq.so.5": File(library("libpq.so.5", 3000, ["libldap-2.5.so.0"]))},
    },
    "libldap-2.5-0": {"files": {f"{LIB}/libldap-2.5.so.0": File(library("libldap-2.5.so.0", 900))}},
}
BINARY = wheel(
    "psycopg2-binary",
    {
        f"psycopg2/_psycopg{SUFFIX}": elf(
            needed=["libpq-a17e3caa.so.5.17", "libc.so.6"],
            runpath="$ORIGIN/../psycopg2_binary.libs",
        ),
        "psycopg2_binary.libs/libpq-a17e3caa.so.5.17": library("libpq-a17e3caa.so.5.17", 50),
    },
)
MORE: dict[str, Package] = {
    **PQ,
    "postgresql-client-15": {"Depends": "libpq5", "files": {"usr/bin/psql": "p"}},
}
ALL = ["libpq5"]
LINKED = elf(needed=["libpq.so.5", "libc.so.6"])
TOOL = File(elf(needed=["libpq.so.5", "libc.so.6"], interp=X86), mode=0o755)
OWN = File(elf(needed=["libpq.so.5", "libc.so.6"], interp=X86, runpath="/opt/lib"), mode=0o755)
PQ4: dict[str, Package] = {"libpq4": {"files": {f"{LIB}/libpq.so.4": library("libpq.so.4")}}}
PATHS = "$ORIGIN/../../nvidia/cublas/lib:$ORIGIN/../../nvidia/cuda_runtime/lib"


def test_a_package_that_the_wheel_makes_superfluous() -> None:
    finding = only(apt(PQ, manual=ALL), BINARY)
    assert finding.severity == "note"
    assert (
        finding.message
        == "libpq.so.5 is in the image twice: from libpq5 and bundled in psycopg2-binary"
    )
    assert finding.subject == "libpq5 bundled in psycopg2-binary"
    assert finding.fix.startswith("Do not install libpq5 in layer 4: psycopg2-binary loads its own")
    assert f"loaded for /{SITE}/psycopg2/_psycopg{SUFFIX}" in whats(finding)
    assert "nothing but libpq5 requires 1 more package" in whats(finding)
    assert finding.saving > 3900


@pytest.mark.parametrize(
    ("packages", "manual", "tree", "who"),
    [
        (MORE, ["libpq5", "postgresql-client-15"], {}, "the package postgresql-client-15"),
        # compiled in place, and linked to the package's
        (PQ, ALL, wheel("own", {f"own{SUFFIX}": LINKED}), f"/{SITE}/own{SUFFIX}"),
        (PQ, ALL, {"usr/local/bin/tool": TOOL}, "/usr/local/bin/tool"),
    ],
)  # fmt: skip
def test_a_package_that_something_else_needs(
    packages: dict[str, Package], manual: list[str], tree: Tree, who: str
) -> None:
    finding = only(apt(packages, manual=manual), {**BINARY, **tree})
    assert f"libpq5 is required by {who}" in whats(finding)
    assert finding.fix.startswith("Keep libpq5, which others require")
    assert "pip install --no-binary psycopg2-binary" in finding.fix
    assert finding.saving == 0


@pytest.mark.parametrize(
    "layers",
    [
        [BINARY],  # alone
        [apt(MORE, manual=["postgresql-client-15"]), BINARY],  # nobody asked for libpq5 itself
        [apt(PQ4, manual=["libpq4"]), BINARY],
    ],
)  # fmt: skip
def test_how_wheels_are_made(layers: list[Tree]) -> None:
    assert judge(*layers) == []


def test_two_hashes_are_two_repairs() -> None:
    """As numpy's: ``libgfortran-040039e1-0352e75f.so.5.0.0``."""
    name = "libgfortran-040039e1-0352e75f.so.5.0.0"
    package = {"libgfortran5": {"files": {f"{LIB}/libgfortran.so.5": library("libgfortran.so.5")}}}
    finding = only(
        apt(package, manual=["libgfortran5"]), wheel("n", {f"n.libs/{name}": library(name)})
    )
    assert (
        finding.message
        == "libgfortran.so.5 is in the image twice: from libgfortran5 and bundled in n"
    )


def test_a_copy_that_nothing_loads_beside_the_package() -> None:
    copy = {"opt/lib/libpq.so.5": library("libpq.so.5", 700)}
    finding = only(apt(PQ, manual=ALL), copy)
    assert finding.message == "libpq.so.5 is in the image twice: from libpq5 and copied to /opt/lib"
    assert finding.fix.startswith("Delete /opt/lib/libpq.so.5 in the step that copies")
    assert finding.saving > 700


def test_a_copy_that_is_loaded_beside_the_package() -> None:
    copy: dict[str, Content] = {
        "opt/lib/libpq.so.5": library("libpq.so.5", 700),
        "opt/run": OWN,
    }
    finding = only(apt(PQ, manual=ALL), copy)
    assert finding.saving == 0
    assert "let their users load libpq5" in finding.fix


# --- CUDA -----------------------------------------------------------------------------------------
def nvidia(name: str, *sonames: str, part: str = "", size: int = 5000) -> dict[str, Content]:
    """A wheel of NVIDIA's with libraries in ``nvidia/PART/lib``."""
    part = part or name.split("-")[1]
    return wheel(name, {f"nvidia/{part}/lib/{each}": library(each, size) for each in sonames})


def torch(
    *needed: str, requires: Sequence[str] = (), more: Mapping[str, bytes] = {}
) -> dict[str, Content]:
    files: dict[str, bytes | str] = {
        "torch/__init__.py": "",
        f"torch/_C{SUFFIX}": elf(needed=["libtorch.so", "libc.so.6"], runpath="$ORIGIN/lib"),
        "torch/lib/libtorch.so": library(
            "libtorch.so", 0, needed, runpath=PATHS
        ),
        **{f"torch/lib/{name}": data for name, data in more.items()},
    }  # fmt: skip
    return wheel("torch", files, requires=requires)


CU12 = {**nvidia("nvidia-cublas-cu12", "libcublas.so.12", "libcublasLt.so.12")}
CU11 = {**nvidia("nvidia-cublas-cu11", "libcublas.so.11", "libcublasLt.so.11", part="cublas11")}
TORCH = torch("libcublas.so.12", requires=["nvidia-cublas-cu12"])
TOOLKIT = {
    "usr/local/cuda-12.4/lib64/libcublas.so.12.4.5": library("libcublas.so.12", 9000),
    "usr/local/cuda-12.4/lib64/stubs/libcublas.so": library("libcublas.so.12", 10),
}


def test_wheels_beside_a_toolkit_that_nothing_uses() -> None:
    finding = only(TOOLKIT, {**CU12, **TORCH})
    assert finding.severity == "note"  # so little
    assert finding.message.startswith("CUDA's libraries are in the image twice, ")
    assert "from /usr/local/cuda-12.4 and" in finding.message
    assert finding.message.endswith(f"from nvidia-*-cu12 in /{SITE}: libcublas.so.12")
    assert finding.fix.startswith("Do not copy /usr/local/cuda-12.4, or begin with an image that")
    assert finding.saving == len(TOOLKIT["usr/local/cuda-12.4/lib64/libcublas.so.12.4.5"])
    assert "/usr/local/cuda-12.4: not used by any file that was examined" in whats(finding)
    assert "torch/lib/libtorch.so" in whats(finding)


def test_wheels_beside_packages_of_the_operating_system() -> None:
    packages: dict[str, Package] = {
        "cuda-libraries-12-4": {"Depends": "libcublas-12-4"},
        "libcublas-12-4": {
            "files": {"usr/local/cuda-12.4/lib64/libcublas.so.12": library("libcublas.so.12", 9000)}
        },
    }
    finding = only(apt(packages, manual=["cuda-libraries-12-4"]), {**CU12, **TORCH})
    assert finding.packages == ("libcublas-12-4",)
    assert finding.fix.startswith("Do not install libcublas-12-4, or begin with an image that has")
    assert finding.saving > 9000
    # something of the system's own needs it
    blender: Package = {"Depends": "libcublas-12-4", "files": {"usr/bin/b": "b"}}
    more: dict[str, Package] = {**packages, "blender": blender}
    finding = only(apt(more, manual=["cuda-libraries-12-4", "blender"]), {**CU12, **TORCH})
    assert finding.saving == 0
    assert finding.fix == "Keep both: other packages depend on libcublas-12-4"


def test_two_majors_of_wheels_of_which_one_is_used() -> None:
    finding = only({**CU11, **CU12, **TORCH})
    assert "are in the image in two versions" in finding.message
    assert "libcublas (11 and 12) and libcublasLt (11 and 12)" in finding.message
    assert finding.fix.startswith(f"Do not install nvidia-*-cu11 in /{SITE}: ")
    assert finding.saving > 10_000
    assert f"nvidia-*-cu12 in /{SITE}: used by /{SITE}/torch/lib/libtorch.so and torch" in whats(
        finding
    )


def test_two_majors_that_are_both_used() -> None:
    other = wheel("tensorflow", {"tensorflow/__init__.py": ""}, requires=["nvidia-cublas-cu11"])
    finding = only({**CU11, **CU12, **TORCH, **other})
    assert finding.fix.startswith("Both are used. Install builds of tensorflow and of")
    assert finding.saving == 0


def test_nobody_knows_which_is_used() -> None:
    finding = only({**CU11, **CU12})
    assert finding.fix == "Find out which of the two is used, and keep that one"
    assert finding.saving == 0


def test_what_older_torch_bundles_beside_wheels() -> None:
    bundled = "libcudart-d0da41ae.so.11.0"
    own = torch(bundled, more={bundled: library(bundled, 600)})
    finding = only(
        {**own, **nvidia("nvidia-cuda-runtime-cu12", "libcudart.so.12", part="cuda_runtime")}
    )
    assert "libcudart (12 and 11)" in finding.message or "libcudart (11 and 12)" in finding.message
    assert "nvidia-*-cu12" in finding.fix


@pytest.mark.parametrize(
    "tree",
    [
        {**CU12, **TORCH},
        {**CU12, **TORCH, **nvidia("nvidia-cudnn-cu12", "libcudnn.so.9", part="cudnn")},
        TOOLKIT,
        {"usr/lib/x86_64-linux-gnu/libcuda.so.1": library("libcuda.so.1"), **CU12},
    ],
)
def test_one_cuda(tree: Tree) -> None:
    assert judge(tree) == []


# --- what distributions say they bundle -----------------------------------------------------------
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


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_sboms_that_are_none(data: bytes) -> None:
    assert list(read_sbom(data, "x.json")) == []


def test_what_a_distribution_bundles_is_a_fact_of_it() -> None:
    info = f"{SITE}/psycopg2_binary-1.0.dist-info/sboms/auditwheel.cdx.json"
    tree = {**BINARY, info: json.dumps(AUDITWHEEL)}
    found = taken(on_slim(apt(PQ, manual=ALL), tree, history=["RUN a", "RUN b"]))
    (distribution,) = (each for each in found.distributions if each.bundled)
    (bundled,) = distribution.bundled
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
