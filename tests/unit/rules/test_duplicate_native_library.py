"""The rule duplicate-native-library: layers in, findings out."""

import io
from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.analyzers import duplicate_native_library
from pyimginspect.api import OpenedImage
from pyimginspect.inventory.derived.cuda import find_cuda_pairs
from pyimginspect.inventory.derived.duplicates import find_duplicates
from pyimginspect.plan import make_plan
from pyimginspect.report import Finding
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from pyimginspect.text import sized
from tests.elf import elf
from tests.images import Content, File, Package, docker_archive
from tests.inventories import apt, on_slim, taken
from tests.systems import X86
from tests.trees import dpkg_status
from tests.unit.rules import loading
from tests.unit.rules.bundled import ALL, BINARY, LIB, PQ, SITE, SUFFIX, library, whats, wheel

BUNDLED = loading.wheel(
    "psycopg2-binary",
    {
        f"psycopg2/_psycopg{loading.SUFFIX}": loading.module(
            ["libpq-9b38f5e3.so.5.17"], runpath="$ORIGIN/../psycopg2_binary.libs"
        ),
        "psycopg2_binary.libs/libpq-9b38f5e3.so.5.17": elf(soname="libpq-9b38f5e3.so.5.17"),
    },
)


def test_a_wheels_own_library_beside_a_package_that_was_asked_for() -> None:
    package = {"files": {f"{loading.LIB}/libpq.so.5.17": elf(soname="libpq.so.5.17")}}
    tree = {**BUNDLED, **dpkg_status({"libpq5": package})}
    finding = loading.only(loading.debian(), tree)
    assert finding.rule == "duplicate-native-library"
    assert (
        finding.message
        == "libpq.so.5.17 is in the image twice: from libpq5 and bundled in psycopg2-binary"
    )
    assert {e.what for e in finding.evidence} == {
        "no file that was examined loads it",
        f"loaded for /{loading.SITE}/psycopg2/_psycopg{loading.SUFFIX}",
    }


def test_one_build_under_two_names() -> None:
    def built(soname: str) -> bytes:
        return elf(soname=soname, build_id=bytes(20))

    package = dpkg_status({"libpq5": {"files": {f"{loading.LIB}/libpq.so.5": built("libpq.so.5")}}})
    finding = loading.only(
        loading.debian(),
        {
            **package,
            **loading.wheel("own", {"own.libs/libmine.so": built("libmine.so")}),
        },
    )
    assert finding.message == "libpq.so.5 is in the image twice: from libpq5 and bundled in own"
    assert "; build ID 0000000000000000" in finding.evidence[0].what


def test_all_that_one_wheel_doubles_is_one_finding() -> None:
    names = [f"lib{letter}.so.1" for letter in "abcde"]
    bundled = {f"many.libs/{name}": elf(soname=name) for name in names}
    packages: dict[str, Content] = dpkg_status(
        {f"lib{n[3]}1": {"files": {f"{loading.LIB}/{n}": elf(soname=n)}} for n in names}
    )
    finding = loading.only(loading.debian(), {**loading.wheel("many", bundled), **packages})
    assert finding.message == (
        "liba.so.1, libb.so.1, libc.so.1 and 2 more are in the image twice: from liba1, libb1,"
        " libc1 and 2 more and bundled in many"
    )
    assert finding.packages == ("liba1", "libb1", "libc1", "libd1", "libe1")
    assert finding.evidence[-1].what == "2 more files not listed"


def test_a_wheels_own_library_alone_is_how_wheels_are_made() -> None:
    assert loading.findings(loading.debian(), BUNDLED) == []


Tree = Mapping[str, Content]


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


MORE: dict[str, Package] = {
    **PQ,
    "postgresql-client-15": {"Depends": "libpq5", "files": {"usr/bin/psql": "p"}},
}

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
        # a program of a package that does not say so
        ({**PQ, "psql": {"files": {"usr/bin/psql": TOOL}}}, [*ALL, "psql"], {}, "/usr/bin/psql"),
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


def test_of_those_that_need_a_package_twenty_are_named() -> None:
    packages = {**PQ, **{f"client-{n:02}": {"Depends": "libpq5"} for n in range(21)}}
    manual = [*ALL, *packages.keys() - PQ.keys()]
    (found,) = find_duplicates(taken(on_slim(apt(packages, manual=manual), BINARY)))
    named = tuple(f"the package client-{n:02}" for n in range(20))
    assert found.needed_by == (("libpq5", named),)


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


@pytest.mark.parametrize("copy_first", [False, True])
def test_the_first_layer_above_the_base_counts(copy_first: bool) -> None:
    layers: list[Tree] = [apt(PQ, manual=ALL), {"opt/lib/libpq.so.5": library("libpq.so.5", 700)}]
    if copy_first:
        layers.reverse()
    (finding,) = judge(*layers)
    assert finding.subject.endswith("/opt/lib")


def test_a_copy_that_is_loaded_beside_the_package() -> None:
    copy: dict[str, Content] = {
        "opt/lib/libpq.so.5": library("libpq.so.5", 700),
        "opt/run": OWN,
    }
    finding = only(apt(PQ, manual=ALL), copy)
    assert finding.saving == 0
    assert "let their users load libpq5" in finding.fix


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


def test_what_two_sources_of_cuda_have_in_common() -> None:
    """The sizes are those of the common libraries, whatever else the two have."""
    path, more = next(iter(TOOLKIT)), "usr/local/cuda-12.4/lib64/libnppc.so.12"
    toolkit = {path: TOOLKIT[path], more: library("libnppc.so.12", 70_000)}
    finding = only(toolkit, {**CU12, **TORCH})
    other = CU12[f"{SITE}/nvidia/cublas/lib/libcublas.so.12"]
    assert isinstance(other, bytes)
    assert finding.message == (
        f"CUDA's libraries are in the image twice, {sized(len(TOOLKIT[path]))} from"
        f" /usr/local/cuda-12.4 and {sized(len(other))} from nvidia-*-cu12 in /{SITE}:"
        " libcublas.so.12"
    )
    # One of another major version makes them two versions of CUDA.
    toolkit["usr/local/cuda-12.4/lib64/libcublasLt.so.11"] = library("libcublasLt.so.11")
    assert "are in the image in two versions" in only(toolkit, {**CU12, **TORCH}).message


def test_of_the_sources_of_cuda_eight_are_compared() -> None:
    toolkits = {
        f"opt/cuda-{n}.0/lib64/libcublas.so.{n}": library(f"libcublas.so.{n}") for n in range(1, 10)
    }
    assert len(find_cuda_pairs(taken(on_slim(toolkits)))) == 8 * 7 // 2


def test_a_copy_of_cuda_beside_packages_that_were_asked_for() -> None:
    packages: dict[str, Package] = {
        "libcublas12": {"files": {f"{LIB}/libcublas.so.12": library("libcublas.so.12")}}
    }
    copy = {"opt/nv/libcublas.so.12": library("libcublas.so.12")}
    finding = only(apt(packages, manual=["libcublas12"]), copy)
    assert finding.subject == "/opt/nv packages"


def test_all_files_of_wheels_that_nothing_uses() -> None:
    cu11 = wheel(
        "nvidia-cublas-cu11",
        {"nvidia/cublas11/lib/libcublas.so.11": library("libcublas.so.11", 5000),
         "nvidia/cublas11/include/cublas.h": "h" * 3000, "nvidia/cublas11/gone.h": "g"},
    )  # fmt: skip
    del cu11[f"{SITE}/nvidia/cublas11/gone.h"]  # RECORD still has it
    finding = only({**cu11, **CU12, **TORCH})
    assert finding.saving == sum(
        len(data) for data in cu11.values() if isinstance(data, bytes | str)
    )


def test_wheels_beside_packages_of_the_operating_system() -> None:
    packages: dict[str, Package] = {
        "cuda-libraries-12-4": {"Depends": "libcublas-12-4"},
        "libcublas-12-4": {
            "files": {"usr/local/cuda-12.4/lib64/libcublas.so.12": library("libcublas.so.12", 9000)}
        },
    }
    finding = only(apt(packages, manual=["cuda-libraries-12-4"]), {**CU12, **TORCH})
    assert finding.packages == ("libcublas-12-4",)
    assert "from packages in /usr/local/cuda-12.4 and" in finding.message
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
        {**CU12, **TORCH, "usr/local/cuda-12.4/lib64/libnppc.so.12": library("libnppc.so.12")},
        {"usr/lib/x86_64-linux-gnu/libcuda.so.1": library("libcuda.so.1"), **CU12},
    ],
)
def test_one_cuda(tree: Tree) -> None:
    assert judge(tree) == []


# --- the plan -------------------------------------------------------------------------------------
TWO = {
    name: {
        "files": {f"{LIB}/{name[:-1]}.so.{name[-1]}": library(f"{name[:-1]}.so.{name[-1]}", 900)}
    }
    for name in ("liba1", "libb1")
}
FIRST = apt({"liba1": TWO["liba1"]}, manual=["liba1"])
SECOND = apt({"libb1": TWO["libb1"]}, manual=["liba1", "libb1"], below={"liba1": TWO["liba1"]})
BOTH_BUNDLED = wheel(
    "many",
    {
        f"many/x{SUFFIX}": elf(
            needed=["liba-00000001.so.1", "libb-00000002.so.1"], runpath="$ORIGIN/../many.libs"
        ),
        **{
            f"many.libs/{name}": library(name)
            for name in ("liba-00000001.so.1", "libb-00000002.so.1")
        },
    },
)
LIB64 = "usr/local/cuda-12.4/lib64"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            [FIRST, SECOND, BOTH_BUNDLED],
            "do not install liba1 libb1: many brings its own",
        ),
        (
            [
                {**FIRST, **SECOND, "opt/lib/liba.so.1": library("liba.so.1", 700)},
                {"opt/lib/libb.so.1": library("libb.so.1", 700)},
                {"x": "x"},
            ],
            "do not copy libraries to /opt/lib: nothing loads them from there",
        ),
        (
            [
                {f"{LIB64}/libcublas.so.12": library("libcublas.so.12", 9000)},
                {f"{LIB64}/libcublasLt.so.12": library("libcublasLt.so.12", 9000)},
                {**CU12, **TORCH},
            ],
            "do without CUDA's libraries from /usr/local/cuda-12.4: nothing uses them",
        ),
    ],
)
def test_the_plan_speaks_of_the_last_layer_that_brings_a_copy(
    layers: list[Tree], words: str
) -> None:
    plan = make_plan(taken(on_slim(*layers, history=[f"RUN s{n}" for n, _ in enumerate(layers)])))
    edits = [each for each in plan.edits if each.rules == ("duplicate-native-library",)]
    assert [(each.words, each.layer, each.kind) for each in edits] == [(words, 5, "advice")]


@pytest.mark.parametrize(
    "layers",
    [
        [apt(MORE, manual=["libpq5", "postgresql-client-15"]), BINARY],  # another package needs it
        [{**CU11, **CU12}],  # nobody knows which is used
    ],
)
def test_the_plan_says_nothing_of_what_may_be_needed(layers: list[Tree]) -> None:
    plan = make_plan(taken(on_slim(*layers, history=[f"RUN s{n}" for n, _ in enumerate(layers)])))
    assert [each for each in plan.edits if each.rules == ("duplicate-native-library",)] == []


def test_the_plan_says_nothing_of_what_the_base_has() -> None:
    one = on_slim(TOOLKIT, {**CU12, **TORCH}, history=["RUN s0", "RUN s1"])
    stream = open_stream(io.BytesIO(docker_archive(one)), Options(), name=None, reference="app:1")
    plan = make_plan(OpenedImage(stream, base_layers=5).inventory)
    assert [each for each in plan.edits if each.rules == ("duplicate-native-library",)] == []
