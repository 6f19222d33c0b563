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


@pytest.mark.parametrize("ci", ["", "true"])
@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        ([], ["ruff", "ruff", "mypy", "mypy", "pytest"]),
        (["tests/unit/test_tar.py"], ["pytest"]),
        (["-k", "archive"], ["pytest"]),
        (["tests/integration/test_sources.py"], ["pytest"]),
    ],
)
def test_a_named_file_is_tested_alone(
    arguments: list[str], modules: list[str], ci: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python, log = tmp_path / ".venv/bin/python", tmp_path / "log"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] || exec {sys.executable} "$@"\necho "$@" >> {log}\n'
    )
    python.chmod(0o755)
    command = [str(tmp_path / "scripts/test"), *arguments]
    environment = {**os.environ, "CI": ci}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    _, *ran = [line.split()[1:] for line in log.read_text().splitlines()]  # the first is pip's
    assert [words[0] for words in ran] == modules
    last = " ".join(ran[-1])
    assert last.endswith(" ".join(arguments))
    assert ("not slow" in last) == (not arguments)
    assert ("--cov" in last) == bool(ci and not arguments)
    assert ("not integration" in last) == ("tests/integration" not in last)
