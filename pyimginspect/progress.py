"""What a person at a terminal sees while layers are read, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Self, TextIO

from humanize import naturalsize
from tqdm import tqdm

from pyimginspect.errors import printable

__all__ = ["TerminalProgress", "progress_for"]

_DELAY_SECONDS = 0.4  # a layer that is read sooner needs no bar


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> TerminalProgress | None:
    """Return what shows progress on ``stream`` (standard error), or ``None`` if nobody looks."""
    stream = stream if stream is not None else sys.stderr
    if quiet or not stream.isatty():
        return None
    return TerminalProgress(stream)


class TerminalProgress:
    """A bar for each layer that is being read, and one line when all are.

    A context manager, and a :class:`pyimginspect.sources.options.Reporter`; its methods may be
    called from several threads.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bars: dict[str, tqdm[Any]] = {}
        self._begun = time.monotonic()
        self._bytes = 0
        self._read = 0
        self._cached = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(summary=kind is None)

    def begin(self, label: str, total: int | None) -> None:
        """Show a bar for a layer of ``total`` bytes, unless it is read in no time."""
        with self._lock:
            self._bars[label] = tqdm(
                total=total,
                desc=f"layer {printable(label)}",
                unit="B",
                unit_scale=True,
                unit_divisor=1000,
                leave=False,
                delay=_DELAY_SECONDS,
                file=self._stream,
                dynamic_ncols=True,
            )

    def advance(self, label: str, count: int) -> None:
        """Move a layer's bar on by ``count`` bytes."""
        with self._lock:
            self._bytes += count
            if (bar := self._bars.get(label)) is not None:
                bar.update(count)

    def finish(self, label: str, *, cached: bool) -> None:
        """Take a layer's bar away."""
        with self._lock:
            self._cached += cached
            self._read += not cached
            if (bar := self._bars.pop(label, None)) is not None:
                bar.close()

    def close(self, *, summary: bool = True) -> None:
        """Take all bars away; with ``summary``, say what was read, in one line."""
        with self._lock:
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
            if summary and (self._read or self._cached):
                self._stream.write(f"{self._summary()}\n")
                self._stream.flush()

    def _summary(self) -> str:
        seconds = time.monotonic() - self._begun
        layers = self._read + self._cached
        parts = [f"{layers} layer{'s' if layers != 1 else ''}"]
        if self._cached:
            parts.append(f"{self._cached} from the cache")
        if self._read:
            rate = naturalsize(self._bytes / max(seconds, 0.001))
            parts.append(f"{naturalsize(self._bytes)} read in {seconds:.1f} s ({rate}/s)")
        return ", ".join(parts)
