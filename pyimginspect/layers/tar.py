"""Tar headers: the one pass over a layer's members that everything else rests on.

Reads POSIX ustar and pax (IEEE Std 1003.1, "pax"), GNU tar's extensions (long names and links,
base-256 numbers, sparse files) and old V7 archives. Global pax headers are ignored, as Docker
does. Every oddity ends as a typed error that names the entry. An archive that just stops where a
zero block should close it is refused, unless the caller asks to hear of it instead: some builders
write layers without end blocks, and engines take them, since Go's ``archive/tar`` does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Protocol
from zlib import adler32

from pyimginspect.errors import CorruptLayerError, LimitError, TruncatedError, UnsafePathError
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.model import Entry, Kind

__all__ = ["BLOCK", "Cursor", "normalise", "read_entries"]

BLOCK = 512
_ZERO = bytes(BLOCK)
# Name; mode, uid and gid; size; mtime; checksum; type flag. What follows is rarely looked at.
_FIELDS = struct.Struct("100s24s12s12s8sc")
_LINK, _MAGIC, _MAJOR, _MINOR = slice(157, 257), slice(257, 263), slice(329, 337), slice(337, 345)
_PREFIX = slice(345, 500)
_ADLER = 65521
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_LARGEST = 1 << 60
_LEAST_NUMBER, _TOO_LARGE = -(1 << 63), 1 << 64  # what JSON and MessagePack of ours can hold


class Cursor(Protocol):
    """A place in the uncompressed layer that moves forward only."""

    @property
    def position(self) -> int:
        """Bytes before the cursor."""

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end of the layer only."""

    def advance_to(self, position: int) -> None:
        """Move on to ``position``; raise :class:`TruncatedError` if the layer ends before it."""


def read_entries(
    cursor: Cursor,
    limits: Limits = DEFAULT_LIMITS,
    unclosed: Callable[[], None] | None = None,
) -> Iterator[Entry]:
    """Yield the members of the archive at ``cursor``, in their order.

    At each ``yield`` the cursor stands at the member's content; whoever iterates may take any
    of it. ``unclosed`` is called, once, where the archive ends after a whole member and no zero
    block closes it. Raises :class:`TruncatedError`, without ``unclosed`` there too,
    :class:`CorruptLayerError`, :class:`UnsafePathError` or :class:`LimitError`. An archive of no
    bytes is an empty one.
    """
    owners: dict[bytes, tuple[int, int, int]] = {}
    times: dict[bytes, int] = {}
    extended: dict[str, bytes] = {}
    count = 0
    while True:
        block = cursor.take(BLOCK)
        if len(block) != BLOCK:
            if not block and cursor.position == 0:
                return
            if block:
                raise TruncatedError("the layer ends within a header")
            if extended:
                raise TruncatedError("the layer ends after an extended header")
            if unclosed is None:
                raise TruncatedError("the layer ends without its closing zero block")
            unclosed()
            return
        if block[0] == 0 and block == _ZERO:
            _check_end(cursor, extended)
            return
        name, ownership, length, time, checksum, flag = _FIELDS.unpack_from(block)
        try:
            # Nearly all numbers are written so; what is not is looked at closely.
            size = int(length.rstrip(b"\0 "), 8)
            expected = int(checksum.rstrip(b"\0 "), 8)
        except ValueError:
            size, expected = _number(length, name), _number(checksum, name)
        # Adler-32's low half is 1 + the sum of the bytes, modulo 65,521: the sum of a header
        # without a loop in Python. The checksum field itself counts as eight spaces.
        if ((adler32(block) & 0xFFFF) + 255 - sum(checksum) - expected) % _ADLER:
            _check_signed_sum(block, expected, name)
        if flag in b"xgLK":
            _read_extension(cursor, flag, size, extended, limits)
            continue
        count += 1
        if count > limits.entries:
            raise LimitError(f"more than {limits.entries:,} entries")
        # Whoever made a layer gave the same owner and time to many files.
        owner = owners.get(ownership)
        if owner is None:
            owner = owners[ownership] = _owner(ownership, name)
        mtime = times.get(time)
        if mtime is None:
            mtime = times[time] = _number(time, name)
        entry = _entry(cursor, block, name, flag, size, owner, mtime, extended, limits)
        if extended:
            extended = {}
        after = entry.offset + entry.stored
        yield entry
        cursor.advance_to(after + -after % BLOCK)


def _check_end(cursor: Cursor, extended: dict[str, bytes]) -> None:
    if extended:
        raise CorruptLayerError("an extended header at the end describes no entry")
    block = cursor.take(BLOCK)
    if block.strip(b"\0"):
        # One zero block in the middle would otherwise hide all that follows.
        raise CorruptLayerError("the archive goes on after a zero block")


def _check_signed_sum(block: bytes, expected: int, name: bytes) -> None:
    """Accept the sum of some old tars, which took characters for signed numbers."""
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    if signed + 256 != expected:
        raise CorruptLayerError("a header's checksum is wrong", entry=_text(name))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes, name: bytes) -> int:
    first = field[0]
    if first & 0x80:  # GNU's base-256, two's complement
        value = int.from_bytes(field, "big") - (1 << (8 * len(field) - 1))
        if first & 0x40:
            value -= 1 << (8 * len(field) - 1)
    else:
        digits = field.partition(b"\0")[0].strip(b" ")
        try:
            value = int(digits, 8) if digits else 0
        except ValueError:
            raise CorruptLayerError("a header field is not a number", entry=_text(name)) from None
    if not _LEAST_NUMBER <= value < _TOO_LARGE:
        raise CorruptLayerError("a number in a header is of more than 64 bits", entry=_text(name))
    return value


def _owner(field: bytes, name: bytes) -> tuple[int, int, int]:
    mode = _number(field[:8], name) & 0o7777
    return mode, _number(field[8:16], name), _number(field[16:], name)


def _read_extension(
    cursor: Cursor, flag: bytes, size: int, extended: dict[str, bytes], limits: Limits
) -> None:
    if not 0 <= size <= limits.header:
        raise LimitError(f"an extended header claims {size:,} bytes")
    data = cursor.take(size)
    if len(data) != size:
        raise TruncatedError("the layer ends within an extended header")
    cursor.advance_to(cursor.position + -size % BLOCK)
    if flag == b"L":
        extended.setdefault("path", data.partition(b"\0")[0])
    elif flag == b"K":
        extended.setdefault("linkpath", data.partition(b"\0")[0])
    elif flag == b"x":
        extended.update(_pax_records(data))


def _pax_records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ``length key=value`` records of an extended header."""
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 12)
        digits = data[position:space]
        end = position + int(digits) if space > position and digits.isdigit() else -1
        if end <= space or end > len(data) or data[end - 1] != 0x0A:
            raise CorruptLayerError("an extended header's record is invalid")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise CorruptLayerError("an extended header's record has no value")
        yield key.decode("utf-8", "surrogateescape"), value
        position = end


def _entry(
    cursor: Cursor,
    block: bytes,
    name: bytes,
    flag: bytes,
    size: int,
    owner: tuple[int, int, int],
    mtime: int,
    extended: dict[str, bytes],
    limits: Limits,
) -> Entry:
    raw = name.partition(b"\0")[0]
    if block[345] and block[_MAGIC] == b"ustar\0":
        raw = block[_PREFIX].partition(b"\0")[0] + b"/" + raw
    mode, uid, gid = owner
    xattrs: tuple[str, ...] = ()
    logical = None
    if extended:
        raw = extended.get("GNU.sparse.name", extended.get("path", raw))
        size = _decimal(extended, "size", size)
        uid = _decimal(extended, "uid", uid)
        gid = _decimal(extended, "gid", gid)
        mtime = _decimal(extended, "mtime", mtime)
        logical = _decimal(extended, "GNU.sparse.realsize", -1)
        logical = _decimal(extended, "GNU.sparse.size", logical)
        xattrs = _xattrs(extended)
    path = normalise(raw, limits)
    kind = _KINDS.get(flag)
    if kind is None:
        raise CorruptLayerError(f"entries of type {flag!r} belong in no image", entry=path)
    if kind == "file" and flag != b"S" and raw.endswith(b"/"):
        kind = "directory"  # V7 archives have no type for directories
    if not path and kind != "directory":
        raise CorruptLayerError("the root of the image is no directory", entry=_text(raw))
    if flag == b"S":
        logical = _number(block[483:495], name)
        _skip_sparse_map(cursor, block)
    stored = size if kind == "file" else 0
    if not 0 <= stored <= _LARGEST or (logical or 0) > _LARGEST:
        raise CorruptLayerError(f"an entry claims {max(size, logical or size):,} bytes", entry=path)
    target = ""
    device = None
    if kind in ("symlink", "hardlink"):
        link = extended.get("linkpath") or block[_LINK].partition(b"\0")[0]
        target = link.decode("utf-8", "surrogateescape")
        target = normalise(link, limits) if kind == "hardlink" else target
    elif kind in ("character", "block"):
        device = _number(block[_MAJOR], name), _number(block[_MINOR], name)
    return Entry(
        path=path,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        size=stored if logical is None or logical < 0 else logical,
        stored=stored,
        offset=cursor.position,
        mtime=mtime,
        target=target,
        device=device,
        xattrs=xattrs,
    )


def _decimal(extended: dict[str, bytes], key: str, otherwise: int) -> int:
    """Return a pax number, its fraction dropped (mtime may have one)."""
    value = extended.get(key)
    if value is None:
        return otherwise
    whole = value.partition(b".")[0]
    if not whole.removeprefix(b"-").isdigit() or len(whole) > 20:
        raise CorruptLayerError(f"'{key}' of an extended header is no number")
    number = int(whole)
    if not _LEAST_NUMBER <= number < _TOO_LARGE:
        raise CorruptLayerError(f"'{key}' of an extended header is of more than 64 bits")
    return number


def _xattrs(extended: dict[str, bytes]) -> tuple[str, ...]:
    prefix = "SCHILY.xattr."
    return tuple(
        sorted(
            f"{key[len(prefix) :]}={value.hex()}"
            for key, value in extended.items()
            if key.startswith(prefix)
        )
    )


def _skip_sparse_map(cursor: Cursor, block: bytes) -> None:
    more = block[482]
    while more:  # each continuation block says whether another follows
        block = cursor.take(BLOCK)
        if len(block) != BLOCK:
            raise TruncatedError("the layer ends within a sparse file's map")
        more = block[504]


def normalise(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return a member's name as a path relative to the image's root, without ``.`` and ``..``.

    Raises :class:`UnsafePathError` for a name that leads out of the image, and
    :class:`LimitError` for one that no file system could hold.
    """
    text = raw.decode("utf-8", "surrogateescape")
    if len(raw) > limits.path:
        raise LimitError(f"a name of {len(raw):,} bytes", entry=text)
    if "/." not in text and "//" not in text and text[:1] not in (".", "/"):
        return text[:-1] if text.endswith("/") else text
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePathError("the name leads out of the image", entry=text)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
