"""Tar headers: one pass over a layer's members, on which everything else is based.

Reads POSIX ustar and pax (IEEE Std 1003.1, "pax"), GNU tar's extensions (long names and links,
base-256 numbers, sparse files) and old V7 archives. Global pax headers are ignored, as Docker
does. Every oddity ends as a typed error that names the entry. An archive that just stops where a
zero block should close it is refused, unless the caller asks to hear of it instead: some builders
write layers without end blocks, and engines take them, since Go's ``archive/tar`` does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from zlib import adler32

from pyimginspect.errors import CorruptLayerError, LimitError, TruncatedError, UnsafePathError
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.pax import (
    GNU,
    LARGEST_NUMBER,
    LEAST_NUMBER,
    LONG_LINK,
    LONG_NAME,
    NO_SIZE,
    USTAR,
    enter,
    overridden,
    with_prefix,
    xattrs_of,
)
from pyimginspect.model import Entry, Kind

__all__ = ["BLOCK", "Cursor", "normalise", "read_entries"]

BLOCK = 512
_ZERO = bytes(BLOCK)
# Name; mode, uid and gid; size; mtime; checksum; type flag. What follows is rarely examined.
_FIELDS = struct.Struct("100s24s12s12s8sc")
_ADLER = 65521
_EIGHT_SPACES = 8 * ord(" ")
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",  # V7's, which POSIX keeps for old archives
    b"7": "file",  # contiguous: without a meaning here, by POSIX as a regular file
    b"S": "file",  # sparse, GNU tar's own format
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_LARGEST = 1 << 60  # bytes: no layer stores as many


class Cursor:
    """A place in the uncompressed layer that moves forward only.

    A base class and no protocol: compiled, its methods are called as C functions.
    """

    @property
    def position(self) -> int:
        """Bytes before the cursor."""
        raise NotImplementedError

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end of the layer only."""
        raise NotImplementedError

    def advance_to(self, position: int) -> None:
        """Move on to ``position``; raise :class:`TruncatedError` if the layer ends before it."""
        raise NotImplementedError

    def take_at(self, position: int, count: int) -> bytes:
        """Move on to ``position``, and return the next ``count`` bytes as :meth:`take` does."""
        self.advance_to(position)
        return self.take(count)


def read_entries(
    cursor: Cursor,
    limits: Limits = DEFAULT_LIMITS,
    unclosed: Callable[[], None] | None = None,
) -> Iterator[Entry]:
    """Yield the members of the archive at ``cursor``, in their order.

    At each ``yield`` the cursor stands at the member's content; whoever iterates may take any
    of it. ``unclosed`` is called, once, where the archive ends after a whole member and no zero
    block closes it. Raises :class:`TruncatedError`, without ``unclosed`` there too,
    :class:`CorruptLayerError`, :class:`UnsafePathError` or :class:`LimitError`.
    """
    owners: dict[bytes, tuple[int, int, int]] = {}
    times: dict[bytes, int] = {}
    most = limits.entries
    extended: dict[str, bytes] = {}
    count = 0
    after, padding = cursor.position, 0
    while True:
        # Go's writer pads a file when another header follows: the last one's zeros may be missing.
        block = cursor.take_at(after, padding + BLOCK)[padding:]
        if len(block) != BLOCK:
            if block or cursor.position:
                _check_open_end(block, extended, unclosed)
            return
        if block == _ZERO:
            _check_end(cursor)
            return
        name, ownership, length, time, checksum, flag = _FIELDS.unpack_from(block)
        try:
            size = int(length.rstrip(b"\0 "), 8)  # nearly all are written so
            stated = int(checksum.rstrip(b"\0 "), 8)
        except ValueError:
            size, stated = _number(length, name), _number(checksum, name)
        # Adler-32's low half is 1 + the sum of the bytes, modulo 65,521: the sum of a header
        # without a loop in Python. The checksum itself counts as eight spaces in it.
        added = (adler32(block) & 0xFFFF) - (adler32(checksum) & 0xFFFF)
        if (added - stated + _EIGHT_SPACES) % _ADLER:
            _check_signed_sum(block, name)
        if flag in b"xgLK":
            _read_extension(cursor, flag, size, extended, limits)
            after, padding = cursor.position, 0
            continue
        count += 1
        if count > most:
            raise LimitError(f"more than {most:,} entries")
        # Whoever made a layer gave the same owner and time to many files.
        owner = owners.get(ownership)
        if owner is None:
            owner = owners[ownership] = _owner(ownership, name)
        mtime = times.get(time)
        if mtime is None:
            mtime = times[time] = _number(time, name)
        offset = after + padding + BLOCK
        entry = _plain_file(block, name, flag, size, owner, mtime, extended, limits, offset)
        if entry is None:
            entry = _entry(cursor, block, name, flag, size, owner, mtime, extended, limits)
            extended = {}
        after = entry.offset + entry.stored
        padding = -after % BLOCK
        # Whatever stands for the root and is no directory, engines pass over.
        if entry.path or entry.kind == "directory":
            yield entry


def _check_open_end(
    block: bytes, extended: dict[str, bytes], unclosed: Callable[[], None] | None
) -> None:
    """Accept an archive that just stops after a member, if somebody wants to hear of it."""
    if block:
        raise TruncatedError("the layer ends within a header")
    if extended:
        raise TruncatedError("the layer ends after an extended header")
    if unclosed is None:
        raise TruncatedError("the layer ends without its closing zero block")
    unclosed()


def _check_end(cursor: Cursor) -> None:
    # POSIX ends an archive with two such blocks. GNU tar, with a warning, and Go's reader take one.
    block = cursor.take(BLOCK)
    if block.strip(b"\0"):
        # One zero block in the middle would otherwise hide all that follows.
        raise CorruptLayerError("the archive goes on after a zero block")


def _check_signed_sum(block: bytes, name: bytes) -> None:
    """Accept the sum of some old tars, which took characters for signed numbers."""
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    if signed + _EIGHT_SPACES != _number(block[148:156], name):
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
        digits = field.strip(b" \0").partition(b"\0")[0]
        try:
            value = int(digits, 8) if digits else 0
        except ValueError:
            raise CorruptLayerError("a header field is not a number", entry=_text(name)) from None
    if not LEAST_NUMBER <= value <= LARGEST_NUMBER:
        raise CorruptLayerError("a number in a header is of more than 64 bits", entry=_text(name))
    return value


def _owner(field: bytes, name: bytes) -> tuple[int, int, int]:
    # Go before 1.9 wrote the file's type, S_IFMT, into the mode as well.
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
        extended[LONG_NAME] = data.partition(b"\0")[0]
    elif flag == b"K":
        extended[LONG_LINK] = data.partition(b"\0")[0]
    elif flag == b"x":
        enter(extended, data)
    else:  # for Go's reader an entry, of which whatever came before is said
        extended.clear()


def _plain_file(
    block: bytes,
    name: bytes,
    flag: bytes,
    size: int,
    owner: tuple[int, int, int],
    mtime: int,
    extended: dict[str, bytes],
    limits: Limits,
    offset: int,
) -> Entry | None:
    """Return the entry of a file whose header says all and whose name is a path as it is.

    Nearly all entries are such files: :func:`_entry` says the same of them, and takes longer.
    """
    if flag != b"0" or extended:
        return None
    raw = name.partition(b"\0")[0]
    path = raw.decode("utf-8", "surrogateescape")
    if "/." in path or "//" in path or path[:1] in (".", "/", "") or path[-1] == "/":
        return None
    if block[345] or not 0 <= size <= _LARGEST or len(raw) > limits.path:
        return None
    mode, uid, gid = owner
    return Entry(
        path=path,
        kind="file",
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        stored=size,
        offset=offset,
        mtime=mtime,
    )


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
    if block[345]:
        raw = with_prefix(block, raw)
    logical = NO_SIZE
    xattrs: tuple[str, ...] = ()
    if extended:
        raw, size, owner, mtime, logical = overridden(extended, raw, size, owner, mtime)
        xattrs = xattrs_of(extended)
    path = normalise(raw, limits)
    kind = _KINDS.get(flag)
    if kind is None or (flag == b"\0" and raw.endswith(b"/")):
        kind = _unusual_kind(flag, path)
    if flag == b"S":
        # realsize of oldgnu_header (tar.h); isextended is at 482, and at 504 in further blocks.
        logical = _number(block[483:495], name)
        _skip_sparse_map(cursor, block)
    # No content follows the header of anything else, whatever size it states, as in Go's reader.
    stored = size if kind == "file" else 0
    if not 0 <= stored <= _LARGEST or logical > _LARGEST:
        claimed = size if size < 0 else max(size, logical)
        raise CorruptLayerError(f"an entry claims {claimed:,} bytes", entry=path)
    target = ""
    device = None
    if kind in ("symlink", "hardlink"):
        target = _target(block, kind, extended, limits)
    elif kind in ("character", "block"):
        device = _device(block, name)
    mode, uid, gid = owner
    return Entry(
        path=path,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        size=stored if logical < 0 else logical,
        stored=stored,
        offset=cursor.position,
        mtime=mtime,
        target=target,
        device=device,
        xattrs=xattrs,
    )


def _unusual_kind(flag: bytes, path: str) -> Kind:
    """Return the kind of an entry whose type or name is not what nearly all have."""
    if flag != b"\0":
        raise CorruptLayerError(f"entries of type {flag!r} belong in no image", entry=path)
    return "directory"  # V7 archives have no type for directories


def _target(block: bytes, kind: Kind, extended: dict[str, bytes], limits: Limits) -> str:
    """Return what a link leads to: a path of the archive, or what a symbolic link says."""
    link = extended.get(LONG_LINK) or extended.get("linkpath") or block[157:257].partition(b"\0")[0]
    if kind == "hardlink":
        return normalise(link, limits)
    return link.decode("utf-8", "surrogateescape")


def _skip_sparse_map(cursor: Cursor, block: bytes) -> None:
    more = block[482]
    while more:  # each continuation block says whether another follows
        block = cursor.take(BLOCK)
        if len(block) != BLOCK:
            raise TruncatedError("the layer ends within a sparse file's map")
        more = block[504]


def _device(block: bytes, name: bytes) -> tuple[int, int]:
    if block[257:265] != GNU and block[257:263] != USTAR:  # V7 has no numbers
        return 0, 0
    return _number(block[329:337], name), _number(block[337:345], name)


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
