"""rpm databases built in memory: headers, and the three kinds of file that rpm keeps them in.

`header({...})` makes the record of one package, `sqlite_database`, `ndb_database` and
`bdb_database` a file of such records. Real ones are in the integration suite.
"""

import sqlite3
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing

__all__ = ["NUMBERS", "Value", "bdb_database", "header", "ndb_database", "sqlite_database", "tag"]

NUMBERS = {
    "name": 1000,
    "version": 1001,
    "release": 1002,
    "epoch": 1003,
    "size": 1009,
    "vendor": 1011,
    "arch": 1022,
    "oldfilenames": 1027,
    "filestates": 1029,
    "sourcerpm": 1044,
    "provides": 1047,
    "requireflags": 1048,
    "requires": 1049,
    "dirindexes": 1116,
    "license": 1014,
    "basenames": 1117,
    "dirnames": 1118,
    "longsize": 5009,
    "recommends": 5046,
}

Value = str | int | bytes | Sequence[str] | Sequence[int]


def tag(value: Value) -> tuple[int, int, bytes]:
    """Type, count and data of a value: STRING, INT32, CHAR or an array of the first two."""
    if isinstance(value, str):
        return 6, 1, value.encode("utf-8", "surrogateescape") + b"\0"
    if isinstance(value, int):
        return 4, 1, struct.pack(">I", value)
    if isinstance(value, bytes):
        return 1, len(value), value
    if all(isinstance(item, str) for item in value):
        words = [str(item).encode("utf-8", "surrogateescape") + b"\0" for item in value]
        return 8, len(words), b"".join(words)
    return 4, len(value), b"".join(struct.pack(">I", item) for item in value)


def header(values: Mapping[str, Value]) -> bytes:
    """A header as a database holds it: no magic number in front, tags in the order given."""
    index, data = b"", b""
    for name, value in values.items():
        kind, count, raw = tag(value)
        if kind == 4:
            data += b"\0" * (-len(data) % 4)
        index += struct.pack(">4I", NUMBERS[name], kind, len(data), count)
        data += raw
    return struct.pack(">2I", len(values), len(data)) + index + data


def sqlite_database(blobs: Sequence[bytes], *, wal: bool = False) -> bytes:
    """As rpm's sqlite backend writes it; `wal` as left by its write-ahead mode."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"
        )
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(b,) for b in blobs])
        connection.commit()
        data = bytes(connection.serialize())
    return data[:18] + b"\2\2" + data[20:] if wal else data


def ndb_database(blobs: Sequence[bytes]) -> bytes:
    """As rpm's own backend writes ``Packages.db``: one page of slots, then the blobs."""
    slots = struct.pack("<4s3I4I", b"RpmP", 0, 1, 1, len(blobs) + 1, 0, 0, 0)
    body = b""
    for number, blob in enumerate(blobs, 1):
        record = struct.pack("<4s3I", b"BlbS", number, 1, len(blob)) + blob
        record += b"\0" * (-(len(record) + 12) % 16) + struct.pack("<2I4s", 0, len(blob), b"BlbE")
        slots += struct.pack("<4s3I", b"Slot", number, (4096 + len(body)) // 16, len(record) // 16)
        body += record
    while len(slots) < 4096:
        slots += struct.pack("<4s3I", b"Slot", 0, 0, 0)
    return slots + body


def bdb_database(blobs: Sequence[bytes], *, page_size: int = 512, order: str = "<") -> bytes:
    """A Berkeley DB hash with one bucket: small values in its page, large ones in overflow pages.

    Like rpm's, it begins with a record of key 0 that holds no header.
    """
    items: list[bytes] = [b"\1" + struct.pack("<I", 0), b"\1" + struct.pack("<I", len(blobs) + 1)]
    overflow: list[bytes] = []
    for number, blob in enumerate(blobs, 1):
        items.append(b"\1" + struct.pack("<I", number))
        if len(blob) < 60:
            items.append(b"\1" + blob)
            continue
        first = 2 + len(overflow)
        room = page_size - 26
        chunks = [blob[start : start + room] for start in range(0, len(blob), room)]
        for place, chunk in enumerate(chunks):
            own = first + place
            following = own + 1 if place + 1 < len(chunks) else 0
            head = struct.pack(f"{order}8x3I2H2B", own, 0, following, 1, len(chunk), 0, 7)
            overflow.append((head + chunk).ljust(page_size, b"\0"))
        items.append(b"\3\0\0\0" + struct.pack(f"{order}2I", first, len(blob)))
    page = bytearray(page_size)
    end = page_size
    for place, item in enumerate(items):
        end -= len(item)
        page[end : end + len(item)] = item
        struct.pack_into(f"{order}H", page, 26 + 2 * place, end)
    assert end >= 26 + 2 * len(items), "one bucket is too small for so many packages"
    struct.pack_into(f"{order}8x3I2H2B", page, 0, 1, 0, 0, len(items), end, 0, 13)
    meta = bytearray(page_size)
    struct.pack_into(f"{order}8x4I2B", meta, 0, 0, 0x061561, 9, page_size, 0, 8)
    struct.pack_into(f"{order}I", meta, 32, 1 + len(overflow))  # the last page
    struct.pack_into(f"{order}32I", meta, 96, *[1] * 32)  # The bucket is in page 1.
    return bytes(meta) + bytes(page) + b"".join(overflow)
