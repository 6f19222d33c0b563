"""What an engine is: something that calls functions elsewhere, and tells which have returned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol

from pyimginspect.errors import PyimginspectError

__all__ = ["Done", "Engine", "Inbox", "WorkerDiedError"]


class WorkerDiedError(PyimginspectError):
    """A task ended its worker, and ended another when it was tried again."""


class Done(NamedTuple):
    """A call that has returned ``value`` or raised ``error``, by the key that it had."""

    key: Hashable
    value: Any = None
    error: BaseException | None = None


class Engine(Protocol):
    """Calls functions; whoever waits for them does so at the event that the engine was given."""

    workers: int

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        """Have ``fn`` called with ``args``; no two calls in flight have the same key."""

    def completed(self) -> list[Done]:
        """Return, without waiting, the calls that have ended since this was last asked."""

    def close(self) -> None:
        """End all workers, and what they are at with them."""


class Inbox:
    """What has ended, put there by other threads; the event is set for who waits for it."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._items: list[Done] = []

    def put(self, done: Done) -> None:
        """Add what has ended, and wake who waits."""
        with self._lock:
            self._items.append(done)
        # After the item is there, or who wakes might find nothing and wait again.
        self._wake.set()

    def take(self) -> list[Done]:
        """Return all that has come, and forget it."""
        with self._lock:
            items, self._items = self._items, []
        return items
