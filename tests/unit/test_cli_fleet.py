"""The command for many images: what it writes, what it says, how it ends."""

import base64
import csv
import datetime
import json
import os
import re
import sqlite3
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from pyimginspect.analyzers import catalogue
from pyimginspect.cli import main
from pyimginspect.formats import render
from pyimginspect.policy import BUILTIN, apply_policy
from tests.fleets import archives, in_threads, push
from tests.images import docker_archive, image, layer
from tests.servers import FakeRegistry

__all__ = ["in_threads"]

pytestmark = pytest.mark.usefixtures("in_threads")


def command(place: Path, *arguments: str) -> int:
    return main(["--fleet", "--cache-dir", str(place / "cache"), *arguments])


def test_all_outputs_of_one_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = archives(tmp_path / "saved", 8)
    names = ["f.html", "f.json", "f.jsonl", "f.csv", "f.txt"]
    outputs = [part for name in names for part in ("-o", str(tmp_path / name))]
    assert command(tmp_path, str(tmp_path / "saved"), *outputs, "--group-by", "label:team") == 1
    assert capfd.readouterr().out == ""
    summary = json.loads((tmp_path / "f.json").read_bytes())
    assert summary["totals"]["images"] == 8
    assert {group["group"] for group in summary["groups"]} == {"t0", "t1", "t2"}
    lines = [json.loads(line) for line in (tmp_path / "f.jsonl").read_bytes().splitlines()]
    assert [line["reference"] for line in lines] == sorted(map(str, paths))
    own = json.loads(pyimginspect.inspect(str(paths[0])).to_json())
    assert lines[0]["report"] == own
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reference"] for row in rows} == {*map(str, paths)}
    assert "<script" in (tmp_path / "f.html").read_text()
    assert "8 images" in (tmp_path / "f.txt").read_text()


def test_the_summary_goes_to_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    archives(tmp_path / "saved", 3)
    assert command(tmp_path, str(tmp_path / "saved"), "--fail-on", "never") == 0
    said = capfd.readouterr()
    assert said.out.startswith("3 images of 3 references")
    assert all(len(line) <= 100 for line in said.out.splitlines())
    assert said.err == ""


def test_failures_are_said_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archives(tmp_path / "saved", 2)
    missing = str(tmp_path / "missing.tar")
    assert command(tmp_path, str(tmp_path / "saved"), missing) == 2
    assert f"pyimginspect: {missing}: " in capfd.readouterr().err
    assert command(tmp_path, str(tmp_path / "saved"), missing, "--max-failures", "1") == 1
    assert command(tmp_path, str(tmp_path / "saved"), f"@{missing}", "--max-failures", "1") == 1
    assert command(tmp_path, str(tmp_path / "saved"), f"@{missing}") == 2


def test_nothing_inspected_is_never_green(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").write_text("# nothing\n")
    quiet = ("-q", "--max-failures", "9", "--fail-on", "never")
    assert command(tmp_path, str(tmp_path / "empty"), *quiet) == 2
    assert command(tmp_path, f"@{tmp_path}/list", *quiet) == 2


def test_what_is_left_out_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archives(tmp_path / "saved", 2)
    (tmp_path / "saved" / "README.md").write_text("x")
    command(tmp_path, str(tmp_path / "saved"), "--exclude", "*1.tar")
    said = capfd.readouterr().err
    assert "left out: 1 files that are no archives" in said
    assert "left out: 1 images excluded" in said


def test_results_are_kept_and_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "r.sqlite3"
    with FakeRegistry() as registry:
        references = push(registry, 3)
        for _ in range(2):
            command(tmp_path, *references, "--results", str(results), "-o", f"{tmp_path}/f.json")
        asked = [path for _, path, _ in registry.requests if "/blobs/" in path]
        command(tmp_path, *references[:2], "--results", str(results), "-o", f"{tmp_path}/f.json")
    assert len(asked) == len(set(asked))
    assert "1 references of earlier runs are no longer listed" in capfd.readouterr().err
    with closing(sqlite3.connect(results)) as database, database:
        assert database.execute("SELECT count(*) FROM image").fetchone() == (2,)


def test_without_a_cache_layers_are_still_read_once(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 4)
        main(["--fleet", "--no-cache", "-q", "-o", str(tmp_path / "f.json"), *references])
        asked = [path for _, path, _ in registry.requests if "/blobs/" in path]
    assert len(asked) == len(set(asked))


def test_names_that_would_steer_a_terminal_or_a_spreadsheet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nasty = image([layer({"a": "x"})], labels={"t": "=cmd()|\x1b[2J</script>"}, tag="a:1")
    (tmp_path / "a.tar").write_bytes(docker_archive(nasty))
    outputs = ["-o", f"{tmp_path}/f.html", "-o", f"{tmp_path}/f.csv"]
    command(tmp_path, str(tmp_path / "a.tar"), "--group-by", "label:t", *outputs)
    command(tmp_path, str(tmp_path / "a.tar"), "--group-by", "label:t")
    assert "\x1b" not in capfd.readouterr().out
    assert (tmp_path / "f.html").read_text().count("</script>") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no image given"),
        (("a", "-o", "f.sarif"), "no fleet format goes with the name 'f.sarif'"),
        (("a", "-f", "sarif"), "there is no fleet format 'sarif'"),
        (("a", "-o", "a.csv", "-o", "a.csv"), "two outputs to one file"),
        (("a", "--against", "b"), "--against is of one image"),
        (("a", "--workers", "0"), "--workers takes a number from 1"),
        (("a", "--group-by", "colour"), "images are not grouped by 'colour'"),
        (("a", "--workers", "1", "--cluster", "tcp://x:1"), "not allowed with"),
        (("a", "--tags", "("), "--tags is no regular expression"),
    ],
)
def test_arguments_that_make_no_sense(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path, *arguments) == 2
    assert words in capfd.readouterr().err


def test_every_image_has_a_page_of_its_own(tmp_path: Path) -> None:
    """The pages are those of one image each; a second run writes none again."""
    paths = archives(tmp_path / "saved", 3)
    pages = tmp_path / "all the" / "pages"
    wanted = [str(tmp_path / "saved"), "--results", str(tmp_path / "r"), "--pages", str(pages)]
    out = tmp_path / "out"
    out.mkdir()
    assert command(tmp_path, *wanted, "-o", str(out / "f.html")) == 1
    written = sorted(pages.iterdir())
    data = page_data_of(out / "f.html")
    assert data["pages"] == "../all%20the/pages/"
    assert sorted(pages / row[11] for row in data["images"]) == written
    for path, row in zip(paths, sorted(data["images"]), strict=True):
        assert row[0] == str(path)
        policy, today = BUILTIN["python-slim"], datetime.date(2026, 1, 1)  # no waiver expires
        report = apply_policy(pyimginspect.inspect(str(path)), policy, catalogue(), today=today)
        assert (pages / row[11]).read_text() == render(report, "html", rules=catalogue())
    times = [page.stat().st_mtime_ns for page in written]
    assert command(tmp_path, *wanted, "-o", str(pages / "f.html")) == 1
    assert page_data_of(pages / "f.html")["pages"] == "./"
    assert [page.stat().st_mtime_ns for page in written] == times


def page_data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(found[1])))
    return data


def test_pages_that_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archives(tmp_path / "saved", 1)
    (tmp_path / "file").write_text("")
    assert command(tmp_path, str(tmp_path / "saved"), "--pages", str(tmp_path / "file")) == 2
    assert "file cannot be written" in capfd.readouterr().err


def test_parquet_has_the_rows_of_csv(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    archives(tmp_path / "saved", 8)
    outputs = ("-o", str(tmp_path / "f.parquet"), "-o", str(tmp_path / "f.csv"))
    assert command(tmp_path, str(tmp_path / "saved"), *outputs) == 1
    rows = parquet.read_table(tmp_path / "f.parquet").to_pylist()
    with (tmp_path / "f.csv").open(newline="") as file:
        assert [*csv.DictReader(file)] == [{k: str(v) for k, v in row.items()} for row in rows]
    assert {type(row["saving"]) for row in rows} == {int}
    assert {row["waived"] for row in rows} == {False}


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyimginspect.formats.fleet.parquet", raising=False)
    archives(tmp_path / "saved", 1)
    assert command(tmp_path, str(tmp_path / "saved"), "-o", str(tmp_path / "f.parquet")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_a_file_whose_name_is_no_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archives(tmp_path / "saved", 2)
    os.rename(tmp_path / "saved" / "1.tar", os.fsencode(tmp_path / "saved") + b"/\xff.tar")
    outputs = [part for end in ("json", "html", "csv", "jsonl", "txt")
               for part in ("-o", str(tmp_path / f"f.{end}"))]  # fmt: skip
    assert command(tmp_path, str(tmp_path / "saved"), *outputs) == 1
    totals = json.loads((tmp_path / "f.json").read_bytes())["totals"]
    assert (totals["inspected"], totals["failed"]) == (2, 0), capfd.readouterr().err
