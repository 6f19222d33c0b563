"""Applications that the real PyInstaller froze, as one file and as a directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pyimginspect import open_image
from tests.integration.conftest import missing


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `one/serve`, a single file, and `many/serve` with what belongs to it."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    place = tmp_path_factory.mktemp("frozen")
    (place / "app.py").write_text("print('served')\n")
    for form, name in (("--onefile", "one"), ("--onedir", "many")):
        command = [
            *(sys.executable, "-m", "PyInstaller", form, "--name", "serve", "--noconfirm"),
            *("--specpath", ".", "--workpath", "work", "--distpath", f"root/opt/{name}", "app.py"),
        ]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
        if "PythonLibraryNotFoundError" in done.stderr:
            missing("PyInstaller needs a Python with a libpython")
        assert done.returncode == 0, done.stderr
    return place / "root"


def test_applications_that_pyinstaller_froze(frozen: Path) -> None:
    served = subprocess.run(
        [frozen / "opt/one/serve"], capture_output=True, text=True, timeout=60, check=True
    )
    assert served.stdout == "served\n"
    with open_image(f"rootfs:{frozen}") as image:
        pythons = image.inventory.interpreters
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert [(each.path, each.origin) for each in pythons] == [
        ("opt/many/serve/serve", "pyinstaller"),
        ("opt/one/serve", "pyinstaller"),
    ]
    exact = ".".join(map(str, sys.version_info[:3]))
    assert [each.version for each in pythons] == [exact, series]
