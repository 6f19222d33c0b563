"""The command where its streams are closed, full, narrow, or no files at all."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import command
from tests.images import docker_archive, image

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="redirections are the shell's")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "café.tar"
    path.write_bytes(docker_archive(image([{"a": "b"}], tag="app:1")))
    return path


def shell(line: str, archive: Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of bash in which ``$P`` is the command and ``$A`` the archive's name; with `env`,
    which an interpreter may read when it starts, by a new one."""
    program = [sys.executable, "-m", "pyimginspect"] if env else command()
    words = shlex.join([*program, "--no-cache", "--fail-on", "never"])
    return subprocess.run(
        ["bash", "-c", line.replace("$P", words).replace("$A", archive.name)],
        capture_output=True,
        cwd=archive.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("$P $A >&-", "standard output is closed (-o FILE writes to a file)"),
        ("$P - <&-", "-: standard input is closed (pipe an archive in)"),
        ("$P --bogus", "unrecognized arguments: --bogus (pyimginspect --help)"),
        ("$P none.tar 2>&-", ""),
        ("$P $A >&- 2>&-", ""),
    ],
)
def test_closed_streams(line: str, message: str, archive: Path) -> None:
    done = shell(line, archive)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (f"pyimginspect: {message}\n" if message else "")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("what", ["$A", "$A -f json", "$A --plan", "--rules", "--help"])
def test_a_full_disk_is_no_success(what: str, archive: Path) -> None:
    done = shell(f"$P {what} > {FULL}", archive)
    assert done.returncode == 2
    assert done.stderr == (
        b"pyimginspect: standard output cannot be written: No space left on device\n"
    )


def test_no_standard_output_is_needed_for_a_file(archive: Path) -> None:
    assert shell("$P $A -o r.json >&-", archive).returncode == 0
    assert json.loads((archive.parent / "r.json").read_text())["reports"][0]["image"]["names"] == [
        "app:1"
    ]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_json_is_utf_8_whatever_the_encoding(encoding: str, archive: Path) -> None:
    done = shell("$P $A -f json", archive, PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout.decode())["reports"][0]["image"]["reference"] == "café.tar"


def test_the_table_keeps_within_the_encoding(archive: Path) -> None:
    done = shell("$P $A", archive, PYTHONIOENCODING="ascii")
    assert done.stdout.startswith(b"caf\\xe9.tar - app:1")


# --- what -o names --------------------------------------------------------------------------------
def test_pipes_and_devices_are_written_to_and_not_replaced(archive: Path) -> None:
    fifo = archive.parent / "fifo"
    os.mkfifo(fifo)
    done = shell("cat fifo > got & $P $A -f json -o fifo; wait", archive)
    assert done.returncode == 0, done.stderr
    assert json.loads((archive.parent / "got").read_text())["schema_version"] == 2
    assert fifo.is_fifo()
    assert json.loads(shell("$P $A -f json -o /dev/stdout | cat", archive).stdout)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_device(archive: Path) -> None:
    (archive.parent / "full").symlink_to(FULL)
    done = shell("$P $A -f json -o full", archive)
    assert done.returncode == 2
    assert done.stderr == b"pyimginspect: full cannot be written: No space left on device\n"
    assert FULL.is_char_device()


def test_a_link_stays_and_leads_to_the_report(archive: Path) -> None:
    link, target = archive.parent / "latest.json", archive.parent / "today.json"
    target.write_text("before")
    link.symlink_to(target)
    assert shell("$P $A -o latest.json", archive).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["schema_version"] == 2


def test_one_of_several_images_on_standard_input(archive: Path) -> None:
    """`-:TAG` looks like an option, and is none."""
    done = shell("$P -:app:1 -f json < $A", archive)
    assert json.loads(done.stdout)["reports"][0]["image"]["names"] == ["app:1"]
    done = shell("$P $A --against -:app:1 -f json < $A", archive)
    assert (done.returncode, done.stderr) == (0, b"")
    done = shell("$P -q -:none -f json < $A", archive)
    assert done.stderr == b"pyimginspect: -:none: no image 'none'; there are: app:1\n"
