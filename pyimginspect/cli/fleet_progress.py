"""What a person at a terminal sees while a fleet is inspected, on standard error."""

from __future__ import annotations

import time
from typing import Any, Self, TextIO

from humanize import naturalsize
from tqdm import tqdm

from pyimginspect.fleet import Outcome

__all__ = ["FleetProgress"]


class FleetProgress:
    """One bar: images, of as many as are known by now; and layers, bytes, failures.

    A context manager, and a :class:`pyimginspect.fleet.run.Watcher`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._begun = time.monotonic()
        self._stream = stream
        self._layers = self._bytes = self._failed = self._deferred = 0
        self._bar: tqdm[Any] = tqdm(
            total=0, desc="fleet", unit=" images", file=stream, dynamic_ncols=True, leave=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        done = self._bar.n
        self._bar.close()
        seconds = time.monotonic() - self._begun
        self._stream.write(f"{done:,} images in {seconds:.1f} s: {self._words(seconds)}\n")
        self._stream.flush()

    def target(self) -> None:
        """Count one more image that is to be inspected."""
        self._bar.total = (self._bar.total or 0) + 1
        self._bar.update(0)

    def layer(self, size: int) -> None:
        """Count a layer of ``size`` bytes."""
        self._layers += 1
        self._bytes += size
        self._show()

    def outcome(self, outcome: Outcome) -> None:
        """Count an image that is settled."""
        self._failed += outcome.status == "failed"
        self._deferred += outcome.status == "deferred"
        self._bar.update(1)
        self._show()

    def _show(self) -> None:
        # Not refreshed by each layer: tqdm draws ten times a second at most by itself.
        self._bar.set_postfix_str(self._words(time.monotonic() - self._begun), refresh=False)

    def _words(self, seconds: float) -> str:
        words = f"{self._layers:,} layers, {naturalsize(self._bytes)}"
        # The first layer may come within the clock's resolution.
        words += f" ({naturalsize(self._bytes / max(seconds, 0.001))}/s)"
        if self._failed:
            words += f", {self._failed:,} failed"
        return f"{words}, {self._deferred:,} deferred" if self._deferred else words
