"""The report as a comment on a pull request: verdict, findings, and the rest folded away.

Written for GitHub Flavored Markdown, and plain enough for GitLab. What an image is named must
not become markup, a link, or a mention of somebody.
"""

from __future__ import annotations

from pyimginspect.errors import printable
from pyimginspect.formats._markdown import cell, code, html, text
from pyimginspect.formats._text import (
    base_words,
    instruction_and_others,
    listing,
    severity_words,
    verdict_words,
)
from pyimginspect.report import Finding, Report
from pyimginspect.text import counted, sized

__all__ = ["render"]

# With the shares of characters below the whole stays under GitHub's 65,536 for a comment.
_MOST_FINDINGS = 20
_MOST_PATHS = 10
_LONGEST = 300  # characters of a line of a fix
_ICONS = {"error": "🔴", "warning": "🟡", "note": "🔵"}


def render(report: Report) -> str:
    """Return the report as Markdown of at most 65,000 characters."""
    image = report.image
    name = code(image.names[0] if image.names else image.reference)
    verdict = report.verdict
    if verdict is None:
        title = f"{name}: {severity_words(report.findings)}"
    else:
        title = f"{'✅' if verdict.passed else '❌'} {name} {text(verdict_words(report))}"
    lines = [f"### {title}", "", *_facts(report), ""]
    rows = _within(20_000, [[_row(finding)] for finding in report.findings[:_MOST_FINDINGS]])
    if rows:
        lines += ["| | finding | rule | saves |", "|---|---|---|--:|", *rows, ""]
    if len(report.findings) > len(rows):
        lines += [f"… and {counted(len(report.findings) - len(rows), 'more finding')}.", ""]
    lines += _within(25_000, [_details(report, f) for f in report.findings[: len(rows)]])
    lines += _within(8_000, [_aside(report)])
    lines += _within(8_000, [_layers(report)])
    return "\n".join(lines)


def _within(room: int, blocks: list[list[str]]) -> list[str]:
    """Return the lines of the first blocks that fit into so many characters."""
    lines: list[str] = []
    for block in blocks:
        room -= sum(len(line) + 1 for line in block)
        if room < 0:
            break
        lines += block
    return lines


def _facts(report: Report) -> list[str]:
    words = f"{sized(report.size)} in {counted(len(report.layers), 'layer')}"
    if report.waste.size:
        words += f", {sized(report.waste.size)} wasted"
    if report.saving:
        words += f"; the edits of `--plan` save **{sized(report.saving)}**"
    libc = f"{report.libc.flavor} {report.libc.version or ''}".strip()
    pythons = [f"{python.version} ({python.path})" for python in report.pythons]
    lines = [f"{words}. Base: {text(base_words(report))}. C library: {text(libc)}."]
    if pythons:
        lines.append(f"Python: {text(listing(pythons, 4))}.")
    return lines


def _row(finding: Finding) -> str:
    saving = sized(finding.saving) if finding.saving else ""
    icon = f"{_ICONS[finding.severity]} {finding.severity}"
    return f"| {icon} | {text(finding.message)} | {cell(finding.rule)} | {saving} |"


def _details(report: Report, finding: Finding) -> list[str]:
    lines = [
        "<details>",
        f"<summary>{finding.severity}: {html(finding.message)}</summary>",
        "",
    ]
    for evidence in finding.evidence[:_MOST_PATHS]:
        place = f" ({code(evidence.path)})" if evidence.path else ""
        lines.append(f"- {text(evidence.what)}{place}")
    if finding.layers:
        number, instruction, others = instruction_and_others(finding, report)
        words = f"- layer {number}" + (f": {code(instruction)}" if instruction else "")
        lines.append(f"{words} ({others})" if others else words)
    if finding.packages:
        lines.append(f"- packages: {code(listing(finding.packages, _MOST_PATHS))}")
    lines += [f"- {code(path)}" for path in finding.paths[:_MOST_PATHS]]
    if len(finding.paths) > _MOST_PATHS:
        lines.append(f"- and {counted(len(finding.paths) - _MOST_PATHS, 'more path')}")
    lines.append("")
    if finding.fix:
        # Indented code: nothing in it can end it.
        lines += ["Fix:", ""]
        lines += [f"    {printable(line)[:_LONGEST]}" for line in finding.fix.splitlines()]
        lines.append("")
    return [*lines, "</details>", ""]


def _aside(report: Report) -> list[str]:
    verdict = report.verdict
    if verdict is None:
        return []
    lines = [
        f"- waived: {text(item.finding.message)} ({text(item.reason)}"
        + (f", until {text(item.expires)})" if item.expires else ")")
        for item in verdict.waived[:_MOST_FINDINGS]
    ]
    lines += [f"- known: {text(f.message)}" for f in verdict.accepted[:_MOST_FINDINGS]]
    lines += [f"- fixed: {text(g.message or g.subject)}" for g in verdict.fixed[:_MOST_FINDINGS]]
    if not lines:
        return []
    return ["<details>", "<summary>Set aside</summary>", "", *lines, "", "</details>", ""]


def _layers(report: Report) -> list[str]:
    lines = ["<details>", "<summary>Layers</summary>", ""]
    lines += ["| # | size | wasted | instruction |", "|--:|--:|--:|---|"]
    # The last ones: those below are the base image's, which few pull requests change.
    for layer in report.layers[-_MOST_FINDINGS:]:
        wasted = sized(layer.account.waste) if layer.account.waste else ""
        instruction = f"{cell(layer.instruction)}{' (base)' if layer.base else ''}"
        lines.append(
            f"| {layer.number} | {sized(layer.account.stored)} | {wasted} | {instruction} |"
        )
    return [*lines, "", "</details>", ""]
