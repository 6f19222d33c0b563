"""The report for a terminal or a pipe: what to act on first, then the facts behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pyimginspect.errors import printable
from pyimginspect.formats import _columns
from pyimginspect.formats._page import Column, Page
from pyimginspect.formats._screen import add_screen, summary_line
from pyimginspect.formats._tables import ALL, SIZE, add_rows, add_tables
from pyimginspect.formats._text import (
    base_words,
    instruction_and_others,
    listing,
    severity_words,
    verdict_words,
)
from pyimginspect.model import Evidence
from pyimginspect.report import Failure, Finding, Report
from pyimginspect.rules import Rule
from pyimginspect.text import counted, sized

__all__ = ["render", "summary_of_failures", "verdicts"]

_ALL_TABLES = 2
_LABEL = 10
_MOST_FINDINGS = 25  # twice as many as an image that has everything wrong
_MOST_EVIDENCE = 20
_MOST_PATHS = 6
_SHORTEST_NAME = 24


def render(
    report: Report,
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
    detail: int = 0,
    hyperlinks: bool = False,
    rules: Mapping[str, Rule] | None = None,
) -> str:
    """Return the report in lines of at most ``width`` columns (60 to 100).

    ``detail`` is how much of it: 0 one screen, 1 with the evidence of each finding, 2 all tables,
    -1 one line. However much is wrong, it ends: long lists are cut, and say how much more there
    is. The counts of the head are of everything.

    With ``hyperlinks`` the severities and rules of findings lead to the pages of ``rules``, on
    terminals that have links.

    Characters that ``encoding`` cannot show are replaced or escaped; so is everything that
    would steer a terminal.
    """
    links = {name: rule.page for name, rule in (rules or {}).items()} if hyperlinks else None
    page = Page(width=width, color=color, encoding=encoding, links=links)
    if detail < 0:
        return page.clean(summary_line(report)) + "\n"
    if detail < _ALL_TABLES:
        add_screen(page, report, evidence=detail > 0)
        return str(page)
    _head(page, report)
    _overview(page, report)
    for number, finding in enumerate(report.findings[:_MOST_FINDINGS], 1):
        _detail(page, report, number, finding)
    _set_aside(page, report)
    add_tables(page, report)
    return str(page)


def verdicts(
    reports: Sequence[Report],
    failures: Sequence[Failure],
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return a table of several images: the verdict on each, and why some were not inspected.

    ``failures`` are the images that could not be inspected.
    """
    page = Page(width=width, color=color, encoding=encoding)
    page.title("Verdicts")
    rows = [
        [
            report.image.names[0] if report.image.names else report.image.reference,
            "inspected"
            if report.verdict is None
            else "passes"
            if report.verdict.passed
            else "fails",
            severity_words(report.findings),
            sized(report.size),
            sized(report.waste.size) if report.waste.size else "",
        ]
        for report in reports
    ]
    rows += [[each.reference, "not inspected", each.message, "", ""] for each in failures]
    page.table(
        [
            Column("image", keep="end", elastic=True),
            Column("verdict"),
            Column("findings", widest=48),
            SIZE,
            Column("wasted", right=True),
        ],
        rows,
    )
    return str(page)


def summary_of_failures(failures: Sequence[Failure]) -> str:
    """Return a line for each image that could not be inspected."""
    return "".join(
        f"{printable(each.reference)}: not inspected, {printable(each.message)}\n"
        for each in failures
    )


def _head(page: Page, report: Report) -> None:
    image = report.image
    # No one needs the system's name where there is a platform, nor a tag twice.
    names = [name for name in image.names if name != image.reference]
    place = [word for word in (*names[:1], image.platform, image.source) if word]
    rest = "".join(f" · {word}" for word in place)
    # The end of a path tells more than its beginning, as in tables.
    room = max(_SHORTEST_NAME, page.width - _columns.width(page.clean(rest)))
    name = page.shorten(image.reference, room, "end")
    page.lines.append(page.colour(page.shorten(name + rest, page.width), "bold"))
    facts = [("base", base_words(report))]
    words = f"{sized(report.size)} in {counted(len(report.layers), 'layer')}"
    if report.waste.size:
        words += f", {sized(report.waste.size)} wasted"
    if report.saving:
        words += f"; the edits of --plan save {sized(report.saving)}"
    facts.append(("size", words))
    facts.append(("findings", severity_words(report.findings)))
    if report.verdict is not None:
        facts.append(("verdict", verdict_words(report)))
    for label, text in facts:
        page.paragraph(text, label=label, hang=_LABEL)


def _overview(page: Page, report: Report) -> None:
    if not report.findings:
        return
    page.blank()
    page.table(
        [
            Column("#", right=True),
            Column("severity", tinted=True),
            Column("saves", right=True),
            Column("finding", elastic=True),
        ],
        [
            [str(n), f.severity, sized(f.saving) if f.saving else "", f.message]
            for n, f in enumerate(report.findings[:_MOST_FINDINGS], 1)
        ],
    )
    rest = report.findings[_MOST_FINDINGS:]
    if rest:
        failing = sum(map(report.verdict.fails, rest)) if report.verdict is not None else 0
        words = f"and {counted(len(rest), 'more finding')} ({severity_words(rest)}"
        words += f"; {failing:,} failing)" if failing else ")"
        page.paragraph(f"{words}: {ALL}")


def _detail(page: Page, report: Report, number: int, finding: Finding) -> None:
    page.blank()
    head = f"{number}. {finding.severity}: {finding.rule}"
    if finding.saving:
        head += f" · saves {sized(finding.saving)}"
    head = page.colour(page.shorten(head, page.width), finding.severity)
    page.lines.append(page.link(head, finding.rule))
    page.paragraph(finding.message, indent=3)
    for label, text in _facts(finding, report):
        page.paragraph(text, label=label, indent=3, hang=_LABEL)


def _facts(finding: Finding, report: Report) -> Iterator[tuple[str, str]]:
    """Yield what is behind a finding and what fixes it, as labels and texts."""
    yield from _evidence(finding)
    if finding.layers:
        layer, instruction, others = instruction_and_others(finding, report)
        words = f"{layer}: {instruction}" if instruction else layer
        yield "layer", f"{words} ({others})" if others else words
    if finding.packages:
        yield "packages", listing(finding.packages, 2 * _MOST_PATHS)
    known = {evidence.path for evidence in finding.evidence}
    paths = [path for path in finding.paths if path not in known]
    for path in paths[:_MOST_PATHS]:
        yield "path", path
    if len(paths) > _MOST_PATHS:
        yield "", f"and {counted(len(paths) - _MOST_PATHS, 'more path')}"
    for n, line in enumerate(finding.fix.splitlines()):
        yield "" if n else "fix", line


def _evidence(finding: Finding) -> Iterator[tuple[str, str]]:
    for evidence in finding.evidence[:_MOST_EVIDENCE]:
        place = ", ".join(_place(evidence, finding))
        yield "-", f"{evidence.what} ({place})" if place else evidence.what
    rest = len(finding.evidence) - _MOST_EVIDENCE
    if rest > 0:
        yield "", f"and {counted(rest, 'more line of evidence', 'more lines of evidence')}"


def _place(evidence: Evidence, finding: Finding) -> Iterator[str]:
    """Yield where the evidence is, as far as neither it nor the finding's layers say so."""
    if evidence.path and evidence.path not in evidence.what:
        yield evidence.path
    if evidence.package and evidence.package not in evidence.what:
        yield f"package {evidence.package}"
    if evidence.layer is not None and finding.layers != (evidence.layer,):
        yield f"layer {evidence.layer}"


def _set_aside(page: Page, report: Report) -> None:
    verdict = report.verdict
    if verdict is None or not (verdict.waived or verdict.accepted or verdict.fixed):
        return
    page.title("Set aside")
    rows = [
        [
            f"waived until {item.expires}" if item.expires else "waived",
            item.finding.rule,
            item.reason,
            item.finding.message,
        ]
        for item in verdict.waived
    ]
    rows += [["known", finding.rule, "", finding.message] for finding in verdict.accepted]
    rows += [["fixed", fixed.rule, "", fixed.message or fixed.subject] for fixed in verdict.fixed]
    add_rows(
        page,
        [
            Column("why"),
            Column("rule"),
            Column("reason", widest=40),
            Column("finding", elastic=True),
        ],
        rows,
    )
