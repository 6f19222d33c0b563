"""Extended headers of tar archives (IEEE Std 1003.1, "pax"): records, and what they say.

Also a name's prefix, for which ustar has a field instead. Where two of them say something of one
entry, that counts which counts for Go's archive/tar, with which engines read layers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.errors import CorruptLayerError

__all__ = [
    "GNU",
    "LARGEST_NUMBER",
    "LEAST_NUMBER",
    "LONG_LINK",
    "LONG_NAME",
    "NO_SIZE",
    "USTAR",
    "enter",
    "overridden",
    "with_prefix",
    "xattrs_of",
]

_FIELDS = frozenset({"path", "linkpath", "size", "uid", "gid", "mtime"})

_SPARSE = {(b"0", b"0"), (b"0", b"1"), (b"1", b"0")}

LEAST_NUMBER, LARGEST_NUMBER = -(1 << 63), (1 << 64) - 1
"""What JSON and MessagePack of ours can hold."""


USTAR, GNU = b"ustar\0", b"ustar  \0"
"""What stands at 257 in headers with a prefix, and in those of GNU tar, which have none."""

NO_SIZE = -1
"""Where a file has no length but that of its content."""

LONG_NAME, LONG_LINK = "L=", "K="
"""Where GNU tar's long names are among the records, whose own keys have no ``=``."""


def enter(extended: dict[str, bytes], data: bytes) -> None:
    """Enter the records of an extended header, in place of those of another one before it.

    Of one without a value the header of the member counts (POSIX, pax, "pax Extended Header";
    ``mergePAX`` of Go's archive/tar). An empty attribute is one.
    """
    for key in extended.keys() - {LONG_NAME, LONG_LINK}:
        del extended[key]
    for key, value in _records(data):
        if value or key not in _FIELDS:
            extended[key] = value
        else:
            extended.pop(key, None)


def _records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ``length key=value`` records of an extended header."""
    position = 0
    while position < len(data):
        # Eleven digits are more than any header of a megabyte (Limits.header) can need.
        space = data.find(b" ", position, position + 12)
        digits = data[position:space]
        end = position + int(digits) if space > position and digits.isdigit() else -1
        # The length counts its own digits and the newline (POSIX, pax, "pax Extended Header").
        if end <= space or end > len(data) or data[end - 1] != 0x0A:
            raise CorruptLayerError("an extended header's record is invalid")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise CorruptLayerError("an extended header's record has no value")
        yield key.decode("utf-8", "surrogateescape"), value
        position = end


def _decimal(extended: dict[str, bytes], key: str, otherwise: int) -> int:
    """Return a pax number, its fraction dropped (mtime may have one)."""
    value = extended.get(key)
    if value is None:
        return otherwise
    whole = value.partition(b".")[0]
    # 64 bits have 20 digits, or 19 and a sign. Of thousands int() raises a ValueError of its own
    # (CVE-2020-10735).
    if not whole.removeprefix(b"-").isdigit() or len(whole) > 20:
        raise CorruptLayerError(f"'{key}' of an extended header is no number")
    number = int(whole)
    if not LEAST_NUMBER <= number <= LARGEST_NUMBER:
        raise CorruptLayerError(f"'{key}' of an extended header is of more than 64 bits")
    return number


def overridden(
    extended: dict[str, bytes], raw: bytes, size: int, owner: tuple[int, int, int], mtime: int
) -> tuple[bytes, int, tuple[int, int, int], int, int]:
    """Return what a header says, but for what the extended headers before it say otherwise.

    After name, size, owner and time comes the length that the file has with its holes.
    """
    mode, uid, gid = owner
    name, length = _sparse(extended)
    return (
        name or extended.get(LONG_NAME) or extended.get("path", raw),
        _decimal(extended, "size", size),
        (mode, _decimal(extended, "uid", uid), _decimal(extended, "gid", gid)),
        _decimal(extended, "mtime", mtime),
        length,
    )


def _sparse(extended: dict[str, bytes]) -> tuple[bytes, int]:
    """Return the name and the length of a file that GNU tar stored without its holes.

    Of any other file, and where they are not said, they are empty and NO_SIZE. Versions 0.0 and 0.1
    may come without their number, but have a map (GNU tar's manual, "Storing Sparse Files";
    ``readGNUSparsePAXHeaders`` of Go's archive/tar).
    """
    version = extended.get("GNU.sparse.major", b""), extended.get("GNU.sparse.minor", b"")
    mapped = extended.get("GNU.sparse.map") or extended.get("GNU.sparse.offset")
    if version not in _SPARSE and not (version == (b"", b"") and mapped):
        return b"", NO_SIZE
    length = _decimal(extended, "GNU.sparse.realsize", NO_SIZE)
    return extended.get("GNU.sparse.name", b""), _decimal(extended, "GNU.sparse.size", length)


def xattrs_of(extended: dict[str, bytes]) -> tuple[str, ...]:
    """Return the extended attributes as ``name=hex``, sorted (``SCHILY.xattr.`` of star and Go)."""
    prefix = "SCHILY.xattr."
    return tuple(
        sorted(
            f"{key[len(prefix) :]}={value.hex()}"
            for key, value in extended.items()
            if key.startswith(prefix)
        )
    )


def with_prefix(block: bytes, raw: bytes) -> bytes:
    """Return a name with what comes before it in ustar, if the header is one.

    GNU's have times there, or what Go before 1.8 wrote: a prefix, which is no number.
    """
    prefix = block[345:500].partition(b"\0")[0]
    if block[257:265] == GNU:
        if (_is_time(block[345:357]) and _is_time(block[357:369])) or not prefix.isascii():
            return raw
    elif block[257:263] != USTAR:
        return raw
    elif block[508:] == b"tar\0":  # star's, with the times after the prefix
        prefix = prefix[:131]
    return prefix + b"/" + raw


def _is_time(field: bytes) -> bool:
    digits = field.strip(b" \0").partition(b"\0")[0]
    return not field[0] or field[0] > 0x7F or not digits.strip(b"01234567")
