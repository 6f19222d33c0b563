"""The inspection of a fleet, put together: references, engines, cache, results."""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from pyimginspect.errors import InvalidReferenceError, PyimginspectError
from pyimginspect.fleet import work
from pyimginspect.fleet.engines import Engine, Processes, Threads
from pyimginspect.fleet.folder_cache import FolderCache
from pyimginspect.fleet.records import Outcome
from pyimginspect.fleet.references import Choice, Skipped, expand
from pyimginspect.fleet.run import Run, Watcher
from pyimginspect.fleet.settings import CacheAt, Settings
from pyimginspect.fleet.store import Store
from pyimginspect.model import Platform
from pyimginspect.policy import BUILTIN, Policy
from pyimginspect.sources.options import LayerCache

__all__ = ["Inspection", "Plan", "inspect_fleet"]

# As many as there are connections to one registry (sources/adapters.py).
_RESOLVERS = 16  # names resolved at a time: most of it is waiting


class Plan(Struct, frozen=True, kw_only=True):
    """What to inspect, with what, and where the results go.

    ``workers`` are processes of this machine (``None``: one for each processor), ``cluster`` is
    the address of dask's scheduler to use instead. ``results`` is the file of the results,
    ``None`` for one that goes with the inspection. ``cache`` is a directory, or a cache of the
    caller's own; ``cache_size`` are the bytes that the first may grow to, or that are left of
    a cluster's when the inspection ends. With
    ``retry_failed`` what failed in an earlier run is tried again.
    """

    references: tuple[str, ...]
    platform: str = ""
    choice: Choice = Choice()
    policy: Policy = BUILTIN["python-slim"]
    workers: int | None = None
    cluster: str | None = None
    results: str | Path | None = None
    cache: str | Path | LayerCache | None = None
    cache_size: int | None = None
    retry_failed: bool = False

    def check(self) -> None:
        """Raise :class:`InvalidReferenceError` for what makes no sense."""
        self.choice.check()
        if self.platform and self.platform != "all":
            Platform.parse(self.platform)
        if self.workers is not None and self.workers < 1:
            raise InvalidReferenceError("--workers takes a number from 1")


class Inspection:
    """A run over a fleet: a context manager, and an iterator of outcomes.

    ``skipped`` counts what the references led to and was not to be inspected, ``unexpanded`` are
    the references that could not be looked into, ``dropped`` is how many references of earlier
    runs are no longer in the fleet.
    """

    def __init__(self, plan: Plan, watcher: Watcher | None = None) -> None:
        plan.check()
        self.skipped = Skipped()
        self.unexpanded: list[tuple[str, str]] = []
        self.dropped = 0
        self._plan = plan
        self._watcher = watcher
        self._stack = contextlib.ExitStack()
        self._results: Path | None = None

    @property
    def results(self) -> Path:
        """Where the results are, as long as the inspection is open."""
        assert self._results is not None, "the inspection is not open"
        return self._results

    def __enter__(self) -> Self:
        plan = self._plan
        try:
            folder = Path(self._stack.enter_context(_temporary()))
            self._results = Path(plan.results) if plan.results else folder / "results.sqlite3"
            self._store = self._stack.enter_context(Store(self._results))
            self._begin()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _begin(self) -> None:
        plan = self._plan
        place = _place(plan)
        settings = Settings(
            cache=place, policy=plan.policy, today=datetime.datetime.now(datetime.UTC).date()
        )
        # Callbacks run in reverse: the engine ends first, the cache closes after all that use it.
        self._stack.callback(work.close)
        cache = work.open_cache(place)
        if isinstance(cache, FolderCache) and place.size is not None:
            self._stack.callback(cache.trim, place.size)
        wake = threading.Event()
        resolver = Threads(wake, _RESOLVERS)
        self._stack.callback(resolver.close)
        engine = self._engine(wake)
        self._stack.callback(engine.close)
        targets = expand(
            plan.references,
            plan.choice,
            self.skipped,
            platform=plan.platform,
            failed=self._not_expanded,
        )
        self._run = Run(
            targets,
            self._store,
            engine,
            resolver,
            settings,
            cache,
            wake,
            retry_failed=plan.retry_failed,
            skipped=self.skipped,
            watcher=self._watcher,
        )

    def _engine(self, wake: threading.Event) -> Engine:
        if self._plan.cluster is not None:
            from pyimginspect.fleet.engines.cluster import Cluster

            return Cluster(wake, self._plan.cluster)
        return Processes(wake, self._plan.workers or os.cpu_count() or 1)

    def _not_expanded(self, reference: str, error: PyimginspectError) -> None:
        self.unexpanded.append((reference, str(error.at(image=reference))))

    def __iter__(self) -> Iterator[Outcome]:
        """Inspect, and return what becomes of each image as it does.

        Raises :class:`~pyimginspect.errors.ResultsError` where the results cannot be written.
        """
        yield from self._run.outcomes()
        # A list that could not be had says nothing of what is no longer in it.
        self.dropped = self._store.finish(self.skipped.counts, complete=not self.unexpanded)


def inspect_fleet(
    references: Iterable[str],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    results: str | Path | None = None,
    cache: str | Path | LayerCache | None = None,
    platform: str | None = None,
    policy: Policy | None = None,
    choice: Choice | None = None,
    retry_failed: bool = False,
) -> Iterator[Outcome]:
    """Inspect many images, every distinct layer read once, and return what becomes of each.

    ``references`` may be names, ``@FILE``, directories of saved images, ``docker:*`` and
    ``registry:HOST/PATTERN``. ``workers`` are processes of this machine; ``cluster`` is the
    address of a dask scheduler instead. ``results`` is an SQLite file that keeps everything, so
    that the same call goes on where it was stopped (:class:`Fleet` reads it). ``cache`` is a
    directory, or a :class:`~pyimginspect.sources.options.LayerCache`.

    Processes are started, so a script needs ``if __name__ == "__main__":``. One image that fails
    does not stop the others: its outcome says why. Raises
    :class:`~pyimginspect.errors.InvalidReferenceError` for a reference that cannot be looked
    into, once all others are done, and :class:`~pyimginspect.errors.ResultsError`.
    """
    plan = Plan(
        references=(references,) if isinstance(references, str) else tuple(references),
        platform=platform or "",
        choice=choice or Choice(),
        policy=policy or BUILTIN["python-slim"],
        workers=workers,
        cluster=cluster,
        results=results,
        cache=cache,
        retry_failed=retry_failed,
    )
    with Inspection(plan) as inspection:
        yield from inspection
        if inspection.unexpanded:
            _, why = inspection.unexpanded[0]
            raise InvalidReferenceError(why)


def _place(plan: Plan) -> CacheAt:
    if plan.cache is not None and not isinstance(plan.cache, str | Path):
        return CacheAt(kind="custom", custom=plan.cache)
    folder = str(plan.cache) if plan.cache is not None else None
    if plan.cluster is None:
        return CacheAt(folder=folder, size=plan.cache_size)
    # A directory of the user's home is another one on each machine.
    if folder is None:
        raise InvalidReferenceError(
            "a cluster's workers need a cache that they share",
            hint="--cache-dir names a directory that all of them see",
        )
    return CacheAt(kind="files", folder=folder, size=plan.cache_size)


def _temporary() -> tempfile.TemporaryDirectory[str]:
    # Windows deletes no file that is open, as a process that is just ending may have one.
    return tempfile.TemporaryDirectory(prefix="pyimginspect-", ignore_cleanup_errors=True)
