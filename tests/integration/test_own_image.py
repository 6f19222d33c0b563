"""The project's own image: built on a slim look-alike, inspected by itself, run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.cli import main
from tests.cases.builds import Builder
from tests.corpus.layout import Corpus
from tests.integration.engine import CLIENT, Engine

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
TAG = "pyimginspect/own:test"
_MOST = 60_000_000
"""Bytes that it may add to its base."""


def test_the_own_image(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It passes the policy "strict" of the command that is in it, which says so itself."""
    context = tmp_path / "context"
    context.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, context)
    shutil.copy(ROOT / "MANIFEST.in", context)
    shutil.copytree(ROOT / "docs/man", context / "docs/man")
    shutil.copytree(
        ROOT / "pyimginspect", context / "pyimginspect", ignore=shutil.ignore_patterns("*.pyc")
    )
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    builder = Builder(engine, Corpus.default())
    with builder.built(context, dockerfile, TAG) as tag:
        with builder.archive(tag) as archive:
            main([str(archive), "-f", "json", "--no-cache", "--policy", "strict"])
            report = _only(json.loads(capsys.readouterr().out))
            inside = _inside(engine, tag, archive)
        assert [f["message"] for f in report["findings"]] == []
        assert _only(inside)["findings"] == []
        assert report["image"]["user"] == "65532:65532"
        assert "pip" not in {
            each["name"]
            for each in report["distributions"]
            if each["location"].startswith("opt/pyimginspect")
        }
        own = [layer["size"] for layer in report["layers"] if not layer["base"]]
        assert sum(own) < _MOST
        assert builder.run(tag, "--version").output.startswith("pyimginspect ")


def _only(document: Any) -> Any:
    (report,) = document["reports"]
    return report


def _inside(engine: Engine, tag: str, archive: Path) -> Any:
    """What the command in the image says of the archive of that image, read from its input."""
    with archive.open("rb") as stream:
        done = subprocess.run(
            [
                *(str(CLIENT), "run", "--rm", "-i", "--network", "none", tag),
                *("-", "-f", "json", "--policy", "strict"),
            ],
            env=engine.environment(),
            stdin=stream,
            capture_output=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
