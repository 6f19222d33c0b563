"""The rule leftover-build-tool: layers in, findings out."""

import pytest

from pyimginspect.analyzers import (
    leftover_build_tool,
    leftover_headers,
)
from pyimginspect.inventory.derived.leftovers import find_leftovers, without
from pyimginspect.inventory.packages import dependency_graph
from tests.images import (
    Content,
    File,
    Package,
    dist_info,
    elf,
)
from tests.inventories import apt, on_slim, taken
from tests.unit.rules.leftovers import BUILD, PQ, SITE, Run, findings, package_list


def test_tools_go_with_what_came_along_by_dependency_and_by_recommendation() -> None:
    (found,) = findings(leftover_build_tool.ANALYZER.run, apt(BUILD, manual=["build-essential"]))
    assert found.rule == "leftover-build-tool"
    assert found.subject == "build-essential"
    assert found.message == "build-essential: build tools are left in the image"
    assert (found.layers, found.instruction, found.severity) == ((4,), "RUN step 0", "warning")
    # Headers have a finding of their own.
    assert found.packages == (
        "build-essential",
        "dpkg-dev",
        "fakeroot",
        "gcc",
        "gcc-12",
        "libisl23",
        "make",
    )
    bookkeeping = sum(len(package_list(name)) for name in found.packages)
    assert found.saving == 1000 + 100 + 200 + 7 + bookkeeping
    assert found.fix.endswith(
        "&& apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false build-essential"
    )


@pytest.mark.parametrize("run", [leftover_build_tool.ANALYZER.run, leftover_headers.ANALYZER.run])
def test_what_a_runtime_package_depends_on_is_no_leftover(run: Run) -> None:
    r: Package = {"Depends": "gcc-12, libc6-dev"}
    layer = apt({**BUILD, "r-base-core": r}, manual=["r-base-core", "build-essential"])
    found = findings(run, layer)
    named = {name for finding in found for name in finding.packages}
    assert not named & {"gcc-12", "libc6-dev", "libgcc-12-dev", "libisl23"}


def test_nothing_is_counted_by_two_findings() -> None:
    image_ = on_slim(
        apt(BUILD, manual=["build-essential"]),
        apt(PQ, manual=["libpq-dev"], below=BUILD, auto_below=[*BUILD]),
        history=["RUN a", "RUN b"],
    )
    inventory = taken(image_)
    every = [
        *leftover_build_tool.ANALYZER.run(inventory),
        *leftover_headers.ANALYZER.run(inventory),
    ]
    named = [name for finding in every for name in finding.packages]
    assert len(named) == len(set(named)) > 0


def test_recommended_packages_of_what_stays_are_told_apart() -> None:
    packages: dict[str, Package] = {"curl": {"Recommends": "extra"}, "extra": {}}
    inventory = taken(on_slim(apt(packages, manual=["curl"]), history=["RUN a"]))
    found = find_leftovers(inventory)
    assert found.recommended == {4: ("extra",)}
    assert (found.tools, found.headers) == ({}, {})


def test_what_a_library_that_stays_recommends_does_not_stay_with_it() -> None:
    packages: dict[str, Package] = {
        "libpq-dev": {"Depends": "libpq5"},
        "libpq5": {**PQ["libpq5"], "Recommends": "extra"},
        "extra": {},
    }
    program = File(elf(needed=["libpq.so.5"]), mode=0o755)
    own = {"usr/local/bin/own": program, "usr/local/bin/other": program}
    layers = (apt(packages, manual=["libpq-dev"]), own)
    found = find_leftovers(taken(on_slim(*layers, history=["RUN a", "COPY b"])))
    assert [proof.package for proof in found.kept] == ["libpq5"]
    assert found.packages == {"libpq-dev", "extra"}


def test_a_file_of_two_packages_goes_with_both() -> None:
    shared = {"usr/share/common": "c" * 5000}
    packages: dict[str, Package] = {
        "gcc-12": {"files": {**shared, "usr/bin/gcc-12": "g" * 100}},
        "make": {"files": {**shared, "usr/bin/make": "m" * 100}},
    }
    (both,) = findings(leftover_build_tool.ANALYZER.run, apt(packages, manual=[*packages]))
    assert both.saving > 5200
    other: dict[str, Package] = {"gcc-12": packages["gcc-12"], "app": packages["make"]}
    (one,) = findings(leftover_build_tool.ANALYZER.run, apt(other, manual=[*other]))
    assert 100 < one.saving < 5000


def test_tools_that_something_runs_are_only_noted() -> None:
    layer = {**apt(BUILD, manual=["gcc"]), **dist_info("triton", "3.1.0", site=SITE)}
    (found,) = findings(leftover_build_tool.ANALYZER.run, layer)
    assert found.severity == "note"
    assert "triton uses such tools at run time" in [each.what for each in found.evidence]


def test_build_tools_from_pypi_are_found_unless_something_requires_them() -> None:
    cmake = dist_info("cmake", "4.2.0", site=SITE)
    ninja = dist_info("ninja", "1.13", site=SITE)
    user = dist_info("deepspeed", "0.18", site=SITE, requires=["ninja"])
    (found,) = findings(leftover_build_tool.ANALYZER.run, {**cmake, **ninja, **user})
    assert found.paths == (f"{SITE}/cmake-4.2.0.dist-info",)
    assert found.saving > 0
    assert found.fix.endswith("pip uninstall -y cmake")


def test_a_program_that_pip_installed_is_left_only_if_its_distribution_is() -> None:
    """ninja's wheel has the program itself, which pip puts where PATH leads."""

    def wheel(name: str) -> dict[str, Content]:
        info = f"{SITE}/{name}-1.0.dist-info"
        return {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/RECORD": f"../../../bin/{name},,\n",
            f"usr/local/bin/{name}": File(b"x" * 5000, mode=0o755),
        }

    user = dist_info("deepspeed", "0.18", site=SITE, requires=["ninja"])
    (found,) = findings(
        leftover_build_tool.ANALYZER.run, {**wheel("cmake"), **wheel("ninja"), **user}
    )
    assert found.message == f"cmake: build tools from PyPI are left in /{SITE}"
    assert found.saving == 5000, "the one program, once"


def test_a_script_for_the_base_s_own_python_needs_no_package_s() -> None:
    python: dict[str, Package] = {
        "python3-yaml": {"Depends": "python3.13", "files": {"usr/lib/python3/yaml.py": "y"}},
        "python3.13": {"files": {"usr/bin/python3.13": elf()}},
    }
    script: dict[str, Content] = {
        "usr/local/bin/2to3": File(b"#!/usr/local/bin/python3.13\n", mode=0o755)
    }
    found = taken(on_slim(apt(python, manual=["python3-yaml"]), script, history=["RUN a", "RUN b"]))
    free, kept = without(found, dependency_graph(found.packages), {"python3-yaml"})
    assert (sorted(free), kept) == (["python3-yaml", "python3.13"], ())
    script = {"usr/local/bin/2to3": File(b"#!/usr/bin/python3.13\n", mode=0o755)}
    found = taken(on_slim(apt(python, manual=["python3-yaml"]), script, history=["RUN a", "RUN b"]))
    free, kept = without(found, dependency_graph(found.packages), {"python3-yaml"})
    assert sorted(free) == ["python3-yaml"]
    assert [proof.path for proof in kept] == ["usr/local/bin/2to3"]


RUNNER: Package = {"files": {"usr/bin/runner": File("#!/usr/bin/engine\n", mode=0o755)}}
ENGINE: Package = {"files": {"usr/bin/engine": File(elf(), mode=0o755)}}


@pytest.mark.parametrize(
    ("packages", "kept"),
    [
        # Of several that bring it, the one that brings the least.
        ({"bundle": {"Depends": "outer"}, "outer": {"Depends": "runner"},
          "runner": {**RUNNER, "Depends": "engine"}, "engine": ENGINE}, ["runner"]),
        ({"bundle": {"Depends": "runner"}, "runner": {**RUNNER, "Depends": "engine"},
          "engine": {**ENGINE, "Depends": "runner"}}, ["engine"]),
        # Two that know nothing of each other.
        ({"bundle": {"Depends": "runner, engine"}, "runner": RUNNER, "engine": ENGINE},
         ["engine", "runner"]),
    ],
)  # fmt: skip
def test_the_packages_of_what_starts_stay(packages: dict[str, Package], kept: list[str]) -> None:
    layer = apt(packages, manual=["bundle"])
    found = taken(on_slim(layer, history=["RUN a"], entrypoint=["runner"]))
    _, proofs = without(found, dependency_graph(found.packages), {"bundle"})
    assert [proof.package for proof in proofs] == kept


def test_a_package_of_the_program_that_starts_is_shown_by_its_program() -> None:
    packages: dict[str, Package] = {
        "bundle": {"Depends": "runner"},
        "runner": {
            "files": {
                "etc/runner.conf": "",
                "usr/bin/runner": File(elf(), mode=0o755),
                "usr/lib/runner.txt": "",
            }
        },
    }
    image = on_slim(apt(packages, manual=["bundle"]), history=["RUN a"], entrypoint=["runner"])
    found = taken(image)
    free, kept = without(found, dependency_graph(found.packages), {"bundle"})
    assert sorted(free) == ["bundle"]
    assert [(proof.package, proof.path) for proof in kept] == [("runner", "usr/bin/runner")]
