"""The run of a fleet: every distinct layer read once, every distinct image folded once.

This process alone decides and writes; the work is done by an engine's workers, and names are
resolved in threads, as that is waiting. A window bounds how many targets are on their way at a
time, so memory does not grow with the fleet.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from pyimginspect.errors import ArtifactError, QuotaError
from pyimginspect.fleet import work
from pyimginspect.fleet.engines import Done, Engine, WorkerDiedError
from pyimginspect.fleet.layers import LayersUnderWay
from pyimginspect.fleet.records import Outcome, Status, Target
from pyimginspect.fleet.references import Skipped
from pyimginspect.fleet.settings import Settings, holds
from pyimginspect.fleet.store import Store
from pyimginspect.fleet.together import Together, service_of
from pyimginspect.fleet.work import Planned, decode_result, words_of
from pyimginspect.sources.options import LayerCache

__all__ = ["WINDOW", "NoWatcher", "Run", "Watcher"]

WINDOW = 2000
"""Targets on their way at a time."""

_PATIENCE = 5.0  # seconds between looks at work that has not been reported


class Watcher(Protocol):
    """Told how the run goes on."""

    def target(self) -> None:
        """One more target is known."""

    def layer(self, size: int) -> None:
        """A layer of ``size`` bytes, as stored, has been read."""

    def outcome(self, outcome: Outcome) -> None:
        """One more target is settled."""


class NoWatcher:
    """A watcher that says nothing."""

    def target(self) -> None:
        """Say nothing."""

    def layer(self, size: int) -> None:
        """Say nothing."""

    def outcome(self, outcome: Outcome) -> None:
        """Say nothing."""


class _Image:
    """An image on its way: the targets that lead to it, and the layers that it waits for."""

    def __init__(self, planned: Planned, target: Target) -> None:
        self.planned = planned
        self.targets = [(target, planned.named)]
        self.missing: set[str] = set()


class Run:
    """One run over targets, into a store."""

    def __init__(
        self,
        targets: Iterator[Target],
        store: Store,
        engine: Engine,
        resolver: Engine,
        settings: Settings,
        cache: LayerCache,
        wake: threading.Event,
        *,
        retry_failed: bool = False,
        skipped: Skipped,
        watcher: Watcher | None = None,
        window: int = WINDOW,
    ) -> None:
        self._targets = targets
        self._store = store
        self._engine = engine
        self._resolver = resolver
        self._settings = settings
        self._cache = cache
        self._wake = wake
        self._retry_failed = retry_failed
        self._watcher = watcher or NoWatcher()
        self._window = window
        self._more = True
        self._asked: set[Target] = set()  # being resolved
        self._images: dict[str, _Image] = {}
        self._layers = LayersUnderWay()
        self._together = Together()
        self._in_flight = 0
        self._exhausted: set[str] = set()
        self._outcomes: deque[Outcome] = deque()
        self._skipped = skipped

    def outcomes(self) -> Iterator[Outcome]:
        """Do it all, and return what becomes of each target, as it does."""
        while True:
            self._fill()
            self._save()
            while self._outcomes:
                yield self._outcomes.popleft()
            if not self._in_flight and not self._more:
                return
            if self._in_flight:
                self._wake.wait(_PATIENCE)
                # Before the engines are asked: what ends after that sets it again.
                self._wake.clear()
            for done in self._resolver.completed():
                self._resolved(done.key, done)
            for done in self._engine.completed():
                self._worked(done)

    # --- targets ------------------------------------------------------------------------------
    def _fill(self) -> None:
        """Begin with as many more targets as the window has room for."""
        # Outcomes count, too: failures that are known need no work, and would pile up.
        while self._more and self._in_flight < self._window and len(self._outcomes) < self._window:
            target = next(self._targets, None)
            if target is None:
                self._more = False
            else:
                self._consider(target)

    def _consider(self, target: Target) -> None:
        """Begin with a target, unless it was named before."""
        if target not in self._asked and not self._store.is_settled(target):
            if target.platform != "all":
                self._watcher.target()
            self._begin(target)

    def _begin(self, target: Target) -> None:
        # Before anything is asked for: a registry is not to be asked again for what is gone.
        if not self._retry_failed and (error := self._store.failure(target)) is not None:
            self._store.keep(target)
            self._failed(target, "failed", error, known=True)
        elif work.registry_of(target) in self._exhausted:
            self._fail(target, QuotaError("not asked, as its registry's quota is exhausted"))
        else:
            self._in_flight += 1
            self._asked.add(target)
            self._plan(target)

    def _resolved(self, target: Any, done: Done) -> None:
        self._asked.discard(target)
        # A registry's list does not tell charts and signatures from images; opening one does.
        if isinstance(done.error, ArtifactError):
            self._skipped.add("artifacts that are no images", str(target))
            self._in_flight -= 1
        elif done.error is not None:
            self._in_flight -= 1
            self._fail(target, done.error)
        elif isinstance(done.value, Planned):
            self._planned(target, done.value)
        else:  # a name's platforms, a target each
            self._in_flight -= 1
            for each in done.value:
                self._consider(each)

    def _plan(self, target: Target) -> None:
        """Have an image resolved: waiting for a registry is for threads, all else is work."""
        if target.platform == "all":
            self._resolver.submit(target, work.platforms, self._settings, target)
        elif target.reference.startswith("registry:"):
            self._resolver.submit(target, work.plan, self._settings, target)
        elif service_of(target):
            self._together.add(target)
        else:
            self._engine.submit(("target", target), work.plan, self._settings, target)

    def _save(self) -> None:
        """Have engines save the images that wait for it."""
        for service, group in self._together.begin():
            self._engine.submit(("saved", service), work.save, self._settings, service, group)

    def _saved(self, service: str) -> None:
        """Plan what was saved; of what was not, planning tells why."""
        for target in self._together.end(service):
            self._engine.submit(("target", target), work.plan, self._settings, target)

    def _planned(self, target: Target, planned: Planned) -> None:
        kept = self._store.image(planned.key)
        if kept is not None:
            self._in_flight -= 1
            self._store.name(target, kept.row, planned.named)
            self._inspected(target, planned.key, kept.report, planned.named, kept.fails, known=True)
            return
        # Another name of an image that is on its way.
        image = self._images.get(planned.key)
        if image is not None:
            image.targets.append((target, planned.named))
            return
        image = self._images[planned.key] = _Image(planned, target)
        for identity, position in planned.distinct.items():
            if identity in self._layers or not holds(
                self._cache, planned.resolved.layers[position]
            ):
                image.missing.add(identity)
                if self._layers.add(identity, planned, position):
                    self._read(identity)
        if not image.missing:
            self._fold(image)

    # --- work ---------------------------------------------------------------------------------
    def _read(self, identity: str) -> None:
        reading = work.reading(*self._layers.carrier(identity))
        self._engine.submit(("layer", identity), work.read, self._settings, reading)

    def _fold(self, image: _Image) -> None:
        planned = msgspec.structs.replace(image.planned, named=b"")  # of use to this process alone
        self._engine.submit(("image", planned.key), work.fold, self._settings, planned)

    def _worked(self, done: Done) -> None:
        key: Any = done.key
        kind, name = key
        if kind == "target":
            self._resolved(name, done)
        elif kind == "saved":
            self._saved(name)
        elif kind == "image":
            self._folded(self._images[name], done)
        elif done.error is None:
            self._watcher.layer(int(done.value))
            self._arrived(name)
        else:
            self._not_read(name, done.error)

    def _arrived(self, identity: str) -> None:
        for key in self._layers.arrived(identity):
            image = self._images.get(key)
            if image is not None:
                image.missing.discard(identity)
                if not image.missing:
                    self._fold(image)

    def _not_read(self, identity: str, error: BaseException) -> None:
        """Try the next who has the layer; what one gets wrong fails the images that it brought."""
        # What has not begun of that registry is deferred.
        if isinstance(error, QuotaError):
            self._exhausted.add(self._layers.carrier(identity).planned.registry)
        if isinstance(error, WorkerDiedError):  # as it would from any other
            failed: list[tuple[str, BaseException]]
            failed = [(key, error) for key in self._layers.arrived(identity)]
        else:
            failed = self._layers.refused(identity, error)
        for key, why in failed:
            self._give_up(key, why)
        if identity in self._layers:
            self._read(identity)

    def _folded(self, image: _Image, done: Done) -> None:
        if done.error is not None:
            self._give_up(image.planned.key, done.error)
            return
        del self._images[image.planned.key]
        result = decode_result(done.value)
        # What the first name says is as its report has it.
        image.targets[0] = (image.targets[0][0], result.named)
        folded = result.folded
        self._store.add(folded, image.targets)
        self._in_flight -= len(image.targets)
        for target, named in image.targets:
            self._inspected(target, folded.image.key, folded.report, named, folded.image.fails)

    # --- outcomes -----------------------------------------------------------------------------
    def _give_up(self, key: str, error: BaseException) -> None:
        image = self._images.pop(key, None)
        if image is not None:
            self._in_flight -= len(image.targets)
            for target, _ in image.targets:
                self._fail(target, error)

    def _fail(self, target: Target, error: BaseException) -> None:
        status: Status = "deferred" if isinstance(error, QuotaError) else "failed"
        if status == "deferred":
            self._exhausted.add(work.registry_of(target))
        words = words_of(error, target)
        self._store.fail(target, words, deferred=status == "deferred")
        self._failed(target, status, words)

    def _failed(self, target: Target, status: Status, error: str, *, known: bool = False) -> None:
        self._tell(_outcome(target, status=status, error=error, known=known))

    def _inspected(
        self,
        target: Target,
        key: str,
        report: bytes,
        named: bytes,
        fails: bool,
        *,
        known: bool = False,
    ) -> None:
        self._tell(
            _outcome(
                target,
                status="inspected",
                key=key,
                fails=fails,
                known=known,
                packed=report,
                named=named,
            )
        )

    def _tell(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._watcher.outcome(outcome)


def _outcome(target: Target, **values: Any) -> Outcome:
    return Outcome(
        reference=target.reference, platform=target.platform, namespace=target.namespace, **values
    )
