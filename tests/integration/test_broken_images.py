"""Images in which something does not load, built on those of the corpus, and asked themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pyimginspect import inspect
from pyimginspect.report import Finding
from tests.elf import elf
from tests.integration.conftest import BuiltCorpus, missing
from tests.integration.engine import Engine

SITE = "/usr/local/lib/python3.11/site-packages"
VENV = "/opt/venv/lib/python3.11/site-packages"
RULES = {
    "duplicate-native-library",
    "foreign-libc",
    "glibc-too-old",
    "incompatible-wheel",
    "missing-dlopen-library",
    "missing-library",
    "musl-base",
    "native-library-not-from-os",
    "wrong-abi",
    "wrong-architecture",
}


def build(
    engine: Engine, corpus: BuiltCorpus, base: str, context: Path, lines: Mapping[str, str]
) -> str:
    """The tag of an image on one of the corpus; `lines` are COPY's sources and targets, or RUN."""
    parent = corpus.load_into(engine, base)
    steps = [f"RUN {what}" if how == "RUN" else f"COPY {how} {what}" for how, what in lines.items()]
    (context / "Dockerfile").write_text("\n".join([f"FROM {parent}", "USER root", *steps]) + "\n")
    tag = f"tests/broken-{context.name}:latest"
    engine.build(context, tag)
    return tag


def findings(engine: Engine, tag: str, place: Path) -> list[Finding]:
    archive = place / "saved.tar"
    engine.save(tag, archive)
    return [finding for finding in inspect(str(archive)).findings if finding.rule in RULES]


def error_of(engine: Engine, tag: str, python: str, module: str) -> str:
    """What importing a module says in a container."""
    code = f"try: import {module}\nexcept BaseException as e: print(type(e).__name__, e)"
    return engine.run(tag, python, "-c", code).strip()


def unpacked(name: str, target: Path, *options: str) -> Path:
    """A wheel from PyPI, unpacked as an installation of another platform would be."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target)]
    command += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]
    done = subprocess.run([*command, *options, name], capture_output=True, text=True)
    if done.returncode:
        missing(f"pip cannot get {name} {' '.join(options)}: {done.stderr[-300:]}")
    return target


def test_a_library_that_was_removed(corpus: BuiltCorpus, engine: Engine, tmp_path: Path) -> None:
    remove = "rm /usr/lib/x86_64-linux-gnu/libpq.so.5*"
    tag = build(engine, corpus, "good", tmp_path, {"RUN": remove})
    said = error_of(engine, tag, "/opt/venv/bin/python", "psycopg2")
    assert "libpq.so.5: cannot open shared object file" in said
    (finding,) = findings(engine, tag, tmp_path)
    assert (finding.rule, finding.packages) == ("missing-library", ("libpq5",))
    assert finding.fix.endswith(f"in layer {max(finding.layers)} (RUN {remove})")


def test_symbols_of_a_newer_glibc(corpus: BuiltCorpus, engine: Engine, tmp_path: Path) -> None:
    name = "newer.cpython-311-x86_64-linux-gnu.so"
    versions = {"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.99"]}
    (tmp_path / name).write_bytes(elf(needed=["libc.so.6"], verneed=versions))
    info = tmp_path / "newer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: newer\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n")
    (info / "RECORD").write_text(f"{name},,\nnewer-1.0.dist-info/METADATA,,\n")
    lines = {name: f"{VENV}/", "newer-1.0.dist-info": f"{VENV}/newer-1.0.dist-info/"}
    tag = build(engine, corpus, "good", tmp_path, lines)
    said = error_of(engine, tag, "/opt/venv/bin/python", "newer")
    assert "version `GLIBC_2.99' not found" in said
    (finding,) = findings(engine, tag, tmp_path)
    assert finding.rule == "glibc-too-old"
    wanted = "newer 1.0 needs GLIBC_2.99 of libc.so.6, and the glibc here is 2.36"
    assert finding.message == wanted


@pytest.mark.parametrize(
    ("platform", "rule"),
    [("manylinux2014_aarch64", "wrong-architecture"), ("musllinux_1_2_x86_64", "foreign-libc")],
)
def test_wheels_for_something_else_on_debian(
    platform: str, rule: str, corpus: BuiltCorpus, engine: Engine, tmp_path: Path
) -> None:
    unpacked("markupsafe", tmp_path / "deps", "--no-deps", f"--platform={platform}")
    tag = build(engine, corpus, "slim", tmp_path, {"deps": f"{SITE}/"})
    assert error_of(engine, tag, "/usr/local/bin/python3", "markupsafe._speedups")
    (finding,) = findings(engine, tag, tmp_path)
    assert (finding.rule, finding.subject.split()[0]) == (rule, "markupsafe")


@pytest.mark.parametrize(
    ("platform", "rules"),
    [("manylinux2014_x86_64", {"foreign-libc", "musl-base"}), ("musllinux_1_2_x86_64", set())],
)
def test_wheels_on_alpine(
    platform: str, rules: set[str], corpus: BuiltCorpus, engine: Engine, tmp_path: Path
) -> None:
    unpacked("markupsafe", tmp_path / "deps", "--no-deps", f"--platform={platform}")
    tag = build(engine, corpus, "alpine", tmp_path, {"deps": f"{SITE}/"})
    said = error_of(engine, tag, "/usr/local/bin/python3", "markupsafe._speedups")
    assert bool(said) == bool(rules)
    assert {finding.rule for finding in findings(engine, tag, tmp_path)} == rules


def test_weasyprint_before_and_after_what_we_say(
    corpus: BuiltCorpus, engine: Engine, tmp_path: Path
) -> None:
    """The finding's fix, word for word, is what the second image runs."""
    platforms = ("--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64")
    without, mended = tmp_path / "without", tmp_path / "mended"
    unpacked("weasyprint", without / "deps", *platforms)
    python = "/usr/local/bin/python3"
    tag = build(engine, corpus, "slim", without, {"deps": f"{SITE}/"})
    assert "OSError cannot load library" in error_of(engine, tag, python, "weasyprint")
    (finding,) = findings(engine, tag, without)
    assert finding.rule == "missing-dlopen-library"
    assert finding.subject.startswith("weasyprint ")
    assert {"libpango-1.0-0", "libpangoft2-1.0-0"} <= set(finding.packages)

    mended.mkdir()
    (without / "deps").rename(mended / "deps")
    lines = {"deps": f"{SITE}/", "RUN": finding.fix.removeprefix("RUN ")}
    tag = build(engine, corpus, "slim", mended, lines)
    assert error_of(engine, tag, python, "weasyprint") == ""
    # What a package now has and Pillow's wheel bundles too is a note.
    assert {finding.severity for finding in findings(engine, tag, mended)} <= {"note"}


@pytest.mark.parametrize("name", ["slim", "good", "full", "alpine"])
def test_what_is_whole_has_no_finding(name: str, corpus: BuiltCorpus) -> None:
    report = inspect(str(corpus.archive(name)))
    assert [finding for finding in report.findings if finding.rule in RULES] == []


def test_image_b_lacks_the_libraries_of_weasyprint(corpus: BuiltCorpus) -> None:
    report = inspect(str(corpus.archive("bad")))
    (finding,) = (finding for finding in report.findings if finding.rule in RULES)
    assert finding.rule == "missing-dlopen-library"
    assert finding.packages == (
        "libglib2.0-0",
        "libharfbuzz0b",
        "libpango-1.0-0",
        "libpangoft2-1.0-0",
    )
