"""Calls in threads of this process: for waiting on networks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from pyimginspect.fleet.engines.engine import Done, Inbox

__all__ = ["Threads", "settle"]


class Threads:
    """An engine whose workers are threads."""

    def __init__(self, wake: threading.Event, workers: int) -> None:
        self.workers = workers
        self._inbox = Inbox(wake)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="fleet")

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        """Have ``fn`` called with ``args``."""
        self._pool.submit(fn, *args).add_done_callback(partial(settle, self._inbox, key))

    def completed(self) -> list[Done]:
        """Return the calls that have ended since this was last asked."""
        return self._inbox.take()

    def close(self) -> None:
        """Let running calls end, and begin no other."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def settle(inbox: Inbox, key: Hashable, future: Future[Any]) -> None:
    """Put into ``inbox`` what became of a future that is done."""
    # By close(): nobody waits for it any more.
    if future.cancelled():
        return
    error = future.exception()
    inbox.put(Done(key, None if error else future.result(), error))
