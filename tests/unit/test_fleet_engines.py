"""Engines: what is called is answered, whoever dies meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyimginspect.fleet.engines import Done, Engine, Processes, Threads, WorkerDiedError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120


def square(number: int) -> int:
    return number * number


def fail(words: str) -> None:
    raise ValueError(words)


def die(path: str, times: int) -> str:
    """End the process the first so many times that this is called with `path`."""
    with open(path, "a+", encoding="utf-8") as file:
        file.write("x")
        file.seek(0)
        seen = len(file.read())
    if seen <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def linger(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def gather(engine: Engine, wake: threading.Event, count: int) -> dict[object, Done]:
    found: dict[object, Done] = {}
    end = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < end, f"only {found} have come"
        wake.wait(1)
        wake.clear()
        for done in engine.completed():
            assert done.key not in found
            found[done.key] = done
    return found


@pytest.fixture
def wake() -> threading.Event:
    return threading.Event()


@pytest.fixture(params=[Threads, Processes])
def engine(request: pytest.FixtureRequest, wake: threading.Event) -> Iterator[Engine]:
    make: Callable[[threading.Event, int], Engine] = request.param
    made = make(wake, 2)
    yield made
    made.close()


@pytest.fixture
def processes(wake: threading.Event) -> Iterator[Processes]:
    made = Processes(wake, 2)
    yield made
    made.close()


def test_every_call_is_answered_by_its_key(engine: Engine, wake: threading.Event) -> None:
    for number in range(20):
        engine.submit(number, square, number)
    engine.submit("wrong", fail, "no")
    found = gather(engine, wake, 21)
    assert {key: done.value for key, done in found.items() if key != "wrong"} == {
        number: number * number for number in range(20)
    }
    assert isinstance(found["wrong"].error, ValueError)
    assert engine.completed() == []


@pytest.mark.slow
def test_a_process_that_dies_once_costs_nothing(
    processes: Processes, wake: threading.Event, tmp_path: Path
) -> None:
    processes.submit("once", die, str(tmp_path / "once"), 1)
    for number in range(8):
        processes.submit(number, square, number)
    found = gather(processes, wake, 9)
    assert found["once"].value == "alive"
    assert all(done.error is None for done in found.values())


@pytest.mark.slow
def test_what_kills_twice_is_found_out_and_others_go_on(
    processes: Processes, wake: threading.Event, tmp_path: Path
) -> None:
    for number in range(4):
        processes.submit(number, square, number)
    processes.submit("bad", die, str(tmp_path / "bad"), 99)
    processes.submit("bad too", die, str(tmp_path / "bad too"), 99)
    for number in range(4, 8):
        processes.submit(number, square, number)
    found = gather(processes, wake, 10)
    assert {key for key, done in found.items() if done.error is not None} == {"bad", "bad too"}
    assert all(isinstance(found[key].error, WorkerDiedError) for key in ("bad", "bad too"))
    assert (tmp_path / "bad").read_text() == "xx"


def test_closing_ends_processes_at_once(wake: threading.Event) -> None:
    engine = Processes(wake, 2)
    engine.submit("pid", linger, 0.0)
    pid = gather(engine, wake, 1)["pid"].value
    for number in range(4):
        engine.submit(number, linger, 600)
    begun = time.monotonic()
    engine.close()
    assert time.monotonic() - begun < 60
    assert not is_there(pid)


PARENT = """
import sys, threading
from pyimginspect.fleet.engines import Processes
from tests.unit.test_fleet_engines import gather, linger

if __name__ == "__main__":
    wake = threading.Event()
    engine = Processes(wake, 2)
    engine.submit("a", linger, 1.0)
    engine.submit("b", linger, 1.0)
    for done in gather(engine, wake, 2).values():
        print(done.value, flush=True)
    engine.submit("c", linger, 600.0)
    print("ready", flush=True)
    threading.Event().wait(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_parent_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    with parent.stdout:
        lines = [parent.stdout.readline().strip() for _ in range(3)]
        parent.kill()
        parent.wait()
    assert lines[2] == "ready"
    pids = {int(line) for line in lines[:2]}
    end = time.monotonic() + PATIENCE
    while any(map(is_there, pids)):
        assert time.monotonic() < end, "a process outlives its parent"
        time.sleep(0.05)


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody asks for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
