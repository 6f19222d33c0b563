"""What the web page shows, worked out before the template puts it into place."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct

from pyimginspect.errors import printable
from pyimginspect.report import Finding, Report

__all__ = ["Bar", "bars_of", "fixes_of", "links_of", "map_of"]

# What bytes are for, in the order in which a bar and the map's legend show it.
_USES = ("live", "build-tool", "cache", "second-python", "overwritten", "removed", "repeated")


class Bar(Struct, frozen=True, kw_only=True):
    """A layer in the timeline: pieces of a bar, in hundredths of the largest layer."""

    number: int
    pieces: tuple[tuple[str, float, float, int], ...]
    findings: tuple[Finding, ...]


def fixes_of(report: Report) -> list[Finding]:
    """Return the findings that save something when mended, most first."""
    saving = [finding for finding in report.findings if finding.saving and finding.fix]
    return sorted(saving, key=lambda finding: (-finding.saving, finding.order))


def bars_of(report: Report) -> dict[int, Bar]:
    """Return the timeline's bars by layer: use, begin, width and bytes of each piece."""
    largest = max((layer.account.stored for layer in report.layers), default=0) or 1
    sums: dict[int, Counter[str]] = {}
    for number, _, size, use, _ in _areas(report):
        sums.setdefault(number, Counter())[use] += size
    bars = {}
    for layer in report.layers:
        pieces, begin = [], 0.0
        for use in _USES:
            size = sums.get(layer.number, Counter())[use]
            if size:
                width = round(100 * size / largest, 3)
                pieces.append((use, round(begin, 3), width, size))
                begin += width
        bars[layer.number] = Bar(
            number=layer.number,
            pieces=tuple(pieces),
            findings=tuple(f for f in report.findings if layer.number in f.layers),
        )
    return bars


def links_of(report: Report) -> dict[str, str]:
    """Return the anchors of OS packages by key and by name, for links from elsewhere."""
    anchors: dict[str, str] = {}
    for number, package in enumerate(report.os_packages):
        for name in (package.key, package.name):
            anchors.setdefault(name, f"package-{number}")
    return anchors


def map_of(report: Report) -> dict[str, Any]:
    """Return the data of the treemap, in the fewest words.

    ``uses`` names what bytes are for; an area is layer, path, size, number of its use, files.
    """
    return {
        "uses": _USES,
        "layers": {layer.number: printable(layer.instruction)[:200] for layer in report.layers},
        "areas": [
            [layer, printable(path), size, _USES.index(use), files]
            for layer, path, size, use, files in _areas(report)
        ],
    }


def _areas(report: Report) -> list[tuple[int, str, int, str, int]]:
    """Return layer, path, size, use and files of all areas.

    Where none were taken, each layer's accounts stand for them.
    """
    return [(a.layer, a.path, a.size, a.use, a.files) for a in report.areas] or [
        (layer.number, "", size, use, 1)
        for layer in report.layers
        for use in ("live", "overwritten", "removed", "repeated")
        if (size := getattr(layer.account, use))
    ]
