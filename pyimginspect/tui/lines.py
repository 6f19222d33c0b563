"""What is shown in words: layers, files and findings, in lines that are safe for a terminal."""

from __future__ import annotations

import stat

from msgspec import Struct

from pyimginspect.errors import printable
from pyimginspect.report import SEVERITIES, Finding, LayerFacts, Report
from pyimginspect.text import counted, listed, sized
from pyimginspect.tui.files import File

__all__ = [
    "BAR",
    "LayerLine",
    "findings_of",
    "headline",
    "layer_lines",
    "lines_of_finding",
    "mode_of",
    "note_of",
]

BAR = 8
"""Cells of the longest bar."""

# st_mode's file types, for stat.filemode(); tar has them in a field of their own.
_FORMATS = {
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}


class LayerLine(Struct, frozen=True, kw_only=True):
    """A layer in one line.

    ``live`` and ``wasted`` are the parts of a bar of at most ``BAR`` cells, which is as long as
    the layer's bytes are of the largest layer's.
    """

    number: int
    size: str
    live: int
    wasted: int
    base: bool
    findings: int
    instruction: str


def layer_lines(report: Report) -> list[LayerLine]:
    """Return a line for each layer, the lowest first."""
    largest = max((layer.account.stored for layer in report.layers), default=0) or 1
    return [_layer_line(report, layer, largest) for layer in report.layers]


def _layer_line(report: Report, layer: LayerFacts, largest: int) -> LayerLine:
    account = layer.account
    # Rounded up, so that a layer with any bytes has a cell.
    cells = -(-account.stored * BAR // largest)
    wasted = round(cells * account.waste / account.stored) if account.stored else 0
    return LayerLine(
        number=layer.number,
        size=sized(account.stored),
        live=cells - wasted,
        wasted=wasted,
        base=layer.base,
        findings=sum(layer.number in finding.layers for finding in report.findings),
        instruction=_instruction(layer),
    )


def headline(report: Report) -> list[tuple[str, str]]:
    """Return what is inspected, its base and its verdict, each with a style."""
    names = dict.fromkeys(SEVERITIES, 0)
    for finding in report.findings:
        names[finding.severity] += 1
    parts: list[tuple[str, str]] = []
    verdict = report.verdict
    if verdict is not None and verdict.fail_on is not None:
        parts.append(
            ("passes  ", "$text-success") if verdict.passed else ("fails  ", "$text-error")
        )
    reference = printable(report.image.reference)
    parts.append((reference.rpartition("/")[2], "bold"))
    counts = [counted(number, severity) for severity, number in names.items() if number]
    parts.append((f"  {listed(counts)}" if counts else "  no findings", ""))
    wasted = sized(report.size - report.live)
    parts.append((f"  {sized(report.size)}, {wasted} wasted", "$text-muted"))
    if report.base.name:
        parts.append((f"  on {printable(report.base.name)}", "$text-muted"))
    return parts


def _instruction(layer: LayerFacts) -> str:
    if layer.absent:
        return "not in the image: its content is elsewhere"
    return printable(layer.instruction) or "not known"


def findings_of(report: Report, layer: int | None, path: str = "") -> list[Finding]:
    """Return the findings about a layer, or about what is at or below a path of it.

    Without a layer they are those of the whole image. The worst come first, as in the report.
    """
    found = [each for each in report.findings if layer is None or layer in each.layers]
    if not path:
        return found
    return [each for each in found if any(_concerns(other, path) for other in _paths(each))]


def _paths(finding: Finding) -> set[str]:
    return {*finding.paths, *(each.path for each in finding.evidence if each.path)}


def _concerns(one: str, other: str) -> bool:
    """Whether one of two paths is the other, or below it."""
    # With the slash: `usr/lib64` is not below `usr/lib`.
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def lines_of_finding(finding: Finding) -> list[tuple[str, str]]:
    """Return what there is to say of a finding, each with the kind of line that it is."""
    lines = [("message", printable(finding.message))]
    for each in finding.evidence:
        place = f" (layer {each.layer})" if each.layer is not None else ""
        where = f"/{each.path}: " if each.path else ""
        lines.append(("evidence", printable(f"{where}{each.what}{place}")))
    if finding.instruction:
        lines.append(("instruction", printable(finding.instruction)))
    if finding.fix:
        lines.extend(("fix", printable(line)) for line in finding.fix.splitlines())
    if finding.saving:
        lines.append(("saving", f"saves {sized(finding.saving)}"))
    return lines


def mode_of(file: File) -> str:
    """Return mode and owner as ``ls -ln`` prints them."""
    entry = file.node.content.entry
    mode = stat.filemode(_FORMATS.get(file.node.kind, stat.S_IFREG) | entry.mode)
    return f"{mode} {entry.uid}:{entry.gid}"


def note_of(file: File) -> str:
    """Return what became of a file that the layer wastes; empty where it is live."""
    if file.wasted is None:
        return ""
    by = file.wasted.removed_in
    if file.wasted.account == "removed":
        return f"removed by layer {by}"
    if file.wasted.account == "repeated":
        return "stored twice by this layer"
    if file.wasted.account == "unchanged":
        return f"stored again, unchanged, by layer {by}"
    if file.wasted.account == "metadata_changed":
        return f"owner, mode or time changed by layer {by}"
    return f"overwritten by layer {by}"
