"""The examples of the guides, the README and the reference run as they stand."""

import datetime
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.errors import PolicyError
from pyimginspect.policy import BUILTIN, Policy
from pyimginspect.policy.baseline import read_baseline, write_baseline
from tests.images import File, docker_archive
from tests.inventories import on_slim

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(text, id=f"{page}-{number}")
    for page in ("README.md", "docs/guides.md", "docs/api.md")
    for number, text in enumerate(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))
]
SCRIPT = "#!/bin/sh\n" + "true\n" * 200


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A directory with the image that the examples name."""
    layers = ({"root/.cache/pip/http/x": File(bytes(2_000_000))}, {"app/run.sh": File(SCRIPT)})
    one = on_slim(*layers, history=["RUN pip install flask", "COPY . /app"], tag="app:1")
    (tmp_path / "app.tar").write_bytes(docker_archive(one))
    return tmp_path


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_runs(text: str, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(EXAMPLES) > 10
    (app / "example.py").write_text(f"import pyimginspect\n{text}")
    if "processes are started" in text:
        run(app, "example.py")
    else:
        monkeypatch.chdir(app)
        runpy.run_path("example.py", run_name="__main__")


def run(place: Path, *arguments: str, **environment: str) -> str:
    """Run Python in a directory, with a cache there; return what it prints."""
    kept = {**os.environ, "PYIMGINSPECT_CACHE_DIR": str(place / "cache"), **environment}
    path = os.pathsep.join([kept.get("PYTHONPATH", ""), str(ROOT)]).strip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=place,
        env={**kept, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode or not done.stderr, done.stderr
    return done.stdout + done.stderr


def by_pip(source: Path, place: Path) -> None:
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, *install, "--target", str(place), str(source)], check=True, cwd=source
    )


def by_hand(source: Path, place: Path) -> None:
    """Of the same metadata what pip would write, without the seconds that it takes."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    shutil.copytree(source / "src", place)
    metadata = place / f"acme_rules-{project['version']}.dist-info"
    metadata.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(head)
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


@pytest.mark.parametrize("install", [by_hand, pytest.param(by_pip, marks=pytest.mark.slow)])
def test_the_example_of_a_plug_in_installs_and_works(
    install: Callable[[Path, Path], None], app: Path, tmp_path: Path
) -> None:
    place, source = tmp_path / "site", tmp_path / "acme-rules"
    example = ROOT / "docs/examples/acme-rules"
    for path in example.rglob("*.*"):
        if path.is_file() and "egg-info" not in str(path) and "__pycache__" not in str(path):
            copy = source / path.relative_to(example)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    install(source, place)
    plugged = {"PYTHONPATH": str(place)}
    command = ("-m", "pyimginspect")
    report = run(app, *command, "app.tar", "-v", "--fail-on=never", **plugged)
    assert "/app/run.sh is a shell script of 201 lines" in report
    assert "acme-long-script (note)" in run(
        app, *command, "--explain", "acme-long-script", **plugged
    )
    ignored = ("--ignore=acme-long-script", "--fail-on=never")
    assert "run.sh" not in run(app, *command, "app.tar", *ignored, **plugged)


# --- judge() --------------------------------------------------------------------------------------
def report_of(app: Path) -> pyimginspect.Report:
    return pyimginspect.inspect(str(app / "app.tar"))


@pytest.mark.parametrize("policy", ["python-slim", BUILTIN["python-slim"], "file", Path("file")])
def test_judging_by_whatever_is_a_policy(
    policy: str | Policy | Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(app)
    (app / "file").write_text('[rules]\npackage-cache = "error"\n')
    report = report_of(app)
    assert report.verdict is None
    judged = pyimginspect.judge(report, policy)
    assert judged.verdict is not None
    assert not judged.verdict.passed
    severities = {finding.rule: finding.severity for finding in judged.findings}
    expected = "error" if str(policy) == "file" else "warning"
    assert severities["package-cache"] == expected


def test_a_policy_that_is_none(app: Path) -> None:
    report = report_of(app)
    with pytest.raises(
        PolicyError, match=r"there is no policy 'strikt' \(did you mean 'strict'\?\)"
    ):
        pyimginspect.judge(report, "strikt")
    with pytest.raises(PolicyError, match="cannot read"):
        pyimginspect.judge(report, app / "none.toml")


def test_a_report_is_judged_once(app: Path) -> None:
    judged = pyimginspect.judge(report_of(app))
    with pytest.raises(ValueError, match="has a verdict already"):
        pyimginspect.judge(judged)


def test_a_baseline_and_the_day_count(app: Path) -> None:
    report = report_of(app)
    judged = pyimginspect.judge(report)
    known = read_baseline(write_baseline(judged))
    again = pyimginspect.judge(report, baseline=known)
    assert again.verdict is not None
    assert again.verdict.passed
    (app / "p.toml").write_text(
        '[[waivers]]\nrule = "package-cache"\nreason = "soon"\nexpires = 2030-01-01\n'
    )
    for day, waived in ((datetime.date(2030, 1, 1), 1), (datetime.date(2030, 1, 2), 0)):
        verdict = pyimginspect.judge(report, app / "p.toml", today=day).verdict
        assert verdict is not None
        assert len(verdict.waived) == waived
