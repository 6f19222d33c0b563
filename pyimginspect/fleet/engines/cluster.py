"""Calls on a cluster of dask's (extra ``fleet``).

Dask runs each call once, gives it to another worker when its own dies, and gives a call up that
was on several of those, running or waiting. So that none is given up for what another one did,
such a call is made once more, alone, when nothing else is left to do. What the scheduler forgets
when it goes away is submitted again once it is back.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import threading
import time
import uuid
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pyimginspect.errors import ClusterError
from pyimginspect.fleet.engines.engine import Done, Inbox, WorkerDiedError
from pyimginspect.layers.index_codec import pack, unpack
from pyimginspect.report_cache import code_identity

__all__ = ["Cluster"]

_CONNECT = 30.0  # seconds to wait for the scheduler at first
# A scheduler that Kubernetes restarts on another node takes some minutes.
_RETURN = 600.0  # seconds to wait for one that went away
_PAUSE = 2.0
_REACH = 2.0  # seconds for a worker to take a connection


class _Call(NamedTuple):
    fn: Callable[..., Any]
    args: tuple[Any, ...]


class Cluster:
    """An engine whose workers are those of a dask scheduler."""

    def __init__(self, wake: threading.Event, address: str) -> None:
        """Connect to the scheduler at ``address`` (``tcp://…``, ``tls://…``).

        Raises :class:`ClusterError` where none answers, or its workers are not fit for this.
        """
        self._address = address
        self._inbox = Inbox(wake)
        self._run = uuid.uuid4().hex
        self._code = code_identity()
        self._calls: dict[Hashable, _Call] = {}
        self._futures: dict[Hashable, Any] = {}
        self._suspects: list[Hashable] = []  # to be made once more, alone
        self._alone: Hashable = None
        self._client = self._connect(_CONNECT)
        self.workers = _check(self._client)

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        """Have ``fn`` called with ``args`` on a worker."""
        self._calls[key] = _Call(fn, args)
        self._start(key)

    def completed(self) -> list[Done]:
        """Return the calls that have ended since this was last asked.

        Raises :class:`ClusterError` where the scheduler went away and does not come back.
        """
        from distributed import KilledWorker

        ended, lost = [], []
        for done in self._inbox.take():
            # Of a future that was given up, or of an earlier connection.
            if self._futures.get(done.key) is None or done.key not in self._calls:
                continue
            del self._futures[done.key]
            if done.error is _LOST:
                lost.append(done.key)
                continue
            killed = isinstance(done.error, KilledWorker)
            if killed and done.key != self._alone:
                self._suspects.append(done.key)
                continue
            del self._calls[done.key]
            ended.append(Done(done.key, None, _died()) if killed else done)
        # Nothing else runs: if a worker dies now, it was this call that ended it.
        if self._suspects and not self._futures:
            self._alone = self._suspects.pop(0)
            self._start(self._alone)
        if lost:
            self._again()
        # Not before: until a call has ended there may be no workers to try.
        elif ended and self._client.direct_to_workers is None:
            self._client.direct_to_workers = _are_reachable(self._client)
        return ended

    def close(self) -> None:
        """Cancel what is running, and leave the cluster."""
        with contextlib.suppress(Exception):  # it may be gone
            self._client.cancel(list(self._futures.values()), force=True)
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)

    def _start(self, key: Hashable) -> None:
        call = self._calls[key]
        name = f"pyimginspect-{call.fn.__name__}-{uuid.uuid4().hex}"
        # All that is sent goes by the scheduler, which takes pieces of a kilobyte better than ten.
        packed = pack(pickle.dumps((call.fn, call.args), pickle.HIGHEST_PROTOCOL))
        # dask takes equal keys for one task, and would not make a call again: each has its own.
        future = self._client.submit(_called, self._code, packed, key=name, pure=False)
        self._futures[key] = future
        future.add_done_callback(lambda done: self._inbox.put(_settled(key, done)))

    def _again(self) -> None:
        """Submit all that has not ended, to a scheduler that has forgotten it."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)
        self._client = self._connect(_RETURN)
        self._inbox.take()  # of the old client's
        self._futures.clear()
        for key in self._calls:
            if key not in self._suspects:
                self._start(key)

    def _connect(self, patience: float) -> Any:
        try:
            from distributed import Client
        except ModuleNotFoundError as exc:
            raise ClusterError(
                f"a cluster needs the module {exc.name}", hint="pip install 'pyimginspect[fleet]'"
            ) from exc
        end = time.monotonic() + patience
        while True:
            try:
                # Not the default client: the program that uses this may have one of its own.
                return Client(self._address, timeout=5, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as exc:
                if time.monotonic() > end or isinstance(exc, ValueError):
                    raise ClusterError(
                        f"no dask scheduler answers at {self._address}: {exc}",
                        hint="the same command goes on from what is in --results",
                    ) from exc
                time.sleep(_PAUSE)


_LOST = RuntimeError("the scheduler no longer knows the task")


def _settled(key: Hashable, future: Any) -> Done:
    """Return what became of a future, asked in a thread of the client's."""
    if future.status in ("cancelled", "lost"):
        return Done(key, None, _LOST)
    try:
        error = future.exception()
        return Done(key, None if error is not None else future.result(), error)
    except Exception as exc:
        # Cancelled since, or its result cannot be had: the scheduler or the worker has gone.
        return Done(key, None, _LOST if future.status != "error" else exc)


def _called(code: str | None, packed: bytes) -> Any:
    """Call a function on a worker that has the same code as who asks."""
    if code_identity() != code:
        raise ClusterError(
            "a worker has another version of pyimginspect, or of what it is made with",
            hint="give the workers the same image as the driver",
        )
    # Whoever can reach a scheduler of dask's may execute code on its workers in any case.
    fn, args = pickle.loads(unpack(packed))
    return fn(*args)


def _are_reachable(client: Any) -> bool | None:
    """Whether results can come from the workers themselves, and not by the scheduler.

    Who is outside of the workers' network sees the scheduler alone. ``None`` without workers.
    """
    # -1 is all of them: there are releases of distributed that return five by default.
    for address in client.scheduler_info(n_workers=-1)["workers"]:
        place = urlsplit(address)
        try:
            with socket.create_connection((place.hostname, place.port or 0), _REACH):
                return True
        except OSError:
            return False
    return None


def _check(client: Any) -> int:
    """Return the number of workers. Raises :class:`ClusterError` for those with many threads."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    # Reading is Python's work, done under one interpreter lock.
    several = [name for name, worker in workers.items() if worker["nthreads"] != 1]
    if several:
        raise ClusterError(
            f"the worker {several[0]} has {workers[several[0]]['nthreads']} threads",
            hint="start dask worker with --nthreads 1: a thread more makes both slower",
        )
    return len(workers)


def _died() -> WorkerDiedError:
    return WorkerDiedError(
        "reading it ends workers, one after the other",
        hint="too little memory, or a bug in pyimginspect: please report it",
    )
