"""What may go wrong with a fleet: workers that die, tags that move, full disks, many images."""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from pyimginspect import Fleet, inspect_fleet
from pyimginspect.errors import ResultsError
from pyimginspect.fleet import Outcome, inspection, work
from pyimginspect.fleet.engines import Done, Threads, WorkerDiedError
from pyimginspect.fleet.records import Target
from pyimginspect.fleet.references import Skipped
from pyimginspect.fleet.run import Run
from pyimginspect.fleet.settings import CacheAt, Settings
from pyimginspect.fleet.store import Store
from pyimginspect.model import ImageConfig
from pyimginspect.policy import BUILTIN
from pyimginspect.sources.resolved import RegistryCarrier, Resolved
from tests.fleets import fleet, in_threads, push
from tests.servers import FakeRegistry

__all__ = ["in_threads"]


def run(references: list[str], place: Path) -> dict[str, Outcome]:
    outcomes = inspect_fleet(references, results=place / "r.sqlite3", cache=place / "cache")
    return {outcome.reference: outcome for outcome in outcomes}


# --- an image that ends its workers ---------------------------------------------------------------
class Deadly(Threads):
    """A worker that dies of some calls, and of them again."""

    dies_of: Callable[[Any, tuple[Any, ...]], bool] = staticmethod(lambda key, args: False)

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        if self.dies_of(key, args):
            self._inbox.put(
                Done(key, None, WorkerDiedError("reading it ends the process, twice now"))
            )
        else:
            super().submit(key, fn, *args)


@pytest.mark.parametrize("kind", ["image", "layer"])
def test_an_image_that_ends_its_worker_is_named_and_others_go_on(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 5)
        own = fleet(5)
        bad = [*own][3]

        def dies_of(key: Any, args: tuple[Any, ...]) -> bool:
            if kind == "layer":
                return bool(key == ("layer", bad.diff_ids[2]))
            return bool(key[0] == "image" and args[1].target.reference == references[3])

        def engine(wake: threading.Event, _: int) -> Deadly:
            made = Deadly(wake, 1)
            made.dies_of = dies_of
            return made

        monkeypatch.setattr(inspection, "Processes", engine)
        outcomes = run(references, tmp_path)
        assert [name for name, o in outcomes.items() if o.status == "failed"] == [references[3]]
        assert references[3] in outcomes[references[3]].error
        assert "twice now" in outcomes[references[3]].error
        again = run(references, tmp_path)
        assert again[references[3]].known
        assert again[references[3]].error == outcomes[references[3]].error


# --- a tag that moves meanwhile -------------------------------------------------------------------
@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_tag_that_moves_in_the_middle(method: str, tmp_path: Path) -> None:
    """Whichever image it is, it is one of the two, and whole."""
    old, new = fleet(2)

    class Moving(FakeRegistry):
        def serve(self, handler: Any) -> None:
            super().serve(handler)
            if handler.command == method and "/manifests/" in handler.path:
                self.add("a/b", "latest", new)

    with Moving() as registry:
        reference = registry.add("a/b", "latest", old)
        outcome = run([reference], tmp_path)[reference]
        assert outcome.report is not None, outcome.error
        assert outcome.report.image.config_digest in (old.config_digest, new.config_digest)
        held = [layer.diff_id for layer in outcome.report.layers]
        assert held in ([*old.diff_ids], [*new.diff_ids])
        again = run([reference], tmp_path)[reference]
        assert again.report is not None
        assert again.report.to_json() == pyimginspect.inspect(reference).to_json()


# --- a disk that is full --------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.usefixtures("in_threads")
def test_a_disk_that_fills_up_stops_the_run_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeRegistry() as registry:
        references = push(registry, 6)
        add = Store.add
        added = 0

        def filling(self: Store, *args: Any) -> None:
            nonlocal added
            added += 1
            if added > 2:
                pages = self._database.execute("PRAGMA page_count").fetchone()[0]
                self._database.execute(f"PRAGMA max_page_count = {pages}")
            add(self, *args)

        monkeypatch.setattr(Store, "add", filling)
        with pytest.raises(ResultsError, match="full"):
            run(references, tmp_path)
        monkeypatch.undo()
        with Fleet.open(tmp_path / "r.sqlite3") as results:
            written = results.totals().inspected
        assert 2 <= written < len(references)
        before = len(registry.requests)
        outcomes = run(references, tmp_path)
        assert sum(o.known for o in outcomes.values()) == written
        assert {o.status for o in outcomes.values()} == {"inspected"}
        asked = registry.requests[before:]
    with Fleet.open(tmp_path / "r.sqlite3") as results:
        assert results.totals().inspected == len(references)
    assert len([path for _, path, _ in asked if "/blobs/" in path]) <= 4 * len(references)


# --- more images than a window --------------------------------------------------------------------
class Instant:
    """An engine whose calls have ended when they are asked for; it counts what is in flight."""

    workers = 1

    def __init__(self, answer: Callable[[Any, tuple[Any, ...]], Any]) -> None:
        self._answer = answer
        self._calls: deque[Done] = deque()
        self.most = 0

    def submit(self, key: Hashable, fn: Callable[..., Any], *args: Any) -> None:
        self._calls.append(Done(key, self._answer(key, args)))
        self.most = max(self.most, len(self._calls))

    def completed(self) -> list[Done]:
        return [self._calls.popleft() for _ in range(min(7, len(self._calls)))]

    def close(self) -> None:
        self._calls.clear()


class NoStore:
    """Results that are thrown away."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def test_no_more_are_on_their_way_than_the_window_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a run remembers grows with the number of images."""
    count, window = 3000, 50
    taken = 0
    outcomes = 0

    def targets() -> Iterator[Target]:
        nonlocal taken
        for number in range(count):
            taken += 1
            assert taken - outcomes <= 2 * window  # on their way, and not yet asked for
            yield Target(reference=f"registry:r/{number}")

    def planned(_: Any, args: tuple[Any, ...]) -> work.Planned:
        resolved = Resolved(
            reference=args[1].reference, source="registry", config=ImageConfig(),
            layers=(), carrier=RegistryCarrier(registry="r", repository="a"),
        )  # fmt: skip
        return work.Planned(target=args[1], key=args[1].reference, resolved=resolved)

    resolver, engine = Instant(planned), Instant(lambda key, args: None)
    monkeypatch.setattr("pyimginspect.fleet.run.decode_result", lambda _: _Result())
    wake = threading.Event()
    wake.set()
    settings = Settings(
        cache=CacheAt(),
        policy=BUILTIN["python-slim"],
        today=__import__("datetime").date(2026, 1, 1),
    )
    store: Any = NoStore()
    monkeypatch.setattr(wake, "wait", lambda _: True)
    going = Run(
        targets(), store, engine, resolver, settings, store, wake,
        retry_failed=True, skipped=Skipped(), window=window,
    )  # fmt: skip
    for _ in going.outcomes():
        outcomes += 1
        for name in ("_asked", "_images", "_outcomes"):
            assert len(getattr(going, name)) <= window, name
    assert outcomes == count
    assert max(engine.most, resolver.most) <= window
    assert not going._images
    assert not going._asked


class _Row:
    key = "k"
    fails = False


class _Folded:
    image = _Row()
    report = b""


class _Result:
    folded = _Folded()
    named = b""
