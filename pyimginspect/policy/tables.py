"""Reading a TOML table key by key, with errors that say where and what is expected."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any

import msgspec

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import PolicyError
from pyimginspect.model import parse_size
from pyimginspect.policy.settings import Amount
from pyimginspect.text import nearest

__all__ = ["Place", "Table", "lines_of", "read_toml"]

Place = tuple[str | int, ...]
"""Where a value stands: keys, and the numbers of tables in an array."""

_DATES = (datetime.date, datetime.datetime)  # which tomllib makes itself
_Said = Annotated[str, msgspec.Meta(min_length=1)]
# Digits are limited: a number of many hundreds is infinite as a float.
_SHARE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*%")


class Table:
    """One table of a policy file. Every key must be asked for, or it is an unknown one."""

    def __init__(
        self, values: dict[str, Any], source: str, lines: dict[Place, int], place: Place = ()
    ) -> None:
        self._values = values
        self._source = source
        self._lines = lines
        self._place = place
        self._asked: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def is_table(self, key: str) -> bool:
        """Whether the value of ``key`` is a table."""
        return isinstance(self._values.get(key), dict)

    def error(self, message: str, key: str | None = None, hint: str | None = None) -> PolicyError:
        """Return an error that names file, line and key."""
        place = (*self._place, key) if key is not None else self._place
        name = ".".join(f"{part}" for part in place) or "the policy"
        line = next(
            # The longest place that has a line: the key itself, or the table around it.
            (self._lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self._lines),
            None,
        )
        where = f"{self._source}, line {line}" if line is not None else self._source
        return PolicyError(f"{where}: {name} {message}", hint=hint)

    def _get(self, key: str, kind: Any, expected: str) -> Any:
        self._asked.add(key)
        value = self._values.get(key)
        if value is None:
            return None
        try:
            # Strict, so that true is no number and a date-time no date, as Python has them.
            return from_builtins(value, kind, plain=_DATES)
        except msgspec.ValidationError as exc:
            raise self.error(f"must be {expected}, not {_toml_type(value)}", key) from exc

    def string(self, key: str) -> str | None:
        """Return a string that says something."""
        value: str | None = self._get(key, str, "a string")
        if value is not None and not value.strip():
            raise self.error("is empty", key)
        return value

    def choice(self, key: str, known: Collection[str]) -> str | None:
        """Return one of the words of ``known``."""
        value = self.string(key)
        if value is not None and value not in known:
            raise self.error(f"is '{value}'", key, nearest(value, known))
        return value

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        value: bool | None = self._get(key, bool, "true or false")
        return value

    def date(self, key: str) -> datetime.date | None:
        """Return a date, written without quotes."""
        value: datetime.date | None = self._get(key, datetime.date, "a date such as 2030-12-31")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return strings; one alone may stand without its brackets."""
        value = self._get(key, str | list[Any], "a string or a list of strings")
        values = [value] if isinstance(value, str) else value or []
        try:
            return from_builtins(values, tuple[_Said, ...])
        except msgspec.ValidationError as exc:
            raise self.error("must be a list of strings", key) from exc

    def amount(self, key: str) -> Amount | None:
        """Return bytes (a number, ``"5 MB"``) or a share of the image (``"2.5 %"``)."""
        expected = 'a number of bytes, or a string such as "5 MB" or "2 %"'
        value = self._get(key, int | str, expected)
        if value is None:
            return None
        share = _SHARE.fullmatch(str(value).strip())
        if share is not None:
            return Amount(percent=float(share[1]))
        size = parse_size(str(value))
        if size is None:
            raise self.error(f"is '{value}', it must be {expected}", key)
        return Amount(bytes=size)

    def table(self, key: str) -> Table:
        """Return the table below ``key``, an empty one where there is none."""
        value = self._get(key, dict[str, Any], "a table")
        return Table(value or {}, self._source, self._lines, (*self._place, key))

    def tables(self, key: str) -> list[Table]:
        """Return the tables of an array (``[[key]]``)."""
        values = self._get(key, list[Any], "an array of tables")
        for value in values or []:
            if not isinstance(value, dict):
                raise self.error(
                    f"must be an array of tables, and contains {_toml_type(value)}", key
                )
        return [
            Table(value, self._source, self._lines, (*self._place, key, number))
            for number, value in enumerate(values or [])
        ]

    def finish(self) -> None:
        """Refuse keys that nobody has asked for."""
        for key in self._values:
            if key not in self._asked:
                raise self.error("is not known", key, nearest(key, self._asked))


def read_toml(text: str) -> dict[str, Any]:
    """Return a document. Raises ``ValueError``, or ``RecursionError`` for a very deep one."""
    import tomllib  # most runs have no policy of their own

    return tomllib.loads(text)


def lines_of(text: str) -> dict[Place, int]:
    """Return the line of every key of a TOML document that stands on a line of its own.

    ``tomllib`` does not tell; it does read the single lines, though. Keys of inline tables have
    no line here: the line of the value they are part of is near enough.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            keys = _keys(stripped)
            if keys:
                # [[waivers]] begins a new table, [waivers.x] belongs to the last one.
                table = ()
                for n, key in enumerate(keys):
                    table = (*table, key)
                    if stripped.startswith("[[") and n == len(keys) - 1:
                        counts[table] = counts.get(table, -1) + 1
                    if table in counts:
                        table = (*table, counts[table])
                lines.setdefault(table, number)
        elif "=" in stripped:
            place = table
            # With a value that always parses: the real one may go on over several lines.
            for key in _keys(stripped.partition("=")[0] + "= 0"):
                place = (*place, key)
                lines.setdefault(place, number)
    return lines


def _keys(line: str) -> list[str]:
    """Return the dotted key of a table's header, or of a line ``key = 0``."""
    try:
        value: Any = read_toml(line)
    except ValueError:
        return []
    keys = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        key, value = next(iter(value.items()))
        keys.append(key)
    return keys


def _toml_type(value: object) -> str:
    names: dict[type, str] = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or a time")
