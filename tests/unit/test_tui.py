"""The interactive view: what it works out, what it shows, and what keys do."""

import asyncio
import contextlib
import datetime
import functools
import html
import io
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static
from textual.worker import WorkerCancelled

from pyimginspect.analyzers import catalogue
from pyimginspect.api import OpenedImage
from pyimginspect.cli import main
from pyimginspect.cli.interactive import look_at
from pyimginspect.errors import InvalidReferenceError
from pyimginspect.formats import Dockerfile
from pyimginspect.policy import BUILTIN, apply_policy
from pyimginspect.report import Report
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from pyimginspect.tui.app import View
from pyimginspect.tui.files import CHANGES, FileTree, Layers
from pyimginspect.tui.filters import wanted_by
from pyimginspect.tui.lines import findings_of, layer_lines, lines_of_finding, mode_of, note_of
from pyimginspect.tui.widgets import FileView, FindingList, LayerList, Page
from tests.images import (
    Content,
    Directory,
    File,
    Image,
    Link,
    Package,
    dist_info,
    docker_archive,
)
from tests.images import image as empty
from tests.inventories import apt, on_slim

MB = b"x" * 1_000_000
SITE = "usr/local/lib/python3.13/site-packages"
GCC: dict[str, Package] = {
    "gcc": {"Depends": "gcc-12"},
    "gcc-12": {"files": {"usr/bin/gcc-12": File(MB, mode=0o755)}},
}


def opened(*layers: Mapping[str, Content], history: Sequence[str] = ()) -> OpenedImage:
    return read(on_slim(*layers, history=history))


def read(one: Image) -> OpenedImage:
    stream = io.BytesIO(docker_archive(one))
    return OpenedImage(open_stream(stream, Options(), name=None, reference="test.tar"))


@functools.cache
def image() -> OpenedImage:
    numpy = dist_info("numpy", "2.0", {"numpy/__init__.py": "", "numpy/core.so": MB * 3}, site=SITE)
    return opened(
        apt(GCC),
        {**numpy, "app/data.bin": MB * 2, "app/link": Link("/app/data.bin"), "app/keep": "k"},
        {"app/.wh.data.bin": "", "app/": Directory(mode=0o700), "app/keep": File("k", mode=0o600)},
        history=["RUN apt-get install -y gcc", "RUN pip install numpy", "RUN rm /app/data.bin"],
    )


def layers_of(found: OpenedImage) -> Layers:
    return Layers(found.layers, found.ledger)


def shown(tree: FileTree, top: str = "") -> dict[str, str]:
    """What a tree has below a path, with what happened to each."""
    found: dict[str, str] = {}
    for path in tree.children(top):
        file = tree.file(path)
        found[path] = file.change if file is not None else "there"
        found |= shown(tree, path)
    return found


# --- files ----------------------------------------------------------------------------------------
def test_a_layer_as_a_tree() -> None:
    layers = layers_of(image())
    top = layers.files(6, ["added", "changed", "removed"])
    assert shown(top) == {"app": "changed", "app/data.bin": "removed", "app/keep": "changed"}
    assert shown(layers.files(6, ["removed"])) == {"app": "there", "app/data.bin": "removed"}
    assert "usr/bin/gcc-12" in shown(layers.files(6, CHANGES))
    assert "app/data.bin" not in shown(layers.files(6, ["added", "changed", "unchanged"]))
    below = layers.files(5, ["added"])  # back again
    assert shown(below, "app") == dict.fromkeys(["app/data.bin", "app/keep", "app/link"], "added")
    assert (below.size("app"), below.size("")) == (2_000_001, below.size("usr") + 2_000_001)


def test_directories_that_are_described_again_are_unchanged() -> None:
    found = opened({"app/": Directory(mode=0o755), "app/a": "1"}, {"app/": None, "app/b": "2"})
    assert shown(layers_of(found).files(5, ["added", "changed"])) == {
        "app": "there",
        "app/b": "added",
    }


def test_of_a_file_that_is_wasted_it_says_why() -> None:
    layers = layers_of(image())
    tree = layers.files(5, ["added"])
    notes = {path: note_of(file) for path in shown(tree) if (file := tree.file(path))}
    assert {path: note for path, note in notes.items() if note} == {
        "app/data.bin": "removed by layer 6",
        "app/keep": "owner, mode or time changed by layer 6",
    }


def test_modes_are_those_of_ls() -> None:
    tree = layers_of(image()).files(6, CHANGES)
    modes = {
        path: mode_of(file) for path in ("app", "app/keep", "app/link") if (file := tree.file(path))
    }
    assert modes == {
        "app": "drwx------ 0:0",
        "app/keep": "-rw------- 0:0",
        "app/link": "lrwxrwxrwx 0:0",
    }


@pytest.mark.parametrize(
    ("text", "after", "found"),
    [
        ("gcc", "", "usr/bin/gcc-12"),
        ("GCC", "", None),
        ("keep", "", "app/keep"),
        ("keep", "app/keep", "app/keep"),
        ("Core", "", None),
        ("", "", None),
        ("app/", "", None),  # names, not paths
    ],
)
def test_search(text: str, after: str, found: str | None) -> None:
    assert layers_of(image()).files(6, CHANGES).search(text, after) == found


def test_search_goes_on_and_around() -> None:
    found = opened({"b/x1": "", "a/x2": "", "a.b/x3": "", "c": ""})
    tree = layers_of(found).files(4, ["added"])
    steps = [""]
    for _ in range(4):
        steps.append(tree.search("x", steps[-1]) or "")
    assert steps[1:] == ["a/x2", "a.b/x3", "b/x1", "a/x2"]


# --- filters --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "number", "paths"),
    [
        ("waste:removed", 5, ["app/data.bin"]),
        ("waste:any", 5, ["app/data.bin", "app/keep"]),
        ("waste:metadata", 5, ["app/keep"]),
        ("waste:overwritten", 5, ["app/keep"]),
        ("waste:content", 5, []),
        ("waste:repeated", 5, []),
        ("package:gcc-12", 4, ["usr/bin/gcc-12"]),
        ("package:gcc-12 lib/", 4, []),
        ("distribution:NumPy .so", 5, [f"{SITE}/numpy/core.so"]),
        ("python:3.13 core", 5, [f"{SITE}/numpy/core.so"]),
        ("python:/usr/local/bin/python3.13 CORE", 5, [f"{SITE}/numpy/core.so"]),
        ("DATA.b", 5, ["app/data.bin"]),
    ],
)
def test_filters(text: str, number: int, paths: list[str]) -> None:
    found = image()
    layers = layers_of(found)
    wanted = wanted_by(text, found.inventory, layers.wasted(number))
    tree = layers.files(number, CHANGES, wanted)
    assert sorted(p for p in shown(tree) if (f := tree.file(p)) and not f.is_directory) == paths


@pytest.mark.parametrize(
    "name", ["zope.interface", "zope-interface", "Zope_Interface", "zope.-_interface"]
)
def test_a_distribution_by_any_spelling_of_its_name(name: str) -> None:
    """PEP 503's: what a project calls itself and what pip lists."""
    found = opened(dist_info("zope.interface", "7.0", {"zope/hooks.py": ""}, site=SITE))
    wanted = wanted_by(f"distribution:{name}", found.inventory, {})
    assert wanted is not None
    assert (wanted(f"{SITE}/zope/hooks.py"), wanted(f"{SITE}/zope/other.py")) == (True, False)


def test_no_filter_wants_all() -> None:
    assert wanted_by("  ", image().inventory, {}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waste:remvoed", "'remvoed' is no kind of wasted space (did you mean 'removed'?)"),
        ("package:gc-12", "the image has no package 'gc-12' (did you mean 'gcc-12'?)"),
        ("distribution:nump", "the image has no distribution 'nump' (did you mean 'numpy'?)"),
        ("python:2.7", "the image has no Python '2.7' (there are: 3.13.1)"),
        ("pakage:gcc", "nothing is filtered by 'pakage' (did you mean 'package'?)"),
    ],
)
def test_filters_that_name_nothing(text: str, message: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(message)}$"):
        wanted_by(text, image().inventory, {})


# --- lines ----------------------------------------------------------------------------------------
def judged(found: OpenedImage) -> Report:
    today = datetime.date(2026, 1, 1)
    return apply_policy(found.report(), BUILTIN["python-slim"], catalogue(), today=today)


def test_layers_in_lines() -> None:
    lines = layer_lines(judged(image()))
    assert [line.number for line in lines] == list(range(7))
    assert [line.base for line in lines] == [True] * 4 + [False] * 3
    assert (lines[5].size, lines[5].live, lines[5].wasted) == ("5.0 MB", 5, 3)
    assert (lines[4].live, lines[4].wasted, lines[6].live) == (2, 0, 1)
    assert lines[4].instruction == "RUN apt-get install -y gcc"


def test_findings_of_a_layer_and_of_a_path() -> None:
    report = judged(image())
    rules = {number: [f.rule for f in findings_of(report, number)] for number in (4, 5, 6)}
    assert "leftover-build-tool" in rules[4]
    assert "deleted-but-shipped" in rules[5]
    assert [f.rule for f in findings_of(report, 5, "app")] == ["deleted-but-shipped"]
    assert findings_of(report, 5, SITE) == []
    assert len(findings_of(report, None)) == len(report.findings)


def test_a_finding_in_lines() -> None:
    (found,) = findings_of(judged(image()), 5, "app")
    kinds = [kind for kind, _ in lines_of_finding(found)]
    assert kinds[0] == "message"
    assert {"evidence", "instruction", "fix", "saving"} <= set(kinds)


# --- the application ------------------------------------------------------------------------------
Steps = Callable[[View, Pilot[None]], Awaitable[None]]


def drive(
    found: OpenedImage, steps: Steps, *, size: tuple[int, int] = (100, 30), **more: Any
) -> None:
    async def run() -> None:
        view = View(look_at(found, judged(found), **more))
        view.animation_level = "none"  # each step of a scroll would be drawn
        async with view.run_test(size=(100, 30)) as pilot:
            await settle(view, pilot)
            await steps(view, pilot)

    asyncio.run(run())


async def settle(view: View, pilot: Pilot[None]) -> None:
    """Wait until nothing is worked out any more; what is asked for anew cancels what was before."""
    await pilot.pause()
    while any(not worker.is_finished for worker in view.workers):
        with contextlib.suppress(WorkerCancelled):
            await view.workers.wait_for_complete()
        await pilot.pause()


async def press(view: View, pilot: Pilot[None], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(view, pilot)


def labels(view: View) -> list[str]:
    tree = view.query_one(FileView)
    found, todo = [], [tree.root]
    while todo:
        node = todo.pop()
        found.append(str(node.label))
        todo.extend(reversed(node.children))
    return found


def test_it_begins_at_the_layer_that_wastes_most() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        assert view.query_one(LayerList).highlighted == 5
        assert any("data.bin  2.0 MB  removed by layer 6" in label for label in labels(view))
        assert view.query_one(FindingList).option_count > 0
        assert "removed by layer 6" in str(view.query_one("#finding", Static).visual)

    drive(image(), steps)


def test_keys_of_vim_and_dive() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        layers = view.query_one(LayerList)
        await press(view, pilot, "j")
        assert layers.highlighted == 6
        assert any("- data.bin" in label for label in labels(view))
        await press(view, pilot, "g", "G", "k")
        assert layers.highlighted == 5
        await press(view, pilot, "r")  # hides what is removed
        await press(view, pilot, "j")
        assert not any("- data.bin" in label for label in labels(view))
        await press(view, pilot, "r", "ctrl+a")
        assert any(label.startswith("  usr") for label in labels(view))
        await press(view, pilot, "ctrl+l")
        assert not any("usr" in label for label in labels(view))
        await press(view, pilot, "tab", "j", "h", "l", "b")
        assert any("drwx------ 0:0 ~ app" in label for label in labels(view))

    drive(image(), steps)


def test_search_and_filter() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        await press(view, pilot, "slash", *"core", "enter")
        node = view.query_one(FileView).cursor_node
        assert node is not None
        assert node.data == f"{SITE}/numpy/core.so"
        await press(view, pilot, "n", "f")
        view.query_one("#ask", Input).value = "waste:removed"
        await press(view, pilot, "enter")
        assert [label for label in labels(view) if "MB" not in label] == []
        await press(view, pilot, "f")
        view.query_one("#ask", Input).value = "nonsense:x"
        await press(view, pilot, "enter", "f", "escape", "w", "w")
        assert len(labels(view)) > 5

    drive(image(), steps)


PAGES = {
    "e": "deleted-but-shipped (warning)",
    "p": "Plan for test.tar",
    "question_mark": "dark or light",
}


def test_pages() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        for key, words in PAGES.items():
            await press(view, pilot, key)
            assert isinstance(view.screen, Page), key
            assert words in str(view.screen.query_one("#page Static", Static).visual)
            await press(view, pilot, "j", "G", "g", "escape")
            assert not isinstance(view.screen, Page), key

    drive(image(), steps)


def test_with_a_dockerfile_the_plan_is_what_it_changes() -> None:
    steps_of_history = [
        "RUN apt-get install -y gcc",
        "RUN pip install numpy",
        "RUN rm /app/data.bin",
    ]
    text = "\n".join(["FROM python:3.13-slim", *steps_of_history, ""])

    async def steps(view: View, pilot: Pilot[None]) -> None:
        await press(view, pilot, "p")
        assert "--- a/Dockerfile" in str(view.screen.query_one("#page Static", Static).visual)

    drive(image(), steps, dockerfile=Dockerfile(path="Dockerfile", text=text))


def test_the_fix_is_copied() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        await press(view, pilot, "y")
        assert view.clipboard == view._findings[0].fix
        assert view.clipboard

    drive(image(), steps)


def test_dark_and_light() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        assert view.current_theme.dark
        await press(view, pilot, "t")
        assert not view.current_theme.dark

    drive(image(), steps)


HOSTILE = [
    "a\x1b[31mred",
    "[red]markup",
    "line\nbreak",
    "bidi\u202egnp",
    "\udcff",
    "[@click=app.quit]x",
]


def test_hostile_names_are_shown_harmless() -> None:
    layer = {f"srv/{name}": File(MB) for name in HOSTILE}
    gone = {f"srv/.wh.{name}": "" for name in HOSTILE}

    async def steps(view: View, pilot: Pilot[None]) -> None:
        await press(view, pilot, "tab", "j", "j", "e", "escape", "p", "escape")
        seen = " ".join(labels(view)) + view.export_screenshot()
        assert not set("\x1b\u202e\udcff") & set(seen)
        assert "[red]markup" in " ".join(labels(view))

    drive(opened(layer, gone, history=["RUN [bold]x[/bold]\x1b[0m", "RUN rm -r /srv/*"]), steps)


def test_an_image_without_layers() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        await press(view, pilot, "j", "tab", "e", "y", "slash", "enter", "n")
        assert view.query_one(OptionList).option_count == 0

    drive(read(empty([])), steps)


def test_directories_of_many_files_are_cut() -> None:
    async def steps(view: View, pilot: Pilot[None]) -> None:
        assert "… 500 more: filter (f) or search (/)" in labels(view)
        await press(view, pilot, "slash", *"f2400", "enter")
        node = view.query_one(FileView).cursor_node
        assert node is not None
        assert node.data == "srv/f2400"

    drive(opened({f"srv/f{n:04}": "x" for n in range(2500)}), steps)


# --- the command ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "--interactive is for one image"),
        ([], "no image given (pyimginspect --help)"),
        (["a", "-o", "x.html"], "--interactive and --output do not go together"),
        (["a", "-f", "json"], "--interactive and --format do not go together"),
        (["a", "--plan"], "--interactive and --plan do not go together"),
        (["a", "--layers"], "--interactive and --layers do not go together"),
        (["a", "--against", "b"], "--interactive and --against do not go together"),
        (["a", "--summary"], "--interactive and --summary do not go together"),
        (["--fleet", "a"], "--interactive and --fleet do not go together"),
        (["-"], "--interactive needs standard input for its keys (name the archive's path)"),
        (
            ["a"],
            "--interactive needs a terminal (-o report.html is a report to walk through)",
        ),
    ],
)
def test_what_does_not_go(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--interactive", *arguments]) == 2
    assert capsys.readouterr().err == f"pyimginspect: {message}\n"


def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--interactive", "a"]) == 2
    said = "--interactive needs the module textual (pip install 'pyimginspect[tui]')"
    assert capsys.readouterr().err == f"pyimginspect: {said}\n"


# --- snapshots ------------------------------------------------------------------------------------
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CELL = 12.2  # the width of a character in textual's pictures
TEXT = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>')


async def steady(view: View, pilot: Pilot[None]) -> str:
    """The screen once it no longer changes: on a busy machine the line of keys is drawn late."""
    before, now = "", written(view)
    while now != before:
        await asyncio.sleep(0.05)
        await pilot.pause()
        before, now = now, written(view)
    return now


def written(view: View) -> str:
    """The characters of the screen, by textual's own picture of it."""
    rows: dict[float, list[tuple[int, str]]] = {}
    for x, y, text in TEXT.findall(view.export_screenshot()):
        rows.setdefault(float(y), []).append((round(float(x) / CELL), html.unescape(text)))
    lines = []
    for _, parts in sorted(rows.items()):
        line = ""
        for column, text in sorted(parts):
            line = line.ljust(column) + text.replace("\xa0", " ")
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("interactive-80", (80, 24), ()),
        ("interactive-120", (120, 36), ()),
        ("interactive-files", (100, 30), ("ctrl+a", "tab", "b")),
        ("interactive-explain", (80, 24), ("e",)),
        ("interactive-filter", (80, 24), ("f",)),
    ],
)
def test_the_golden_screens(name: str, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    async def run() -> str:
        found = image()
        view = View(look_at(found, judged(found)))
        view.animation_level = "none"
        async with view.run_test(size=size) as pilot:
            await settle(view, pilot)
            await press(view, pilot, *keys)
            return await steady(view, pilot)

    assert asyncio.run(run()) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


# --- through a pseudo-terminal --------------------------------------------------------------------
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(
    ("keys", "status", "end"),
    [
        (b"q", 0, ""),
        pytest.param(b"\x03", 130, "pyimginspect: interrupted", marks=pytest.mark.slow),
    ],
)
def test_the_command_on_a_terminal(keys: bytes, status: int, end: str, tmp_path: Path) -> None:
    import fcntl
    import pty
    import select
    import struct
    import termios

    path = tmp_path / "app.tar"
    path.write_bytes(docker_archive(on_slim({"app/x": "x"}, history=["COPY . /app"])))
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", PYIMGINSPECT_CACHE_DIR=str(tmp_path / "cache"))
        code = "import sys; from pyimginspect.cli import main; sys.exit(main(sys.argv[1:]))"
        os.execv(sys.executable, [sys.executable, "-c", code, "--interactive", str(path)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    seen = b""
    pressed = False
    while select.select([terminal], [], [], 60)[0]:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        seen += data
        if not pressed and b"added, changed, removed" in seen:
            os.write(terminal, keys)
            pressed = True
    _, waited = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(waited) == status
    last = seen.rpartition(b"\x1b[?1049l")[2].decode(errors="replace")  # back on the first screen
    assert end in last
    assert "Traceback" not in last
