"""What is seen of a reading while it goes on, on standard error: by people, or by programs.

A person at a terminal sees one line, which is drawn again in its place and taken away at the end:
what is waited for, then layers and bytes of how many, the rate and the time left. It never takes
a second row, so it leaves nothing behind in a terminal that scrolls, tmux or a recording.
Programs get a line of JSON for each event (``--progress json``).
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import Any, Literal, Self, TextIO

import msgspec
from humanize import naturalsize
from msgspec import Struct

from pyimginspect.errors import printable

__all__ = ["Event", "JsonProgress", "TerminalProgress", "progress_for", "progress_schema"]

_DELAY_SECONDS = 0.3  # what is read sooner needs no line
_TICK_SECONDS = 0.1  # between two drawings of the line
_EVENT_SECONDS = 0.2  # between two events about bytes
_SETTLED_SECONDS = 1.0  # before that a rate says little
_BAR = 20  # columns


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of ``--progress json``; ``seconds`` are since the command began to read.

    ``waiting``: for what. ``expected``: how many layers and bytes are to be read. ``started``
    and ``finished``: a layer, which may come from the cache. ``progress``: layers and bytes so
    far. ``done``: all of them. Bytes are those of the blobs as they are stored.
    """

    event: Literal["waiting", "expected", "started", "progress", "finished", "done"]
    seconds: float
    what: str = ""
    layer: str = ""
    cached: bool = False
    layers: int = 0
    bytes: int = 0


class _Counts:
    """How far the reading is."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.first: float | None = None  # when the first layer began
        self.waiting = "the image"
        self.layers = 0
        self.cached = 0
        self.read = 0
        self.expected_layers = 0
        self.expected_bytes = 0
        self.announced: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def total(self) -> int:
        """Bytes there are to read, as far as is known by now."""
        return max(self.expected_bytes, sum(self.announced.values()), self.read)


class _Progress:
    """Counts what happens; a context manager and a reporter, called from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._counts = _Counts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(summary=kind is None)

    def wait(self, what: str) -> None:
        """Something is waited for, such as an engine that exports the image."""
        with self._lock:
            self._counts.waiting = what
            self._happened("waiting", what=printable(what))

    def expect(self, layers: int, size: int) -> None:
        """So many layers more are to be read, of ``size`` bytes as far as is known."""
        with self._lock:
            self._counts.expected_layers += layers
            self._counts.expected_bytes += size
            self._happened("expected", layers=layers, bytes=size)

    def begin(self, label: str, total: int | None) -> None:
        """A layer of ``total`` bytes is about to be read."""
        with self._lock:
            self._counts.waiting = ""
            if self._counts.first is None:
                self._counts.first = time.monotonic()
            self._counts.announced[label] = total or 0
            self._happened("started", layer=printable(label), bytes=total or 0)

    def advance(self, label: str, count: int) -> None:
        """So many bytes more of a layer were read."""
        with self._lock:
            self._counts.read += count
            self._moved()

    def finish(self, label: str, *, cached: bool) -> None:
        """A layer was read, or came from the cache."""
        with self._lock:
            self._counts.layers += 1
            self._counts.cached += cached
            self._happened("finished", layer=printable(label), cached=cached)

    def close(self, *, summary: bool = True) -> None:
        """End; with ``summary``, say what was read."""
        with self._lock:
            self._ended(summary=summary)

    def _happened(self, event: str, **facts: Any) -> None:
        """Take note of an event, under the lock."""

    def _moved(self) -> None:
        """Take note of more bytes, under the lock."""

    def _ended(self, *, summary: bool) -> None:
        """Take note of the end, under the lock."""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nothing depends on what is seen of it


class TerminalProgress(_Progress):
    """One line while layers are read, and one when all are."""

    def __init__(self, stream: TextIO, *, escapes: bool = True) -> None:
        super().__init__(stream)
        self._escapes = escapes
        self._drawn = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._draw(delay=_DELAY_SECONDS)

    def expect(self, layers: int, size: int) -> None:
        """So many layers more are to be read; the line stays as it is until the first begins.

        Without a thread that draws it, this process may be forked meanwhile.
        """
        self._stop()
        super().expect(layers, size)

    def begin(self, label: str, total: int | None) -> None:
        """A layer of ``total`` bytes is about to be read."""
        super().begin(label, total)
        if self._thread is None:
            self._draw(delay=max(0.0, _DELAY_SECONDS - self._counts.seconds))

    def close(self, *, summary: bool = True) -> None:
        """Take the line away; with ``summary``, say what was read, in one line."""
        self._stop()
        super().close(summary=summary)

    def _draw(self, delay: float) -> None:
        """Begin to draw the line again and again."""
        if self._escapes:
            self._over.clear()
            self._thread = threading.Thread(
                target=self._draw_on, args=(delay,), name="progress", daemon=True
            )
            self._thread.start()

    def _stop(self) -> None:
        """Stop drawing."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _draw_on(self, delay: float) -> None:
        if self._over.wait(delay):
            return
        while True:
            with self._lock:
                line = _line(self._counts)
            # Asked for each time, since windows change their size.
            columns = shutil.get_terminal_size().columns
            # One column less: a full row would have some terminals begin another one.
            # The sequence clears the rest of the row: EL in ECMA-48.
            self._write(f"\r{line[: max(1, columns - 1)]}\x1b[K")
            self._drawn = True
            if self._over.wait(_TICK_SECONDS):
                return

    def _ended(self, *, summary: bool) -> None:
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False
        if summary and self._counts.layers:
            self._write(f"{_summary(self._counts)}\n")


class JsonProgress(_Progress):
    """A line of JSON for each :class:`Event`."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._last = 0.0
        self._happened("waiting", what=self._counts.waiting)

    def _happened(self, event: Any, **facts: Any) -> None:
        known = Event(event=event, seconds=round(self._counts.seconds, 3), **facts)
        self._write(msgspec.json.encode(known).decode() + "\n")

    def _moved(self) -> None:
        now = time.monotonic()
        if now - self._last >= _EVENT_SECONDS:
            self._last = now
            self._happened("progress", layers=self._counts.layers, bytes=self._counts.read)

    def _ended(self, *, summary: bool) -> None:
        if summary:
            self._happened("done", layers=self._counts.layers, bytes=self._counts.read)


def _line(counts: _Counts) -> str:
    if counts.waiting:
        return f"waiting for {printable(counts.waiting)}: {counts.seconds:.0f} s"
    layers = max(counts.expected_layers + counts.cached, len(counts.announced) + counts.cached)
    words = f"{counts.layers} of {layers} layers, {naturalsize(counts.read)}"
    total = counts.total
    if total > counts.read:
        full = _BAR * counts.read // total
        words += f" of {naturalsize(total)} [{'#' * full}{'.' * (_BAR - full)}]"
    spent = time.monotonic() - (counts.first or counts.begun)
    if spent >= _SETTLED_SECONDS and counts.read:
        rate = counts.read / spent
        words += f" {naturalsize(rate)}/s"
        if total > counts.read:
            words += f", {(total - counts.read) / rate:.0f} s left"
    return words


def _summary(counts: _Counts) -> str:
    parts = [f"{counts.layers} layer{'s' if counts.layers != 1 else ''}"]
    if counts.cached:
        parts.append(f"{counts.cached} from the cache")
    if counts.layers > counts.cached:
        seconds = counts.seconds
        rate = naturalsize(counts.read / max(seconds, 0.001))
        parts.append(f"{naturalsize(counts.read)} read in {seconds:.1f} s ({rate}/s)")
    return ", ".join(parts)


def progress_for(
    stream: TextIO | None = None, *, quiet: bool = False, term: str = "", how: str = "auto"
) -> TerminalProgress | JsonProgress | None:
    """Return what shows progress on ``stream`` (standard error), or ``None`` for nothing.

    ``how`` is ``auto`` (a line, on terminals alone), ``json`` or ``never``; ``term`` what the
    environment says of the terminal: a ``dumb`` one gets the last line only.
    """
    stream = stream if stream is not None else sys.stderr
    if how == "json" and stream is not None:
        return JsonProgress(stream)
    if quiet or how == "never" or stream is None or not stream.isatty():
        return None
    return TerminalProgress(stream, escapes=term != "dumb")


def progress_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one line of ``--progress json``."""
    import inspect

    schema = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Event)))
    for each in schema["$defs"].values():  # indented, up to Python 3.12
        if "description" in each:
            each["description"] = inspect.cleandoc(each["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of pyimginspect --progress json",
        **schema,
    }
