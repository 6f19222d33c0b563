"""rpm's database in its three forms: sqlite, NDB and Berkeley DB.

All three are boxes around the same headers (:mod:`pyimginspect.layers.rpmheader`). Which one it is
follows from the first bytes, not from the name. Sources: rpm's ``lib/backend`` (sqlite.c,
ndb/rpmpkg.c, bdb_ro.c), Berkeley DB's ``db_page.h``, and https://sqlite.org/fileformat.html.

A write-ahead log beside ``rpmdb.sqlite`` is another file, and is not read: rpm writes it back
into the database when it ends, so that one that holds anything was cut off in the middle.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from pyimginspect.errors import CorruptLayerError, LayerError, LimitError
from pyimginspect.layers.rpmheader import read_header
from pyimginspect.model import RpmPackage

__all__ = ["NAMES", "read_rpmdb", "wants"]

NAMES: Final = ("rpmdb.sqlite", "Packages.db", "Packages")
_DIRECTORIES: Final = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")

_MOST_PACKAGES: Final = 100_000
_MOST_PATHS: Final = 256 << 20
_LONGEST_HEADER: Final = 256 << 20  # rpm's HEADER_DATA_MAX is one byte less


def wants(path: str) -> bool:
    """Whether ``path`` is where rpm keeps its database (``%_dbpath``, old and new)."""
    directory, _, name = path.rpartition("/")
    return name in NAMES and directory in _DIRECTORIES


def read_rpmdb(path: str, data: bytes | memoryview) -> tuple[RpmPackage, ...]:
    """Return the packages in the database ``data``, sorted by name, version and architecture.

    An empty file has none. Raises :class:`CorruptLayerError` where the file, or a header in it,
    does not hold together, and :class:`LimitError` where it holds more than an image should.
    """
    try:
        return _read(bytes(data))
    except LayerError as exc:
        exc.at(entry=path)
        raise


def _read(data: bytes) -> tuple[RpmPackage, ...]:
    packages: list[RpmPackage] = []
    paths, headers = _MOST_PATHS, len(data)
    for blob in _blobs(data):
        # Pages that many records share could make much out of a small file.
        headers -= len(blob)
        if headers < 0 or len(packages) >= _MOST_PACKAGES:
            raise LimitError("the rpm database claims more headers than its size allows")
        package = read_header(blob, paths)
        paths -= sum(map(len, package.files))
        packages.append(package)
    return tuple(sorted(packages, key=lambda p: (p.name, p.version, p.release, p.architecture)))


def _blobs(data: bytes) -> Iterator[bytes]:
    if not data:
        return iter(())
    if data.startswith(_SQLITE_MAGIC):
        return _sqlite_blobs(data)
    if data.startswith(_NDB_MAGIC):
        return _ndb_blobs(data)
    if data[12:16] in _BDB_ORDER:
        return _bdb_blobs(data, _BDB_ORDER[data[12:16]])
    raise CorruptLayerError("no rpm database of a known form (sqlite, NDB, Berkeley DB)")


# --- sqlite -------------------------------------------------------------------------------------
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
# Read and write version, bytes 18 and 19 of the file: 1 for a rollback journal, 2 for a log
# (https://sqlite.org/fileformat.html, "File format version numbers").
_WAL_MODE: Final = b"\2\2"
_ROLLBACK_MODE: Final = b"\1\1"
# In all 20 million instructions of sqlite's virtual machine. A row takes a few; pages of a
# hostile file may lead to each other without end.
_STEPS_A_CALL: Final = 10_000
_MOST_CALLS: Final = 2_000


def _sqlite_blobs(data: bytes) -> Iterator[bytes]:
    if data[18:20] == _WAL_MODE:
        # A database in memory has no place for a log, and sqlite would refuse to open it.
        data = data[:18] + _ROLLBACK_MODE + data[20:]
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            if not hasattr(connection, "deserialize"):  # an option of how Python was built
                raise CorruptLayerError(
                    "the rpm database cannot be read: sqlite3 of this Python has no deserialize()"
                )
            connection.deserialize(data)
            _harden(connection)
            kind = connection.execute(
                "SELECT type, rootpage FROM sqlite_master WHERE name = 'Packages'"
            ).fetchone()
            # Neither a view nor a virtual table: those would run what the image says.
            if kind is None or kind[0] != b"table" or not kind[1]:
                raise CorruptLayerError("the rpm database has no table of packages")
            for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum"):
                if not isinstance(blob, bytes):
                    raise CorruptLayerError("a header of the rpm database is no blob")
                yield blob
    except (sqlite3.Error, ValueError) as exc:
        # A ValueError is a message of sqlite's that quotes a damaged name: no UTF-8.
        raise CorruptLayerError(f"the rpm database cannot be read: {exc}") from exc


def _harden(connection: sqlite3.Connection) -> None:
    """Make ready for a database from strangers (https://sqlite.org/security.html)."""
    # A name that is no UTF-8 would raise an error where it is fetched.
    connection.text_factory = bytes
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_HEADER)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    calls = iter(range(_MOST_CALLS))
    connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS_A_CALL)
    connection.set_authorizer(_only_reading)


def _only_reading(action: int, *_: object) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


# --- NDB ----------------------------------------------------------------------------------------
_NDB_MAGIC: Final = b"RpmP\0\0\0\0"
# Magic number, version, generation, pages of slots; what follows up to byte 32 is not needed.
_NDB_HEADER: Final = struct.Struct("<4s3I")
_NDB_PAGE: Final = 4096
# "Slot", number of the package, first block, number of blocks.
_NDB_SLOT: Final = struct.Struct("<4s3I")
# SLOT_START: the header takes the place of two slots.
_NDB_FIRST_SLOT: Final = 2
_NDB_BLOCK: Final = 16
# "BlbS", number of the package, time, length.
_NDB_BLOB: Final = struct.Struct("<4s3I")


def _ndb_blobs(data: bytes) -> Iterator[bytes]:
    if len(data) < _NDB_HEADER.size:
        raise CorruptLayerError("the rpm database is cut short")
    _, _, _, pages = _NDB_HEADER.unpack_from(data)
    end = pages * _NDB_PAGE
    if not 0 < end <= len(data):
        raise CorruptLayerError("the rpm database is cut short")
    for place in range(_NDB_FIRST_SLOT * _NDB_SLOT.size, end, _NDB_SLOT.size):
        magic, number, block, _ = _NDB_SLOT.unpack_from(data, place)
        if magic != b"Slot":
            raise CorruptLayerError("the slots of the rpm database are inconsistent")
        if not number:
            continue
        start = block * _NDB_BLOCK
        if start + _NDB_BLOB.size > len(data):
            raise CorruptLayerError("a slot of the rpm database points outside of it")
        magic, own_number, _, length = _NDB_BLOB.unpack_from(data, start)
        start += _NDB_BLOB.size
        if magic != b"BlbS" or own_number != number or start + length > len(data):
            raise CorruptLayerError("a slot of the rpm database points at no header")
        yield data[start : start + length]


# --- Berkeley DB --------------------------------------------------------------------------------
# Hash databases of version 8 to 10, in the byte order of the machine that wrote them.
_BDB_ORDER: Final = {b"\x61\x15\x06\x00": "<", b"\x00\x06\x15\x61": ">"}
# P_HASHMETA; P_HASH_UNSORTED (before 4.6) and P_HASH; P_OVERFLOW; H_KEYDATA and H_OFFPAGE.
# A page's header has 26 bytes: next page at 16, number of entries at 20, on overflow pages
# length of the content at 22, type at 25.
_BDB_META_PAGE: Final = 8
_BDB_HASH_PAGES: Final = frozenset({2, 13})
_BDB_OVERFLOW_PAGE: Final = 7
_BDB_KEY_OR_DATA, _BDB_OFF_PAGE = 1, 3
# Bytes of a page: DB_MIN_PGSIZE and DB_MAX_PGSIZE.
_BDB_SMALLEST, _BDB_LARGEST = 512, 65536


def _bdb_blobs(data: bytes, order: str) -> Iterator[bytes]:
    # Byte 24 names how the database is encrypted, 0 for not at all (encrypt_alg).
    if len(data) < 512 or data[25] != _BDB_META_PAGE or data[24]:
        raise CorruptLayerError("the rpm database is no Berkeley DB hash, or an encrypted one")
    (page_size,) = struct.unpack_from(f"{order}I", data, 20)
    if not _BDB_SMALLEST <= page_size <= _BDB_LARGEST or page_size & (page_size - 1):
        raise CorruptLayerError(f"the rpm database has pages of {page_size} bytes")
    for start in range(page_size, len(data) - page_size + 1, page_size):
        if data[start + 25] in _BDB_HASH_PAGES:
            yield from _bdb_page(data, start, page_size, order)


def _bdb_page(data: bytes, start: int, page_size: int, order: str) -> Iterator[bytes]:
    """Yield the values of a hash page: keys and values take turns, filled in from the end."""
    (count,) = struct.unpack_from(f"{order}H", data, start + 20)
    if 26 + 2 * count > page_size:
        raise CorruptLayerError("a page of the rpm database is inconsistent")
    offsets = struct.unpack_from(f"{order}{count}H", data, start + 26)
    for key, value in zip(offsets[::2], offsets[1::2], strict=False):
        if not 26 + 2 * count <= value < key <= page_size:
            raise CorruptLayerError("a page of the rpm database is inconsistent")
        kind = data[start + value]
        # The record of key 0 is not a header but the number that the next package will have.
        if data[start + key + 1 : start + key + 5] == b"\0\0\0\0":
            continue
        if kind == _BDB_KEY_OR_DATA:
            yield data[start + value + 1 : start + key]
        elif kind == _BDB_OFF_PAGE and key - value >= 12:
            # HOFFPAGE: type, three bytes unused, first page, total length.
            page, length = struct.unpack_from(f"{order}2I", data, start + value + 4)
            yield _bdb_overflow(data, page, length, page_size, order)
        else:
            raise CorruptLayerError("a record of the rpm database is of an unknown kind")


def _bdb_overflow(data: bytes, page: int, length: int, page_size: int, order: str) -> bytes:
    """Join the pages of a value that is too long for one; each carries at least one byte."""
    parts = []
    left = length
    pages = len(data) // page_size
    while left > 0:
        start = page * page_size
        pages -= 1
        if pages < 0:  # or a length of 4 GiB, a byte a page, would take an hour
            raise CorruptLayerError("a header of the rpm database leads in a circle")
        if not page or start + page_size > len(data) or data[start + 25] != _BDB_OVERFLOW_PAGE:
            raise CorruptLayerError("a header of the rpm database leads to a wrong page")
        (page,) = struct.unpack_from(f"{order}I", data, start + 16)
        (used,) = struct.unpack_from(f"{order}H", data, start + 22)
        if not 0 < used <= min(left, page_size - 26):
            raise CorruptLayerError("a page of the rpm database is inconsistent")
        parts.append(data[start + 26 : start + 26 + used])
        left -= used
    return b"".join(parts)
