"""Progress: one line that leaves nothing behind for people, a line an event for programs."""

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from pyimginspect.progress import JsonProgress, TerminalProgress, progress_for, progress_schema
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.images import image, oci_layout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Screen:
    """What a terminal shows of what is written to it: enough of ECMA-48 for one line."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self._column = 0

    def take(self, text: str) -> None:
        for token in re.findall(r"\x1b\[K|\r|\n|[^\r\n\x1b]", text):
            if token == "\x1b[K":
                self.rows[-1] = self.rows[-1][: self._column]
            elif token == "\r":
                self._column = 0
            elif token == "\n":
                self.rows.append("")
                self._column = 0
            else:
                if self._column == self.columns:
                    self.rows.append("")
                    self._column = 0
                row = self.rows[-1].ljust(self._column)
                self.rows[-1] = row[: self._column] + token + row[self._column + 1 :]
                self._column += 1


def test_only_for_a_terminal() -> None:
    assert progress_for(io.StringIO()) is None
    assert progress_for(Terminal(), quiet=True) is None
    assert progress_for(Terminal(), how="never") is None
    assert isinstance(progress_for(Terminal(), term="dumb"), TerminalProgress)
    assert isinstance(progress_for(io.StringIO(), how="json"), JsonProgress)


def test_one_line_sums_up(tmp_path: Path) -> None:
    terminal = Terminal()
    path = oci_layout(image([{"a": "1" * 9000}, {"b": "2"}]), tmp_path / "oci")
    with TerminalProgress(terminal) as progress:
        open_reference(str(path), Options(progress=progress))
    last = terminal.getvalue().rstrip("\n").rpartition("\r")[2].removeprefix("\x1b[K")
    assert re.fullmatch(r"2 layers, \d+ Bytes read in \d+\.\d s \(.*/s\)", last)


def test_layers_from_the_cache_are_counted_apart() -> None:
    terminal = Terminal()
    with TerminalProgress(terminal) as progress:
        progress.finish("0", cached=True)
        progress.begin("1", 100)
        progress.advance("1", 100)
        progress.finish("1", cached=False)
    assert "2 layers, 1 from the cache, 100 Bytes read" in terminal.getvalue()


def drive(progress: TerminalProgress | JsonProgress) -> None:
    with progress:
        progress.wait("Docker to export \x1b]0;evil\x07")
        time.sleep(0.1)
        progress.expect(3, 3_000_000)
        for label in ("0", "1", "2"):
            progress.begin(label, 1_000_000)
            for _ in range(4):
                progress.advance(label, 250_000)
                time.sleep(0.02)
            progress.finish(label, cached=False)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimginspect.progress._DELAY_SECONDS", 0)
    monkeypatch.setattr("pyimginspect.progress._TICK_SECONDS", 0.01)
    monkeypatch.setattr("pyimginspect.progress._SETTLED_SECONDS", 0)


@pytest.mark.usefixtures("at_once")
def test_what_is_shown_on_the_way() -> None:
    terminal = Terminal()
    drive(TerminalProgress(terminal))
    shown = terminal.getvalue()
    assert "\x1b]0" not in shown
    assert r"waiting for Docker to export \x1b]0;evil\x07: 0 s" in shown
    assert re.search(
        r"1 of 3 layers, 1\.\d MB of 3\.0 MB \[#{6,}\.+\] \d+\.\d [kM]B/s, \d+ s left", shown
    )


@pytest.mark.parametrize("columns", [20, 40, 80])
@pytest.mark.usefixtures("at_once")
def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal, screen = Terminal(), Screen(columns)
    drive(TerminalProgress(terminal))
    screen.take(terminal.getvalue())
    summary = "".join(screen.rows)
    assert re.fullmatch(r"3 layers, 3\.0 MB read in 0\.\d s \([\d.]+ MB/s\)", summary)


def test_a_dumb_terminal_gets_the_last_line_only() -> None:
    terminal = Terminal()
    drive(TerminalProgress(terminal, escapes=False))
    assert "\r" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()
    assert terminal.getvalue().startswith("3 layers, ")


def test_nothing_is_summed_up_after_an_error() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.begin("0", 5)
    progress.finish("0", cached=False)
    progress.__exit__(ValueError)
    assert "layer" not in terminal.getvalue()


def test_events_for_programs() -> None:
    stream = io.StringIO()
    drive(JsonProgress(stream))
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    validator = jsonschema.Draft202012Validator(progress_schema())
    for event in events:
        validator.validate(event)
    assert [e["event"] for e in events if e["event"] != "progress"] == [
        *("waiting", "waiting", "expected"),
        *("started", "finished") * 3,
        "done",
    ]
    assert events[-1]["layers"] == 3
    assert events[-1]["bytes"] == 3_000_000
    times = [event["seconds"] for event in events]
    assert times == sorted(times)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is of POSIX")
@pytest.mark.parametrize("columns", [30, 100])
def test_a_recording_of_the_command_through_a_pseudo_terminal(
    tmp_path: Path, columns: int, recording: Callable[[list[str], int], str]
) -> None:
    path = oci_layout(image([{"a": "1" * 9000}, {"b": "2"}]), tmp_path / "oci")
    code = (
        "import pyimginspect.progress as p, sys;"
        "p._DELAY_SECONDS = 0; p._TICK_SECONDS = 0.001;"
        "from pyimginspect.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    text = recording(
        [sys.executable, "-c", code, str(path), "--no-cache", "-o", str(tmp_path / "r.txt")],
        columns,
    )
    screen = Screen(columns)
    screen.take(text.replace("\r\n", "\n"))
    shown = "".join(screen.rows)
    assert "waiting for" not in shown
    assert re.fullmatch(r"2 layers, .* read in .* s \(.*/s\)", shown)


@pytest.fixture
def recording() -> Callable[[list[str], int], str]:
    """Return what a command writes to a terminal of so many columns as its standard error."""
    return record


def record(command: list[str], columns: int) -> str:
    import fcntl
    import pty
    import struct
    import subprocess
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL, env=environment)
    os.close(slave)
    pieces = []
    while True:
        try:
            piece = os.read(master, 65_536)
        except OSError:  # as Linux says the end of it
            break
        if not piece:
            break
        pieces.append(piece)
    process.wait()
    os.close(master)
    return b"".join(pieces).decode()
