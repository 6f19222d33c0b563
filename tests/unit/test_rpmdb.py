"""rpm's databases: every form gives the same packages, and no damage gives a wrong one."""

import sqlite3
import struct
import types
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.errors import CorruptLayerError, LayerError, LimitError
from pyimginspect.layers import rpmdb, rpmheader
from pyimginspect.layers.rpmdb import read_rpmdb, wants
from pyimginspect.layers.rpmheader import read_header
from pyimginspect.model import RpmPackage
from tests.effort import examples
from tests.rpms import Value, bdb_database, header, ndb_database, sqlite_database

PATH = "var/lib/rpm/rpmdb.sqlite"
ROOM = 1 << 20

BASH = header(
    {
        "name": "bash",
        "version": "5.1.8",
        "release": "9.el9",
        "epoch": 1,
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


def test_features_of_rpm_and_weak_requirements_are_none() -> None:
    """By RPMSENSE_MISSINGOK and RPMSENSE_RPMLIB (rpm's rpmds.h)."""
    flags = {f"bit-{bit}": 1 << bit for bit in (18, 19, 20, 23, 24, 25)}
    blob = header({"name": "x", "requireflags": [*flags.values()], "requires": [*flags]})
    assert read_header(blob, ROOM).requires == ("bit-18", "bit-20", "bit-23", "bit-25")


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
        (struct.pack(">2I", 65535, 0), CorruptLayerError),  # what rpm itself takes at most
        (struct.pack(">2I", 65536, 0), LimitError),
        (struct.pack(">2I", 1, (1 << 28) - 1), CorruptLayerError),
        (struct.pack(">2I", 1, 1 << 28), LimitError),
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


def raw(data: bytes, *tags: tuple[int, int, int, int]) -> bytes:
    """A header of a name and of other tags, each with type, offset and count."""
    data = b"x\0" + data
    index = b"".join(struct.pack(">4I", *each) for each in [(1000, 6, 0, 1), *tags])
    return struct.pack(">2I", 1 + len(tags), len(data)) + index + data


def test_a_header_may_end_with_empty_words() -> None:
    assert read_header(header({"name": "x", "provides": ["", ""]}), ROOM).provides == ("",)
    assert read_header(raw(b"1.2\0", (1001, 6, 2, 3)), ROOM).version == "1.2"  # one, whatever
    assert read_header(raw(b"1.2", (1001, 6, 2, 3)), ROOM).version == "1.2"
    assert read_header(raw(b"", (1047, 8, 2, 0)), ROOM).provides == ()


def test_values_of_every_type() -> None:
    """Lengths of 1 to 8 bytes, and a text in several languages, of which the first counts."""
    long = read_header(raw(struct.pack(">Q", 5 << 32), (5009, 5, 2, 1)), ROOM)
    assert long.size == 5 << 32
    assert read_header(raw(b"\x07\1\2", (1003, 2, 2, 1)), ROOM).epoch == 7
    assert read_header(raw(b"\1\2", (1003, 3, 2, 1)), ROOM).epoch == 0x102
    assert read_header(raw(b"Acme\0Akme\0", (1011, 9, 2, 2)), ROOM).vendor == "Acme"


@pytest.mark.parametrize(
    ("data", "tag"),
    [
        (b"", (1001, 6, 2, 1)),  # where the data ends
        (b"1\0", (1047, 8, 2, 3)),
        (b"1\0", (1001, 6, 9, 1)),
        (b"1234567", (1048, 4, 2, 2)),
        (b"1234", (1003, 4, 3, 1)),
    ],
)
def test_tags_that_point_outside_their_header(data: bytes, tag: tuple[int, int, int, int]) -> None:
    with pytest.raises(CorruptLayerError, match=f"tag {tag[0]} of the rpm database points outside"):
        read_header(raw(data, tag), ROOM)


def test_a_file_without_a_state_is_installed() -> None:
    blob = header({"name": "x", "basenames": ["a"], "dirindexes": [0], "dirnames": ["/"]})
    assert read_header(blob, ROOM).files == ("a",)


def test_the_limits_of_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = len(BASH) - 8 - 16 * 15
    monkeypatch.setattr(rpmheader, "_MOST_ENTRIES", 15)
    monkeypatch.setattr(rpmheader, "_MOST_DATA", data)
    assert read_header(BASH, ROOM) == PACKAGE
    assert read_header(BASH + b"what follows", ROOM) == PACKAGE
    with pytest.raises(CorruptLayerError, match="is cut short"):
        read_header(BASH[:-1], ROOM)
    for name, value in (("_MOST_ENTRIES", 14), ("_MOST_DATA", data - 1)):
        monkeypatch.undo()
        monkeypatch.setattr(rpmheader, name, value)
        with pytest.raises(LimitError, match=f"claims 15 tags, {data} bytes"):
            read_header(BASH, ROOM)


@pytest.mark.parametrize("indexes", [[0, 1], [1, 0], [0]])
def test_files_in_directories_that_are_not_there(indexes: list[int]) -> None:
    files: dict[str, Value] = {
        "basenames": ["a", "b"],
        "dirindexes": indexes,
        "dirnames": ["/usr/"],
    }
    with pytest.raises(CorruptLayerError, match="file list of the rpm database is inconsistent"):
        read_header(header({"name": "x", **files}), ROOM)


def test_the_room_for_paths() -> None:
    new: dict[str, Value] = {
        "basenames": ["a", "b"],
        "dirindexes": [1, 1],
        "dirnames": ["/e/", "/usr/"],
    }
    for blob, room in (
        (header({"name": "x", **new}), 2 * len("usr/a")),
        (header({"name": "x", "oldfilenames": ["/usr/a", "/b"]}), len("usr/a") + 1),
    ):
        assert len(read_header(blob, room).files) == 2
        with pytest.raises(LimitError, match=f"names more files than fit {room - 1} bytes"):
            read_header(blob, room - 1)
    for length, fits in ((4096, True), (4097, False)):
        names: dict[str, Value] = {
            "basenames": ["a"],
            "dirindexes": [1],
            "dirnames": ["/", "d" * length],
        }
        with nullcontext() if fits else pytest.raises(LimitError, match="beyond what a kernel"):
            assert read_header(header({"name": "x", **names}), ROOM).files


def test_the_limits_of_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sqlite_database([BASH, TINY, BASH])
    paths = 2 * sum(map(len, PACKAGE.files)) + 2 * len(
        "usr/share/man/man1/bash.1.gzetc/skel/.replaced"
    )
    monkeypatch.setattr(rpmdb, "_MOST_PACKAGES", 3)
    assert len(read_rpmdb(PATH, data)) == 3
    monkeypatch.setattr(rpmdb, "_MOST_PACKAGES", 2)
    with pytest.raises(LimitError, match="more headers than its size allows"):
        read_rpmdb(PATH, data)
    monkeypatch.undo()
    monkeypatch.setattr(rpmdb, "_MOST_PATHS", paths)
    assert len(read_rpmdb(PATH, data)) == 3
    one = sum(map(len, PACKAGE.files)) + len("usr/share/man/man1/bash.1.gzetc/skel/.replaced")
    monkeypatch.setattr(rpmdb, "_MOST_PATHS", one + 1)  # the second has no room beside the first
    with pytest.raises(LimitError, match="names more files than fit"):
        read_rpmdb(PATH, data)


def test_a_database_that_takes_too_many_steps_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sqlite_database([TINY] * 20)
    monkeypatch.setattr(rpmdb, "_STEPS_A_CALL", 1)
    monkeypatch.setattr(rpmdb, "_MOST_CALLS", 5000)
    assert len(read_rpmdb(PATH, data)) == 20
    monkeypatch.setattr(rpmdb, "_MOST_CALLS", 10)
    with pytest.raises(CorruptLayerError, match="interrupted"):
        read_rpmdb(PATH, data)


NDB = ndb_database([TINY, TINY])
BDB = bdb_database([TINY])
(KEY, VALUE) = struct.unpack_from("<2H", BDB, 512 + 26 + 4)
OVER = bdb_database([BASH])
(REFERENCE,) = struct.unpack_from("<H", OVER, 512 + 26 + 6)
POINTS_OUTSIDE, NO_HEADER = "points outside of it", "points at no header"
INCONSISTENT, NO_HASH = "a page of the rpm database is inconsistent", "is no Berkeley DB hash"


@pytest.mark.parametrize(
    ("data", "at", "code", "value", "message"),
    [
        (NDB, 12, "I", 0, "is cut short"),
        (NDB, 12, "I", 2, "is cut short"),
        (NDB, 32, "I", 0, "the slots of the rpm database are inconsistent"),
        (NDB, 32 + 8, "I", len(NDB) // 16, POINTS_OUTSIDE),
        (NDB, 32 + 8, "I", len(NDB) // 16 + 1, POINTS_OUTSIDE),
        (NDB, 32 + 8, "I", len(NDB) // 16 - 1, NO_HEADER),
        (NDB, 4096, "I", 0, NO_HEADER),
        (NDB, 4096 + 4, "I", 2, NO_HEADER),
        (NDB, 4096 + 12, "I", len(NDB) - 4096 - 15, NO_HEADER),
        (BDB, 25, "B", 9, NO_HASH),
        (BDB, 24, "B", 1, NO_HASH),
        (BDB, 20, "I", 256, "has pages of 256 bytes"),
        (BDB, 20, "I", 768, "has pages of 768 bytes"),
        (BDB, 20, "I", 1 << 17, "has pages of 131072 bytes"),
        (BDB, 512 + 20, "H", 244, INCONSISTENT),
        (BDB, 512 + 26 + 6, "H", 26 + 8 - 1, INCONSISTENT),
        (BDB, 512 + 26 + 6, "H", KEY, INCONSISTENT),
        (BDB, 512 + 26, "H", 513, INCONSISTENT),
        (BDB, 512 + VALUE, "B", 2, "is of an unknown kind"),
        (OVER, 512 + 26 + 6, "H", REFERENCE + 1, "is of an unknown kind"),
        (OVER, 512 + REFERENCE + 4, "I", 0, "leads to a wrong page"),
        (OVER, 512 + REFERENCE + 4, "I", 1, "leads to a wrong page"),
        (OVER, 512 + REFERENCE + 4, "I", len(OVER) // 512, "leads to a wrong page"),
        (OVER, 1024 + 22, "H", 0, INCONSISTENT),
        (OVER, 1024 + 22, "H", 487, INCONSISTENT),
        (OVER, 512 + REFERENCE + 8, "I", 485, INCONSISTENT),
    ],
)
def test_damage_is_named(data: bytes, at: int, code: str, value: int, message: str) -> None:
    damaged = bytearray(data)
    struct.pack_into(f"<{code}", damaged, at, value)
    with pytest.raises(CorruptLayerError, match=message):
        read_rpmdb(PATH, bytes(damaged))


def test_pages_and_files_without_a_byte_to_spare() -> None:
    full = bdb_database([TINY + bytes(5)] * 8)
    assert struct.unpack_from("<H", full, 512 + 26 + 2 * 17) == (26 + 2 * 18,)
    assert len(read_rpmdb(PATH, full)) == 8
    long = header({"name": "x", "vendor": "v" * 444})
    assert len(long) == 512 - 26 + 1  # the last byte is on a page of its own
    assert read_rpmdb(PATH, bdb_database([long]))[0].vendor == "v" * 444
    assert len(read_rpmdb(PATH, NDB[: NDB.rindex(TINY) + len(TINY)])) == 2


def test_pages_that_are_sorted_and_that_are_not() -> None:
    """P_HASH_UNSORTED, as Berkeley DB wrote them up to 4.5, and P_HASH (dbinc/db_page.h)."""
    for kind, packages in ((2, 1), (13, 1), (3, 0), (12, 0)):
        data = bytearray(BDB)
        data[512 + 25] = kind
        assert len(read_rpmdb(PATH, bytes(data))) == packages


def test_a_key_without_a_value_is_passed() -> None:
    odd = bytearray(BDB)
    struct.pack_into("<H", odd, 512 + 20, 5)
    assert len(read_rpmdb(PATH, bytes(odd))) == 1


def test_a_reference_that_is_cut_short() -> None:
    short = bytearray(OVER)
    struct.pack_into("<H", short, 512 + 26 + 6, REFERENCE + 1)
    short[512 + REFERENCE + 1] = 3
    with pytest.raises(CorruptLayerError, match="is of an unknown kind"):
        read_rpmdb(PATH, bytes(short))


def test_short_files_of_a_known_form() -> None:
    with pytest.raises(CorruptLayerError, match="is cut short"):
        read_rpmdb(PATH, NDB[:15])
    with pytest.raises(CorruptLayerError, match=NO_HASH):
        read_rpmdb(PATH, BDB[:511])
    assert read_rpmdb(PATH, BDB[:512]) == ()
    assert read_rpmdb(PATH, BDB[:1023]) == ()  # a page that is not whole is none
    assert len(read_rpmdb(PATH, NDB)) == 2


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
            "CREATE TABLE Packages (hnum, blob BLOB AS (zeroblob(10000000)));"
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


def test_what_a_database_of_strangers_may_not() -> None:
    """Beside what the statements above ask for: sqlite.org/security.html."""
    with closing(sqlite3.connect(":memory:")) as connection:
        rpmdb._harden(connection)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        for statement in ("SELECT abs(1)", "PRAGMA trusted_schema", "CREATE TABLE x (y)"):
            with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
                connection.execute(statement)
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) == 0
        connection.set_authorizer(None)
        for setting, value in (("trusted_schema", 0), ("cell_size_check", 1)):
            assert connection.execute(f"PRAGMA {setting}").fetchone() == (value,)


def test_a_python_that_cannot_read_a_database_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """`deserialize()` is there where the sqlite that Python was built with had it."""
    connection = types.SimpleNamespace(close=lambda: None)
    # Of this module alone: coverage keeps what it counts in a database as well.
    module = types.SimpleNamespace(connect=lambda _: connection, Error=sqlite3.Error)
    monkeypatch.setattr("pyimginspect.layers.rpmdb.sqlite3", module)
    with pytest.raises(CorruptLayerError, match="of this Python has no deserialize"):
        read_rpmdb(PATH, b"SQLite format 3\0" + bytes(4096))


def test_slots_that_share_a_header_are_limited() -> None:
    blob = header({"name": "x", "version": "1" * 5000})
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
    # Together they may be as long as the file.
    one = b"Slot" + struct.pack("<I", 1) + data[40:48]
    both = data[:32] + one * 2 + data[64 : 4096 + 16 + len(blob)]
    padded = both + bytes(2 * len(blob) - len(both))
    assert len(read_rpmdb(PATH, padded)) == 2
    with pytest.raises(LimitError):
        read_rpmdb(PATH, padded[:-1])


def test_a_page_that_claims_more_than_it_can_hold() -> None:
    """By a byte that is the next page's; the page after it has one less, so the sum is right."""
    data = bytearray(bdb_database([header({"name": "x", "vendor": "v" * 600})]))
    for place, more in ((2 * 512 + 22, 1), (3 * 512 + 22, -1)):
        (used,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, used + more)
    with pytest.raises(CorruptLayerError, match=INCONSISTENT):
        read_rpmdb(PATH, bytes(data))


def test_overflow_pages_in_a_circle_end() -> None:
    data = bytearray(bdb_database([BASH]))
    struct.pack_into("<I", data, 2 * 512 + 16, 2)  # The first overflow page names itself.
    with pytest.raises(LayerError):
        read_rpmdb(PATH, bytes(data))
    # A header that claims 4 GiB, of which the page has one byte.
    struct.pack_into("<H", data, 2 * 512 + 22, 1)
    record = data.index(b"\3\0\0\0" + struct.pack("<2I", 2, len(BASH)))
    struct.pack_into("<I", data, record + 8, 0xFFFFFFFF)
    with pytest.raises(CorruptLayerError, match="leads in a circle"):
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
