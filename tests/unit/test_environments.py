"""Virtual environments: whose they are, and what breaks them."""

from collections.abc import Mapping

import pytest

from pyimginspect.inventory.facts import Environment
from pyimginspect.inventory.pyvenv import Pyvenv, parse_pyvenv
from tests.images import (
    Content,
    File,
    HardLink,
    Link,
    debian_base,
    debian_python,
    official_python,
)
from tests.pythons import cpython, inventory, pypy, stored, venv
from tests.systems import rootfs

Tree = Mapping[str, Content]
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"), debian_python("3.11.2"))
LOCAL, USR = "usr/local/bin/python3.13", "usr/bin/python3.11"
COPY = official_python("3.13.1")[LOCAL]


def environment(*trees: Tree) -> Environment:
    """The only one that there is."""
    (found,) = inventory(*BASE, *trees).environments
    return found


def test_a_virtual_environment() -> None:
    tree = venv("opt/venv", "/usr/local/bin", site={"x.py": "x" * 100})
    found = environment({"app": "x"}, tree)
    assert found == Environment(
        path="opt/venv",
        home="/usr/local/bin",
        base=LOCAL,
        version="3.13.1",
        creator="venv",
        site_packages=("opt/venv/lib/python3.13/site-packages",),
        layer=4,
        size=stored(rootfs(tree), "opt/venv"),
    )


@pytest.mark.parametrize(
    ("tree", "base"),
    [
        (venv("env", "/usr/local/bin"), LOCAL),
        (venv("env", "/usr/bin", program=Link("/usr/bin/python3"), version="3.11.2"), USR),
        (venv("env", "/usr/local/bin", program=COPY), LOCAL),
        (venv("env", "/usr/local/bin", program=HardLink(LOCAL)), LOCAL),
        ({"srv": Link("usr"), **venv("env", "/srv/local/bin")}, LOCAL),
        (
            {
                **cpython("opt/uv/cpython-3.12.3", "3.12.3"),
                "opt/uv/cpython-3.12": Link("cpython-3.12.3"),
                **venv("env", "/opt/uv/cpython-3.12/bin", version="3.12.3", uv="0.5.1"),
            },
            "opt/uv/cpython-3.12.3/bin/python3.12",
        ),
        (
            {
                **pypy("opt/pypy", "7.3.17"),
                "env/lib/pypy3.10/site-packages/": None,
                "env/pyvenv.cfg": "home = /opt/pypy/bin\nversion = 3.10.14\n"
                "include-system-site-packages = false\n",
                "env/bin/pypy3": Link("/opt/pypy/bin/pypy3"),
            },
            "opt/pypy/bin/pypy3.10",
        ),
    ],
)
def test_the_base_that_an_environment_rests_on(tree: Tree, base: str) -> None:
    found = environment(tree)
    assert (found.base, found.broken) == (base, "")
    assert len(found.site_packages) == 1


@pytest.mark.parametrize(
    ("tree", "base", "broken"),
    [
        (venv("env", "/build/bin"), None,
         "bin/python leads to /build/bin/python, which is not in the image"),
        (venv("srv/app/env", "/build/bin"), None,
         "bin/python leads to /build/bin/python, which is not in the image"),
        ({"opt/py/": None,
          **venv("env", "/opt/py", program=Link("python3")), "env/bin/python3": Link("py"),
          "env/bin/py": Link("/opt/py/python3.13")}, None,
         "bin/python leads to /opt/py/python3.13, which is not in the image"),
        (venv("env", "/build/bin", program=COPY), None,
         "home is /build/bin, which is not in the image"),
        (venv("env", "/usr/sbin", program=COPY), None, "there is no Python in /usr/sbin"),
        (venv("env", "/usr/local/bin", version="3.12.4"), LOCAL,
         "it was made for python3.12, and usr/local/bin/python3.13 is 3.13.1"),
        (venv("env", "", program=Link("/usr/local/bin/python")), LOCAL, "pyvenv.cfg has no home"),
        ({"env/pyvenv.cfg": "home = /usr/local/bin\n"}, LOCAL, "it has no bin/python"),
        (venv("env", "/usr/local/bin", program=Link("python")), LOCAL,
         "bin/python leads to /env/bin/python, which is not in the image"),
    ],
)  # fmt: skip
def test_what_breaks_an_environment(tree: Tree, base: str | None, broken: str) -> None:
    found = environment(tree)
    assert (found.base, found.broken) == (base, broken)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (venv("env", "/usr/local/bin"), ["env/lib/python3.13/site-packages"]),
        (
            venv("env", "/usr/local/bin", system=True),
            ["env/lib/python3.13/site-packages", "usr/local/lib/python3.13/site-packages"],
        ),
        (
            venv("env", "/usr/local/bin", site={"a.pth": "/srv/app\n"}) | {"srv/app/": None},
            ["env/lib/python3.13/site-packages", "srv/app"],
        ),
        (
            venv("env", "/usr/local/bin") | {"env/lib/python3.12/site-packages/x.py": ""},
            ["env/lib/python3.13/site-packages"],
        ),
        (venv("env", "/usr/local/bin", version="3.12.4"), []),
        (venv("env", "/nowhere", version="3.12.4"), ["env/lib/python3.12/site-packages"]),
    ],
)
def test_where_an_environment_imports_from(tree: Tree, expected: list[str]) -> None:
    assert list(environment(tree).site_packages) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b"home = /usr/bin\ninclude-system-site-packages = TRUE\nversion = 3.11.2\n"
            b"executable = /usr/bin/python3.11\ncommand = /usr/bin/python3 -m venv /opt/venv\n",
            Pyvenv(home="/usr/bin", version="3.11.2", system_site_packages=True),
        ),
        (
            b"home = /usr/bin\nimplementation = CPython\nuv = 0.5.1\nversion_info = 3.12.3\n"
            b"include-system-site-packages = false\nprompt = app\n",
            Pyvenv(home="/usr/bin", version="3.12.3", creator="uv"),
        ),
        (
            b"home = /usr/bin\nvirtualenv = 20.26.2\nversion_info = 3.11.9.final.0\n"
            b"include-system-site-packages = false\n",
            Pyvenv(home="/usr/bin", version="3.11.9", creator="virtualenv"),
        ),
        # site.py begins with true, and every line with the key says it anew.
        (b"HOME=/a\nhome = /b\r\n", Pyvenv(home="/a", system_site_packages=True)),
        (b"\xff\0=\n=\n", Pyvenv(system_site_packages=True)),
        (b"", Pyvenv(system_site_packages=True)),
        (b"Include-System-Site-Packages=true\ninclude-system-site-packages = no\n", Pyvenv()),
        (
            b"include-system-site-packages = false\ninclude-system-site-packages = True\n",
            Pyvenv(system_site_packages=True),
        ),
        (b"include-system-site-packages\n", Pyvenv(system_site_packages=True)),
    ],
)
def test_pyvenv(text: bytes, expected: Pyvenv) -> None:
    assert parse_pyvenv(text) == expected


def test_the_base_of_a_copy_may_have_the_name_with_its_version_alone() -> None:
    """As `make altinstall` names it: neither `python3` nor `python` is there."""
    tree = cpython("opt/alt", "3.12.4")
    program = tree["opt/alt/bin/python3.12"]
    del tree["opt/alt/bin/python3"], tree["opt/alt/bin/python"]
    found = environment({**tree, **venv("env", "/opt/alt/bin", version="3.12.4", program=program)})
    assert (found.base, found.broken) == ("opt/alt/bin/python3.12", "")


def test_every_environment_is_found_once_and_in_order() -> None:
    trees: list[Tree] = [
        venv("srv/b", "/usr/local/bin"),
        venv("srv/a", "/usr/bin", program=Link("/usr/bin/python3"), version="3.11.2"),
        {"srv/link": Link("a")},
        venv("old", "/usr/bin"),
        {".wh.old": ""},
    ]
    found = inventory(*BASE, *trees)
    assert [each.path for each in found.environments] == ["srv/a", "srv/b"]
    assert len(found.interpreters) == 2


def test_a_script_named_python_is_none() -> None:
    tree = venv("env", "/usr/local/bin", program=File("#!/bin/sh\n", mode=0o755))
    assert environment(tree).base == LOCAL
