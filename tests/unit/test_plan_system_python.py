"""An official image in the place of Debian's Python: what goes with it, and what keeps it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import (
    DropPackages,
    InsertCommand,
    Operation,
    ReplaceBase,
    ReplaceCommand,
)
from tests.images import (
    Content,
    File,
    Package,
    debian_base,
    debian_python_packages,
    dist_info,
    image,
)
from tests.inventories import DEBIAN_STEP, apt, steps, taken

Layer = Mapping[str, Content]
SITE = "usr/local/lib/python3.11/dist-packages"
FLASK = dist_info("flask", "3.1.0", {"flask/__init__.py": "#"}, site=SITE)
PIP = "pip install --break-system-packages flask"
PYTHON: dict[str, Package] = {
    **debian_python_packages("3.11.2"),
    "python3-pip": {
        "Depends": "python3",
        "files": {
            "usr/bin/pip": File("#!/usr/bin/python3\n", mode=0o755),
            "usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: pip\nVersion: 23.0.1\n"
            ),
        },
    },
}
VENV: dict[str, Package] = {"python3-venv": {"Depends": "python3", "files": {"usr/x": "v" * 5000}}}
FIRST = apt(PYTHON, manual=["python3", "python3-pip"])
INSTALL = "RUN apt-get install -y python3 python3-pip"
SLIM = ReplaceBase(image="python:3.11-slim-bookworm")


def proposed(
    *layers: Layer,
    history: Sequence[str],
    cmd: Sequence[str] = ("python3", "-m", "flask"),
    **more: Any,
) -> list[Edit]:
    """The edits of the base."""
    lines = steps(DEBIAN_STEP, *history)
    plan = make_plan(taken(image([debian_base(), *layers], history=lines, cmd=cmd, **more)))
    return [each for each in plan.edits if each.rules == ("base-not-official-slim",)]


def test_packages_of_python_go_from_each_layer_that_brings_some() -> None:
    second = apt(VENV, manual=["python3", "python3-pip", "python3-venv"], below=PYTHON)
    history = [INSTALL, "RUN apt-get install -y python3-venv", f"RUN {PIP}"]
    (edit,) = proposed(FIRST, second, FLASK, history=history)
    assert edit.layer == 1
    assert edit.packages == ("python3", "python3-pip", "python3-venv")
    assert edit.words == (
        "begin with python:3.11-slim-bookworm, without python3 python3-pip python3-venv: it has a"
        " Python of its own, which pip installs for"
    )
    assert edit.estimated
    drops = [op for op in edit.operations if isinstance(op, DropPackages)]
    assert drops == [
        DropPackages(layer=1, manager="apt", names=("python3", "python3-pip")),
        DropPackages(layer=2, manager="apt", names=("python3-venv",)),
    ]


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("pip install --break-system-packages flask", "pip install flask"),
        ("pip install --break-system-package flask", "pip install flask"),
        ("pip install flask", None),
    ],
)
def test_an_option_that_only_debian_needs_goes(command: str, changed: str | None) -> None:
    (edit,) = proposed(FIRST, FLASK, history=[INSTALL, f"RUN {command}"])
    expected: tuple[Operation, ...] = (
        SLIM,
        DropPackages(layer=1, manager="apt", names=("python3", "python3-pip")),
    )
    if changed is not None:
        words = tuple(command.split())
        expected += (ReplaceCommand(layer=2, words=words, command=changed),)
    assert edit.operations == expected


@pytest.mark.parametrize(
    ("script", "why"),
    [
        # pip writes its own scripts again.
        ({"usr/local/bin/flask": "#!/usr/bin/python3\n"}, ""),
        ({"opt/app/run": "#!/usr/bin/python3.11\n"}, "/opt/app/run names the system's Python"),
        ({"opt/app/run": "#!/usr/bin/env python3\n"}, ""),
        ({"opt/app/run": "#!/bin/sh\n"}, ""),
    ],
)
def test_scripts_of_the_application_keep_the_systems_python(
    script: Mapping[str, str], why: str
) -> None:
    files = {path: File(text, mode=0o755) for path, text in script.items()}
    history = [INSTALL, f"RUN {PIP}", "COPY run /"]
    (edit,) = proposed(FIRST, FLASK, files, history=history)
    assert bool(edit.operations) == (not why)
    assert why in edit.reason


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ([INSTALL, f"RUN {PIP} && /usr/bin/python3 x"], "layer 2 names the system's Python"),
        ([INSTALL, f"RUN {PIP} (/usr/bin/python3"], "layer 2 names the system's Python"),
        ([INSTALL, f"RUN {PIP} && ls /usr/lib/python3.11"], "layer 2 names the system's Python"),
        (["RUN ./install", f"RUN {PIP}"], "layer 1 does not name python3 python3-pip"),
        (
            ["RUN apt-get install -y python3 && ./install", f"RUN {PIP}"],
            "layer 1 does not name python3 python3-pip",
        ),
    ],
)
def test_what_an_edit_cannot_do_alone_is_advice(history: list[str], why: str) -> None:
    (edit,) = proposed(FIRST, FLASK, history=history)
    assert (edit.kind, edit.operations) == ("advice", ())
    assert edit.reason.startswith(why)


def test_the_base_may_have_the_python_already() -> None:
    """Then nobody asked for it above."""
    base = {**debian_base(), **FIRST}
    plan = make_plan(
        taken(image([base, FLASK], history=steps(DEBIAN_STEP, f"RUN {PIP}"), cmd=["python3"]))
    )
    assert not [each for each in plan.edits if each.rules == ("base-not-official-slim",)]


def test_a_python_that_nothing_was_installed_for_stays() -> None:
    assert proposed(FIRST, {"x": "x"}, history=[INSTALL, "COPY x /"]) == []


RUN_BY_PYTHON = {"opt/app/run": File("#!/usr/bin/python3\n", mode=0o755)}
OWNED: dict[str, Package] = {
    **PYTHON,
    "python3-pip": {
        **PYTHON["python3-pip"],
        "files": {
            "usr/bin/pip": File("#!/usr/bin/python3\n", mode=0o755),
            "usr/share/pip/run": File("#!/usr/bin/python3\n", mode=0o755),
        },
    },
}


@pytest.mark.parametrize(
    ("base", "first", "stays"),
    [
        ({}, {**FIRST, **RUN_BY_PYTHON}, True),
        # Scripts of the base, and of packages, are not the application's.
        (RUN_BY_PYTHON, FIRST, False),
        ({}, apt(OWNED, manual=["python3", "python3-pip"]), False),
    ],
)
def test_only_scripts_of_the_application_count(base: Layer, first: Layer, stays: bool) -> None:
    history = steps(DEBIAN_STEP, INSTALL, f"RUN {PIP}")
    one = image([{**debian_base(), **base}, first, FLASK], history=history, cmd=["python3"])
    (edit,) = (e for e in make_plan(taken(one)).edits if e.rules == ("base-not-official-slim",))
    assert (edit.reason.startswith("/opt/app/run names the system's Python")) is stays
    assert bool(edit.operations) is not stays


def test_lists_that_a_layer_of_python_fetched_are_fetched_by_the_next() -> None:
    history = [f"RUN apt-get update && {INSTALL[4:]}", f"RUN {PIP}", "RUN apt-get install -y curl"]
    (edit,) = proposed(FIRST, FLASK, {"usr/bin/curl": "c"}, history=history)
    assert InsertCommand(layer=3, after=(), command="apt-get update") in edit.operations


# --- which Python, and which image ----------------------------------------------------------------
SETUPTOOLS = ("_distutils_hack", "pkg_resources", "setuptools")
DIST = "usr/lib/python3/dist-packages"
OF_SETUPTOOLS: dict[str, Package] = {
    "python3-setuptools": {
        "Depends": "python3",
        "files": {
            **{f"{DIST}/{name}/__init__.py": "#" for name in SETUPTOOLS},
            # No modules: a file beside them, and one of a package.
            f"{DIST}/distutils-precedence.pth": "#",
            f"{DIST}/setuptools/build_meta.py": "#",
        },
    },
}


@pytest.mark.parametrize(
    ("minor", "megabytes", "modules"),
    [
        # 3.9, 3.11 and 3.13 are those of Debian 11, 12 and 13, the others of archives beside it.
        (9, 50, ()),
        (10, 53, ()),
        (11, 55, ()),
        # An official image has no setuptools from 3.12 on.
        (12, 46, SETUPTOOLS),
        (13, 40, SETUPTOOLS),
        (14, 42, SETUPTOOLS),
    ],
)
def test_what_the_official_image_stores_and_lacks_depends_on_the_version(
    minor: int, megabytes: int, modules: tuple[str, ...]
) -> None:
    """The sizes are of the images' layers above Debian's, to a megabyte."""
    packages = {**debian_python_packages(f"3.{minor}.2"), **OF_SETUPTOOLS}
    first = apt(packages, manual=["python3", "python3-setuptools"])
    site = f"usr/local/lib/python3.{minor}/dist-packages"
    wheel = dist_info("flask", "3.1.0", {"flask/__init__.py": "#"}, site=site)
    history = ["RUN apt-get install -y python3 python3-setuptools", "COPY /flask /usr/local"]
    (edit,) = proposed(first, wheel, history=history)
    assert edit.operations[0] == ReplaceBase(image=f"python:3.{minor}-slim-bookworm")
    assert (edit.adds, edit.modules) == (megabytes * 1_000_000, modules)
    lacking = "it does not have Debian's pkg_resources and setuptools"
    assert (lacking in edit.reason) == bool(modules)
    assert "_distutils_hack" not in edit.reason, "it is no module to import by name"


RELEASE_99 = {"usr/lib/os-release": 'ID=debian\nVERSION_ID="99"\n'}
MINIMAL = {key: PYTHON[key] for key in ("libpython3.11-minimal", "python3.11-minimal")}
REST = {key: package for key, package in PYTHON.items() if key not in MINIMAL}
TOOL: dict[str, Package] = {"tool": {"Depends": "python3, python3-pip"}}


@pytest.mark.parametrize(
    ("base", "first", "minor"),
    [
        # No official image is on this release: another would be a change of the system too.
        ({**debian_base(), **RELEASE_99}, FIRST, 11),
        # One is, of which it is not known how much it stores.
        (debian_base(), apt(debian_python_packages("3.8.2"), manual=["python3"]), 8),
        # Nobody asked for Python, but for a program that needs it.
        (debian_base(), apt({**PYTHON, **TOOL}, manual=["tool"]), 11),
        # The base brings a part of it.
        (
            {**debian_base(), **apt(MINIMAL)},
            apt(REST, manual=["python3", "python3-pip"], below=MINIMAL),
            11,
        ),
    ],
    ids=["release", "version", "dependency", "base"],
)
def test_without_a_like_image_or_a_wish_for_python_the_base_stays(
    base: Layer, first: Layer, minor: int
) -> None:
    site = f"usr/local/lib/python3.{minor}/dist-packages"
    wheel = dist_info("flask", "3.1.0", {"flask/__init__.py": "#"}, site=site)
    history = steps(DEBIAN_STEP, "RUN apt-get install -y python3 tool", "COPY /flask /usr/local")
    plan = make_plan(taken(image([base, first, wheel], history=history, cmd=["python3"])))
    assert not [each for each in plan.edits if each.rules == ("base-not-official-slim",)]
