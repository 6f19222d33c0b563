"""The end of what the user has time for (``--max-time``)."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
from collections.abc import Iterator

__all__ = ["OutOfTime", "limited"]


class OutOfTime(Exception):  # noqa: N818 - it is nobody's error
    """The time is over; says after how many seconds."""


@contextlib.contextmanager
def limited(seconds: float | None, *, is_process: bool) -> Iterator[None]:
    """Give the ``with`` statement so much time. Raises :class:`OutOfTime` where it takes more.

    What waits for a network cannot always be woken. Where the process is ours (``is_process``)
    it is ended then, with status 2: nothing has been written yet, and nobody waits for it longer.
    """
    if seconds is None:
        yield
        return
    over = threading.Event()
    message = f"not done within {seconds:g} s (--max-time)"

    def end() -> None:
        over.set()
        if is_process:
            with contextlib.suppress(OSError, AttributeError, ValueError):
                print(f"pyimginspect: {message}", file=sys.stderr, flush=True)
            # sys.exit() in a thread ends the thread alone.
            os._exit(2)
        # As a library there is no process to end: the main thread gets a KeyboardInterrupt.
        _thread.interrupt_main()

    timer = threading.Timer(seconds, end)
    # Or the process would wait for it after everything is done.
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt as exc:
        if over.is_set():
            raise OutOfTime(message) from exc
        raise
    finally:
        timer.cancel()
