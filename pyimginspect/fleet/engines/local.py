"""Calls in processes of this machine, by the standard library's pool.

When a process dies, the pool is broken and cannot tell which call it died of: all that were
running are suspects, and each is tried once more, alone. The one that ends its process again did
it. A process ends with its parent, even where that was killed.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from pyimginspect.fleet.engines.engine import Done, Inbox, WorkerDiedError
from pyimginspect.fleet.engines.threads import settle

__all__ = ["Processes"]


_PATIENCE = 5.0  # seconds for a pool's own thread to see that its processes are gone


class _Call(NamedTuple):
    key: Hashable
    fn: Callable[..., Any]
    args: tuple[Any, ...]


class Processes:
    """An engine whose workers are processes."""

    def __init__(self, wake: threading.Event, workers: int) -> None:
        self.workers = workers
        self._inbox = Inbox(wake)
        self._pool: ProcessPoolExecutor | None = None
        self._running: dict[Hashable, _Call] = {}
        self._waiting: deque[_Call] = deque()
        self._suspects: deque[_Call] = deque()
        self._on_trial = False

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        """Have ``fn`` called with ``args``, once a process is free."""
        self._waiting.append(_Call(key, fn, args))
        self._begin()

    def completed(self) -> list[Done]:
        """Return the calls that have ended since this was last asked, and begin others."""
        ended = []
        for done in self._inbox.take():
            call = self._running.pop(done.key)
            if not isinstance(done.error, BrokenProcessPool):
                self._on_trial = False
                ended.append(done)
            elif self._on_trial:
                ended.append(Done(done.key, None, _died()))
            else:
                self._suspects.append(call)
            # A broken pool takes no more calls (concurrent.futures): the next one makes another.
            if isinstance(done.error, BrokenProcessPool):
                self._end_pool()
                self._on_trial = False
        self._begin()
        return ended

    def close(self) -> None:
        """End all processes."""
        self._waiting.clear()
        self._suspects.clear()
        self._end_pool()

    def _begin(self) -> None:
        """Begin as many calls as there are processes; of suspects one, and nothing beside it."""
        if self._on_trial:
            return
        while not self._suspects and self._waiting and len(self._running) < self.workers:
            self._start(self._waiting.popleft())
        # Alone in the pool: when it breaks now, this call did it.
        if self._suspects and not self._running:
            self._on_trial = True
            self._start(self._suspects.popleft())

    def _start(self, call: _Call) -> None:
        self._running[call.key] = call
        try:
            future = self._processes().submit(call.fn, *call.args)
        except BrokenProcessPool as exc:  # a process died while it had nothing to do
            future = Future()
            future.set_exception(exc)
        future.add_done_callback(partial(settle, self._inbox, call.key))

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A copy of this process (fork) would have its threads' locks, held for ever.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_prepare)
        return self._pool

    def _end_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        # There is no public way to them before Python 3.14 (kill_workers), and shutdown() lets
        # calls that run go on, which may take minutes.
        processes = list((pool._processes or {}).values())
        manager = getattr(pool, "_executor_manager_thread", None)
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with contextlib.suppress(ValueError, OSError):  # it has ended by itself
                process.kill()
        for process in processes:
            with contextlib.suppress(ValueError, OSError, AssertionError):
                process.join(10)
        # Semaphores go with the last who knows them. A command that ends by a signal (Ctrl-C) has
        # no other chance: the resource tracker would call them leaked.
        if manager is not None:
            manager.join(_PATIENCE)
        del pool, manager
        gc.collect()


def _died() -> WorkerDiedError:
    return WorkerDiedError(
        "reading it ends the process, twice now",
        hint="too little memory, or a bug in pyimginspect: please report it",
    )


def _prepare() -> None:
    """Make ready in a new process: it ends with its parent, and not by itself at Ctrl-C."""
    # A terminal sends Ctrl-C to all processes in the foreground, and a traceback of each would
    # follow.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    gc.disable()  # see pyimginspect.fleet.work


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        # The sentinel is ready when the parent has ended, however it did.
        wait([parent.sentinel])
        os._exit(1)
