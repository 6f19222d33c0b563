"""What a release is made of: the version in one place, the manual page, the files of an sdist."""

import ast
import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyimginspect.cli.arguments import build_parser
from pyimginspect.version import HOME, VERSION

ROOT = Path(__file__).resolve().parents[2]


def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def test_the_project_says_where_it_lives() -> None:
    metadata = setup()["metadata"]
    assert metadata["url"] == HOME
    assert metadata["project_urls"].count(HOME) == 4


def test_the_version_is_said_once() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    task = yaml.safe_load((ROOT / "ci/tekton/task.yaml").read_text())
    assert task["metadata"]["labels"]["app.kubernetes.io/version"] == VERSION
    assert f"inspect@{VERSION}" in (ROOT / "templates/inspect.yml").read_text()


def test_every_version_that_is_named_is_tested() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    named = re.findall(r"Python :: (3\.\d+)$", setup()["metadata"]["classifiers"], re.M)
    assert jobs["unit"]["strategy"]["matrix"]["python"] == named
    lowest = setup()["options"]["python_requires"].removeprefix(">=")
    assert named[0] == lowest
    assert jobs["lowest"]["steps"][-1]["env"]["PYTHON"] == f"python{lowest}"


def test_every_option_is_in_the_manual_page() -> None:
    page = (ROOT / "docs/man/pyimginspect.1").read_text(encoding="utf-8").replace("\\-", "-")
    for action in build_parser()._actions:
        for option in action.option_strings:
            if option not in ("-h", "--help"):  # argparse-manpage has none of it
                assert f"\\fB{option}\\fR" in page, f"{option}: scripts/make_man_page"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse's words differ by version")
def test_the_manual_page_is_the_parser_s(tmp_path: Path) -> None:
    path = ROOT / "docs/man/pyimginspect.1"
    code = (
        "import importlib.machinery as m, importlib.util as u, sys\n"
        "loader = m.SourceFileLoader('man', sys.argv[1])\n"
        "module = u.module_from_spec(u.spec_from_loader('man', loader))\n"
        "loader.exec_module(module)\n"
        "sys.stdout.write(module.manual_page())"
    )
    script = str(ROOT / "scripts/make_man_page")
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    made = subprocess.run(
        [sys.executable, "-c", code, script], env=environment, capture_output=True, check=True
    )
    assert path.read_text(encoding="utf-8") == made.stdout.decode(), "run scripts/make_man_page"


def constants_of_setup() -> dict[str, Any]:
    """What setup.py sets by a literal, without running it: that would build something."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


@pytest.mark.parametrize("path", constants_of_setup()["MODULES"])
def test_compiled_modules_have_nothing_that_mypyc_takes_wrongly(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base) for base in node.bases}
            assert bases.isdisjoint({"Struct", "msgspec.Struct", "Protocol"}), node.name
            assert not node.keywords, node.name
    for node in tree.body:
        assert not isinstance(node, ast.Assign) or "slice(" not in ast.unparse(node)


def test_what_compiles_is_of_one_version_and_asked_for_only_then() -> None:
    (mypyc,) = (each for each in constants_of_setup()["REQUIREMENTS"] if each.startswith("mypy"))
    assert re.fullmatch(r"mypy\[mypyc\]==\d+\.\d+\.\d+", mypyc)
    assert "mypy" not in (ROOT / "pyproject.toml").read_text().partition("[tool.")[0]
