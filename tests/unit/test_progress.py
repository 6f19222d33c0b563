"""Progress: seen by a person at a terminal, and by nobody else."""

import io
import re
from pathlib import Path

import pytest

from pyimginspect.progress import TerminalProgress, progress_for
from pyimginspect.sources.options import Options
from pyimginspect.sources.resolve import open_reference
from tests.images import image, oci_layout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_for_a_terminal() -> None:
    assert progress_for(io.StringIO()) is None
    assert progress_for(Terminal(), quiet=True) is None
    assert isinstance(progress_for(Terminal()), TerminalProgress)


def test_one_line_sums_up(tmp_path: Path) -> None:
    terminal = Terminal()
    path = oci_layout(image([{"a": "1" * 9000}, {"b": "2"}]), tmp_path / "oci")
    with TerminalProgress(terminal) as progress:
        open_reference(str(path), Options(progress=progress))
    last = terminal.getvalue().rstrip("\n").rpartition("\r")[2]
    assert re.fullmatch(r"2 layers, \d+ Bytes read in \d+\.\d s \(.*/s\)", last)


def test_layers_from_the_cache_are_told_apart() -> None:
    terminal = Terminal()
    with TerminalProgress(terminal) as progress:
        progress.finish("0", cached=True)
        progress.begin("1", 100)
        progress.advance("1", 100)
        progress.finish("1", cached=False)
    assert "2 layers, 1 from the cache, 100 Bytes read" in terminal.getvalue()


def test_a_layer_that_takes_time_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimginspect.progress._DELAY_SECONDS", 0)
    terminal = Terminal()
    with TerminalProgress(terminal) as progress:
        progress.begin("3 (sha256:abc)", 2_000_000)
        progress.advance("3 (sha256:abc)", 1_000_000)
        progress.finish("3 (sha256:abc)", cached=False)
    shown = terminal.getvalue()
    assert "layer 3 (sha256:abc)" in shown
    assert "2.00M" in shown


def test_nothing_is_summed_up_after_an_error() -> None:
    terminal = Terminal()
    progress = TerminalProgress(terminal)
    progress.begin("0", 5)
    progress.finish("0", cached=False)
    progress.__exit__(ValueError)
    assert "layer" not in terminal.getvalue()


def test_names_cannot_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimginspect.progress._DELAY_SECONDS", 0)
    terminal = Terminal()
    with TerminalProgress(terminal) as progress:
        progress.begin("\x1b]0;evil\x07", 5)
        progress.finish("\x1b]0;evil\x07", cached=False)
    assert "\x1b]0" not in terminal.getvalue()
    assert r"\x1b]0;evil\x07" in terminal.getvalue()
