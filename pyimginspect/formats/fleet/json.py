"""The whole summary as one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

from pyimginspect.fleet import Fleet
from pyimginspect.fleet.summary import (
    Base,
    Failure,
    Fix,
    Group,
    SharedLayer,
    SharedPython,
    Totals,
)

__all__ = ["FleetSummary", "render"]

# A base of ten thousand images would be listed with each of its fixes and layers.
_MOST_NAMED = 100
_T = TypeVar("_T", Fix, Base, SharedPython)


class FleetSummary(Struct, frozen=True, kw_only=True):
    """What there is to say of a fleet. Of the references of a thing the first hundred are named."""

    schema_version: int = 1
    totals: Totals
    fixes: tuple[Fix, ...]
    bases: tuple[Base, ...]
    pythons: tuple[SharedPython, ...]
    group_by: str
    groups: tuple[Group, ...]
    failed: tuple[Failure, ...]
    layers: tuple[SharedLayer, ...]


def render(fleet: Fleet, *, group_by: str = "repository") -> Iterator[bytes]:
    """Return the summary as JSON."""
    summary = FleetSummary(
        totals=fleet.totals(),
        fixes=_shortened(fleet.fixes()),
        bases=_shortened(fleet.bases()),
        pythons=_shortened(fleet.pythons()),
        group_by=group_by,
        groups=fleet.groups(group_by),
        failed=fleet.failed(),
        layers=fleet.layers(),
    )
    yield msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"


def _shortened(items: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(
        msgspec.structs.replace(item, references=item.references[:_MOST_NAMED]) for item in items
    )
