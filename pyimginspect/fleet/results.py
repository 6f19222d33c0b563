"""Questions to a fleet's results: what saves most, which base to fix first, who fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import ImageNotFoundError, ResultsError
from pyimginspect.fleet import queries
from pyimginspect.fleet.chains import find_bases
from pyimginspect.fleet.packing import unpack_report
from pyimginspect.fleet.store import connect, text_of
from pyimginspect.fleet.summary import (
    Base,
    Failure,
    Fix,
    Group,
    Reference,
    SharedLayer,
    SharedPython,
    Totals,
)
from pyimginspect.report import Report

__all__ = ["Fleet"]


class Fleet:
    """A results file, open for reading; a context manager. It may be read while a run writes."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._database = database

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the results at ``path``. Raises :class:`~pyimginspect.errors.ResultsError`."""
        return cls(connect(Path(path)), Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def totals(self) -> Totals:
        """Return the fleet in numbers."""
        (row,) = self.query(queries.TOTALS)
        return from_builtins(row, Totals)

    def fixes(self) -> tuple[Fix, ...]:
        """Return what to fix and where, what saves most (each byte counted once) first."""
        images: dict[tuple[str, int], list[int]] = {}
        for row in self.query(queries.FIX_IMAGES):
            images.setdefault((row["rule"], row["layer"]), []).append(row["image"])
        fixes = []
        for row in self.query(queries.FIXES):
            having = images[row["rule"], row.pop("number")]
            row["subjects"] = sorted(msgspec.json.decode(row["subjects"]))
            fixes.append(self._with_images(Fix, row, having))
        return tuple(fixes)

    def bases(self) -> tuple[Base, ...]:
        """Return the chains of layers that several images begin with, what saves most first."""
        bases = find_bases(self.query(queries.CHAINS), self.query(queries.LAYER_SAVINGS))
        return tuple(
            self._with_images(Base, base, images)
            for base, images in sorted(bases, key=lambda item: _first(item[0]))
        )

    def layers(self) -> tuple[SharedLayer, ...]:
        """Return all layers, those of most images first."""
        return tuple(from_builtins(row, SharedLayer) for row in self.query(queries.LAYERS))

    def pythons(self) -> tuple[SharedPython, ...]:
        """Return the Pythons by the layer that brought each, those of most images first."""
        found = []
        for row in self.query(queries.PYTHONS):
            images = msgspec.json.decode(row.pop("image_list"))
            row["packages"] = row["packages"].split()
            row["past_end"] = bool(row["past_end"])
            found.append(self._with_images(SharedPython, row, images))
        return tuple(found)

    def groups(self, by: str = "repository") -> tuple[Group, ...]:
        """Return how many images of each group each rule has found something in.

        ``by`` is ``registry``, ``repository`` (the whole path), ``team`` (its first part),
        ``namespace`` (of Kubernetes), ``base``, or ``label:NAME`` for a label of the images.
        Raises :class:`~pyimginspect.errors.InvalidReferenceError` for another.
        """
        statement, values = queries.groups(by)
        return tuple(from_builtins(row, Group) for row in self.query(statement, *values))

    def failed(self) -> tuple[Failure, ...]:
        """Return the references that were not inspected, and why; deferred ones last."""
        return tuple(from_builtins(row, Failure) for row in self.query(queries.FAILED))

    def references(self) -> Iterator[Reference]:
        """Return all names of images that were inspected, in order."""
        for row in self.query(queries.REFERENCES):
            yield from_builtins(row, Reference)

    def report(self, reference: str, platform: str = "") -> Report:
        """Return the report of an image, as :func:`pyimginspect.inspect` returns it.

        Raises :class:`~pyimginspect.errors.ImageNotFoundError` where the results have none.
        """
        for packed, named in self._database.execute(queries.REPORT, (text_of(reference), platform)):
            return unpack_report(packed, named)
        raise ImageNotFoundError(f"the results have no report of '{reference}'")

    def reports(self) -> Iterator[tuple[Reference, Report]]:
        """Return all names with their reports."""
        for reference in self.references():
            yield reference, self.report(reference.name, reference.platform)

    def query(self, statement: str, *values: Any) -> Iterator[dict[str, Any]]:
        """Return the rows of a statement of SQL (docs/fleet.md has the tables).

        Raises :class:`~pyimginspect.errors.ResultsError` for one that SQLite refuses.
        """
        try:
            cursor = self._database.execute(statement, values)
            names = [column[0] for column in cursor.description or ()]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
        except sqlite3.Error as exc:
            raise ResultsError(f"{self.path}: {exc}") from exc

    @cached_property
    def _names(self) -> dict[int, str]:
        """The first name of each image."""
        names: dict[int, str] = {}
        for reference in self.references():
            names.setdefault(reference.image, reference.name)
        return names

    def _with_images(self, kind: Any, row: dict[str, Any], images: list[int]) -> Any:
        # A run that writes meanwhile may have dropped the names of an image.
        names = sorted(self._names[image] for image in set(images) if image in self._names)
        return from_builtins({**row, "images": len(names), "references": names}, kind)


def _first(base: dict[str, Any]) -> tuple[Any, ...]:
    return (-base["saving"], -base["wasted"], -base["stored"], base["chain"])
