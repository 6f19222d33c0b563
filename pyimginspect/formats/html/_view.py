"""What the web page shows, worked out before the template puts it into place."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import Struct

from pyimginspect.errors import printable
from pyimginspect.report import SEVERITIES, Finding, Report

__all__ = ["Bar", "bars_of", "filters_of", "fixes_of", "links_of", "map_of", "owners_of"]

# What bytes are for, in the order in which a bar and the map's legend show it.
_USES = ("live", "build-tool", "cache", "second-python", "overwritten", "removed", "repeated")


_MOST_OWNERS = 40  # of one finding
_LONGEST_OWNER = 80
# A list of thousands of names is of no use, and slows browsers.
_MOST_OPTIONS = 300  # of one filter


class Bar(Struct, frozen=True, kw_only=True):
    """A layer in the timeline: pieces of a bar, in hundredths of the largest layer."""

    number: int
    pieces: tuple[tuple[str, float, float, int], ...]
    findings: tuple[Finding, ...]


def fixes_of(report: Report) -> list[Finding]:
    """Return the findings whose fix saves something, most first."""
    saving = [finding for finding in report.findings if finding.saving and finding.fix]
    return sorted(saving, key=lambda finding: (-finding.saving, finding.order))


def owners_of(report: Report) -> dict[str, list[str]]:
    """Return by fingerprint whose files a finding is about: packages, or else its subject.

    A word has no blank in it, so that a page can list several in an attribute.
    """
    return {
        finding.fingerprint: ["_".join(name.split()) for name in _owners(finding)]
        for finding in report.findings
    }


def _owners(finding: Finding) -> tuple[str, ...]:
    return finding.packages[:_MOST_OWNERS] or (finding.subject[:_LONGEST_OWNER],)


def filters_of(report: Report) -> list[tuple[str, list[str]]]:
    """Return what the list of findings can be narrowed by, with the values that there are."""
    findings = report.findings
    owners = {name for names in owners_of(report).values() for name in names}
    layers = {number for finding in findings for number in finding.layers}
    return [
        ("severity", [level for level in SEVERITIES if any(f.severity == level for f in findings)]),
        ("rule", sorted({finding.rule for finding in findings})),
        ("layer", [str(number) for number in sorted(layers)]),
        ("owner", sorted(owners)[:_MOST_OPTIONS]),
    ]


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
                # Three places: less would leave gaps between pieces, more is noise in the file.
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
        # For tooltips; the page has the whole instruction elsewhere.
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
