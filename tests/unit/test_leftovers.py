"""Findings about build tools: which packages would go, which must stay, and the proof."""

from collections.abc import Callable, Iterable, Mapping

import pytest

from pyimginspect.analyzers import (
    base_not_official_slim,
    leftover_build_tool,
    leftover_headers,
    leftover_virtual_package,
    unknown_base,
)
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.leftovers import find_leftovers, without
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.report import Finding
from tests.images import (
    Content,
    File,
    Link,
    Package,
    debian_base,
    dist_info,
    elf,
    image,
    official_env,
    official_python,
)
from tests.inventories import OFFICIAL_STEPS, apt, on_slim, taken

SITE = "usr/local/lib/python3.13/site-packages"

BUILD: dict[str, Package] = {
    "build-essential": {"Depends": "gcc, make, dpkg-dev"},
    "gcc": {"Depends": "gcc-12"},
    "gcc-12": {
        "Depends": "libisl23, libgcc-12-dev",
        "Recommends": "libc6-dev",
        "files": {"usr/bin/gcc-12": File(b"g" * 1000, mode=0o755)},
    },
    "libisl23": {"files": {"usr/lib/libisl.so.23": File(b"i" * 100, mode=0o644)}},
    "libgcc-12-dev": {"files": {"usr/lib/gcc/libgcc.a": "a" * 10}},
    "libc6-dev": {"files": {"usr/include/stdio.h": "h" * 20}},
    "make": {"files": {"usr/bin/make": File(b"m" * 200, mode=0o755)}},
    "dpkg-dev": {"Recommends": "fakeroot"},
    "fakeroot": {"files": {"usr/bin/fakeroot": "f" * 7}},
}
PQ: dict[str, Package] = {
    "libpq-dev": {
        "Depends": "libpq5, libssl-dev",
        "files": {"usr/include/libpq-fe.h": "h" * 30},
    },
    "libpq5": {
        "files": {"usr/lib/x86_64-linux-gnu/libpq.so.5": elf(soname="libpq.so.5")},
    },
    "libssl-dev": {"files": {"usr/include/openssl/ssl.h": "h" * 40}},
}
PSYCOPG: Mapping[str, Content] = {
    f"{SITE}/psycopg2/_psycopg.so": elf(needed=["libpq.so.5", "libc.so.6"])
}

Run = Callable[[Inventory], Iterable[Finding]]


def findings(run: Run, *layers: Mapping[str, Content]) -> list[Finding]:
    lines = [f"RUN step {n}" for n in range(len(layers))]
    return list(run(taken(on_slim(*layers, history=lines))))


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
    bookkeeping = sum(len(_list(name)) for name in found.packages)
    assert found.saving == 1000 + 100 + 200 + 7 + bookkeeping
    assert found.fix.endswith(
        "&& apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false build-essential"
    )


def _list(name: str) -> str:
    """What dpkg notes of a package's files: these bytes go with the package."""
    tree = apt(BUILD, manual=["build-essential"])
    text = tree[f"var/lib/dpkg/info/{name}.list"]
    assert isinstance(text, str)
    return text


def test_headers_are_reported_apart_and_name_who_was_asked_for() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(BUILD, manual=["build-essential"]))
    assert found.packages == ("libc6-dev", "libgcc-12-dev")
    assert found.subject == "build-essential"
    assert found.saving == 20 + 10 + len(_list("libc6-dev")) + len(_list("libgcc-12-dev"))


def test_a_library_that_a_file_in_use_needs_must_stay() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(PQ, manual=["libpq-dev"]), PSYCOPG)
    assert found.packages == ("libpq-dev", "libssl-dev")
    proof = found.evidence[-1]
    assert proof.path == f"{SITE}/psycopg2/_psycopg.so"
    assert proof.package == "libpq5"
    assert proof.what.endswith("_psycopg.so needs libpq.so.5: libpq5 must stay")
    assert found.fix == (
        "Install them in a build stage only; or, if no later RUN builds, end this one with"
        " && apt-mark manual libpq5"
        " && apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false libpq-dev"
    )


def test_a_library_that_is_opened_by_name_must_stay_too() -> None:
    """No ELF header tells that python-magic opens libmagic."""
    packages: dict[str, Package] = {
        "libmagic-dev": {"Depends": "libmagic1", "files": {"usr/include/magic.h": "h" * 9}},
        "libmagic1": {
            "files": {"usr/lib/x86_64-linux-gnu/libmagic.so.1": elf(soname="libmagic.so.1")}
        },
    }
    magic = dist_info("python-magic", "0.4.27", site=SITE)
    layer = apt(packages, manual=["libmagic-dev"])
    (with_it,) = findings(leftover_headers.ANALYZER.run, layer, magic)
    assert with_it.packages == ("libmagic-dev",)
    assert with_it.evidence[-1].what.endswith("needs libmagic.so.1: libmagic1 must stay")
    assert with_it.evidence[-1].path == f"{SITE}/python_magic-0.4.27.dist-info"
    (without_it,) = findings(leftover_headers.ANALYZER.run, layer)
    assert without_it.packages == ("libmagic-dev", "libmagic1")


def test_a_library_that_nothing_needs_goes() -> None:
    (found,) = findings(leftover_headers.ANALYZER.run, apt(PQ, manual=["libpq-dev"]))
    assert found.packages == ("libpq-dev", "libpq5", "libssl-dev")
    assert "install" not in found.fix.partition("&&")[2]


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


# --- apk ----------------------------------------------------------------------------------------
def _apk(*records: str, world: str) -> dict[str, Content]:
    return {
        "lib/apk/db/installed": "\n\n".join(records) + "\n\n",
        "etc/apk/world": world,
        "usr/bin/gcc": File(b"g" * 500, mode=0o755),
        "usr/lib/libz.so.1": "z" * 50,
    }


ALPINE: Mapping[str, Content] = {
    "etc/alpine-release": "3.22.1\n",
    "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
}
DEPS = "P:.build-deps\nV:1\nA:noarch\nT:virtual meta package\nD:gcc so:libz.so.1"
GCC = "P:gcc\nV:14\nA:x86_64\nF:usr/bin\nR:gcc"
ZLIB = "P:zlib\nV:1.3\nA:x86_64\np:so:libz.so.1=1.3\nF:usr/lib\nR:libz.so.1"


def _alpine(*layers: Mapping[str, Content]) -> Inventory:
    lines = ["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit"]
    lines += [f"RUN step {n}" for n in range(len(layers))]
    return taken(image([ALPINE, *layers], history=lines))


@pytest.mark.parametrize(
    ("world", "packages", "saving"),
    [
        (".build-deps=1\n", (".build-deps", "gcc", "zlib"), 550),
        (".build-deps=1\nzlib\n", (".build-deps", "gcc"), 500),
    ],
)
def test_a_virtual_package_goes_with_what_nothing_else_needs(
    world: str, packages: tuple[str, ...], saving: int
) -> None:
    inventory = _alpine(_apk(DEPS, GCC, ZLIB, world=world))
    (found,) = leftover_virtual_package.ANALYZER.run(inventory)
    assert (found.subject, found.layers) == (".build-deps", (1,))
    assert (found.packages, found.saving) == (packages, saving)
    assert found.fix.endswith("&& apk del --no-network .build-deps")
    # What it holds is its own affair.
    assert [*leftover_build_tool.ANALYZER.run(inventory)] == []


def test_a_virtual_package_of_runtime_needs_is_none_of_this() -> None:
    text = DEPS.replace(".build-deps", ".python-rundeps").replace("gcc ", "")
    inventory = _alpine(_apk(text, ZLIB, world=".python-rundeps=1\n"))
    assert [*leftover_virtual_package.ANALYZER.run(inventory)] == []


# --- the base -------------------------------------------------------------------------------------
def test_the_slim_base_is_as_it_should_be() -> None:
    assert findings(base_not_official_slim.ANALYZER.run, {"app": "x"}) == []
    assert findings(unknown_base.ANALYZER.run, {"app": "x"}) == []


def test_another_base_is_reported_where_there_is_a_python() -> None:
    python: Mapping[str, Content] = {
        "usr/local/bin/python3.12": File(elf(extra=b"\x003.12.4\0"), mode=0o755),
        "usr/local/lib/python3.12/os.py": "# os\n",
        "usr/local/include/python3.12/patchlevel.h": '#define PY_VERSION "3.12.4"\n',
    }
    lines = ["/bin/sh -c #(nop) ADD file:1 in / ", "COPY python / # buildkit"]
    (found,) = base_not_official_slim.ANALYZER.run(
        taken(image([debian_base(), python], history=lines))
    )
    assert found.subject == "debian slim"
    assert found.message == "the base image is debian:bookworm-slim: not an official python image"
    assert found.fix == "FROM python:3.12-slim-bookworm"
    without = taken(image([debian_base(), {"app": "x"}], history=lines))
    assert [*base_not_official_slim.ANALYZER.run(without)] == []


def test_the_full_variant_is_the_choice_of_a_base() -> None:
    """What it brings is reported once, as far as nothing needs it."""
    system = debian_base(slim=False)
    doc: Mapping[str, Content] = {"usr/share/doc/dash/README": "d" * 11}
    packages: dict[str, Package] = {
        **BUILD,
        "git": {"files": {"usr/bin/git": File(b"g" * 500, mode=0o755)}},
        "libffi8": {"files": {"usr/lib/libffi.so.8": elf(soname="libffi.so.8")}},
        "libffi-dev": {"Depends": "libffi8", "files": {"usr/include/ffi.h": "h" * 60}},
    }
    tools = apt(packages, manual=["git", "build-essential", "libffi-dev"])
    python: Mapping[str, Content] = {
        **official_python("3.13.1"),
        "usr/local/lib/python3.13/lib-dynload/_ctypes.so": elf(needed=["libffi.so.8"]),
    }
    one = image(
        [{**system, **doc}, {**tools, "usr/bin/gcc": Link("gcc-12")}, python, {}],
        history=OFFICIAL_STEPS,
        env=official_env("3.13.1"),
    )
    inventory = taken(one)
    assert (inventory.base.variant, inventory.base.layers) == ("full", 4)
    (found,) = base_not_official_slim.ANALYZER.run(inventory)
    assert found.fix == "FROM python:3.13-slim-bookworm"
    assert "git" in found.packages
    assert "libffi-dev" in found.packages
    assert "libffi8" not in found.packages  # Python's ctypes needs it
    assert found.saving > 1000 + 100 + 200 + 500 + 60 + 11
    for run in (leftover_build_tool.ANALYZER.run, leftover_headers.ANALYZER.run):
        assert [*run(inventory)] == []


def test_a_guess_is_no_base() -> None:
    found = taken(image([{**debian_base(), "app": "x"}], history=()))
    (finding,) = unknown_base.ANALYZER.run(found)
    assert finding.message == "the base image is not known; it may be debian:bookworm-slim"
    assert [*base_not_official_slim.ANALYZER.run(found)] == []


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
