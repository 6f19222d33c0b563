"""The report for a terminal or a pipe: what to act on first, then the facts behind it."""

from __future__ import annotations

from pyimginspect.formats._page import Column, Page
from pyimginspect.formats._text import (
    base_words,
    count,
    instruction_and_others,
    listing,
    severity_words,
    size,
    verdict_words,
)
from pyimginspect.report import Finding, Report

__all__ = ["render"]

_LABEL = 10
_MOST_PATHS = 6
_MOST_LOSSES = 8
_MOST_TOOLS = 15
_MOST_NOTES = 20
_PATH = Column("path", keep="end", elastic=True)
_SIZE = Column("size", right=True)
_LAYER = Column("layer", right=True)


def render(report: Report, *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return the report in lines of at most ``width`` columns (60 to 100).

    Characters that ``encoding`` cannot show are replaced or escaped; so is everything that
    would steer a terminal.
    """
    page = Page(width=width, color=color, encoding=encoding)
    _head(page, report)
    _overview(page, report)
    for number, finding in enumerate(report.findings, 1):
        _detail(page, report, number, finding)
    _set_aside(page, report)
    _pythons(page, report)
    _libc(page, report)
    _layers(page, report)
    _waste(page, report)
    _caches(page, report)
    _build_tools(page, report)
    _packages(page, report)
    _notes(page, report)
    return str(page)


def _head(page: Page, report: Report) -> None:
    image = report.image
    # No one needs the system's name where there is a platform, nor a tag twice.
    names = [name for name in image.names if name != image.reference]
    place = [image.reference, *names[:1], image.platform, image.source]
    page.lines.append(
        page.colour(page.shorten(" · ".join(word for word in place if word), page.width), "bold")
    )
    facts = [("base", base_words(report))]
    words = f"{size(report.size)} in {count(len(report.layers), 'layer')}"
    if report.waste.size:
        words += f", {size(report.waste.size)} of it dead"
    if report.saving:
        words += f"; the edits of --plan save {size(report.saving)}"
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
            [str(n), f.severity, size(f.saving) if f.saving else "", f.message]
            for n, f in enumerate(report.findings, 1)
        ],
    )


def _detail(page: Page, report: Report, number: int, finding: Finding) -> None:
    page.blank()
    head = f"{number}. {finding.severity}: {finding.rule}"
    if finding.saving:
        head += f" · saves {size(finding.saving)}"
    page.lines.append(page.colour(page.shorten(head, page.width), finding.severity))
    page.paragraph(finding.message, indent=3)

    def fact(label: str, text: str) -> None:
        page.paragraph(text, label=label, indent=3, hang=_LABEL)

    for evidence in finding.evidence:
        place = [evidence.path] if evidence.path and evidence.path not in evidence.what else []
        if evidence.package and evidence.package not in evidence.what:
            place.append(f"package {evidence.package}")
        if evidence.layer is not None and finding.layers != (evidence.layer,):
            place.append(f"layer {evidence.layer}")
        fact("because", f"{evidence.what} ({', '.join(place)})" if place else evidence.what)
    if finding.layers:
        layer, instruction, others = instruction_and_others(finding, report)
        words = f"{layer}: {instruction}" if instruction else layer
        fact("layer", f"{words} ({others})" if others else words)
    if finding.packages:
        fact("packages", listing(finding.packages, 2 * _MOST_PATHS))
    known = {evidence.path for evidence in finding.evidence}
    paths = [path for path in finding.paths if path not in known]
    for path in paths[:_MOST_PATHS]:
        fact("path", path)
    if len(paths) > _MOST_PATHS:
        fact("", f"and {count(len(paths) - _MOST_PATHS, 'more path')}")
    for n, line in enumerate(finding.fix.splitlines()):
        fact("" if n else "fix", line)


def _set_aside(page: Page, report: Report) -> None:
    verdict = report.verdict
    if verdict is None or not (verdict.waived or verdict.accepted or verdict.gone):
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
    rows += [["mended", gone.rule, "", gone.message or gone.subject] for gone in verdict.gone]
    page.table(
        [
            Column("why"),
            Column("rule"),
            Column("reason", widest=40),
            Column("finding", elastic=True),
        ],
        rows,
    )


def _pythons(page: Page, report: Report) -> None:
    if not (report.pythons or report.environments):
        return
    page.title("Pythons")
    rows = [
        [
            f"{'' if p.implementation == 'cpython' else p.implementation + ' '}{p.version}",
            p.path,
            p.origin,
            str(p.layer),
            size(p.size),
            f"runs ({p.effective_because})"
            if p.effective and p.effective_because
            else "runs"
            if p.effective
            else "",
        ]
        for p in report.pythons
    ]
    rows += [
        [
            e.version,
            e.path,
            f"broken: {e.broken}" if e.broken else "environment",
            str(e.layer),
            size(e.size),
            "",
        ]
        for e in report.environments
    ]
    columns = [Column("version"), _PATH, Column("origin", widest=22), _LAYER, _SIZE]
    page.table([*columns, Column("", widest=24)], rows)


def _libc(page: Page, report: Report) -> None:
    libc = report.libc
    page.title("C library")
    words = f"{libc.flavor} {libc.version or ''}".rstrip()
    place = [libc.path] if libc.path else []
    if libc.layer is not None:
        place.append(f"layer {libc.layer}")
    page.paragraph(f"{words} ({', '.join(place)})" if place else words)
    if libc.foreign_loaders:
        page.paragraph(f"Loaders of another C library: {listing(libc.foreign_loaders)}")


def _layers(page: Page, report: Report) -> None:
    if not report.layers:
        return
    page.title("Layers")
    page.table(
        [
            Column("#", right=True),
            _SIZE,
            Column("dead", right=True),
            Column("", widest=6),
            Column("instruction", elastic=True),
        ],
        [
            [
                str(layer.number),
                "absent" if layer.absent else size(layer.account.stored),
                size(layer.account.waste) if layer.account.waste else "",
                "base" if layer.base else "",
                layer.instruction,
            ]
            for layer in report.layers
        ],
    )


def _waste(page: Page, report: Report) -> None:
    waste = report.waste
    if not waste.size:
        return
    page.title(f"Dead bytes: {size(waste.size)} in {count(waste.files, 'file')}")
    losses = waste.largest[:_MOST_LOSSES]
    if losses:
        page.table(
            [_SIZE, Column("lost by", widest=12), Column("stored in", right=True), _PATH],
            [
                [
                    size(loss.size),
                    f"layer {loss.killer}",
                    f"layer {loss.layer}",
                    loss.path,
                ]
                for loss in losses
            ],
        )


def _caches(page: Page, report: Report) -> None:
    if not report.caches:
        return
    page.title("Caches")
    page.table(
        [Column("kind"), _SIZE, Column("files", right=True), Column("layers"), _PATH],
        [
            [c.kind, size(c.size), f"{c.files:,}", listing(map(str, sorted(c.layers)), 6), c.path]
            for c in report.caches
        ],
    )


def _build_tools(page: Page, report: Report) -> None:
    if not report.build_tools:
        return
    page.title("Build tools")
    tools = sorted(report.build_tools, key=lambda tool: (-tool.size, tool.name))
    page.table(
        [
            Column("name"),
            Column("category"),
            _SIZE,
            _LAYER,
            Column("kept by", elastic=True),
            Column("path", keep="end", widest=28),
        ],
        [
            [
                tool.name,
                tool.category,
                size(tool.size),
                str(tool.layer),
                listing(tool.kept_by, 2),
                tool.path,
            ]
            for tool in tools[:_MOST_TOOLS]
        ],
    )
    if len(tools) > _MOST_TOOLS:
        page.lines.append(f"and {len(tools) - _MOST_TOOLS:,} more")


def _packages(page: Page, report: Report) -> None:
    words = [
        count(len(found), noun)
        for found, noun in (
            (report.os_packages, "package"),
            (report.distributions, "Python distribution"),
        )
        if found
    ]
    if words:
        page.title("Installed")
        page.paragraph(f"{' and '.join(words)}; the JSON report lists them.")


def _notes(page: Page, report: Report) -> None:
    if not report.notes:
        return
    page.title("What could not be known")
    for note in report.notes[:_MOST_NOTES]:
        place = [] if note.layer is None else [f"layer {note.layer}"]
        if note.path:
            place.append(note.path)
        text = f"{note.what} ({', '.join(place)})" if place else note.what
        page.paragraph(text, label="-", hang=2)
    if len(report.notes) > _MOST_NOTES:
        page.paragraph(f"and {len(report.notes) - _MOST_NOTES:,} more", label="-", hang=2)
