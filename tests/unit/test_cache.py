"""The cache: what it gives back, what it refuses, and how it survives what happens to files."""

import contextlib
import gc
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from pyimginspect.cli import main
from pyimginspect.errors import CacheError, DigestMismatchError
from pyimginspect.layers import BytesBlob, Limits, cache_file, index_layer
from pyimginspect.layers.cache import Cache, cache_directory
from pyimginspect.layers.cache_file import open_database, open_unchanging
from pyimginspect.layers.cache_settings import DEFAULT_SIZE, cache_size
from pyimginspect.layers.cache_upkeep import cache_info, clear_cache
from pyimginspect.layers.digests import digest_of
from pyimginspect.layers.index_codec import StoredIndexError, decode_index, encode_index
from pyimginspect.model import Digest, ElfFile, LayerIndex, parse_size
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.contract import content
from tests.images import (
    File,
    compress,
    docker_archive,
    elf,
    image,
    kaniko_archive,
    layer,
    oci_archive,
    oci_layout,
    tar,
)
from tests.layouts import layout

LAYER = layer({"etc/": None, "etc/os-release": "ID=debian\n", "bin/sh": elf(needed=["libc.so.6"])})
SAMPLE = image([LAYER, {"a": "1" * 5000}, {"b": "2" * 9000}], tag="sample:1")
INDEX = index_layer(BytesBlob(data=LAYER), digests=True).index
ONE = Digest("sha256:" + "1" * 64)
TWO = Digest("sha256:" + "2" * 64)
BLOB = Digest("sha256:" + "b" * 64)
_T = TypeVar("_T")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as opened:
        yield opened


class Warnings(list[str]):
    """What a cache warned of."""

    def __call__(self, message: str) -> None:
        self.append(message)


# --- encoding -------------------------------------------------------------------------------------
NAMES = layer(
    {"caf\udce9": "latin-1", "ok/ünïcode": "x", "l\udcff": File(b"#!/bin/\xff\n", mode=0o755)}
)


@pytest.mark.parametrize(
    "blob",
    [LAYER, NAMES, layer(), b"", layer({"dev/null": None})],
    ids=["sample", "names that are no UTF-8", "no entries", "no bytes", "a directory"],
)
@pytest.mark.parametrize("digests", [False, True])
def test_an_index_comes_back_as_it_was(blob: bytes, digests: bool) -> None:
    index = index_layer(BytesBlob(data=blob), digests=digests).index
    assert decode_index(encode_index(index)) == index
    assert encode_index(index) == encode_index(decode_index(encode_index(index)))


def test_what_is_equal_in_an_index_takes_memory_once() -> None:
    entry = INDEX.entries[0]
    alike = [replace(entry, mode=0o755, mtime=500, size=5000, stored=5000) for _ in range(2)]
    files = dict(enumerate(ElfFile(needed=("libc.so.6",), machine="x86_64") for _ in range(2)))
    index = decode_index(encode_index(LayerIndex(size=1, entries=tuple(alike), elf=files)))
    for one, other in (index.entries, index.elf.values()):
        for name in one.__struct_fields__:
            mine, its = getattr(one, name), getattr(other, name)
            assert mine == its
            assert mine is its or name in ("path", "offset", "size", "stored"), name
    sparse = replace(entry, size=5000, stored=600)
    back = decode_index(encode_index(LayerIndex(size=1, entries=(*alike, sparse))))
    assert [each.stored is each.size for each in back.entries] == [True, True, False]
    assert back.entries[2] == sparse


@pytest.mark.parametrize("running", [True, False])
def test_the_garbage_collector_is_left_as_it_was(running: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if running else gc.disable)()
        assert decode_index(encode_index(INDEX)) == INDEX
        assert gc.isenabled() is running
    finally:
        (gc.enable if before else gc.disable)()


def test_facts_of_other_probes_come_back() -> None:
    facts = {"x": {3: {"a": [1, None, 2.5, b"\xff", "\udcff", True]}}}
    index = LayerIndex(size=1, extra=facts)
    assert decode_index(encode_index(index)) == index


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02junk", b"\x09" * 40, encode_index(INDEX)[:-5]]
)
def test_other_bytes_are_no_index(data: bytes) -> None:
    with pytest.raises(StoredIndexError):
        decode_index(data)


def test_any_changed_byte_is_an_index_or_an_error() -> None:
    whole = encode_index(INDEX)
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        try:
            decode_index(bytes(changed))
        except StoredIndexError:
            continue


# --- what is kept ---------------------------------------------------------------------------------
def test_found_by_diff_id_and_by_the_digest_of_the_blob(cache: Cache) -> None:
    assert cache.get(ONE, None) is None
    cache.put(ONE, BLOB, INDEX)
    assert cache.get(ONE, None) == INDEX
    assert cache.get(ONE, BLOB) == INDEX
    assert cache.get(None, BLOB) == INDEX
    assert cache.get(ONE, TWO) == INDEX, "the same layer, compressed in another way"
    assert cache.get(TWO, None) is None
    assert cache.get(None, None) is None


def test_a_blob_known_to_be_another_layer_is_not_found(cache: Cache) -> None:
    """A manifest that pairs a blob with a diff ID that is not its own must not get an answer."""
    cache.put(ONE, BLOB, INDEX)
    cache.put(TWO, None, LayerIndex(size=5))
    assert cache.get(TWO, BLOB) is None


class OneProbe:
    name = "example"
    version = 1

    def wants(self, path: str, size: int, head: bytes) -> bool:
        return False

    def read(self, path: str, content: object) -> Any:
        return None


class NewerProbe(OneProbe):
    version = 2


def test_other_probes_and_limits_are_other_keys(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"probes": (OneProbe(),)},
        {"probes": (NewerProbe(),)},
        {"limits": Limits(text=5)},
        {"limits": Limits(text=6)},
    ]
    for number, setting in enumerate(settings):
        with Cache(tmp_path, **setting) as cache:
            assert cache.get(ONE, None) is None
            cache.put(ONE, None, LayerIndex(size=number))
    for number, setting in enumerate(settings):
        with Cache(tmp_path, **setting) as cache:
            assert cache.get(ONE, None) == LayerIndex(size=number)


def test_documents_by_their_digest(cache: Cache) -> None:
    cache.put_document(SAMPLE.config_bytes)
    assert cache.get_document(Digest(SAMPLE.config_digest)) == SAMPLE.config_bytes
    assert cache.get_document(ONE) is None


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYIMGINSPECT_CACHE_DIR", str(tmp_path / "named"))
    assert cache_directory() == tmp_path / "named"
    assert cache_directory(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("PYIMGINSPECT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().name == "pyimginspect"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs under a number which nobody has (`docker run --user 12345`)."""

    def unknown(path: str) -> str:
        return path

    monkeypatch.chdir(tmp_path)
    for name in ("PYIMGINSPECT_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", unknown)
    for use in (cache_directory, Cache, cache_info, clear_cache):
        with pytest.raises(CacheError, match=r"no home directory \(--cache-dir or PYIMG"):
            use()
    assert cache_directory(tmp_path) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_info_and_clear(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put(ONE, BLOB, INDEX)
        cache.put_document(b"{}")
        cache.put_report(ONE, b"report")
    before = cache_info(tmp_path)
    assert before is not None
    assert (before.layers, before.documents, before.reports) == (1, 1, 1)
    assert before.size > len(encode_index(INDEX))
    held = clear_cache(tmp_path)
    after = cache_info(tmp_path)
    assert held is not None
    assert after is not None
    assert held.layers == 1
    assert (after.layers, after.documents, after.reports) == (0, 0, 0)
    with Cache(tmp_path) as cache:
        empty = cache.info().size
        for number in range(3):
            cache.put(number_digest(number), None, noise(number))
        cache.clear()
        assert cache.info().size <= empty + 50_000, "the room is given back at once"
    with Cache(tmp_path) as cache:
        assert cache.get(ONE, BLOB) is None
        assert cache.get_report(ONE) is None


# --- bounded --------------------------------------------------------------------------------------
def noise(number: int) -> LayerIndex:
    """An index of about 100 kB that cannot be compressed."""
    return LayerIndex(size=number, texts={0: random.Random(number).randbytes(100_000)})


def number_digest(number: int) -> Digest:
    return Digest(f"sha256:{number:064x}")


def test_what_was_used_least_recently_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    with Cache(tmp_path, size=1_000_000) as cache:
        for number in range(9):
            cache.put(number_digest(number), None, noise(number))
            now += 10_000
        assert cache.get(number_digest(0), None) is not None  # used again: now the youngest
        now += 10_000
        for number in range(9, 12):
            cache.put(number_digest(number), number_digest(number + 100), noise(number))
            now += 10_000
        kept = [n for n in range(12) if cache.get(number_digest(n), None) is not None]
        # Twice the limit was passed, and a tenth of the room made free: 1 to 4 went.
        assert kept == [0, 5, 6, 7, 8, 9, 10, 11]
        assert cache.get(None, number_digest(111)) == noise(11)


def test_the_file_becomes_smaller_with_its_limit(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for number in range(12):
            cache.put(number_digest(number), None, noise(number))
    with Cache(tmp_path, size=300_000) as cache:
        assert cache.info().size > 1_200_000
        cache.put(number_digest(12), None, noise(12))
    with Cache(tmp_path) as cache:
        assert cache.info().size < 400_000
        assert cache.get(number_digest(12), None) == noise(12)


@pytest.mark.parametrize("read", ["get", "holds", "get_report", "get_document"])
def test_what_is_used_before_every_put_stays(
    read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base of many images, within an hour, and however the clock is set back."""
    clock = iter(range(10_000_000, 0, -7))
    monkeypatch.setattr("time.time", lambda: next(clock))
    document = random.Random(0).randbytes(50_000)
    base = digest_of(document)
    with Cache(tmp_path, size=1_000_000) as cache:
        cache.put(base, None, noise(0))
        cache.put_report(base, document)
        cache.put_document(document)
        for number in range(1, 100):
            assert getattr(cache, read)(*(base, None)[: 2 if read == "get" else 1])
            cache.put(number_digest(number), None, noise(number))
        gone = [number for number in range(1, 100) if not cache.holds(number_digest(number))]
        assert gone == [*range(1, gone[-1] + 1)], "the others went in their order"
        assert len(gone) > 85


@pytest.mark.parametrize("size", [200_000, 1_000_000, 3_000_000])
def test_the_entries_together_are_bounded(size: int, tmp_path: Path) -> None:
    with Cache(tmp_path, size=size) as cache:
        for number in range(60):
            cache.put(number_digest(number), number_digest(number + 500), noise(number))
            cache.put_document(random.Random(number).randbytes(30_000))
            cache.put_report(number_digest(number), random.Random(-number).randbytes(50_000))
        database = cache._database
        tables = ("layers", "documents", "reports")
        stored = sum(
            database.execute(f"SELECT total(length(data)) FROM {table}").fetchone()[0]
            for table in tables
        )
        assert stored <= size
        assert (
            database.execute("SELECT size FROM total").fetchone()
            == database.execute("SELECT total(size) FROM uses").fetchone()
            == (stored,)
        )
        layers = database.execute("SELECT count(*) FROM layers").fetchone()
        assert database.execute("SELECT count(*) FROM blobs").fetchone() == layers
        assert database.execute("PRAGMA freelist_count").fetchone()[0] < 40, "given back"


def test_what_alone_would_fill_the_cache_is_not_kept(tmp_path: Path) -> None:
    with Cache(tmp_path, size=150_000) as cache:
        cache.put_report(ONE, b"small")
        cache.put(ONE, TWO, noise(1))
        assert cache.get(ONE, None) is None
        assert cache.get_report(ONE) == b"small"
        assert cache._database.execute("SELECT * FROM blobs").fetchall() == []


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([5], [5]),  # half of the limit
        ([6], []),
        ([5, 5], [5, 5]),
        ([2, 4, 5], [4, 5]),  # nine tenths of it stay
        ([1, 4, 4, 2], [4, 2]),
    ],
)
def test_entries_up_to_the_limit_are_kept(
    sizes: list[int], kept: list[int], tmp_path: Path
) -> None:
    with Cache(tmp_path, size=10) as cache:
        documents = [bytes([48 + n]) * size for n, size in enumerate(sizes)]
        for document in documents:
            cache.put_document(document)
        found = [cache.get_document(digest_of(document)) for document in documents]
        assert [len(document) for document in found if document] == kept


def test_however_many_entries_go_at_once(tmp_path: Path) -> None:
    with Cache(tmp_path, size=100) as cache:
        for number in range(50):
            cache.put_document(bytes([number]))
    with Cache(tmp_path, size=10) as cache:
        cache.put_document(b"last")
        assert cache.info().documents == 6
        assert cache.get_document(digest_of(b"last")) == b"last"


def test_of_several_uses_of_an_entry_the_last_counts(tmp_path: Path) -> None:
    with Cache(tmp_path, size=480_000) as cache:
        for number in range(4):
            cache.put(number_digest(number), None, noise(number))
        for number in (0, 1, 2, 3, 0):
            cache.get(number_digest(number), None)
        cache.put(number_digest(4), None, noise(4))
        assert [n for n in range(5) if cache.holds(number_digest(n))] == [0, 2, 3, 4]


@pytest.mark.parametrize(("seconds", "written"), [(9.0, False), (10.0, False), (11.0, True)])
def test_a_use_is_written_some_seconds_later(
    seconds: float, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for others, where an entry would wait; and once."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Cache(tmp_path) as cache:
        cache.put(ONE, None, INDEX)
        patience = cache._database.execute("PRAGMA busy_timeout").fetchone()
        seen: list[str] = []
        cache._database.set_trace_callback(seen.append)
        now += seconds
        for _ in range(2):
            cache.get(ONE, None)
        cache._database.set_trace_callback(None)
        assert sum(each.startswith("UPDATE uses") for each in seen) == written
        assert any(each.startswith("PRAGMA busy_timeout =") for each in seen) == written
        assert cache._database.execute("PRAGMA busy_timeout").fetchone() == patience
        cache._database.set_trace_callback(seen.append)
        cache.put(TWO, None, INDEX)
        cache._database.set_trace_callback(None)
        assert sum(each.startswith("PRAGMA busy_timeout =") for each in seen) == 2 * written


@pytest.mark.parametrize(
    "damage",
    [
        "INSERT INTO uses VALUES ('layers', 999, 1000000, 0)",
        "INSERT INTO uses VALUES ('other', 1, 1000000, 0)",
        "INSERT INTO uses VALUES ('layers', 999, 'many', 0)",
        "UPDATE total SET size = 1000000",
        "UPDATE total SET size = 'many'",
        "DELETE FROM total",
    ],
)
def test_uses_that_are_wrong_are_no_error(damage: str, tmp_path: Path) -> None:
    with Cache(tmp_path, size=10) as cache:
        cache._database.execute(damage)
        for document in (b"1", b"22", b"333", b"4444"):
            cache.put_document(document)
        query = "SELECT count(*) FROM uses WHERE size = 1000000"
        assert cache._database.execute(query).fetchone() == (0,)
    with Cache(tmp_path) as cache:
        assert cache.get_document(digest_of(b"4444")) in (b"4444", None)
        cache.put_document(b"55555")
    with Cache(tmp_path) as cache:
        assert cache.get_document(digest_of(b"55555")) == b"55555"


def test_what_is_put_after_an_error_is_kept(tmp_path: Path) -> None:
    with Cache(tmp_path, size=10) as cache:
        cache._database.execute("INSERT INTO uses VALUES ('layers', 999, 'many', 0)")
        for number in range(4):
            cache.put_document(bytes([number]) * 5)
    with Cache(tmp_path, size=10) as cache:
        assert cache.get_document(digest_of(b"\3" * 5)) is not None


def test_a_put_looks_at_no_other_entry(tmp_path: Path) -> None:
    """However many there are: the plan of every statement has searches alone."""
    with Cache(tmp_path) as cache:
        seen: list[str] = []
        cache._database.set_trace_callback(seen.append)
        cache.put(ONE, TWO, INDEX)
        cache.get(ONE, None)
        cache.put_report(ONE, b"x")
        cache.put_document(b"{}")
        cache._database.set_trace_callback(None)
        plans = [
            (statement, row[3])
            for statement in seen
            if not statement.startswith(("--", "PRAGMA", "BEGIN", "COMMIT"))
            for row in cache._database.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]
        scans = [plan for plan in plans if plan[1].startswith("SCAN")]
        assert {what for _, what in scans} <= {"SCAN total"}, "that has one row"


CROWD = """
import random, sys
from pyimginspect.layers.cache import Cache
from pyimginspect.model import LayerIndex
first = int(sys.argv[2])
base = f"sha256:{0:064x}"
with Cache(sys.argv[1], size=2_000_000) as cache:
    for number in range(first, first + 12):
        assert cache.get(base, None) is not None, number
        texts = {0: random.Random(number).randbytes(100_000)}
        cache.put(f"sha256:{number:064x}", None, LayerIndex(size=number, texts=texts))
"""


@pytest.mark.slow
def test_sixteen_processes_keep_their_base(tmp_path: Path) -> None:
    with Cache(tmp_path, size=2_000_000) as cache:
        cache.put(number_digest(0), None, noise(0))
        commands = [
            [sys.executable, "-c", CROWD, str(tmp_path), str(first * 100)] for first in range(1, 17)
        ]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
        for process in processes:
            with process:
                assert process.communicate(timeout=120)[1] == b""
            assert process.returncode == 0
        assert cache.get(number_digest(0), None) == noise(0)
        assert cache._database.execute("SELECT size FROM total").fetchone()[0] <= 2_000_000
        assert cache._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_uses_are_written_at_the_end(tmp_path: Path) -> None:
    """Also by who only reads, so that others do not take the place."""
    with Cache(tmp_path, size=1_000_000) as cache:
        for number in range(9):
            cache.put(number_digest(number), None, noise(number))
    with Cache(tmp_path, size=1_000_000) as cache:
        assert cache.get(number_digest(0), None) is not None
    with Cache(tmp_path, size=1_000_000) as cache:
        for number in range(9, 12):
            cache.put(number_digest(number), None, noise(number))
        assert cache.holds(number_digest(0))
        assert not cache.holds(number_digest(1))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("5 MB", 5_000_000),
        ("1.5GiB", 3 << 29),
        ("2g", 2_000_000_000),
        ("2Gi", 2 << 30),
        ("0", 0),
        ("1 tb", 10**12),
        ("", None),
        ("5 i", None),
        ("-1", None),
        ("1e9", None),
        ("five", None),
        ("5 PB", None),
        ("5 %", None),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size


def test_the_size_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYIMGINSPECT_CACHE_SIZE", raising=False)
    assert cache_size() == DEFAULT_SIZE
    assert cache_size("1 MB") == 1_000_000
    monkeypatch.setenv("PYIMGINSPECT_CACHE_SIZE", "3MiB")
    assert cache_size() == 3 << 20
    assert cache_size("1 MB") == 1_000_000
    with Cache(tmp_path) as cache:
        assert cache.info().limit == 3 << 20
    with Cache(tmp_path, size=5) as cache:
        assert cache.info().limit == 5
    monkeypatch.setenv("PYIMGINSPECT_CACHE_SIZE", "much")
    with pytest.raises(CacheError, match=r"cannot be 'much' .*500MB"):
        Cache(tmp_path)


def test_reading_does_not_write(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.put(ONE, None, INDEX)
        before = cache._database.total_changes
        for _ in range(5):
            cache.get(ONE, None)
        assert cache._database.total_changes == before


# --- what happens to files ------------------------------------------------------------------------
FILE = "layers-3.sqlite3"


def foreign_database(path: Path, application: int = 0) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA application_id = {application}")
    database.execute("CREATE TABLE precious (value)")
    database.execute("INSERT INTO precious VALUES ('gold')")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: path.write_bytes(b"no database at all" * 100), id="text"),
        pytest.param(
            lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000), id="junk"
        ),
        pytest.param(foreign_database, id="another program's"),
        pytest.param(lambda path: foreign_database(path, 0x50594949), id="with our mark"),
    ],
)
def test_a_file_that_is_no_cache_is_set_aside(write: Any, tmp_path: Path) -> None:
    write(tmp_path / FILE)
    was = (tmp_path / FILE).read_bytes()
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
        assert cache.get(ONE, None) == INDEX
    aside = (tmp_path / f"{FILE}.damaged-1").read_bytes()
    assert aside[100:] == was[100:], "all but the header, which tells how the file was opened last"
    (message,) = warnings
    assert str(tmp_path / FILE) in message
    assert "damaged-1" in message
    with Cache(tmp_path, warn=warnings) as cache:
        assert cache.get(ONE, None) == INDEX
    assert len(warnings) == 1
    assert (tmp_path / FILE).read_bytes()[68:72] == b"PYII", "what file(1) may know it by"
    for number in (2, 3):
        (tmp_path / FILE).write_bytes(was)
        Cache(tmp_path, warn=warnings).close()
        assert f"it is now {FILE}.damaged-{number}" in warnings[-1]


def test_a_file_that_another_process_has_made_meanwhile_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [sqlite3.DatabaseError("file is not a database")]
    real = open_database

    def fault_first(path: Path) -> sqlite3.Connection:
        if faults:
            raise faults.pop()
        return real(path)

    monkeypatch.setattr("pyimginspect.layers.cache.open_database", fault_first)
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
    assert warnings == []
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


class Broken:
    """A connection that has nothing but errors."""

    def __init__(self) -> None:
        self.closed = 0

    def execute(self, *_: object) -> Any:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("use", ["get", "put"])
def test_damage_that_shows_while_the_cache_is_open(use: str, sound: bool, tmp_path: Path) -> None:
    """The file may be well, or another process may have set it aside: it is opened again."""
    warnings, broken = Warnings(), Broken()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
        cache._database.close()
        if not sound:
            (tmp_path / FILE).write_bytes(b"no database " * 100)
        cache._database = broken  # type: ignore[assignment]
        if use == "get":
            assert cache.get(ONE, None) is None
        else:
            cache.put(TWO, None, INDEX)
        assert cache.get(ONE, None) == (INDEX if sound else None)
        assert broken.closed == 1
        cache.put(TWO, None, INDEX)
    assert len(warnings) == (not sound)
    with Cache(tmp_path) as cache:
        assert cache.get(TWO, None) == INDEX


def test_damage_to_a_file_that_cannot_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    with Cache(tmp_path) as cache:
        cache._database.close()
        cache._database = Broken()  # type: ignore[assignment]
        monkeypatch.setattr("pyimginspect.layers.cache.open_database", refuse)
        assert in_thread(lambda: cache.get(ONE, None)) is None
        cache.put(ONE, None, INDEX)
        assert cache.info().layers == 0


def test_a_file_that_others_keep_locked_is_left_for_now(tmp_path: Path) -> None:
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache._database.execute("PRAGMA busy_timeout = 0")
        with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("BEGIN IMMEDIATE")
            cache.put(ONE, None, INDEX)
        assert cache.get(ONE, None) is None
        cache.put(ONE, None, INDEX)
        assert cache.get(ONE, None) == INDEX
    assert warnings == []


def test_a_locked_file_is_not_opened_for_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process is changing would look like damage."""
    Cache(tmp_path).close()

    def refuse(_: Path) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("pyimginspect.layers.cache.open_database", refuse)
    with pytest.raises(CacheError, match=r"no cache at .*: database is locked \(--no-cache\)"):
        Cache(tmp_path)


def test_how_the_file_is_written(tmp_path: Path) -> None:
    """By a log, so that readers wait for nobody; what is lost with the power may be lost."""
    with Cache(tmp_path) as cache:
        assert cache._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cache._database.execute("PRAGMA synchronous").fetchone() == (1,)


def test_an_empty_file_is_a_cache_that_somebody_began(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
        assert cache.get(ONE, None) == INDEX
    assert warnings == []
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_file_that_lost_its_end(keep: float, tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for number in range(20):
            cache.put(number_digest(number), None, noise(number))
    path = tmp_path / FILE
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with Cache(tmp_path, warn=Warnings()) as cache:
        for number in range(20):
            assert cache.get(number_digest(number), None) in (None, noise(number))
        cache.put(ONE, None, INDEX)
        assert cache.get(ONE, None) == INDEX


def test_damage_anywhere_gives_an_answer_or_none(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        for number in range(5):
            cache.put(number_digest(number), number_digest(number + 100), noise(number))
    path = tmp_path / FILE
    data = path.read_bytes()
    generator = random.Random(1)
    for _ in range(60):
        changed = bytearray(data)
        start = generator.randrange(len(data) - 200)
        changed[start : start + 200] = generator.randbytes(200)
        for old in tmp_path.iterdir():
            old.unlink()
        path.write_bytes(changed)
        with Cache(tmp_path, warn=Warnings()) as cache:
            for number in range(5):
                assert cache.get(number_digest(number), None) in (None, noise(number))
            cache.put(ONE, None, INDEX)


def test_a_damaged_entry_is_dropped_with_a_warning(tmp_path: Path) -> None:
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
        cache._database.execute("UPDATE layers SET data = x'0102'")
        assert cache.get(ONE, None) is None
        assert cache.info().layers == 0
        cache.put_document(b"{}")
        cache._database.execute("UPDATE documents SET data = x'0102'")
        (digest,) = cache._database.execute("SELECT digest FROM documents").fetchone()
        assert cache.get_document(digest) is None
    assert len(warnings) == 1


@pytest.mark.parametrize("damage", ["x'0102'", "substr(data, 1, length(data) - 1)", "zeroblob(90)"])
def test_a_damaged_report_is_dropped_with_a_warning(damage: str, tmp_path: Path) -> None:
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put_report(ONE, b"one" * 100)
        assert cache.get_report(ONE) == b"one" * 100
        cache._database.execute(f"UPDATE reports SET data = {damage}")
        assert cache.get_report(ONE) is None
        assert cache.info().reports == 0
    assert len(warnings) == 1


def test_a_report_is_bound_to_its_key(tmp_path: Path) -> None:
    other = number_digest(7)
    with Cache(tmp_path, warn=Warnings()) as cache:
        cache.put_report(ONE, b"one")
        cache._database.execute("UPDATE reports SET key = ?", (other,))
        assert cache.get_report(other) is None


def test_reports_count_and_go_like_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    with Cache(tmp_path, size=1_000_000) as cache:
        for number in range(30):
            cache.put_report(number_digest(number), random.Random(number).randbytes(100_000))
            now += 10_000
            assert cache.get_report(number_digest(0)) is not None  # used all the time
        assert 8 <= cache.info().reports <= 10
        assert cache.get_report(number_digest(29)) is not None
        assert cache.get_report(number_digest(1)) is None


def test_a_full_disk_is_no_error(tmp_path: Path) -> None:
    warnings = Warnings()
    with Cache(tmp_path, warn=warnings) as cache:
        cache.put(ONE, None, INDEX)
        pages = cache._database.execute("PRAGMA page_count").fetchone()[0]
        cache._database.execute(f"PRAGMA max_page_count = {pages + 2}")
        for number in range(5):
            cache.put(number_digest(number), None, noise(number))
        assert cache.get(ONE, None) == INDEX
    assert len(warnings) == 1
    assert "full" in warnings[0]
    with Cache(tmp_path) as cache:
        assert cache.get(ONE, None) == INDEX
        cache.put(TWO, None, INDEX)
        assert cache.get(TWO, None) == INDEX


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CacheError, match="--no-cache"):
        Cache(tmp_path / "below")


def in_thread(work: Callable[[], _T]) -> _T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.mark.parametrize("allowed", ["both", "file", "directory", ""])
def test_a_file_that_cannot_be_written_is_read(
    allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that a CI mounts read-only; where it was to be writable, somebody is told."""
    with Cache(tmp_path) as cache:
        cache.put(ONE, TWO, INDEX)
        cache.put_document(b"{}")

    def refuse(_: Path) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr("pyimginspect.layers.cache.open_database", refuse)
    permissions = {
        "both": lambda *_: True,
        "file": lambda path, _: path.is_file(),
        "directory": lambda path, _: path.is_dir(),
        "": lambda *_: False,
    }
    monkeypatch.setattr("os.access", permissions[allowed])
    said: list[str] = []
    with Cache(tmp_path, warn=said.append) as cache:
        assert cache.get(ONE, None) == in_thread(lambda: cache.get(None, TWO)) == INDEX
        assert cache.get_document(digest_of(b"{}")) == b"{}"
        cache.put(TWO, None, INDEX)
        assert cache.get(TWO, None) is None
        assert cache.info().layers == 1
        with pytest.raises(CacheError, match="cannot be cleared"):
            cache.clear()
    assert len(said) == (allowed == "both")
    info = cache_info(tmp_path)
    assert info is not None
    assert info.layers == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("application", ["another", "ours"])
@pytest.mark.parametrize("opening", [open_database, open_unchanging])
def test_a_file_that_is_no_cache_is_refused_and_closed(
    opening: Callable[[Path], sqlite3.Connection],
    application: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is moved aside then, which Windows refuses of a file that is open."""
    Cache(tmp_path).close()
    path = tmp_path / FILE
    with contextlib.closing(sqlite3.connect(path)) as database:
        if application == "ours":
            database.execute("ALTER TABLE layers RENAME TO sheets")
        else:
            database.execute("PRAGMA application_id = 4711")
    closed: list[str] = []
    monkeypatch.setattr(cache_file._Connection, "close", lambda _: closed.append("closed"))
    with pytest.raises(sqlite3.DatabaseError):
        opening(path)
    assert closed == ["closed"]


def test_damage_in_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cache(tmp_path) as cache:
        cache.put(ONE, None, INDEX)
    data = (tmp_path / FILE).read_bytes()

    def refuse(_: Path) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("pyimginspect.layers.cache.open_database", refuse)
    for position in range(100, len(data), 997):
        damaged = data[:position] + bytes(4096) + data[position + 4096 :]
        (tmp_path / FILE).write_bytes(damaged)
        try:
            with Cache(tmp_path, warn=lambda _: None) as cache:
                assert cache.get(ONE, None) in (None, INDEX)
        except CacheError:
            pass
        assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for use in (Cache, cache_info, clear_cache):
        with pytest.raises(
            CacheError, match=r"no cache at .*/file/below: Not a directory"
        ) as caught:
            use(tmp_path / "file" / "below")
        assert "Errno" not in str(caught.value)


def test_asking_for_a_cache_makes_none(tmp_path: Path) -> None:
    assert cache_info(tmp_path / "cache") is None
    assert clear_cache(tmp_path / "cache") is None
    assert list(tmp_path.iterdir()) == []


def test_asking_for_a_file_that_is_no_cache_leaves_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign_database(tmp_path / FILE)
    with pytest.raises(CacheError, match="belongs to another program"):
        cache_info(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert clear_cache(tmp_path) is not None, "that sets it aside, and begins again"
    assert [record.getMessage() for record in caplog.records] == [
        f"the cache {tmp_path / FILE} is damaged, or is none; it is now {FILE}.damaged-1"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, f"{FILE}.damaged-1"]


WRITER = """
import random, sys
from pyimginspect.layers.cache import Cache
from pyimginspect.model import LayerIndex
first = int(sys.argv[2])
with Cache(sys.argv[1]) as cache:
    print("ready", flush=True)
    for number in range(first, first + int(sys.argv[3])):
        texts = {0: random.Random(number).randbytes(20_000)}
        cache.put(f"sha256:{number:064x}", None, LayerIndex(size=number, texts=texts))
        assert cache.get(f"sha256:{number:064x}", None).size == number
"""


def writer(directory: Path, first: int, count: int) -> subprocess.Popen[str]:
    arguments = [str(directory), str(first), str(count)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_many_processes_at_once(tmp_path: Path) -> None:
    processes = [writer(tmp_path, first * 100, 40) for first in range(6)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    with Cache(tmp_path) as cache:
        for first in range(6):
            for number in range(first * 100, first * 100 + 40):
                found = cache.get(number_digest(number), None)
                assert found is not None
                assert found.size == number


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_leaves_it_usable(tmp_path: Path) -> None:
    for attempt in range(4):
        with writer(tmp_path, attempt * 100_000, 100_000) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 * attempt)
            process.send_signal(signal.SIGKILL)
        warnings = Warnings()
        with Cache(tmp_path, warn=warnings) as cache:
            assert cache._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            cache.put(ONE, None, INDEX)
            assert cache.get(ONE, None) == INDEX
        assert warnings == []


SUICIDE = """
import os, signal, sqlite3, sys
from pyimginspect.layers import cache_file
from pyimginspect.layers.cache import Cache
left = int(sys.argv[2])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def connect(*arguments, **settings):
    database = real(*arguments, **settings)
    database.set_trace_callback(count)
    return database
real, cache_file.sqlite3.connect = sqlite3.connect, connect
Cache(sys.argv[1]).close()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_while_it_makes_the_file(tmp_path: Path) -> None:
    """Before each of its statements in turn: nothing stays behind, and the next one goes on."""
    status, statement = -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        statement += 1
        where = tmp_path / str(statement)
        arguments = [sys.executable, "-c", SUICIDE, str(where), str(statement)]
        status = subprocess.run(arguments, check=False).returncode
        begun = {path.name for path in where.iterdir()}
        assert begun <= {FILE, f"{FILE}-journal", f"{FILE}-wal", f"{FILE}-shm"}, "sqlite's own"
        warnings = Warnings()
        with Cache(where, warn=warnings) as cache:
            cache.put(ONE, None, INDEX)
            assert cache.get(ONE, None) == INDEX
            assert cache._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert cache._database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert warnings == []
        assert [path.name for path in where.iterdir()] == [FILE]
    assert status == 0
    assert statement > 10, "and not only before the first ones"


@pytest.mark.slow
def test_many_processes_make_the_file(tmp_path: Path) -> None:
    script = "import sys; from pyimginspect.layers.cache import Cache; Cache(sys.argv[1]).close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for process in processes:
        with process:
            assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_many_threads_at_once(cache: Cache) -> None:
    failures: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 30):
            cache.put(number_digest(number), None, LayerIndex(size=number))
            if cache.get(number_digest(number), None) != LayerIndex(size=number):
                failures.append(number)

    threads = [threading.Thread(target=work, args=(start * 30,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- with images ----------------------------------------------------------------------------------
class Counting:
    """A cache that counts what it is asked and told."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.hits = 0
        self.puts: list[str] = []

    def get(self, diff_id: Digest | None, digest: Digest | None) -> LayerIndex | None:
        found = self._cache.get(diff_id, digest)
        self.hits += found is not None
        return found

    def put(self, diff_id: Digest, digest: Digest | None, index: LayerIndex) -> None:
        self.puts.append(diff_id)
        self._cache.put(diff_id, digest, index)

    def get_document(self, digest: Digest) -> bytes | None:
        return self._cache.get_document(digest)

    def put_document(self, data: bytes, algorithm: str = "sha256", /) -> None:
        self._cache.put_document(data, algorithm)

    def get_report(self, key: Digest) -> bytes | None:
        return self._cache.get_report(key)

    def put_report(self, key: Digest, data: bytes) -> None:
        self._cache.put_report(key, data)


def write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("form", ["oci", "oci-archive", "kaniko", "docker in gzip", "oci in zstd"])
def test_a_second_look_reads_no_layer(form: str, tmp_path: Path, cache: Cache) -> None:
    forms = {
        "oci-archive": lambda: write(tmp_path, oci_archive(SAMPLE)),
        "oci": lambda: str(oci_layout(SAMPLE, tmp_path / "oci", compression="zstd")),
        "kaniko": lambda: write(tmp_path, kaniko_archive(SAMPLE)),
        "docker in gzip": lambda: write(tmp_path, compress(docker_archive(SAMPLE), "gzip")),
        "oci in zstd": lambda: write(tmp_path, compress(oci_archive(SAMPLE), "zstd")),
    }
    reference = forms[form]()
    plain = open_reference(reference, Options()).image
    counting = Counting(cache)
    first = open_reference(reference, Options(cache=counting)).image
    assert counting.hits == 0
    assert counting.puts == list(SAMPLE.diff_ids)
    second = open_reference(reference, Options(cache=counting)).image
    assert second == first
    assert content(first) == content(plain)
    if " in " not in form:
        assert counting.hits == 3
        assert counting.puts == list(SAMPLE.diff_ids), "nothing is written that is there"


def test_one_new_layer_is_the_only_one_read(tmp_path: Path, cache: Cache) -> None:
    open_reference(str(oci_layout(SAMPLE, tmp_path / "one")), Options(cache=cache))
    more = image([*SAMPLE.layers, {"c": "3"}])
    path = oci_layout(more, tmp_path / "two")
    for blob in SAMPLE.layers:  # what is cached need not even be readable
        packed = path / "blobs/sha256" / Path(next_blob(path, blob)).name
        packed.write_bytes(bytes(packed.stat().st_size))
    counting = Counting(cache)
    found = open_reference(str(path), Options(cache=counting)).image
    assert counting.puts == [more.diff_ids[-1]]
    assert [len(one.index.entries) for one in found.layers] == [3, 1, 1, 1]


def next_blob(path: Path, blob: bytes) -> str:
    packed = compress(blob, "gzip")
    return next(str(p) for p in path.rglob("*") if p.is_file() and p.read_bytes() == packed)


def test_an_uncompressed_local_archive_is_not_hashed_for_the_cache(
    tmp_path: Path, cache: Cache
) -> None:
    """Reading its headers is faster than hashing its bytes: see docs/cache.md."""
    reference = write(tmp_path, docker_archive(SAMPLE))
    counting = Counting(cache)
    open_reference(reference, Options(cache=counting))
    assert counting.puts == []
    open_reference(reference, Options(cache=counting, verify=True))
    assert counting.puts == list(SAMPLE.diff_ids), "hashed anyway, so kept"


@pytest.mark.parametrize("how", ["gzip", None])
@pytest.mark.parametrize("verify", [False, True])
def test_a_lying_archive_does_not_poison_the_cache(
    how: Any, verify: bool, tmp_path: Path, cache: Cache
) -> None:
    """The configuration claims a well-known layer, and the archive holds another one."""
    evil = [compress(layer({"evil": "x"}), how), *(compress(b, how) for b in SAMPLE.layers[1:])]
    reference = write(tmp_path, tar(layout(SAMPLE, evil)))
    if verify or how:
        with pytest.raises(DigestMismatchError):
            open_reference(reference, Options(cache=cache, verify=verify))
    else:
        open_reference(reference, Options(cache=cache))
    assert cache.get(Digest(SAMPLE.diff_ids[0]), None) is None
    honest = str(oci_layout(SAMPLE, tmp_path / "honest"))
    found = open_reference(honest, Options(cache=cache)).image
    assert [e.path for e in found.layers[0].index.entries] == ["etc", "etc/os-release", "bin/sh"]


def test_verifying_reads_all_again(tmp_path: Path, cache: Cache) -> None:
    path = oci_layout(SAMPLE, tmp_path / "oci")
    open_reference(str(path), Options(cache=cache))
    counting = Counting(cache)
    open_reference(str(path), Options(cache=counting, verify=True))
    assert counting.puts == list(SAMPLE.diff_ids)


# --- by the command -------------------------------------------------------------------------------
def test_the_command_tells_what_the_cache_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--cache-dir", str(tmp_path / "cache")]
    for option in ("--cache-info", "--cache-clear"):
        assert main([option, *where]) == 0
        assert capsys.readouterr() == (f"no cache at {tmp_path}/cache yet\n", "")
    assert list(tmp_path.iterdir()) == []
    with Cache(tmp_path / "cache") as cache:
        cache.put(ONE, None, INDEX)
    for option, verb in (("--cache-info", "contains"), ("--cache-clear", "contained")):
        assert main([option, *where]) == 0
        said = capsys.readouterr().out
        assert f"{FILE} {verb} 1 layer and 0 results in " in said
        assert "at most 536.9 MB" in said, "512 MiB"
    assert main(["--cache-info", *where]) == 0
    assert f"{FILE} contains 0 layers and 0 results in " in capsys.readouterr().out


def test_the_command_says_why_there_is_no_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("nothing")
    assert main(["--cache-info", "--cache-dir", str(tmp_path / "file")]) == 2
    said = f"pyimginspect: no cache at {tmp_path}/file: Not a directory\n"
    assert capsys.readouterr() == ("", said)
    (tmp_path / FILE).write_text("no database " * 100)
    assert main(["--cache-info", "--cache-dir", str(tmp_path)]) == 2
    said = f"pyimginspect: no cache at {tmp_path}: file is not a database (--cache-clear)\n"
    assert capsys.readouterr() == ("", said)


# --- by the command -------------------------------------------------------------------------------
def command(*arguments: str) -> int:
    return main(["--cache-dir", *arguments])


def test_the_command_bounds_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(oci_archive(image([{"a": "1"}]), compression="gzip"))
    place = str(tmp_path / "cache")
    assert command(place, "--cache-size", "100", str(path)) == 0
    capsys.readouterr()
    assert command(place, "--cache-size", "2GB", "--cache-info") == 0
    assert "0 layers and 0 results" in (out := capsys.readouterr().out)
    assert "at most 2.0 GB" in out
    monkeypatch.setenv("PYIMGINSPECT_CACHE_SIZE", "1MB")
    assert command(place, str(path)) == 0
    capsys.readouterr()
    assert command(place, "--cache-info") == 0
    assert "1 layer and 2 results" in (out := capsys.readouterr().out)
    assert "at most 1.0 MB" in out
    assert command(place, "--cache-size", "much", str(path)) == 2
    assert "cannot be 'much'" in capsys.readouterr().err
