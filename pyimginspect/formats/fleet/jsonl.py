"""A line of JSON for each reference: what became of it, and its report."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pyimginspect.fleet import Fleet

__all__ = ["render"]


def render(fleet: Fleet) -> Iterator[bytes]:
    """Return the lines: inspected references first, then those that failed or were deferred."""
    for reference, report in fleet.reports():
        line = {
            "reference": reference.name,
            "platform": reference.platform,
            "namespace": reference.namespace,
            "status": "inspected",
            "report": report,
        }
        yield msgspec.json.encode(line) + b"\n"
    for failure in fleet.failed():
        yield msgspec.json.encode(failure) + b"\n"
