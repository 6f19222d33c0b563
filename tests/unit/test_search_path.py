"""The directories that an interpreter imports from, as `site`, Debian and AWS Lambda have them."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.inventory.search_path import (
    expand,
    home_of,
    lambda_directories,
    pth_lines,
    python_path,
    script_directories,
    site_directories,
)
from pyimginspect.model import ImageConfig
from tests.images import Content, Link
from tests.systems import rootfs


@pytest.mark.parametrize(
    ("prefix", "stdlib", "series", "kind", "abi", "manager", "expected"),
    [
        ("usr/local", "usr/local/lib/python3.13", "3.13", "cpython", "", "",
         ["usr/local/lib/python3.13/site-packages"]),
        ("usr/local", "usr/local/lib/python3.13t", "3.13", "cpython", "t", "",
         ["usr/local/lib/python3.13t/site-packages"]),
        ("", "lib/python3.13", "3.13", "cpython", "d", "", ["lib/python3.13/site-packages"]),
        ("usr", "usr/lib/python3.11", "3.11", "cpython", "", "dpkg",
         ["usr/local/lib/python3.11/dist-packages", "usr/lib/python3/dist-packages",
          "usr/lib/python3.11/dist-packages"]),
        ("usr", "usr/lib/pypy3.9", "3.9", "pypy", "", "dpkg",
         ["usr/local/lib/pypy3.9/dist-packages", "usr/lib/python3/dist-packages"]),
        ("usr", "usr/lib64/python3.9", "3.9", "cpython", "", "rpm",
         ["usr/local/lib64/python3.9/site-packages", "usr/local/lib/python3.9/site-packages",
          "usr/lib64/python3.9/site-packages", "usr/lib/python3.9/site-packages"]),
        ("opt/py", "opt/py/lib64/python3.9", "3.9", "cpython", "", "rpm",
         ["opt/py/lib64/python3.9/site-packages", "opt/py/lib/python3.9/site-packages"]),
        ("usr", "usr/lib/python3.12", "3.12", "cpython", "", "apk",
         ["usr/lib/python3.12/site-packages"]),
        ("opt/pypy", "opt/pypy/lib/pypy3.10", "3.10", "pypy", "", "",
         ["opt/pypy/lib/pypy3.10/site-packages", "opt/pypy/site-packages"]),
    ],
)  # fmt: skip
def test_where_site_looks(
    prefix: str, stdlib: str, series: str, kind: str, abi: str, manager: str, expected: list[str]
) -> None:
    assert list(site_directories(prefix, stdlib, series, kind, abi, manager)) == expected


@pytest.mark.parametrize(
    ("user", "environment", "home"),
    [
        ("", {}, "root"),
        ("0", {}, "root"),
        ("0:0", {}, "root"),
        ("root:staff", {}, "root"),
        ("app", {}, "home/app"),
        ("app:app", {"HOME": ""}, "home/app"),
        ("app", {"HOME": "/srv/app/"}, "srv/app"),
    ],
)
def test_the_home_of_a_user(user: str, environment: Mapping[str, str], home: str) -> None:
    assert home_of(user, environment) == home


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ("/a:/b/", ["a", "b"]),
        ("/a:src", ["a", "work/src"]),
        ("/a:", ["a", "work"]),
    ],
)
def test_python_path(value: str | None, expected: list[str]) -> None:
    environment = {} if value is None else {"PYTHONPATH": value}
    assert list(python_path(environment, "/work")) == expected


def test_where_lambda_looks() -> None:
    assert list(lambda_directories("usr/bin/python3.12", "3.12", {})) == []
    assert list(lambda_directories("var/lang/bin/python3.12", "3.12", {})) == [
        "var/task",
        "opt/python",
        "opt/python/lib/python3.12/site-packages",
        "var/runtime",
    ]
    moved = {"LAMBDA_TASK_ROOT": "/app/", "LAMBDA_RUNTIME_DIR": "/rt"}
    found = list(lambda_directories("var/lang/bin/python3.12", "3.12", moved))
    assert (found[0], found[-1]) == ("app", "rt")


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "working_dir", "expected"),
    [
        ([], ["python", "/app/main.py"], "/", ["app"]),
        ([], ["python", "main.py"], "/app", ["app"]),
        ([], ["python", "sub/run.py"], "/app", ["app", "app/sub"]),
        (["python"], ["-m", "x"], "/app", ["app"]),
        (["python", "/pkg/main.py"], [], "/", ["pkg"]),
        ([], ["python", "/gone/main.py"], "/", []),
        ([], ["python", "/data/main.py"], "/data", []),  # no code is there
        ([], ["python", "/top.py"], "/", []),  # whatever lies in the root
        ([], ["python", "/file/x.py"], "", []),
    ],
)
def test_what_sys_path_begins_with(
    entrypoint: Sequence[str], cmd: Sequence[str], working_dir: str, expected: list[str]
) -> None:
    tree: dict[str, Content] = {
        "app/main.py": "x",
        "app/sub/run.py": "x",
        "pkg/inner/__init__.py": "",
        "data/x.csv": "1",
        "data/below/x.py": "1",
        "top.py": "x",
        "file": "x",
    }
    config = ImageConfig(entrypoint=tuple(entrypoint), cmd=tuple(cmd), working_dir=working_dir)
    assert list(script_directories(rootfs(tree), config)) == expected


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"a\n/b\n", ["a", "/b"]),
        (b"a\r\n  b \n\n", ["a", "  b"]),
        (b"# a\nimport os\nimport\tos\nimportlib\n", ["importlib"]),
        (b"\xff\n", ["\udcff"]),
        (b"", []),
    ],
)
def test_lines_of_pth_files(text: bytes, lines: list[str]) -> None:
    assert list(pth_lines(text)) == lines


SITE, OTHER = "lib/site-packages", "usr/site-packages"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({}, [SITE, OTHER]),
        ({f"{SITE}/a.pth": "/srv\nlib\n/gone\n/file\n"}, [SITE, "srv", f"{SITE}/lib", OTHER]),
        ({f"{SITE}/a.pth": f"/{OTHER}\n/{SITE}\n/srv\n/srv\n"}, [SITE, OTHER, "srv"]),
        ({f"{SITE}/.hidden.pth": "/srv\n", f"{SITE}/a.txt": "/srv\n"}, [SITE, OTHER]),
        ({f"{SITE}/a.pth": "/link\n"}, [SITE, "srv", OTHER]),
        # what a .pth file adds is no site directory: its own are not read
        ({f"{SITE}/a.pth": "/x/site-packages\n", "x/site-packages/b.pth": "/deep\n"},
         [SITE, "x/site-packages", OTHER]),
        ({f"{SITE}/a.pth": "/deep\n", f"{OTHER}/b.pth": "/srv\n"}, [SITE, "deep", OTHER, "srv"]),
    ],
)  # fmt: skip
def test_what_pth_files_add(tree: Mapping[str, Content], expected: list[str]) -> None:
    base: dict[str, Content] = {f"{name}/": None for name in (SITE, OTHER, "srv", "deep")}
    base |= {f"{SITE}/lib/": None, "file": "x", "link": Link("srv")}
    asked = [SITE, "gone", OTHER, SITE, "file"]
    assert list(expand(rootfs({**base, **tree}), asked)) == expected
