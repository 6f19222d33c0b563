"""The set-up scripts where they cannot do their work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="they are bash scripts")


@pytest.mark.parametrize("script", ["inspect", "test"])
def test_no_environment_is_no_finding(script: str, tmp_path: Path) -> None:
    """Status 1 means findings: a CI must not take a failed set-up for them."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        [str(tmp_path / "scripts" / script)],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{script}: {python} could not make .venv (see above).\n"
