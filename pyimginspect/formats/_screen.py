"""The report on one screen: what was inspected, the verdict, what to fix, what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pyimginspect.errors import printable
from pyimginspect.formats import _columns
from pyimginspect.formats._attested import add_attestations
from pyimginspect.formats._page import Page
from pyimginspect.formats._text import (
    base_words,
    runs_word,
    severity_words,
    start_words,
    toc_words,
    verdict_words,
)
from pyimginspect.report import Finding, LayerFacts, Report
from pyimginspect.text import counted, sized

__all__ = ["add_screen", "summary_line"]

_LINES = 40
"""What a screen has; a report of many findings ends there and says how many more there are."""
# A few layers have nearly all of the waste; the line after them has the sum of the others.
_MOST_LAYERS = 4
_BAR = 12  # columns of a bar
_LABEL = 9
_INDENT = 9
_SHORTEST_FIX = 30  # columns that are worth beginning one in
_WHOLE = 12  # lines for a finding where there is no end of room
_FOR_AN_ERROR = 4  # lines more for an error, where warnings share the room

# `a, b, c and 4 more`, `a, b and c`: the first tells what the others are.
_LIST = re.compile(r"(\S+?), (?:\S+, )*(\S+) and (?:(\d+) more|(\S+))")


def add_screen(page: Page, report: Report, *, evidence: bool = False) -> None:
    """Add the report in at most 40 lines, or with the ``evidence`` of each finding in more.

    Findings come in the report's order, errors first, each with its message and its fix in a
    line of its own; what room is left goes to those that are too long for one.
    """
    _head(page, report)
    wasted = list(_wasted(page, report))
    contradicting = sum(bool(each.contradictions) for each in report.attestations)
    # The four are blank lines and the last line, which says what to type next.
    room = _LINES - len(page.lines) - len(wasted) - 4 - bool(report.notes) - bool(contradicting)
    if evidence:
        for finding in report.findings:
            page.blank()
            _finding(page, report, finding, _WHOLE)
            _evidence(page, finding)
    elif report.findings:
        page.blank()
        _findings(page, report, room)
    if wasted:
        page.blank()
        page.lines += wasted
    if evidence:
        add_attestations(page, report.attestations)
    page.blank()
    if evidence and (words := toc_words(report)):
        page.paragraph(words)
    if contradicting and not evidence:
        verb = "contradicts" if contradicting == 1 else "contradict"
        words = f"{counted(contradicting, 'attestation')} {verb} the layers: -v says how"
        page.lines.append(page.shorten(words, page.width))
    if report.notes:
        words = f"{counted(len(report.notes), 'thing')} could not be known: -vv lists them"
        page.lines.append(page.shorten(words, page.width))
    _next(page, report)


def summary_line(report: Report) -> str:
    """Return the report in one line: image, verdict, findings, size, wasted space."""
    image = report.image
    words = [
        verdict_words(report) or "inspected",
        severity_words(report.findings) if report.findings else "no findings",
        sized(report.size),
    ]
    if report.waste.size:
        words.append(f"{sized(report.waste.size)} wasted")
    if report.saving:
        words.append(f"--plan saves {sized(report.saving)}")
    return f"{printable(image.names[0] if image.names else image.reference)}: {', '.join(words)}"


def _head(page: Page, report: Report) -> None:
    image = report.image
    # A long path says least at its beginning, and the title has the image's name as well.
    name = image.reference if len(image.reference) <= page.width // 2 else ""
    name = name or PurePosixPath(image.reference).name
    names = [other for other in image.names if other != image.reference]
    words = [name, *names[:1], image.platform]
    title = " · ".join(word for word in words if word)
    page.lines.append(page.colour(page.shorten(title, page.width), "bold"))
    libc = f"{report.libc.flavor} {report.libc.version or ''}".strip()
    size_words = f"{sized(report.size)} in {counted(len(report.layers), 'layer')}"
    if report.waste.size:
        size_words += f", {sized(report.waste.size)} wasted"
    if report.saving:
        size_words += f"; --plan saves {sized(report.saving)}"
    facts = [
        ("base", base_words(report)),
        ("python", "; ".join(_pythons(report)) or "none"),
        ("libc", libc),
        ("size", size_words),
    ]
    if report.startup.status != "none":
        facts.insert(1, ("starts", start_words(report)))
    verdict = verdict_words(report)
    if verdict:
        found = f"; {severity_words(report.findings)}" if report.findings else ""
        facts.append(("verdict", verdict + found))
    for label, text in facts:
        page.paragraph(text, label=label, hang=_LABEL)


def _pythons(report: Report) -> Iterator[str]:
    """Yield each interpreter, the one that runs first."""
    for python in sorted(report.pythons, key=lambda python: not python.effective):
        name = "" if python.implementation == "cpython" else f"{python.implementation} "
        runs = f" {runs_word(report)}" if python.effective else ""
        yield f"{name}{python.version}{runs} (/{python.path})"


def _findings(page: Page, report: Report, room: int) -> None:
    """Add as many findings as fit into ``room`` lines, two lines each and more where there are."""
    # What fails for certain has its fix in full before further findings have a line.
    errors = sum(finding.severity == "error" for finding in report.findings)
    kept = min(_FOR_AN_ERROR * errors, room // 3)
    shown = min(len(report.findings), max(1, (room - 1 - kept) // 2))
    # "and 1 more" takes a line, in which the finding itself has room.
    if shown == len(report.findings) - 1 and 2 * len(report.findings) <= room:
        shown = len(report.findings)
    findings = report.findings[:shown]
    spare = room - 1 - 2 * shown
    for finding in findings:
        before = len(page.lines)
        more = _FOR_AN_ERROR if finding.severity == "error" else min(spare, _WHOLE) // 2
        _finding(page, report, finding, 1 + min(spare, more))
        spare -= max(0, len(page.lines) - before - 2)
    rest = report.findings[shown:]
    if rest:
        words = f"and {counted(len(rest), 'more finding')} ({severity_words(rest)}): -v shows them"
        page.lines.append(page.shorten(words, page.width))


def _finding(page: Page, report: Report, finding: Finding, most: int) -> None:
    """Add a finding in two lines: its message, then its fix in what is left of them.

    The message is not cut as long as two lines hold it; the fix may have ``most`` lines.
    """
    saving = sized(finding.saving) if finding.saving else ""
    room = page.width - _INDENT
    width = room - (len(saving) + 2 if saving else 0)
    lines = _fitted(page, finding.message, width, max(2, most))
    fix = f"fix: {_in_one_line(finding.fix)}" if finding.fix else ""
    below = fix and (len(lines) == 1 or most > len(lines))
    left = (width if len(lines) == 1 else room) - _columns.width(lines[-1]) - 2
    if fix and not below and left >= _SHORTEST_FIX:
        lines[-1] += f"  {page.shorten(fix, left)}"
    elif len(finding.rule) + 2 < left:
        lines[-1] += f" [{page.link(page.clean(finding.rule), finding.rule)}]"
    severity = page.link(page.colour(finding.severity, finding.severity), finding.rule)
    head = severity + " " * (_INDENT - len(finding.severity)) + lines[0]
    if saving:
        head += " " * (width - _columns.width(lines[0]) + 2) + saving
    page.lines += [head, *(" " * _INDENT + line for line in lines[1:])]
    if below:
        fixes = _fitted(page, fix, room, max(1, most - len(lines) + 1))
        page.lines += [" " * _INDENT + line for line in fixes]


def _in_one_line(fix: str) -> str:
    """Return the lines of a fix, all of which are needed, one after the other."""
    lines = [" ".join(line.split()) for line in fix.splitlines() if line.strip()]
    if len(lines) == 1:
        return lines[0]
    return " ".join(f"({number}) {line}" for number, line in enumerate(lines, 1))


def _fitted(page: Page, text: str, width: int, most: int) -> list[str]:
    """Return text in at most ``most`` lines, its lists shortened before its end is cut."""
    text = page.clean(text)
    lines = _columns.wrap(text, width)
    if len(lines) > most:
        lines = _columns.wrap(_LIST.sub(_first_and_more, text), width)
    if len(lines) > most:
        last = page.shorten(" ".join(lines[most - 1 :]), width)
        lines = [*lines[: most - 1], last]
    return lines or [""]


def _first_and_more(match: re.Match[str]) -> str:
    others = match[0].count(", ") + (int(match[3]) if match[3] else 1)
    comma = "," if match[0].endswith(",") else ""
    return f"{match[1]} and {others} more{comma}"


def _evidence(page: Page, finding: Finding) -> None:
    for evidence in finding.evidence:
        place = (
            [f"/{evidence.path}"] if evidence.path and evidence.path not in evidence.what else []
        )
        if evidence.layer is not None:
            place.append(f"layer {evidence.layer}")
        text = f"{evidence.what} ({', '.join(place)})" if place else evidence.what
        page.paragraph(text, label="-", indent=_INDENT, hang=2)
    name = page.link(page.clean(finding.rule), finding.rule)
    page.lines.append(f"{' ' * _INDENT}- rule {name}")


def _wasted(page: Page, report: Report) -> Iterator[str]:
    """Yield a bar for each layer that wastes most, and a line for all others."""
    layers = sorted(
        (layer for layer in report.layers if layer.account.waste),
        key=lambda layer: (-layer.account.waste, layer.number),
    )
    if not layers:
        return
    yield page.colour("wasted space by layer", "bold")
    most = layers[0].account.waste
    for layer in layers[:_MOST_LAYERS]:
        yield page.shorten(f"{_bar(page, layer, most)}  {layer.instruction}", page.width)
    rest = layers[_MOST_LAYERS:]
    if rest:
        wasted = sized(sum(layer.account.waste for layer in rest))
        yield f"and {wasted} in {counted(len(rest), 'more layer')}"


def _bar(page: Page, layer: LayerFacts, most: int) -> str:
    mark = "█" if page.clean("█") == "█" else "#"
    # At least one mark, as no bar would look like no waste.
    filled = max(1, round(_BAR * layer.account.waste / most))
    bar = (mark * filled).ljust(_BAR)
    return f"{layer.number:>5}  {bar} {sized(layer.account.waste):>9}"


def _next(page: Page, report: Report) -> None:
    """Add the last line: the verdict, and what to type next."""
    verdict = report.verdict
    failed = verdict is not None and not verdict.passed
    words = f"{'Fails' if failed else 'Passes'} the policy {verdict.policy}." if verdict else ""
    if verdict is not None and verdict.fail_on is None and report.findings:
        words = "Nothing can fail: fail-on is never."
    steps = ["--plan"] if report.saving else []
    steps += ["--explain RULE", "-v"] if report.findings else ["-vv"]
    steps.append("-o report.html")
    line = f"{words} Next: {', '.join(steps)}".strip()
    page.lines.append(page.colour(page.shorten(line, page.width), "error" if failed else "good"))
