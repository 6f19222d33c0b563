"""Whether layers may be read by processes that are forked from this one, and by how many.

:mod:`~pyimginspect.sources.forked` does it; docs/decisions/processes.md tells what is gained.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

__all__ = ["allow", "load_meanwhile", "loading_meanwhile", "meanwhile", "processes_for"]

# Both limits: docs/decisions/processes.md.
_LEAST_BYTES = 32 << 20  # less is read sooner than two processes are begun
_MOST_PROCESSES = 8
_TRIES, _TRY_SECONDS = 10, 0.001

_allowed: tuple[str, ...] | None = None


def allow(modules: Sequence[str]) -> None:
    """Let this process be forked from now on; it imports ``modules`` while others read.

    For the process of the command alone: a program that uses this package is not to be forked
    without its knowledge.
    """
    global _allowed
    _allowed = tuple(modules)


def processes_for(sizes: Sequence[int]) -> int:
    """Return how many others are to read layers of so many bytes; 0 if this process is.

    Only Linux lets any process fork safely that has loaded libraries, and only one that runs no
    second thread: a lock that such a one holds would stay locked in the copy for ever.
    """
    if _allowed is None or sys.platform != "linux" or sum(sizes) < _LEAST_BYTES:
        return 0
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # whoever ends is not waited for
        return 0
    # Not cpu_count(), which also counts processors that taskset or a cpuset keeps from us.
    workers = min(len(os.sched_getaffinity(0)), len(sizes), _MOST_PROCESSES)
    return workers if workers > 1 and _is_alone() else 0


def _is_alone() -> bool:
    """Whether no other thread runs, those of libraries included."""
    for _ in range(_TRIES):
        try:
            # Not active_count() alone, which knows Python's own threads and none of a library's.
            if len(os.listdir("/proc/self/task")) == 1:
                return True
        except OSError:
            return False
        if threading.active_count() > 1:
            return False
        time.sleep(_TRY_SECONDS)  # a thread that was waited for is listed for a moment more
    return False


def meanwhile() -> tuple[str, ...]:
    """Return the modules that this process imports while others read."""
    return _allowed or ()


def load_meanwhile() -> None:
    """Import those modules, while other threads read."""
    for name in meanwhile():
        with contextlib.suppress(ImportError):  # whoever needs it says so
            importlib.import_module(name)


@contextlib.contextmanager
def loading_meanwhile() -> Iterator[None]:
    """Import those modules in a thread, while this one waits for an answer."""
    thread = threading.Thread(target=load_meanwhile, name="modules", daemon=True)
    if meanwhile():
        thread.start()
    try:
        yield
    finally:
        if thread.ident is not None:
            thread.join()
