"""Which Python a container starts, and where that one imports from."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.images import (
    Content,
    File,
    Link,
    debian_base,
    debian_python,
    elf,
    official_python,
)
from tests.pythons import (
    cpython,
    executable,
    inventory,
    python,
    pythons,
    venv,
)
from tests.systems import glibc

Tree = Mapping[str, Content]


OPT = cpython("opt/py", "3.12.4")


# --- search path ----------------------------------------------------------------------------------
SITE = "usr/local/lib/python3.13/site-packages"


@pytest.mark.parametrize(
    ("tree", "config", "expected"),
    [
        ({}, {}, [SITE]),
        (
            {
                f"{SITE}/a.pth": "/srv/app\n../lib\n/nowhere\nimport x\n# /srv/off\n",
                "srv/app/": None,
                "srv/off/": None,
                "usr/local/lib/python3.13/lib/": None,
            },
            {},
            [SITE, "srv/app", "usr/local/lib/python3.13/lib"],
        ),
        ({f"{SITE}/.hidden.pth": "/srv/app\n", "srv/app/": None}, {}, [SITE]),
        (
            {
                f"{SITE}/a.pth": "/srv/app\n/srv/file\n",
                "srv/file": "",
                "srv/app": Link("/opt/x"),
                "opt/x/": None,
            },
            {},
            [SITE, "opt/x"],
        ),
        (
            {"root/.local/lib/python3.13/site-packages/": None},
            {},
            ["root/.local/lib/python3.13/site-packages", SITE],
        ),
        ({"root/.local/lib/python3.13/site-packages/": None}, {"user": "app"}, [SITE]),
        (
            {"home/app/.local/lib/python3.13/site-packages/": None},
            {"user": "app:app"},
            ["home/app/.local/lib/python3.13/site-packages", SITE],
        ),
        (
            {"data/.local/lib/python3.13/site-packages/": None},
            {"env": ["HOME=/data"]},
            ["data/.local/lib/python3.13/site-packages", SITE],
        ),
        (
            {"srv/a/": None, "srv/b/": None},
            {"env": ["PYTHONPATH=/srv/b:/srv/none:/srv/a"]},
            ["srv/b", "srv/a", SITE],
        ),
        ({"srv/src/": None}, {"env": ["PYTHONPATH=src"], "working_dir": "/srv"}, ["srv/src", SITE]),
    ],
)
def test_where_third_party_code_is_imported_from(
    tree: Tree, config: Mapping[str, Any], expected: list[str]
) -> None:
    found = python(debian_base(), {**official_python("3.13.1"), **tree}, **config)
    assert list(found.site_packages) == expected


def test_where_a_lambda_function_imports_from() -> None:
    tree: Tree = {
        **cpython("var/lang", "3.12.4"),
        "var/task/": None,
        "opt/python/": None,
        "var/runtime/": None,
    }
    found = python(glibc(), tree, env=["LAMBDA_TASK_ROOT=/var/task"])
    site = "var/lang/lib/python3.12/site-packages"
    assert found.site_packages == ("var/task", "opt/python", "var/runtime", site)


def test_a_frozen_application_imports_what_was_frozen_with_it() -> None:
    tree: Tree = {
        "app/serve": executable(),
        "app/_internal/libpython3.12.so.1.0": elf(soname="libpython3.12.so.1.0"),
        "app/_internal/base_library.zip": "PK",
        "app/_internal/lib/python3.12/site-packages/": None,
    }
    assert python(glibc(), tree).site_packages == ()


# --- the one that starts --------------------------------------------------------------------------
BOTH: tuple[Tree, ...] = (
    debian_base(),
    official_python("3.13.1"),
    debian_python("3.11.2"),
    {
        **venv("opt/venv", "/usr/local/bin"),
        "opt/venv/bin/serve": File("#!/opt/venv/bin/python\n", mode=0o755),
        "app/run": File("#!/usr/bin/env -S python3 -u\n", mode=0o755),
        "app/old": File("#!/usr/bin/python3.11\n", mode=0o755),
        "app/long": File('#!/bin/sh\n\'\'\'exec\' "/usr/bin/python3" "$0" "$@"\n', mode=0o755),
        "app/start.sh": File('#!/bin/sh\nexec "$@"\n', mode=0o755),
        "app/chain": File("#!/app/run\n", mode=0o755),
        "app/quote": File("#!/usr/bin/python3.11 'open\n", mode=0o755),
        "app/loop": File("#!/app/loop\n", mode=0o755),
        "usr/bin/tini": executable(),
        "usr/bin/env": executable(),
        "usr/bin/bash": executable(),
    },
)
USR, LOCAL = "usr/bin/python3.11", "usr/local/bin/python3.13"


@pytest.mark.parametrize(
    ("config", "path", "reason"),
    [
        ({"cmd": ["python3"]}, LOCAL, "CMD starts python3: /usr/local/bin/python3"),
        ({"cmd": ["/usr/bin/python3", "x.py"]}, USR, "CMD starts /usr/bin/python3"),
        (
            {"entrypoint": ["python3.11"], "cmd": ["python3"]},
            USR,
            "ENTRYPOINT starts python3.11: /usr/bin/python3.11",
        ),
        (
            {"cmd": ["/bin/sh", "-c", "exec python3.11 -m app"]},
            USR,
            "CMD starts python3.11: /usr/bin/python3.11",
        ),
        (
            {"entrypoint": ["tini", "--"], "cmd": ["/app/old"]},
            USR,
            "ENTRYPOINT starts /app/old, a script for /usr/bin/python3.11",
        ),
        (
            {"entrypoint": ["/app/start.sh"], "cmd": ["python3.11"]},
            USR,
            "ENTRYPOINT starts python3.11: /usr/bin/python3.11, by /app/start.sh, line 2",
        ),
        (
            {"cmd": ["./run"], "working_dir": "/app"},
            LOCAL,
            "CMD starts ./run, a script for python3: /usr/local/bin/python3",
        ),
        ({"cmd": ["/app/long"]}, USR, "CMD starts /app/long, a script for /usr/bin/python3"),
        (
            {"cmd": ["/app/chain"]},
            LOCAL,
            "CMD starts /app/chain, a script for python3: /usr/local/bin/python3",
        ),
        (
            {"cmd": ["/app/quote"]},
            USR,
            "CMD starts /app/quote, a script for /usr/bin/python3.11",
        ),
        (
            {"cmd": ["/opt/venv/bin/serve"]},
            LOCAL,
            "CMD starts /opt/venv/bin/serve, a script for /opt/venv/bin/python",
        ),
        (
            {"env": ["PATH=/usr/bin"], "cmd": ["python3"]},
            USR,
            "CMD starts python3: /usr/bin/python3",
        ),
        ({"env": ["PATH=/bin"]}, USR, "the first python3 on PATH: /usr/bin/python3"),
        (
            {"env": ["PATH=/opt/venv/bin"]},
            LOCAL,
            "the first python3 on PATH: /opt/venv/bin/python3",
        ),
        ({"cmd": ["bash"]}, LOCAL, "the first python3 on PATH: /usr/local/bin/python3"),
    ],
)
def test_the_effective_interpreter(config: Mapping[str, Any], path: str, reason: str) -> None:
    found = pythons(*BOTH, **config)
    (effective,) = [each for each in found if each.effective]
    assert (effective.path, effective.effective_reason) == (path, reason)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["nothing"], "cannot-start"),
        (["/app/loop"], "cannot-start"),
        (["/bin/sh", "-c", "echo 'open"], "unknown"),
        (["tini", "--", "/app/start.sh", "nothing"], "cannot-start"),
        (["tini"], "starts"),
    ],
)
def test_no_interpreter_is_effective_by_guess(command: list[str], status: str) -> None:
    found = inventory(*BOTH, cmd=command)
    assert not any(each.effective for each in found.interpreters)
    assert found.startup.status == status


def test_nothing_is_effective_where_no_path_leads_to_it() -> None:
    assert not python(glibc(), OPT).effective


def test_a_base_without_any_python() -> None:
    assert pythons(debian_base()) == ()
