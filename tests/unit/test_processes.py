"""Layers read by forked processes: the same as read here, whatever becomes of the processes."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyimginspect.cli.session import REPORT_MODULES, allow_processes
from pyimginspect.errors import LimitError, PyimginspectError
from pyimginspect.layers import Limits
from pyimginspect.layers.cache import Cache
from pyimginspect.model import LayerIndex
from pyimginspect.sources import indexing, processes
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import NoProgress, Options
from tests.images import Compression, Image, docker_archive, elf, image, layer, oci_archive

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere"),
    pytest.mark.forks,
]

SAMPLE = image(
    [
        layer({"bin/sh": elf(needed=["libc.so.6"]), "etc/os-release": "ID=debian\n"}),
        layer({f"srv/{number}": b"x" * number for number in range(50)}),
        layer({b"a\xff.txt".decode("utf-8", "surrogateescape"): "no UTF-8"}),
        layer(),
    ]
)


@pytest.fixture(autouse=True)
def forking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let small layers be read by two processes; hold that none of them is left behind."""
    monkeypatch.setattr(processes, "_LEAST_BYTES", 0)
    monkeypatch.setattr(processes, "_allowed", ())
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert threading.active_count() == 1, "another test has left a thread"
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


class Heard(NoProgress):
    """A reporter that remembers what it heard of each layer."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.finished: list[str] = []

    def begin(self, label: str, total: int | None) -> None:
        self.counts.setdefault(label, 0)

    def advance(self, label: str, count: int) -> None:
        self.counts[label] += count

    def finish(self, label: str, *, cached: bool) -> None:
        self.finished.append(label)


def saved(one: Image, where: Path, compression: Compression = None) -> str:
    data = oci_archive(one, compression=compression) if compression else docker_archive(one)
    where.write_bytes(data)
    return str(where)


def read_here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the numbers of the layers that this process reads."""
    numbers: list[int] = []
    real, this = indexing._index, os.getpid()

    def index(job: object, *rest: object) -> object:
        if os.getpid() == this:
            numbers.append(job.number)  # type: ignore[attr-defined]
        return real(job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(indexing, "_index", index)
    return numbers


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("verify", [False, True])
def test_the_same_comes_out(
    compression: Compression, verify: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = saved(SAMPLE, tmp_path / "image.tar", compression)
    here, heard = read_here(monkeypatch), Heard()
    apart = open_reference(reference, Options(verify=verify, progress=heard))
    assert here == []
    monkeypatch.setattr(processes, "_allowed", None)
    alone = Heard()
    assert open_reference(reference, Options(verify=verify, progress=alone)) == apart
    assert heard.counts == alone.counts
    assert sorted(heard.finished) == sorted(alone.finished)


def dies(number: int, how: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process that gets a layer die of a signal."""
    real, this = indexing._index, os.getpid()

    def index(job: object, *rest: object) -> object:
        if os.getpid() != this and job.number == number:  # type: ignore[attr-defined]
            signal.signal(how, signal.SIG_DFL) if how != signal.SIGKILL else None
            os.kill(os.getpid(), how)
        return real(job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(indexing, "_index", index)


@pytest.mark.parametrize("number", range(len(SAMPLE.layers)))
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGTERM])
def test_a_process_that_dies_is_done_without(
    number: int, how: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = saved(SAMPLE, tmp_path / "image.tar", "gzip")
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_allowed", None)
        expected = open_reference(reference, Options())
    dies(number, how, monkeypatch)
    here, heard = read_here(monkeypatch), Heard()
    assert open_reference(reference, Options(progress=heard)) == expected
    assert here == [number]
    assert len(heard.finished) == len(SAMPLE.layers)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_allowed", None)
        alone = Heard()
        open_reference(reference, Options(progress=alone))
    assert heard.counts == alone.counts  # what the dead one had read does not count twice


@pytest.mark.parametrize(
    ("limits", "error", "said"),
    [
        (Limits(entries=20), LimitError, "more than 20 entries"),
        (Limits(expansion=1, expansion_floor=1024), LimitError, "compressed bytes became more"),
        (Limits(path=4), LimitError, "a name of"),
    ],
)
def test_errors_are_those_of_reading_here(
    limits: Limits,
    error: type[PyimginspectError],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = saved(SAMPLE, tmp_path / "image.tar", "gzip")
    with pytest.raises(error, match=said) as apart:
        open_reference(reference, Options(limits=limits))
    monkeypatch.setattr(processes, "_allowed", None)
    with pytest.raises(error) as alone:
        open_reference(reference, Options(limits=limits))
    assert type(apart.value) is type(alone.value)
    assert "layer" in str(apart.value)


def test_an_interruption_ends_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(NoProgress):
        def begin(self, label: str, total: int | None) -> None:
            raise KeyboardInterrupt

    reference = saved(SAMPLE, tmp_path / "image.tar", "gzip")
    with pytest.raises(KeyboardInterrupt):
        open_reference(reference, Options(progress=Impatient()))
    # That none is left, the fixture sees.


def test_no_more_processes_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = saved(SAMPLE, tmp_path / "image.tar", "gzip")
    expected = open_reference(reference, Options())

    def fork() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    assert open_reference(reference, Options()) == expected


class TestWhetherToFork:
    """Where two processes would read two layers of enough bytes."""

    def test_it_would(self) -> None:
        assert processes.processes_for([1, 1]) == 2

    def test_not_unless_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "_allowed", None)
        assert processes.processes_for([1, 1]) == 0

    def test_not_for_one_layer(self) -> None:
        assert processes.processes_for([1]) == 0

    def test_not_on_one_processor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
        assert processes.processes_for([1, 1]) == 0

    def test_as_many_as_there_are_processors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
        assert processes.processes_for([1] * 20) == 4

    def test_not_for_few_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "_LEAST_BYTES", 3)
        assert processes.processes_for([1, 1]) == 0
        assert processes.processes_for([1, 2]) == 2

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_not_elsewhere(self, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", system)
        assert processes.processes_for([1, 1]) == 0

    def test_not_beside_a_thread(self) -> None:
        over = threading.Event()
        thread = threading.Thread(target=over.wait)
        thread.start()
        try:
            assert processes.processes_for([1, 1]) == 0
        finally:
            over.set()
            thread.join()

    def test_not_where_nobody_may_wait_for_them(self) -> None:
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            assert processes.processes_for([1, 1]) == 0
        finally:
            signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("options", [Options(workers=2), Options(workers=1)])
def test_not_where_threads_are_asked_for(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = read_here(monkeypatch)
    open_reference(saved(SAMPLE, tmp_path / "image.tar"), options)
    assert len(here) == len(SAMPLE.layers)


def test_what_is_imported_meanwhile_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    allow_processes(["table", "json"])
    modules = processes.meanwhile()
    assert set(REPORT_MODULES) < set(modules)
    assert [name for name in modules if find_spec(name) is None] == []


def test_no_module_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs a module that is not there says so; here it is only loaded early."""
    monkeypatch.setattr(processes, "_allowed", ("pyimginspect.no_such_module",))
    open_reference(saved(SAMPLE, tmp_path / "image.tar"), Options())


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("cached", [(), (0,), (1, 3)])
def test_what_arrives_is_said_at_once(
    compression: Compression, cached: tuple[int, ...], tmp_path: Path
) -> None:
    """Of equal layers each, and those that the cache has."""
    twice = image([*SAMPLE.layers, SAMPLE.layers[1]])
    reference = saved(twice, tmp_path / "image.tar", compression)
    indexes = [layer.index for layer in open_reference(reference, Options()).image.layers]
    heard: dict[int, LayerIndex] = {}
    with Cache(tmp_path / "cache") as cache:
        if compression:
            keep = [twice.layers[number] for number in cached]
            part = saved(image(keep or [layer({"a": ""})]), tmp_path / "part.tar", compression)
            open_reference(part, Options(cache=cache))
        open_reference(reference, Options(cache=cache, arrived=heard.__setitem__))
    assert {n: index.entries for n, index in heard.items()} == {
        n: index.entries for n, index in enumerate(indexes)
    }
