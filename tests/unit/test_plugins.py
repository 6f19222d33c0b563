"""Probes and analyzers of third parties: found wherever a distribution may lie."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import DistributionFinder, PathDistribution
from pathlib import Path

import pytest

from pyimginspect import plugins
from pyimginspect.analyzers import third_party_analyzers
from pyimginspect.cli import main
from pyimginspect.layers import probes
from tests.images import docker_archive, image

MODULE = "class Lines:\n    name, version = 'lines', 1\n    wants = read = None\nlines = Lines()\n"
METADATA = "Metadata-Version: 2.1\nName: counts-lines\nVersion: 1\n"
POINTS = "[pyimginspect.probes]\nlines = counts_lines:{0}\n"
NONE_LOADED = """
import sys
from pyimginspect.analyzers import all_analyzers
from pyimginspect.layers import registered
assert registered() == ()
assert len(all_analyzers()) > 20
print("importlib.metadata" in sys.modules)
"""


@pytest.fixture(autouse=True)
def _as_at_the_start() -> Iterator[None]:
    plugins._declared.cache_clear()
    yield
    plugins._declared.cache_clear()
    sys.modules.pop("counts_lines", None)


def write(place: Path, metadata: str, point: str = "lines") -> None:
    (place / "counts_lines.py").write_text(MODULE)
    (place / metadata).mkdir()
    name = "PKG-INFO" if metadata.endswith(".egg-info") else "METADATA"
    (place / metadata / name).write_text(METADATA)
    (place / metadata / "entry_points.txt").write_text(POINTS.format(point))


@pytest.mark.parametrize("point", ["lines", "Lines"])
@pytest.mark.parametrize("metadata", ["counts_lines-1.dist-info", "counts_lines.egg-info"])
def test_a_probe_in_a_directory(
    metadata: str, point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, metadata, point)
    monkeypatch.syspath_prepend(tmp_path)
    (probe,) = probes.registered()
    assert (type(probe).__name__, probe.name, probe.version) == ("Lines", "lines", 1)


def test_a_probe_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "counts_lines-1-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("counts_lines.py", MODULE)
        file.writestr("counts_lines-1.dist-info/METADATA", METADATA)
        file.writestr("counts_lines-1.dist-info/entry_points.txt", POINTS.format("lines"))
    monkeypatch.syspath_prepend(archive)
    assert [probe.name for probe in probes.registered()] == ["lines"]


def test_a_probe_that_a_finder_knows_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "counts_lines-1.dist-info")
    (tmp_path / "counts_lines-1.dist-info").rename(tmp_path / "elsewhere")

    class Finder(DistributionFinder):
        def find_distributions(self, context: object = None) -> list[PathDistribution]:
            return [PathDistribution(tmp_path / "elsewhere")]

    monkeypatch.syspath_prepend(tmp_path)
    assert probes.registered() == ()
    plugins._declared.cache_clear()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert [probe.name for probe in probes.registered()] == ["lines"]


def test_without_plug_ins_the_metadata_of_all_distributions_is_not_loaded(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write(site, "counts_lines-1.dist-info")
    (site / "counts_lines-1.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\npyimginspect = pyimginspect.cli:run\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}){NONE_LOADED}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


BROKEN = """
class Broken:
    name, version = "broken", 1
    def wants(self, path, size, head):
        {wants}
    def read(self, path, content):
        {read}
broken = Broken()
class Judge:
    class rule:
        id = "acme-rule"
    def run(self, inventory):
        raise KeyError("no such fact")
judge = Judge()
nothing = object()
"""


@pytest.mark.parametrize(
    ("module", "points", "words"),
    [
        ("import none_such", "[pyimginspect.probes]\nx = counts_lines:broken\n",
         "the plug-in 'x' of counts-lines 1 fails: ModuleNotFoundError"),
        ("1 / 0", "[pyimginspect.analyzers]\nx = counts_lines:judge\n",
         "the plug-in 'x' of counts-lines 1 fails: ZeroDivisionError"),
        (BROKEN, "[pyimginspect.probes]\nx = counts_lines:absent\n",
         "the plug-in 'x' of counts-lines 1 fails: AttributeError"),
        (BROKEN, "[pyimginspect.probes]\nx = counts_lines:nothing\n",
         "the plug-in 'x' of counts-lines 1 fails: AttributeError"),
        (BROKEN, "[pyimginspect.analyzers]\nx = counts_lines:nothing\n",
         "the plug-in 'x' of counts-lines 1 fails: AttributeError"),
        (BROKEN.format(wants="raise ValueError(path)", read="pass"),
         "[pyimginspect.probes]\nx = counts_lines:broken\n",
         "the probe 'broken' fails: ValueError: a"),
        (BROKEN.format(wants="return True", read="return content.nothing"),
         "[pyimginspect.probes]\nx = counts_lines:broken\n",
         "the probe 'broken' fails: AttributeError"),
        (BROKEN.format(wants="return False", read="pass"),
         "[pyimginspect.analyzers]\nx = counts_lines:judge\n",
         "the analyzer 'acme-rule' fails: KeyError: 'no such fact'"),
    ],
)  # fmt: skip
def test_one_that_fails_is_named(
    module: str,
    points: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is not called a fault of ours, and says what to do."""
    write(tmp_path, "counts_lines-1.dist-info")
    (tmp_path / "counts_lines.py").write_text(module)
    (tmp_path / "counts_lines-1.dist-info/entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    third_party_analyzers.cache_clear()
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive(image([{"a": "1"}])))
    try:
        assert main([str(archive), "--no-cache"]) == 2
    finally:
        third_party_analyzers.cache_clear()
    said = capsys.readouterr().err
    assert words in said
    assert "a fault in pyimginspect" not in said
    assert "uninstall it" in said
