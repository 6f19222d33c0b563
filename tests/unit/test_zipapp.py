"""The package as one file (`python -m zipapp`): it must not need to be a directory."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.commands import command
from tests.images import debian_base, docker_archive, image, official_python

PACKAGE = Path(__file__).resolve().parents[2] / "pyimginspect"


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zipapp") / "pyimginspect.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "from pyimginspect.cli import run\nrun()\n")
        for file in sorted(PACKAGE.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                name = str(file.relative_to(PACKAGE.parent))
                archive.write(file, name)
                compiled = Path(cache_from_source(str(file)))
                if file.suffix == ".py" and compiled.is_file():  # 2 s of every run, else
                    archive.write(compiled, f"{name}c")
    return path


@pytest.mark.parametrize(
    "name",
    ["table", *(pytest.param(name, marks=pytest.mark.slow) for name in ("json", "html"))],
)
def test_it_runs_from_one_file(name: str, zipped: Path, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(
        docker_archive(image([debian_base(), official_python("3.13.1")]))
    )
    both = [
        subprocess.run(
            [*program, "--no-cache", "--fail-on", "never", "-f", name, "x.tar"],
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            check=True,
        ).stdout
        for program in ((sys.executable, str(zipped)), command())
    ]
    assert both[0] == both[1] != b""
    if name == "json":
        assert json.loads(both[0])["schema_version"]
