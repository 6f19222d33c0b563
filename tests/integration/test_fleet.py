"""A fleet of sixty images, in processes and on a cluster, with and without deaths."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect import Fleet, inspect_fleet
from pyimginspect.fleet.engines import WorkerDiedError
from tests.fleets import fleet, push
from tests.integration.clusters import LocalCluster, children
from tests.servers import FakeRegistry
from tests.unit.test_fleet_engines import die, gather, square

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

COUNT = 60
WORKERS = 2
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


@pytest.fixture(scope="module")
def references(registry: FakeRegistry) -> list[str]:
    return push(registry, COUNT)


@pytest.fixture(scope="module")
def reports(references: list[str]) -> dict[str, str]:
    """What `inspect()` says of each image."""
    return {name: pyimginspect.inspect(name).to_json() for name in references}


IMAGES = list(fleet(COUNT))
LAYERS = {diff_id for one in IMAGES for diff_id in one.diff_ids}
CONFIGURATIONS = {one.config_digest for one in IMAGES}


def layers_fetched(registry: FakeRegistry, since: int) -> int:
    paths = [path for _, path, _ in registry.requests[since:] if "/blobs/" in path]
    return sum(path.rpartition("/")[2] not in CONFIGURATIONS for path in paths)


def check(
    references: list[str],
    reports: dict[str, str],
    place: Path,
    *,
    cluster: str | None = None,
    meanwhile: Callable[[int], None] = lambda _: None,
) -> None:
    """Inspect all; every report must be that of `inspect()`, to the byte."""
    found = {}
    outcomes = inspect_fleet(
        references,
        workers=None if cluster else WORKERS,
        cluster=cluster,
        results=place / "results.sqlite3",
        cache=place / "cache",
    )
    for number, outcome in enumerate(outcomes):
        assert outcome.report is not None, outcome.error
        found[outcome.reference] = outcome.report.to_json()
        meanwhile(number)
    assert found == reports
    with Fleet.open(place / "results.sqlite3") as results:
        assert results.totals().layers == len(LAYERS)
        for name in references:
            assert results.report(name).to_json() == reports[name]


def kill(pids: list[int]) -> None:
    assert pids
    os.kill(pids[0], signal.SIGKILL)


def test_in_processes(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    before = len(registry.requests)
    check(references, reports, tmp_path)
    assert layers_fetched(registry, before) == len(LAYERS)
    before = len(registry.requests)
    check(references, reports, tmp_path)
    assert len(registry.requests) - before == COUNT, "one request a name"


def test_processes_that_are_killed(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    before = len(registry.requests)
    killed = 0

    def meanwhile(number: int) -> None:
        nonlocal killed
        if number in (5, 25, 45) and (pids := children(os.getpid())):
            kill(pids)
            killed += 1

    check(references, reports, tmp_path, meanwhile=meanwhile)
    assert killed
    assert layers_fetched(registry, before) <= len(LAYERS) + killed * WORKERS


def test_a_command_that_is_killed_goes_on(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    before = len(registry.requests)
    (tmp_path / "list").write_text("\n".join(references))
    results = tmp_path / "results.sqlite3"
    command = [
        *(sys.executable, "-m", "pyimginspect", "--fleet", f"@{tmp_path}/list"),
        *("--results", str(results), "--cache-dir", str(tmp_path / "cache")),
        *("--workers", str(WORKERS), "-o", str(tmp_path / "fleet.json")),
    ]
    first = subprocess.Popen(command, cwd=ROOT)
    end = time.monotonic() + 300
    pids: set[int] = set()
    while inspected(results) < COUNT // 3:
        pids.update(children(first.pid))
        assert time.monotonic() < end
        time.sleep(0.02)
    first.kill()
    first.wait()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a worker outlives the command"
        time.sleep(0.05)
    done = inspected(results)
    assert done < COUNT
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1
    assert layers_fetched(registry, before) <= len(LAYERS) + WORKERS
    with Fleet.open(results) as kept:
        assert {name: kept.report(name).to_json() for name in references} == reports


def test_an_interrupted_command_goes_on(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C reaches all processes of a terminal. What is written stays, and nothing else does."""
    before = len(registry.requests)
    (tmp_path / "list").write_text("\n".join(references))
    results = tmp_path / "results.sqlite3"
    command = [
        *(sys.executable, "-m", "pyimginspect", "--fleet", f"@{tmp_path}/list"),
        *("--results", str(results), "--cache-dir", str(tmp_path / "cache")),
        *("--workers", str(WORKERS), "-o", str(tmp_path / "fleet.json")),
    ]
    first = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore interrupts, and so does what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 300
    while inspected(results) < COUNT // 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    pids = children(first.pid)
    assert pids
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == -signal.SIGINT, "which a shell calls 130"
    assert said == "pyimginspect: interrupted\n"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not (tmp_path / "fleet.json").exists()
    done = inspected(results)
    assert COUNT // 3 <= done < COUNT
    second = subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True)
    assert (second.returncode, second.stderr) == (1, "")
    assert layers_fetched(registry, before) <= len(LAYERS) + WORKERS
    with Fleet.open(results) as kept:
        assert {name: kept.report(name).to_json() for name in references} == reports


def inspected(results: Path) -> int:
    try:
        with Fleet.open(results) as fleet:
            return fleet.totals().inspected
    except pyimginspect.PyimginspectError:
        return 0


def test_on_a_cluster(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    before = len(registry.requests)
    with LocalCluster(tmp_path / "dask", WORKERS) as cluster:
        check(references, reports, tmp_path, cluster=cluster.address)
    assert layers_fetched(registry, before) == len(LAYERS)


def test_on_a_cluster_whose_workers_are_killed(
    registry: FakeRegistry, references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    before = len(registry.requests)
    killed = 0
    with LocalCluster(tmp_path / "dask", WORKERS) as cluster:

        def meanwhile(number: int) -> None:
            nonlocal killed
            if number in (5, 30) and (pids := cluster.workers()):
                kill(pids)
                killed += 1

        check(references, reports, tmp_path, cluster=cluster.address, meanwhile=meanwhile)
    assert killed
    assert layers_fetched(registry, before) <= len(LAYERS) + killed * WORKERS


def test_a_cluster_that_goes_away_and_comes_back(
    references: list[str], reports: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    with LocalCluster(tmp_path / "dask", WORKERS) as cluster:

        def meanwhile(number: int) -> None:
            if number == 10:
                cluster.stop()
                cluster.start()

        check(references, reports, tmp_path, cluster=cluster.address, meanwhile=meanwhile)


def test_what_ends_workers_of_a_cluster_is_given_up_and_others_go_on(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from pyimginspect.fleet.engines.cluster import Cluster

    wake = threading.Event()
    with LocalCluster(tmp_path / "dask", WORKERS) as cluster:
        engine = Cluster(wake, cluster.address)
        try:
            engine.submit("bad", die, str(tmp_path / "bad"), 99)
            for number in range(6):
                engine.submit(number, square, number)
            found = gather(engine, wake, 7)
        finally:
            engine.close()
    assert isinstance(found["bad"].error, WorkerDiedError)
    assert [found[number].value for number in range(6)] == [0, 1, 4, 9, 16, 25]
