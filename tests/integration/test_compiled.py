"""The package with its hot modules compiled: the same reports, byte for byte, as in pure Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.integration.conftest import BuiltCorpus, missing

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "pyimginspect")
# Unit tests of what is compiled, and of what calls it most.
TESTS = ("elf", "index", "plugins", "pyinstaller", "streams", "strings", "tar")
OTHERS = shutil.ignore_patterns("__pycache__", "cases", "dockerfiles", "integration", "savings")


def run(place: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python with the package that is in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONHASHSEED": "0", **variables}
    return subprocess.run(
        [sys.executable, *command], cwd=place, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel was unpacked in which was built as a release builds it."""
    if not shutil.which("gcc") or not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing("compiling needs gcc and Python's headers (python3-dev)")
    source, place = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("compiled")
    shutil.copytree(ROOT / "docs/man", source / "docs/man")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=OTHERS)
        else:
            shutil.copy(ROOT / name, source)
    wheel = ["-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", "wheels", "."]
    done = run(source, *wheel, PYIMGINSPECT_COMPILE="1", PYTHONPATH="")
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (source / "wheels").iterdir()
    assert not built.name.endswith("-none-any.whl")
    zipfile.ZipFile(built).extractall(place)
    return place


def test_the_command_says_that_it_is_compiled(compiled: Path) -> None:
    for place, expected in ((compiled, True), (ROOT, False)):
        done = run(place, "-m", "pyimginspect", "--version", "-f", "json")
        assert json.loads(done.stdout)["compiled"] is expected, done.stderr


@pytest.mark.parametrize("options", [("-f", "json"), ("--plan", "-f", "json"), ()])
@pytest.mark.parametrize("name", ["bad", "full", "alpine"])
def test_reports_are_the_same(
    name: str, options: tuple[str, ...], compiled: Path, corpus: BuiltCorpus
) -> None:
    command = ("-m", "pyimginspect", "--no-cache", *options, str(corpus.archive(name)))
    expected, found = run(ROOT, *command), run(compiled, *command)
    assert expected.returncode in (0, 1), expected.stderr
    assert (found.stdout, found.stderr, found.returncode) == (
        expected.stdout,
        expected.stderr,
        expected.returncode,
    )


def test_a_compressed_layout_gives_the_same_report(compiled: Path, corpus: BuiltCorpus) -> None:
    layout = str(corpus.oci("full", "gzip"))
    command = ("-m", "pyimginspect", "--no-cache", "-f", "json", layout)
    expected, found = run(ROOT, *command), run(compiled, *command)
    assert expected.returncode in (0, 1), expected.stderr
    assert found.stdout == expected.stdout


def test_unit_tests_of_layers_pass(compiled: Path) -> None:
    shutil.copytree(ROOT / "tests", compiled / "tests", ignore=OTHERS, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", compiled)
    files = [f"tests/unit/test_{name}.py" for name in TESTS]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not integration"]
    done = run(compiled, "-m", "pytest", *options, *files)
    assert done.returncode == 0, done.stdout[-3000:]
    seen = run(compiled, "-c", "import pyimginspect.layers.tar as tar; print(tar.__file__)").stdout
    assert seen.startswith(str(compiled))
    assert not seen.strip().endswith(".py")
