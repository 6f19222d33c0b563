"""Extended headers of tar archives (IEEE Std 1003.1, "pax"): records, and what they say."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.errors import CorruptLayerError

__all__ = ["LARGEST_NUMBER", "LEAST_NUMBER", "decimal", "override", "xattrs_of"]

_FIELDS = frozenset({"path", "linkpath", "size", "uid", "gid", "mtime"})

LEAST_NUMBER, LARGEST_NUMBER = -(1 << 63), (1 << 64) - 1
"""What JSON and MessagePack of ours can hold."""


def override(extended: dict[str, bytes], data: bytes) -> None:
    """Enter the records of an extended header. One without a value deletes what was said before.

    Then the header of the member counts again (POSIX, pax, "pax Extended Header"; ``mergePAX`` of
    Go's archive/tar, with which engines read layers). An empty attribute is one.
    """
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


def decimal(extended: dict[str, bytes], key: str, otherwise: int) -> int:
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
