"""Which Pythons an image has: identity, version, origin, size, and the one that starts."""

from collections.abc import Mapping

import pytest

from pyimginspect.inventory.interpreters.versions import upstream_version
from tests.images import (
    BASE_PACKAGES,
    Content,
    File,
    HardLink,
    Link,
    debian_base,
    debian_python,
    debian_python_packages,
    dpkg_status,
    elf,
    official_env,
    official_python,
)
from tests.pythons import (
    conda_python,
    cpython,
    executable,
    patchlevel,
    pypy,
    python,
    pythons,
    stored,
    venv,
)
from tests.systems import X86, glibc, rootfs

Tree = Mapping[str, Content]


def test_the_library_beside_an_executable_that_no_loader_starts() -> None:
    """Without the C library nothing runs; whose library it is can be seen all the same."""
    tree = cpython("opt/py", "3.12.4", shared=True)
    assert python(tree).libpython == "opt/py/lib/libpython3.12.so.1.0"
    assert python(glibc(), tree).libpython == "opt/py/lib/libpython3.12.so.1.0"
    del tree["opt/py/lib/libpython3.12.so.1.0"]
    assert [each.libpython for each in (python(tree), python(glibc(), tree))] == ["", ""]


def test_a_package_tells_the_version_where_no_file_does() -> None:
    files: Tree = {"usr/bin/python3.11": executable(), "usr/lib/python3.11/os.py": ""}
    version = "3.11.2-6+deb12u5"
    tree = dpkg_status({"python3.11-minimal": {"Version": version, "files": files}})
    found = python(glibc(), tree)
    assert found.version == "3.11.2"
    what = "package python3.11-minimal has version 3.11.2-6+deb12u5"
    assert what in [each.what for each in found.evidence]


# --- the two that meet in most images -------------------------------------------------------------
def test_an_official_python() -> None:
    found = python(debian_base(), official_python("3.13.1"), env=official_env("3.13.1"))
    assert (found.path, found.version, found.origin) == (
        "usr/local/bin/python3.13",
        "3.13.1",
        "source",
    )
    assert found.aliases == ("usr/local/bin/python", "usr/local/bin/python3")
    assert found.prefix == "usr/local"
    assert found.stdlib == "usr/local/lib/python3.13"
    assert found.libpython == "usr/local/lib/libpython3.13.so.1.0"
    assert found.site_packages == ("usr/local/lib/python3.13/site-packages",)
    assert (found.libc, found.libc_version, found.architecture) == ("glibc", "2.36", "x86_64")
    assert (found.layer, found.packages, found.externally_managed) == (1, (), False)
    assert [evidence.what for evidence in found.evidence] == [
        'PY_VERSION is "3.13.1"',
        "the program's text has 3.13.1",
        "the image sets PYTHON_VERSION=3.13.1",
        "no package owns it",
    ]


def test_the_python_of_debian() -> None:
    found = python(debian_base(), {"app": "x"}, debian_python("3.11.2"))
    assert (found.path, found.version, found.origin) == ("usr/bin/python3.11", "3.11.2", "debian")
    assert found.aliases == ("usr/bin/python3",)
    assert (found.stdlib, found.libpython) == ("usr/lib/python3.11", "")
    assert found.site_packages == ("usr/lib/python3/dist-packages",)
    assert found.packages == ("libpython3.11-minimal", "python3-minimal", "python3.11-minimal")
    assert (found.layer, found.externally_managed) == (2, True)
    assert found.evidence[0].what == "package python3.11-minimal has version 3.11.2-6+deb12u6"


def test_what_apt_brings_is_a_second_one() -> None:
    both = pythons(debian_base(), official_python("3.13.1"), debian_python("3.11.2"))
    assert [(each.path, each.version) for each in both] == [
        ("usr/bin/python3.11", "3.11.2"),
        ("usr/local/bin/python3.13", "3.13.1"),
    ]


# --- identity -------------------------------------------------------------------------------------
OPT = cpython("opt/py", "3.12.4")
OPT_PROGRAM = OPT["opt/py/bin/python3.12"]


@pytest.mark.parametrize(
    ("more", "aliases"),
    [
        ({}, ()),
        ({"usr/bin/python3": Link("/opt/py/bin/python3.12")}, ("usr/bin/python3",)),
        ({"srv": Link("opt"), "x/python": Link("/srv/py/bin/python")}, ("x/python",)),
        ({"x/snake": Link("../opt/py/bin/python3.12")}, ("x/snake",)),
        ({"x/python": Link("/nowhere/python3.12")}, ()),
        ({"bin": Link("/opt/py/bin")}, ()),
        ({"bin": Link("/opt/py/bin"), "bin/python3.12": OPT_PROGRAM}, ()),
        ({"opt/py/bin/snake": HardLink("opt/py/bin/python3.12")}, ("opt/py/bin/snake",)),
        ({"opt/py/bin/python": HardLink("opt/py/bin/python3.12")}, ()),
        (
            {"opt/py/bin/python3.12m": HardLink("opt/py/bin/python3.12")},
            ("opt/py/bin/python3.12m",),
        ),
        ({"usr/bin/python3.12": HardLink("opt/py/bin/python3.12")}, ("usr/bin/python3.12",)),
        ({"usr/bin/python3.12": OPT_PROGRAM}, ("usr/bin/python3.12",)),  # a copy
        ({"opt/py/bin/python3.12m": OPT_PROGRAM}, ("opt/py/bin/python3.12m",)),
        ({"usr/bin/python3": File("#!/bin/sh\nexec python3.12\n", mode=0o755)}, ()),
        (venv("env", "/opt/py/bin"), ()),
        (venv("env", "/opt/py/bin", program=OPT_PROGRAM), ()),
        (venv("env", "/opt/py/bin", program=HardLink("opt/py/bin/python3.12")), ()),
        (
            {
                "opt/py/conda-meta/history": "",
                "opt/py/pkgs/python-3.12.4-h1/bin/python3.12": OPT_PROGRAM,
                "opt/py/pkgs/python-3.12.4-h1/lib/python3.12/os.py": "",
                "opt/py/pkgs/python-3.12.4-h1/info/index.json": "{}",
            },
            (),
        ),
    ],
)
def test_one_interpreter_under_many_names(more: Tree, aliases: tuple[str, ...]) -> None:
    found = python(glibc(), {**OPT, **more})
    assert found.path == "opt/py/bin/python3.12"
    assert found.stdlib == "opt/py/lib/python3.12"
    own = ("opt/py/bin/python", "opt/py/bin/python3")
    assert {found.path, *found.aliases} == {"opt/py/bin/python3.12", *own, *aliases}


@pytest.mark.parametrize(
    ("tree", "series", "stdlib"),
    [
        ({"opt/bin/python": executable(), "opt/lib/python3.12/os.py": ""}, "3.12", "python3.12"),
        (
            {
                "opt/bin/python": executable(needed=["libpython3.11.so.1.0"]),
                "opt/lib/libpython3.11.so.1.0": elf(soname="libpython3.11.so.1.0"),
                "opt/lib/python3.11/os.py": "",
                "opt/lib/python3.12/os.py": "",
            },
            "3.11",
            "python3.11",
        ),
        (
            {
                "opt/bin/python": executable(),
                "opt/bin/python3": Link("python"),
                "opt/bin/python3.12": Link("python"),
                "opt/lib/python3.11/os.pyc": "",
                "opt/lib/python3.12/os.pyc": "",
            },
            "3.12",
            "python3.12",
        ),
        (
            {
                "opt/bin/python": executable(),
                "opt/lib/python3.11/os.py": "",
                "opt/lib/python3.12/os.py": "",
            },
            "",
            "",
        ),
        ({"opt/bin/python3": executable()}, "", ""),
        ({"opt/.7/bin/python3": executable()}, "", ""),
    ],
)
def test_names_that_tell_no_version(tree: Tree, series: str, stdlib: str) -> None:
    found = python(glibc(), tree)
    assert (found.version, found.stdlib) == (series, f"opt/lib/{stdlib}" if stdlib else "")


def test_the_nearest_directory_with_the_library_is_the_prefix() -> None:
    tree: Tree = {"usr/lib/tool/bin/python3.12": executable(), "usr/lib/python3.12/os.py": ""}
    assert (python(tree).prefix, python(tree).stdlib) == ("usr", "usr/lib/python3.12")


def test_a_program_far_from_its_library_has_the_librarys_prefix() -> None:
    tree = cpython("opt/py", "3.12.4", shared=True)
    for name in ("python3.12", "python3", "python"):
        del tree[f"opt/py/bin/{name}"]
    needed = ["libpython3.12.so.1.0"]
    tree["srv/bin/python3.12"] = executable(needed=needed, rpath="/opt/py/lib")
    found = python(glibc(), tree)
    assert (found.prefix, found.stdlib) == ("opt/py", "opt/py/lib/python3.12")


def test_free_threaded_python_beside_the_other() -> None:
    """PEP 703: the same version with another standard library and other headers."""
    free = cpython("opt/py", "3.13.2", abi="t", headers=True)
    other = {**cpython("opt/py", "3.13.1"), "opt/py/bin/python3.13": executable()}
    found = {each.path: (each.version, each.stdlib) for each in pythons(glibc(), {**free, **other})}
    assert found == {
        "opt/py/bin/python3.13": ("3.13", "opt/py/lib/python3.13"),
        "opt/py/bin/python3.13t": ("3.13.2", "opt/py/lib/python3.13t"),
    }


@pytest.mark.parametrize(
    "tree",
    [
        cpython("opt/pkgs/py", "3.12.4"),
        {**cpython("opt/py", "3.12.4"), "opt/py/info/index.json": "{}"},
    ],
)
def test_what_is_not_in_the_package_cache_of_conda(tree: Tree) -> None:
    assert python(glibc(), tree).version == "3.12.4"


@pytest.mark.parametrize("name", ["pypy3", "pypy3.6"])
def test_an_old_pypy_has_a_tree_of_its_own(name: str) -> None:
    tree: Tree = {
        f"opt/pypy/bin/{name}": executable(needed=["libpypy3-c.so"]),
        "opt/pypy/bin/libpypy3-c.so": elf(soname="libpypy3-c.so"),
        "opt/pypy/lib/": None,
        "opt/pypy/lib-python/3/os.py": "",
        "opt/pypy/site-packages/": None,
    }
    found = python(glibc(), tree)
    assert (found.implementation, found.stdlib) == ("pypy", "opt/pypy/lib-python/3")
    assert found.site_packages == ("opt/pypy/site-packages",)


def test_the_directory_of_a_user_is_named_for_the_implementation() -> None:
    sites = {f"root/.local/lib/{name}/site-packages/": None for name in ("pypy3.10", "python3.12")}
    found = pythons(glibc(), cpython("opt", "3.12.4"), pypy("opt/pypy", "7.3.17"), sites)
    assert [each.site_packages[0] for each in found] == [
        "root/.local/lib/python3.12/site-packages",
        "root/.local/lib/pypy3.10/site-packages",
    ]


@pytest.mark.parametrize(
    "second",
    [
        cpython("opt/other", "3.12.4"),
        cpython("opt/other", "3.13.0"),
        {
            **cpython("opt/other", "3.12.4"),
            "opt/other/bin/python3.12": HardLink("opt/py/bin/python3.12"),
        },
        cpython("opt/py", "3.12.4", abi="t"),
        {"opt/py/bin/python3.12d": executable("3.12.4", needed=["libm.so.6"])},
        {
            "opt/py/bin/python3.11": HardLink("opt/py/bin/python3.12"),
            "opt/py/lib/python3.11/os.py": "",
        },
    ],
)
def test_two_interpreters(second: Tree) -> None:
    found = pythons(glibc(), {**OPT, **second})
    assert len(found) == 2
    assert not {each.path for each in found} & {name for each in found for name in each.aliases}


def test_conda_environments_that_share_all_their_bytes_are_two() -> None:
    base = conda_python("opt/conda", "3.12.4")
    env = {
        path.replace("opt/conda", "opt/conda/envs/app"): HardLink(path)
        if not isinstance(content, Link)
        else content
        for path, content in base.items()
    }
    found = pythons(glibc(), {**base, **env})
    assert [(each.path, each.origin) for each in found] == [
        ("opt/conda/bin/python3.12", "conda"),
        ("opt/conda/envs/app/bin/python3.12", "conda"),
    ]


@pytest.mark.parametrize(
    "tree",
    [
        {"usr/bin/python3.12": "text"},
        {"usr/bin/python3-config": executable("3.12.4")},
        {"usr/bin/ipython3": executable("3.12.4")},
        {"usr/lib/libpython3.12.so.1.0": elf(soname="libpython3.12.so.1.0")},
        {"usr/bin/uwsgi": executable(needed=["libpython3.12.so.1.0"])},
        {"usr/bin/python3.12": elf(interp=X86)[:60]},
        {"usr/bin/python3.12/": None},
        {"usr/bin/python3": Link("python3.12")},
    ],
)
def test_what_is_no_interpreter(tree: Tree) -> None:
    assert pythons(glibc(), tree) == ()


# --- version --------------------------------------------------------------------------------------
HEADER = "opt/include/python3.14/patchlevel.h"
OLD_HEADER = "opt/include/python3.14m/patchlevel.h"
BUILD = "opt/lib/python3.14/build-details.json"
LIBRARY = "opt/lib/libpython3.14.so.1.0"
PATCHLEVEL = patchlevel("3.14.1")
STUB = executable(needed=["libpython3.14.so.1.0"], rpath="$ORIGIN/../lib")
DETAILS = """{"schema_version": "1.0", "language": {"version": "3.14"}, "implementation":
{"name": "cpython", "version": {"major": 3, "minor": 14, "micro": 0, "releaselevel": "candidate",
"serial": 2}}}"""


@pytest.mark.parametrize(
    ("tree", "version", "witness"),
    [
        ({HEADER: '#define PY_VERSION "3.14.0b1+"\n'}, "3.14.0b1+", HEADER),
        ({OLD_HEADER: PATCHLEVEL}, "3.14.1", OLD_HEADER),
        (
            {"opt/include/python3.14": Link("x"), "opt/include/x/patchlevel.h": PATCHLEVEL},
            "3.14.1",
            "opt/include/x/patchlevel.h",
        ),
        ({HEADER: '#define PY_VERSION "2.7.18"\n'}, "3.14.7", LIBRARY),
        ({HEADER: "#define PY_VERSION x\n"}, "3.14.7", LIBRARY),
        ({BUILD: DETAILS}, "3.14.0rc2", BUILD),
        ({BUILD: "[1]"}, "3.14.7", LIBRARY),
        ({BUILD: '{"implementation": {"version": {"major": "3"}}}'}, "3.14.7", LIBRARY),
        ({BUILD: "[" * 100_000}, "3.14.7", LIBRARY),
        (
            dpkg_status({"p": {"Version": "3.14.0~rc3-1", "files": {"opt/bin/python3.14": STUB}}}),
            "3.14.0rc3",
            "",
        ),
        (
            dpkg_status(
                {"p": {"Version": "1:3.14.2+dfsg-1", "files": {"opt/bin/python3.14": STUB}}}
            ),
            "3.14.2",
            "",
        ),
        (
            dpkg_status({"p": {"Version": "3.12.2-1", "files": {"opt/bin/python3.14": STUB}}}),
            "3.14.7",
            LIBRARY,
        ),
        ({}, "3.14.7", LIBRARY),
        ({"opt/lib/.wh.libpython3.14.so.1.0": ""}, "3.14", ""),
    ],
)
def test_the_best_witness_of_a_version(tree: Tree, version: str, witness: str) -> None:
    found = python(
        glibc(),
        cpython("opt", "3.14.7", shared=True),
        tree,
        env=["PYTHON_VERSION=3.14.99"],
    )
    assert found.version == version
    if witness:
        assert (found.evidence[0].path, found.evidence[0].layer) == (witness, 1 + (witness in tree))


@pytest.mark.parametrize(
    ("env", "version"), [("3.12.4", "3.12.4"), ("3.12", "3.12"), ("3.11.4", "3.12"), ("", "3.12")]
)
def test_the_environment_is_believed_for_usr_local_last(env: str, version: str) -> None:
    program: Tree = {"usr/local/bin/python3.12": executable(), "usr/local/lib/python3.12/os.py": ""}
    assert python(glibc(), program, env=[f"PYTHON_VERSION={env}"]).version == version


def test_the_path_tells_the_version_where_nothing_else_does() -> None:
    home = "root/.pyenv/versions/3.12.4"
    found = python({f"{home}/bin/python3.12": executable(), f"{home}/lib/python3.12/os.py": ""})
    assert (found.version, found.evidence[0].path) == ("3.12.4", f"{home}/bin/python3.12")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.11.2-6+deb12u6", "3.11.2"),
        ("1:3.12.0~rc1-1", "3.12.0rc1"),
        ("3.10.12-1~22.04.11", "3.10.12"),
        ("3.12.12-r0", "3.12.12"),
        ("3.13.0_rc2-r1", "3.13.0rc2"),
        ("3.6.8-69.el8_10", "3.6.8"),
        ("3.13-1", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_the_version_in_a_packages_version(text: str, expected: str | None) -> None:
    assert upstream_version(text) == expected


# --- size -----------------------------------------------------------------------------------------
def test_a_size_counts_every_content_once_and_no_third_party() -> None:
    tree: Tree = {
        **cpython("opt", "3.12.4", shared=True),
        "opt/lib/python3.12/json/copy.py": HardLink("opt/lib/python3.12/os.py"),
        "opt/lib/python3.12/site-packages/big.py": "x" * 5000,
        "opt/lib/python3.12/lib-dynload/_x.so": elf(needed=["libc.so.6"]),
        "opt/bin/python3.12m": HardLink("opt/bin/python3.12"),
    }
    system = rootfs(glibc(), tree)
    own = stored(system, "opt/bin", "opt/lib") - stored(system, "opt/lib/python3.12/site-packages")
    assert python(glibc(), tree).size == own


def test_a_standard_library_in_a_zip_file() -> None:
    tree: Tree = {
        "opt/bin/python3.12": executable("3.12.4"),
        "opt/lib/python312.zip": "PK" * 500,
    }
    found = python(glibc(), tree)
    assert found.stdlib == "opt/lib/python312.zip"
    assert found.size == stored(rootfs(tree), "opt")


def test_packages_know_nothing_of_what_a_copy_replaced() -> None:
    """What lies where a package put its file belongs to the package, as dpkg sees it."""
    packages = debian_python_packages("3.11.2")
    assert packages.keys() - BASE_PACKAGES.keys() == packages.keys()
    replaced = {"usr/bin/python3.11": executable("3.11.2", needed=["libm.so.6"])}
    found = python(debian_base(), debian_python("3.11.2"), replaced)
    assert (found.layer, found.origin) == (2, "debian")
