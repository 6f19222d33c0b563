"""How much of a package database we are ready to hold."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.model import Note

__all__ = ["left_out", "split_records"]

_MOST_PACKAGES = 50_000
"""Of one manager. Debian 12's whole archive has 63,440; an image of a gigabyte, some hundreds."""


def split_records(data: bytes) -> list[str]:
    """Return the records of dpkg's or apk's database, which empty lines part; not all of too many.

    rpm's database has a limit of its own (:mod:`pyimginspect.layers.rpmdb`).
    """
    # Paths are bytes: names of files need not be UTF-8.
    text = data.decode("utf-8", "surrogateescape")
    return text.split("\n\n", _MOST_PACKAGES)[:_MOST_PACKAGES]


def left_out(path: str, data: bytes) -> Iterator[Note]:
    """Say so where :func:`split_records` returns less than the database at ``path`` has."""
    rest = data.split(b"\n\n", _MOST_PACKAGES)[_MOST_PACKAGES:]
    if b"".join(rest).strip():
        what = f"only the first {_MOST_PACKAGES:,} records of the package database were read"
        yield Note(what=what, path=path)
