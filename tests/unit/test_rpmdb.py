"""rpm's databases: every form gives the same packages, and no damage gives a wrong one."""

import sqlite3
import struct
import types
from collections.abc import Callable
from contextlib import closing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.errors import CorruptLayerError, LayerError, LimitError
from pyimginspect.layers.rpmdb import read_rpmdb, wants
from pyimginspect.layers.rpmheader import read_header
from pyimginspect.model import RpmPackage
from tests.effort import examples
from tests.rpms import bdb_database, header, ndb_database, sqlite_database

PATH = "var/lib/rpm/rpmdb.sqlite"
ROOM = 1 << 20

BASH = header(
    {
        "name": "bash",
        "version": "5.1.8",
        "release": "9.el9",
        "epoch": 1,
        "installtime": 1700000000,
        "size": 7738634,
        "vendor": "Red Hat, Inc.",
        "arch": "x86_64",
        "sourcerpm": "bash-5.1.8-9.el9.src.rpm",
        "filestates": b"\0\0\2\1",
        "provides": ["bash", "/bin/sh", "bash"],
        "requireflags": [0, 1 << 24 | 8, 16384],
        "requires": ["filesystem", "rpmlib(CompressedFileNames)", "libc.so.6()(64bit)"],
        "dirindexes": [0, 1, 2, 1],
        "basenames": ["bash", ".bashrc", "bash.1.gz", ".replaced"],
        "dirnames": ["/usr/bin/", "/etc/skel/", "/usr/share/man/man1/"],
    }
)
PACKAGE = RpmPackage(
    name="bash",
    version="5.1.8",
    release="9.el9",
    epoch=1,
    architecture="x86_64",
    vendor="Red Hat, Inc.",
    source="bash-5.1.8-9.el9.src.rpm",
    size=7738634,
    requires=("filesystem", "libc.so.6()(64bit)"),
    provides=("/bin/sh", "bash"),
    files=("usr/bin/bash", "etc/skel/.bashrc"),
    install_time=1700000000,
)
TINY = header({"name": "a", "version": "1"})
DATABASES: dict[str, Callable[[list[bytes]], bytes]] = {
    "sqlite": sqlite_database,
    "sqlite with a log": lambda blobs: sqlite_database(blobs, wal=True),
    "ndb": ndb_database,
    "bdb": bdb_database,
    "bdb of another byte order": lambda blobs: bdb_database(blobs, order=">"),
    "bdb with large pages": lambda blobs: bdb_database(blobs, page_size=4096),
}
every_database = pytest.mark.parametrize("build", DATABASES.values(), ids=DATABASES)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/rpm/rpmdb.sqlite", True),
        ("var/lib/rpm/Packages", True),
        ("usr/lib/sysimage/rpm/Packages.db", True),
        ("usr/share/rpm/rpmdb.sqlite", True),
        ("var/lib/rpm/rpmdb.sqlite-wal", False),
        ("var/lib/rpm/Index.db", False),
        ("home/x/var/lib/rpm/Packages", False),
        ("usr/share/doc/Packages", False),
    ],
)
def test_wants(path: str, wanted: bool) -> None:
    assert wants(path) is wanted


def test_header() -> None:
    assert read_header(BASH, ROOM) == PACKAGE


@every_database
def test_every_form_has_the_same_packages(build: Callable[[list[bytes]], bytes]) -> None:
    assert read_rpmdb(PATH, build([BASH, TINY])) == (RpmPackage(name="a", version="1"), PACKAGE)
    assert read_rpmdb(PATH, memoryview(build([]))) == ()


@every_database
def test_a_header_over_many_pages(build: Callable[[list[bytes]], bytes]) -> None:
    names = [f"file-{number}" for number in range(2000)]
    big = header(
        {"name": "big", "dirindexes": [0] * 2000, "basenames": names, "dirnames": ["/opt/"]}
    )
    (package,) = read_rpmdb(PATH, build([big]))
    assert package.files == tuple(f"opt/{name}" for name in names)


def test_old_file_names_and_long_sizes() -> None:
    blob = header({"name": "old", "oldfilenames": ["/bin/a", "/etc/b\udcff"], "size": 5})
    assert read_header(blob, ROOM) == RpmPackage(
        name="old", version="", files=("bin/a", "etc/b\udcff"), size=5
    )


def test_an_empty_file_has_no_packages() -> None:
    assert read_rpmdb(PATH, b"") == ()


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"not a database at all, whatever its name says",
        b"SQLite format 3\0",
        b"SQLite format 3\0" + b"\0" * 4096,
        b"RpmP\0\0\0\0",
        b"RpmP\0\0\0\0" + struct.pack("<2I", 0, 0xFFFFFFFF) + b"\0" * 4096,
        b"\0" * 12 + b"\x61\x15\x06\x00" + b"\0" * 496,
        b"\0" * 12 + b"\x61\x15\x06\x00" + struct.pack("<2I2B", 9, 7, 0, 8) + b"\0" * 512,
    ],
)
def test_what_is_no_database(data: bytes) -> None:
    with pytest.raises(CorruptLayerError) as caught:
        read_rpmdb(PATH, data)
    assert str(caught.value).startswith(f"entry '{PATH}': ")


@pytest.mark.parametrize(
    ("blob", "error"),
    [
        (b"", CorruptLayerError),
        (b"\0" * 8, CorruptLayerError),
        (struct.pack(">2I", 1 << 20, 0), LimitError),
        (struct.pack(">2I", 1, 1 << 30), LimitError),
        (struct.pack(">2I", 1, 0), CorruptLayerError),
        (struct.pack(">2I", 1, 4) + struct.pack(">4I", 1000, 6, 5, 1) + b"abc\0", LayerError),
        (struct.pack(">2I", 1, 4) + struct.pack(">4I", 1000, 8, 0, 9) + b"abc\0", LayerError),
        (header({"version": "1"}), CorruptLayerError),
        (
            header({"name": "x", "basenames": ["a"], "dirindexes": [7], "dirnames": ["/"]}),
            LayerError,
        ),
        (header({"name": "x", "basenames": ["a", "b"], "dirindexes": [0]}), LayerError),
        (
            header({"name": "x", "basenames": ["a"], "dirindexes": [0], "dirnames": ["a" * 5000]}),
            LimitError,
        ),
        (
            # 40 kB that ask for 100 MB of paths.
            header(
                {
                    "name": "x",
                    "basenames": ["a"] * 10_000,
                    "dirindexes": [0] * 10_000,
                    "dirnames": ["a" * 4000],
                }
            ),
            LimitError,
        ),
        (
            struct.pack(">2I", 2, 4)
            + struct.pack(">4I", 1000, 6, 0, 1)
            + struct.pack(">4I", 1048, 4, 0, 0xFFFFFFFF)
            + b"abc\0",
            CorruptLayerError,
        ),
    ],
)
def test_damaged_headers(blob: bytes, error: type[LayerError]) -> None:
    with pytest.raises(error):
        read_header(blob, ROOM)


def database(script: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        return bytes(connection.serialize())


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, '' FROM n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("CREATE TABLE Other (hnum, blob)", "no table of packages"),
        (f"CREATE VIEW Packages (hnum, blob) AS {ENDLESS}", "no table of packages"),
        ("CREATE TABLE Packages (hnum)", "no such column"),
        ("CREATE TABLE Packages (hnum, blob); INSERT INTO Packages VALUES (1, 5)", "no blob"),
        (
            "CREATE TABLE Packages (hnum, blob BLOB AS (zeroblob(100000000)));"
            "INSERT INTO Packages (hnum) VALUES (1), (2)",
            "more headers than its size allows",
        ),
        (
            "CREATE TABLE Packages (hnum, blob BLOB AS (zeroblob(900000000)));"
            "INSERT INTO Packages (hnum) VALUES (1), (2)",
            "too big",
        ),
    ],
)
def test_hostile_schemas(script: str, reason: str) -> None:
    with pytest.raises(LayerError, match=reason):
        read_rpmdb(PATH, database(script))


def test_a_python_that_cannot_read_a_database_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """`deserialize()` is there where the sqlite that Python was built with had it."""
    connection = types.SimpleNamespace(close=lambda: None)
    # Of this module alone: coverage keeps what it counts in a database as well.
    module = types.SimpleNamespace(connect=lambda _: connection, Error=sqlite3.Error)
    monkeypatch.setattr("pyimginspect.layers.rpmdb.sqlite3", module)
    with pytest.raises(CorruptLayerError, match="of this Python has no deserialize"):
        read_rpmdb(PATH, b"SQLite format 3\0" + bytes(4096))


def test_slots_that_share_a_header_are_limited() -> None:
    blob = header({"name": "x", "version": "1" * 3000})
    data = ndb_database([blob, blob])
    shared = data[48 : 48 + 16]
    assert shared.startswith(b"Slot")
    twice = (
        data[:32]
        + b"".join(b"Slot" + struct.pack("<I", 1) + data[40:48] for _ in range(254))
        + data[4096:]
    )
    with pytest.raises(LimitError):
        read_rpmdb(PATH, twice)


def test_overflow_pages_in_a_circle_end() -> None:
    data = bytearray(bdb_database([BASH]))
    struct.pack_into("<I", data, 2 * 512 + 16, 2)  # The first overflow page names itself.
    with pytest.raises(LayerError):
        read_rpmdb(PATH, bytes(data))


@every_database
@examples(60)
@given(st.data())
def test_damage_is_a_typed_error_or_does_no_harm(
    build: Callable[[list[bytes]], bytes], data: st.DataObject
) -> None:
    whole = bytearray(build([BASH, TINY]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        with suppress(LayerError):
            packages = read_rpmdb(PATH, damaged)
            assert len(packages) <= 2
