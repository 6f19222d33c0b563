"""When support for a Python or a distribution ends: a table, and no look at the clock.

A report must not change from one day to the next, so "past its end" is judged by the day that the
table was made, or the day that the image was made, whichever is later.
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from pyimginspect.inventory.tables import read_table
from pyimginspect.model import Image

__all__ = ["EndOfLife", "newest", "python_end", "system_end"]


class EndOfLife(Struct, frozen=True, kw_only=True):
    """The day on which support ends or ended, as ISO 8601 has it.

    ``source`` is where it is from.
    """

    date: str
    over: bool
    source: str


class _Table(Struct, frozen=True, kw_only=True):
    """``sources`` are by the name of the system, ``python`` among them."""

    sources: dict[str, str]
    date: str
    python: dict[str, str]
    systems: dict[str, dict[str, str]]


@cache
def _table() -> _Table:
    return read_table("end_of_life", _Table)


def python_end(version: str, image: Image) -> EndOfLife | None:
    """Return the end of a Python's series, ``None`` for a series that the table has not."""
    return _judge("python", _table().python.get(_first(version, 2)), image)


def system_end(name: str, version: str, image: Image) -> EndOfLife | None:
    """Return the end of a distribution, by ``ID`` and ``VERSION_ID`` of its ``os-release``."""
    versions = _table().systems.get(name, {})
    # Releases of Ubuntu and Alpine have two parts; Debian's and RHEL's point releases share one
    # end.
    date = versions.get(_first(version, 2)) or versions.get(_first(version, 1))
    return _judge(name, date, image)


def newest(name: str) -> str:
    """Return the version that is supported for longest, and until when, in a phrase.

    ``name`` is ``python`` or the ``ID`` of a system. Empty where the table has none that is still
    supported.
    """
    table = _table()
    dates = table.python if name == "python" else table.systems.get(name, {})
    version, end = max(dates.items(), key=lambda item: item[1], default=("", ""))
    return f"{version} (until {end})" if end > table.date else ""


def _first(version: str, parts: int) -> str:
    return ".".join(version.split(".")[:parts])


def _judge(name: str, date: str | None, image: Image) -> EndOfLife | None:
    if date is None:
        return None
    table = _table()
    made = (image.config.created or "")[:10]
    # ISO dates sort as text; what an image claims is no date, or absurd, may not hide an end.
    seen = max(table.date, made) if made[:2] == "20" and made[4:5] == "-" else table.date
    return EndOfLife(date=date, over=date < seen, source=table.sources[name])
