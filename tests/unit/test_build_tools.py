"""What counts as a build tool, whose it is, and what keeps it."""

from typing import Any

import pytest

from pyimginspect.inventory.build_tools import loose_files
from pyimginspect.inventory.derived.leftovers import find_leftovers
from pyimginspect.inventory.facts import BaseImage, Distribution, OsPackage
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.runtimes import _by_program, callers
from pyimginspect.inventory.tool_names import kind_of_package, users_at_run_time
from tests.images import Content, File, HardLink, Link, Package, debian_base, dist_info
from tests.inventories import apt, on_slim, taken
from tests.pythons import inventory
from tests.systems import rootfs

GCC: dict[str, Package] = {
    "gcc-12": {
        "Version": "12.2.0-14",
        "Depends": "binutils",
        "files": {"usr/bin/gcc-12": File(b"g" * 900, mode=0o755)},
    },
    "binutils": {"files": {"usr/bin/ld.bfd": File(b"l" * 300, mode=0o755)}},
}


def package(name: str, manager: str = "dpkg", **more: object) -> OsPackage:
    return OsPackage(manager=manager, name=name, version="1", layer=0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("manager", "name", "kind"),
    [
        ("dpkg", "build-essential", "meta"),
        ("dpkg", "dpkg-dev", "meta"),
        ("dpkg", "gcc", "compiler"),
        ("dpkg", "gcc-14", "compiler"),
        ("dpkg", "gcc-14-x86-64-linux-gnu", "compiler"),
        ("dpkg", "g++-12", "compiler"),
        ("dpkg", "gcc-12-base", None),  # of the runtime libraries, essential
        ("dpkg", "libgcc-s1", None),
        ("dpkg", "libstdc++6", None),
        ("dpkg", "binutils-x86-64-linux-gnu", "binutils"),
        ("dpkg", "ninja-build", "build-system"),
        ("dpkg", "libpq-dev", "headers"),
        ("dpkg", "libpq5", None),
        ("dpkg", "linux-libc-dev", "headers"),
        ("dpkg", "rustc", "toolchain"),
        ("dpkg", "git", "version-control"),
        ("dpkg", "perl", None),
        ("apk", "build-base", "meta"),
        ("apk", "g++", "compiler"),
        ("apk", "musl-dev", "headers"),
        ("apk", "openssl-libs-static", "static-library"),
        ("apk", "scanelf", None),  # the official image's own
        ("rpm", "gcc-c++", "compiler"),
        ("rpm", "glibc-devel", "headers"),
        ("rpm", "glibc-common", None),
        ("rpm", "git-core", "version-control"),
    ],
)
def test_packages_are_known_by_name(manager: str, name: str, kind: str | None) -> None:
    assert kind_of_package(package(name, manager)) == kind


@pytest.mark.parametrize(
    ("name", "holds", "kind"),
    [
        (".build-deps", ("libffi",), "meta"),
        (".builddeps", (), "meta"),
        (".tmp", (), "meta"),
        (".python-rundeps", ("so:libz.so.1",), None),
        (".app", ("libpq",), None),
        (".deps", ("gcc", "libpq"), "meta"),
    ],
)
def test_virtual_packages_are_known_by_name_or_by_what_they_hold(
    name: str, holds: tuple[str, ...], kind: str | None
) -> None:
    one = package(name, "apk", virtual=True, depends=tuple((held,) for held in holds))
    assert kind_of_package(one) == kind


def tools(*layers: dict[str, Content], history: int | None = None) -> list[tuple[object, ...]]:
    one = on_slim(*layers, history=[f"RUN step {n}" for n in range(len(layers))])
    return [
        (tool.name, tool.category, tool.path, tool.size, tool.paths, tool.layer)
        for tool in taken(one).build_tools
    ]


def test_packages_have_the_layer_that_brought_them_and_the_bytes_of_their_files() -> None:
    found = taken(on_slim(apt(GCC, manual=["gcc-12"]), history=["RUN apt-get install -y gcc-12"]))
    assert [(t.name, t.package, t.path, t.size, t.paths, t.layer) for t in found.build_tools] == [
        ("gcc-12", "gcc-12", "usr/bin/gcc-12", 900, 1, 4),
        ("binutils", "binutils", "usr/bin/ld.bfd", 300, 1, 4),
    ]


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (["etc/a", "opt/cc1", "usr/bin/x", "usr/include/x.h", "usr/lib/x"], "usr/bin/x"),
        (["etc/a", "opt/cc1", "usr/include/x.h", "usr/lib/x"], "opt/cc1"),
        (["etc/a", "usr/include/x.h", "usr/lib/x"], "usr/include/x.h"),
        (["etc/a", "usr/lib/x"], "usr/lib/x"),
        (["etc/a", "usr/share/doc/x"], "etc/a"),
    ],
)
def test_a_package_is_shown_by_its_most_telling_file(files: list[str], path: str) -> None:
    tree = apt({"gcc-12": {"files": dict.fromkeys(files, "x")}})
    (tool,) = taken(on_slim(tree, history=["RUN apt-get install -y gcc-12"])).build_tools
    assert (tool.path, tool.paths) == (path, len(files))


def test_an_upgrade_brings_nothing_new() -> None:
    newer: dict[str, Package] = {**GCC, "gcc-12": {**GCC["gcc-12"], "Version": "12.3.0"}}
    found = taken(on_slim(apt(GCC), apt(newer), history=["RUN a", "RUN apt-get upgrade"]))
    assert {tool.name: tool.layer for tool in found.build_tools} == {"gcc-12": 4, "binutils": 4}
    assert found.packages["gcc-12"].layer == 5


def test_what_a_runtime_package_depends_on_is_kept_by_it() -> None:
    r: Package = {"Depends": "gcc-12", "Recommends": "make"}
    more: dict[str, Package] = {**GCC, "r-base-core": r, "make": {}}
    found = taken(on_slim(apt(more, manual=["r-base-core"]), history=["RUN apt-get install r"]))
    assert {tool.name: tool.kept_by for tool in found.build_tools} == {
        "gcc-12": ("r-base-core",),
        "binutils": ("r-base-core",),
        "make": (),
    }


def test_who_needs_a_tool_on_two_ways_is_named_once() -> None:
    more: dict[str, Package] = {
        **GCC,
        "g++-12": {"Depends": "gcc-12"},
        "r-base-core": {"Depends": "gcc-12, g++-12"},
    }
    found = taken(on_slim(apt(more, manual=["r-base-core"]), history=["RUN apt-get install r"]))
    assert {tool.name: tool.kept_by for tool in found.build_tools} == dict.fromkeys(
        ("gcc-12", "g++-12", "binutils"), ("r-base-core",)
    )


def test_another_build_tool_keeps_nothing() -> None:
    more: dict[str, Package] = {**GCC, "build-essential": {"Depends": "gcc-12"}}
    found = taken(on_slim(apt(more, manual=["build-essential"]), history=["RUN apt-get install"]))
    assert {tool.kept_by for tool in found.build_tools} == {()}


def test_files_without_a_package_are_found_by_their_place() -> None:
    layer: dict[str, Content] = {
        "usr/local/bin/cmake": File(b"c" * 50, mode=0o755),
        "usr/local/bin/x86_64-linux-musl-gcc-13.2": File(b"g" * 40, mode=0o755),
        "usr/local/bin/cc": Link("gcc"),  # no bytes, and no tool of its own
        "usr/local/bin/gccgo-helper": "no such name",
        "usr/local/lib/gcc/x86_64/13/cc1": "11",
        "usr/local/lib/libz.a": "arch",
        "usr/local/include/zlib.h": "hhh",
        "usr/local/include/boost/a.hpp": "h",
        "usr/local/include/boost/sub/b.hpp": "hh",
        "usr/local/include/python3.13/pyconfig.h": "the build's own",
        "usr/local/include/pythonic/c.hpp": "hhhhh",
        "usr/local/bin/old/cmake": "below a directory of programs, where no PATH leads",
        "app/.git/HEAD": "ref",
        "app/.git/objects/ab/cd": "12345",
        "root/.cargo/bin/cargo": "c",
        "usr/local/go/bin/go": "gogo",
    }
    assert sorted(tools(layer)) == [
        (".cargo", "toolchain", "root/.cargo", 1, 1, 4),
        (".git", "version-control", "app/.git", 8, 2, 4),
        ("boost", "headers", "usr/local/include/boost", 3, 2, 4),
        ("cc1", "compiler", "usr/local/lib/gcc/x86_64/13/cc1", 2, 1, 4),
        ("cmake", "build-system", "usr/local/bin/cmake", 50, 1, 4),
        ("go", "toolchain", "usr/local/go", 4, 1, 4),
        ("libz.a", "static-library", "usr/local/lib/libz.a", 4, 1, 4),
        ("pythonic", "headers", "usr/local/include/pythonic", 5, 1, 4),
        (
            "x86_64-linux-musl-gcc-13.2",
            "compiler",
            "usr/local/bin/x86_64-linux-musl-gcc-13.2",
            40,
            1,
            4,
        ),
        ("zlib.h", "headers", "usr/local/include/zlib.h", 3, 1, 4),
    ]


def test_a_tool_of_several_layers_is_of_the_one_that_stores_most_of_it() -> None:
    lower: dict[str, Content] = {"usr/local/include/boost/a.hpp": "h" * 9}
    upper: dict[str, Content] = {"usr/local/include/boost/b.hpp": "h"}
    assert tools(lower, upper) == [("boost", "headers", "usr/local/include/boost", 10, 2, 4)]
    assert tools(upper, lower) == [("boost", "headers", "usr/local/include/boost", 10, 2, 5)]


def test_what_a_wheel_or_conda_brings_is_part_of_it() -> None:
    layer: dict[str, Content] = {
        "usr/local/lib/python3.13/site-packages/numpy/random/lib/libnpyrandom.a": "a",
        "opt/venv/lib/python3.13/site-packages/cmake/data/bin/cmake": "c",
        "opt/conda/conda-meta/history": "",
        "opt/conda/bin/x86_64-conda-linux-gnu-ld": "l",
        "opt/conda/lib/libz.a": "a",
    }
    assert tools(layer) == []


def test_hard_links_weigh_once() -> None:
    layer: dict[str, Content] = {
        "usr/local/bin/gcc": File(b"g" * 70, mode=0o755),
        "usr/local/bin/x86_64-linux-gnu-gcc": HardLink("usr/local/bin/gcc"),
    }
    found = tools(layer)
    # Deleting either name alone frees nothing: the other still holds the content.
    assert [(name, size) for name, _, _, size, _, _ in found] == [
        ("gcc", 0),
        ("x86_64-linux-gnu-gcc", 0),
    ]


def test_the_base_s_own_tools_are_no_leftovers() -> None:
    one = on_slim({"app/main.py": "x"}, history=["COPY . /app"])
    assert taken(one).build_tools == ()


NODE: dict[str, Package] = {
    "nodejs": {"files": {"usr/bin/node": File("n", mode=0o755)}},
    "npm": {
        "Depends": "nodejs",
        "files": {"usr/share/npm/bin/npm-cli.js": File("#!/usr/bin/env node\n", mode=0o755)},
    },
}
PROXY: dict[str, Content] = {
    "usr/local/lib/node_modules/proxy/bin/proxy": File("#!/usr/bin/env node\n", mode=0o755),
    "usr/local/bin/proxy": Link("../lib/node_modules/proxy/bin/proxy"),
}
NPM: dict[str, Content] = {
    "usr/local/lib/node_modules/npm/bin/npm-cli.js": File("#!/usr/bin/env node\n", mode=0o755),
    "usr/local/bin/npm": Link("../lib/node_modules/npm/bin/npm-cli.js"),
    "usr/local/bin/node": File("n", mode=0o755),
}
GIT: dict[str, Package] = {
    "git": {"Depends": "git-man", "files": {"usr/bin/git": File("g", mode=0o755)}},
    "git-man": {"files": {"usr/share/man/man1/git.1": "g"}},
}
JDK: dict[str, Package] = {
    "default-jdk-headless": {"Depends": "openjdk-17-jdk-headless", "files": {}},
    "openjdk-17-jdk-headless": {"files": {"usr/lib/jvm/java-17/bin/javac": "j"}},
}
FRONTEND: dict[str, Content] = {"app/node_modules/x/index.js": "x"}


@pytest.mark.parametrize(
    ("packages", "tree", "config", "left"),
    [
        (NODE, {}, {}, ["nodejs", "npm"]),
        (NODE, PROXY, {}, []),
        ({}, {**NPM, **PROXY}, {}, []),
        ({}, NPM, {}, ["node", "node_modules"]),
        # what npm itself brings is no program that needs Node
        (NODE, {"usr/local/bin/npx": Link("/usr/share/npm/bin/npm-cli.js")}, {},
         ["nodejs", "npm"]),
        # a script that is on nobody's PATH
        (NODE, {"app/tool": File("#!/usr/bin/env node\n", mode=0o755)}, {}, ["nodejs", "npm"]),
        (NODE, FRONTEND, {"cmd": ["node", "/app/server.js"]}, []),
        (NODE, FRONTEND, {"cmd": ["sh", "-c", "exec /usr/bin/node server.js"]}, []),
        (NODE, FRONTEND, {"cmd": ["python", "-m", "node_exporter"]},
         ["node_modules", "nodejs", "npm"]),
        (NODE, {**FRONTEND, **PROXY}, {}, ["node_modules"]),
        (GIT, {}, {}, ["git", "git-man"]),
        (GIT, dist_info("GitPython"), {}, []),
        (GIT, dist_info("requests"), {}, ["git", "git-man"]),
        (GIT, {}, {"entrypoint": ["/bin/sh", "-c", "git pull && exec python app.py"]}, []),
        (GIT, {**dist_info("GitPython"), "app/.git/HEAD": "x"}, {}, [".git"]),
        # what the script does that the image starts with, but for comments
        (GIT, {"app/run.sh": File("#!/bin/sh\ngit pull\n", mode=0o755)}, {"cmd": ["/app/run.sh"]},
         []),
        (GIT, {"app/run.sh": File("#!/bin/sh\n  # git pull\n", mode=0o755)},
         {"cmd": ["/app/run.sh"]}, ["git", "git-man"]),
        (JDK, {}, {}, ["default-jdk-headless", "openjdk-17-jdk-headless"]),
        (JDK, dist_info("pyspark"), {}, []),
        (JDK, {"opt/app/tool.jar": "x"}, {}, []),
        (JDK, {"opt/maven/lib/core.jar": "x"}, {},
         ["default-jdk-headless", "openjdk-17-jdk-headless"]),
        (GCC, dist_info("GitPython"), {}, ["binutils", "gcc-12"]),
    ],
)  # fmt: skip
def test_a_runtime_that_something_calls_is_no_build_tool(
    packages: dict[str, Package], tree: dict[str, Content], config: dict[str, Any], left: list[str]
) -> None:
    one = on_slim(apt(packages, manual=[*packages]), tree, history=["RUN a", "RUN b"], **config)
    assert sorted(tool.name for tool in taken(one).build_tools) == left


@pytest.mark.parametrize(("place", "left"), [("/app", []), ("/srv", ["git", "git-man"])])
def test_a_script_is_found_from_the_directory_that_the_image_starts_in(
    place: str, left: list[str]
) -> None:
    script = {"app/run.sh": File("#!/bin/sh\ngit pull\n", mode=0o755)}
    trees = (debian_base(), apt(GIT, manual=[*GIT]), script)
    found = inventory(*trees, cmd=["run.sh"], working_dir=place)
    assert sorted(tool.name for tool in found.build_tools) == left


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        ({}, []),
        ({"usr/local/bin/report": File("#!/usr/bin/perl -w\n", mode=0o755)}, ["perl"]),
        ({"usr/local/bin/report": File("#!/usr/bin/env ruby\n", mode=0o755)}, ["ruby3.1"]),
        ({"usr/local/bin/report": File("#!/usr/bin/env -S A=b ruby -x\n", mode=0o755)},
         ["ruby3.1"]),
        ({"usr/local/bin/report": File("#!\n", mode=0o755)}, []),
    ],
)  # fmt: skip
def test_what_scripts_are_written_for_stays(script: dict[str, Content], kept: list[str]) -> None:
    more: dict[str, Package] = {
        "devscripts": {"Depends": "perl, ruby3.1", "files": {"usr/bin/dch": "d"}},
        "perl": {"files": {"usr/share/perl/5/JSON.pm": "p"}},
        "ruby3.1": {"files": {"usr/bin/ruby3.1": "r", "usr/bin/ruby": Link("ruby3.1")}},
    }
    one = on_slim(apt(more, manual=["devscripts"]), script, history=["RUN a", "COPY b"])
    assert [proof.package for proof in find_leftovers(taken(one)).kept] == kept


def test_every_caller_calls_a_program_that_is_known() -> None:
    for rows in callers().values():
        for row in rows:
            assert row.program in _by_program(), row
            assert row.source.startswith("https://")


def test_some_distributions_use_tools_at_run_time() -> None:
    found = taken(on_slim(apt(GCC), history=["RUN apt-get install gcc"]))
    triton = Distribution(name="triton", version="3", location="x", metadata="x/t", layer=5)
    flask = Distribution(name="flask", version="3", location="x", metadata="x/f", layer=5)
    assert users_at_run_time(found.build_tools, [flask, triton]) == ("triton",)
    assert users_at_run_time(found.build_tools, [flask]) == ()


def test_what_a_distribution_lists_is_no_leftover_wherever_pip_put_it() -> None:
    info = "app/numpy-2.2.6.dist-info"
    tree: dict[str, Content] = {
        "app/numpy/lib/libnpymath.a": "!<arch>",
        "app/lib/libother.a": "!<arch>",
        f"{info}/METADATA": "Name: numpy\nVersion: 2.2.6\n",
        f"{info}/RECORD": "numpy/lib/libnpymath.a,,\nnumpy-2.2.6.dist-info/RECORD,,\n",
    }
    found = taken(on_slim(tree, history=["RUN pip install --target /app numpy"]))
    assert [tool.path for tool in found.build_tools] == ["app/lib/libother.a"]
    base = BaseImage(family="unknown")
    assert loose_files(rootfs(tree), PackageDatabase(), base) == {
        ("libother.a", "app/lib/libother.a"): ["app/lib/libother.a"]
    }


def test_the_program_of_a_distribution_is_a_part_of_it() -> None:
    """It is a build tool as that is one, or none where something installed requires that."""
    site = "usr/local/lib/python3.13/site-packages"
    tree: dict[str, Content] = {
        f"{site}/ninja-1.13.dist-info/METADATA": "Name: ninja\nVersion: 1.13\n",
        f"{site}/ninja-1.13.dist-info/RECORD": "../../../bin/ninja,,\n",
        "usr/local/bin/ninja": File(b"n" * 70, mode=0o755),
        "usr/local/bin/make": File(b"m" * 70, mode=0o755),
    }
    assert [path for _, _, path, *_ in tools(tree)] == ["usr/local/bin/make"]
