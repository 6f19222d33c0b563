"""Images of an engine: those that the cache lacks are saved in one request."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import pyimginspect
from pyimginspect import Fleet, inspect_fleet
from pyimginspect.fleet import Outcome, together
from pyimginspect.layers.cache import Cache
from pyimginspect.sources import daemon
from pyimginspect.sources.options import Options
from tests.fleets import fleet, in_threads
from tests.images import Image, docker25_archive, docker_archive, oci_archive
from tests.servers import FakeEngine

__all__ = ["in_threads"]

pytestmark = pytest.mark.usefixtures("in_threads")

IMAGES = {one.tags[0]: one for one in fleet(5)}
BUILDS: dict[str, Callable[..., bytes]] = {"old": docker_archive, "25": docker25_archive}


@pytest.fixture(params=list(BUILDS.values()), ids=list(BUILDS))
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeEngine]:
    build: Callable[..., bytes] = request.param
    with FakeEngine() as running:
        for name in ("DOCKER_HOST", "CONTAINER_HOST"):
            monkeypatch.setenv(name, running.address)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        for name, one in IMAGES.items():
            running.add(name, build(one), one.config_digest, name)
        running.save_together = lambda names: build(*(IMAGES[name] for name in names))
        yield running


def run(references: list[str], place: Path, results: str = "r") -> list[Outcome]:
    return list(inspect_fleet(references, results=place / results, cache=place / "cache"))


def together_asked(engine: FakeEngine) -> list[list[str]]:
    """The names in each request for several images."""
    paths = [path for _, path, _ in engine.requests if "/images/get?" in path]
    return [sorted(parse_qs(urlsplit(path).query)["names"]) for path in paths]


def saves(engine: FakeEngine) -> tuple[int, int]:
    """How many requests were for several images, and how many for one."""
    return len(together_asked(engine)), len(engine.asked("/get$"))


@pytest.mark.parametrize("service", ["docker", "podman"])
def test_many_are_one_request(service: str, engine: FakeEngine, tmp_path: Path) -> None:
    outcomes = run([f"{service}:*"], tmp_path)
    assert saves(engine) == (1, 0)
    assert {o.reference for o in outcomes} == {f"{service}:{name}" for name in IMAGES}
    for outcome in outcomes:
        assert outcome.report is not None, outcome.error
        assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()


def test_what_the_cache_has_is_not_asked_for(engine: FakeEngine, tmp_path: Path) -> None:
    names = [f"docker:{name}" for name in IMAGES]
    run(names[:2], tmp_path)
    run(names, tmp_path, "other")
    run(names, tmp_path, "third")
    assert together_asked(engine) == [sorted([*IMAGES][:2]), sorted([*IMAGES][2:])]
    assert saves(engine) == (2, 0)


def test_one_alone_is_saved_alone(engine: FakeEngine, tmp_path: Path) -> None:
    (outcome,) = run([f"docker:{next(iter(IMAGES))}"], tmp_path)
    assert outcome.status == "inspected"
    assert saves(engine) == (0, 1)


def broken(names: list[str]) -> bytes:
    return docker_archive(*(IMAGES[name] for name in names))[:50_000]


@pytest.mark.parametrize("together", [None, broken, lambda _: b"", lambda _: b"what" * 5000])
def test_where_that_fails_each_is_saved_alone(
    together: Callable[[list[str]], bytes] | None, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.save_together = together
    outcomes = run(["docker:*"], tmp_path)
    assert [o.error for o in outcomes if o.error] == []
    assert saves(engine) == (1, len(IMAGES))


def test_an_image_that_is_gone_fails_alone(engine: FakeEngine, tmp_path: Path) -> None:
    names = [f"docker:{name}" for name in IMAGES]
    gone = next(iter(IMAGES))
    del engine.images[gone]
    outcomes = {o.reference: o for o in run(names, tmp_path)}
    assert [name for name, o in outcomes.items() if o.status == "failed"] == [f"docker:{gone}"]
    assert saves(engine) == (1, 0)


def test_other_content_under_a_digest_is_not_believed(engine: FakeEngine, tmp_path: Path) -> None:
    """An engine that saves something else when several are asked for."""
    other = [*fleet(9)][5:]

    def lie(names: list[str]) -> bytes:
        lies = [Image(layers=one.layers, config=one.config, tags=(name,))
                for name, one in zip(names, other, strict=False)]  # fmt: skip
        return docker_archive(*lies)

    engine.save_together = lie
    outcomes = run(["docker:*"], tmp_path)
    assert saves(engine) == (1, len(IMAGES))
    for outcome in outcomes:
        assert outcome.report is not None, outcome.error
        assert outcome.report.to_json() == pyimginspect.inspect(outcome.reference).to_json()


def test_groups_have_a_bound(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known, _ in engine.images.values():
        known["Size"] = 400
    monkeypatch.setattr(daemon, "_MOST_TOGETHER", 1000)
    run(["docker:*"], tmp_path)
    assert saves(engine) == (2, 1)  # two, two, and the last by itself
    monkeypatch.setattr(together, "_MOST", 3)
    (tmp_path / "x").mkdir()
    run(["docker:*"], tmp_path / "x")
    assert saves(engine) == (2 + 2, 1 + 1)


def test_images_of_containerds_store(engine: FakeEngine, tmp_path: Path) -> None:
    """There an image's ID is its manifest's digest, and layers are compressed."""
    for name, one in IMAGES.items():
        archive = oci_archive(one, compression="gzip")
        with pyimginspect.open_image(str(_written(tmp_path, archive))) as opened:
            digest = opened.image.digest
        engine.add(name, archive, str(digest), name)
    engine.save_together = lambda names: oci_archive(
        [IMAGES[name] for name in names], compression="gzip"
    )
    outcomes = run(["docker:*"], tmp_path)
    assert [o.error for o in outcomes if o.error] == []
    assert saves(engine) == (1, 0)
    with Fleet.open(tmp_path / "r") as results:
        assert results.totals().images == len(IMAGES)


def _written(place: Path, archive: bytes) -> Path:
    (place / "x.tar").write_bytes(archive)
    return place / "x.tar"


def test_nothing_of_it_stays_in_memory(engine: FakeEngine, tmp_path: Path) -> None:
    with Cache(tmp_path / "cache") as cache:
        daemon.save_together("docker", IMAGES, Options(cache=cache))
        for one in IMAGES.values():
            for diff_id in one.diff_ids:
                assert cache.get(pyimginspect.model.Digest(diff_id), None) is not None
            document = cache.get_document(pyimginspect.model.Digest(one.config_digest))
            assert document is not None
            assert json.loads(document)["rootfs"]["diff_ids"] == list(one.diff_ids)
