"""The documentation as a site: it builds without a warning, and the reference has every name."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect import errors

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    done = subprocess.run([*command, str(place)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return place


def pages(site: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in site.glob("reference/*/*.html"))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = pages(site)
    there = set(re.findall(r'id="([\w.]+)"', text))
    names = {f"pyimginspect.{name}" for name in pyimginspect.__all__}
    # As a module's members: under the module's name.
    elsewhere = {
        f"{getattr(pyimginspect, name).__module__}.{name}" for name in pyimginspect.__all__
    }
    missing = {name.rpartition(".")[2] for name in names if name not in there} - {
        name.rpartition(".")[2] for name in elsewhere if name in there
    }
    assert missing == set()
    assert {f"pyimginspect.errors.{name}" for name in errors.__all__} <= there


def test_docstrings_have_no_roles_left(site: Path) -> None:
    text = html.unescape(re.sub(r"<[^>]*>", "", pages(site)))
    assert re.findall(r":(?:class|func|meth|data|mod):`[^`]*`?", text) == []


def test_fields_have_their_types(site: Path) -> None:
    text = re.sub(r"<[^>]*>", "", (site / "reference/reports/index.html").read_text())
    assert "saving: int = 0" in html.unescape(text)
