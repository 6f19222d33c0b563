"""The report for a terminal or a pipe: what to act on first, then the facts behind it."""

from __future__ import annotations

from collections.abc import Sequence

import wcwidth

from pyimginspect.formats._page import Column, Page
from pyimginspect.formats._text import (
    base_words,
    count,
    instruction_and_others,
    listing,
    ranges,
    severity_words,
    size,
    verdict_words,
)
from pyimginspect.report import Finding, Report

__all__ = ["render"]

_LABEL = 10
_MOST_FINDINGS = 25  # twice as many as an image that has everything wrong
_MOST_EVIDENCE = 20
_MOST_PATHS = 6
_MOST_LOSSES = 8
_MOST_ROWS = 15
_MOST_LAYERS = 128  # as many as an engine stacks
_MOST_NOTES = 20
_ALL = "--format json lists them all"
_SHORTEST_NAME = 24
_PATH = Column("path", keep="end", elastic=True)
_SIZE = Column("size", right=True)
_LAYER = Column("layer", right=True)


def render(report: Report, *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return the report in lines of at most ``width`` columns (60 to 100).

    However much is wrong, it ends: long lists are cut, and say how much more there is. The counts
    of the head are of everything.

    Characters that ``encoding`` cannot show are replaced or escaped; so is everything that
    would steer a terminal.
    """
    page = Page(width=width, color=color, encoding=encoding)
    _head(page, report)
    _overview(page, report)
    for number, finding in enumerate(report.findings[:_MOST_FINDINGS], 1):
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
    place = [word for word in (*names[:1], image.platform, image.source) if word]
    rest = "".join(f" · {word}" for word in place)
    room = max(_SHORTEST_NAME, page.width - wcwidth.width(page.clean(rest)))
    name = page.shorten(image.reference, room, "end")
    page.lines.append(page.colour(page.shorten(name + rest, page.width), "bold"))
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
            for n, f in enumerate(report.findings[:_MOST_FINDINGS], 1)
        ],
    )
    rest = report.findings[_MOST_FINDINGS:]
    if rest:
        failing = sum(map(report.verdict.fails, rest)) if report.verdict is not None else 0
        words = f"and {count(len(rest), 'more finding')} ({severity_words(rest)}"
        words += f"; {failing:,} failing)" if failing else ")"
        page.paragraph(f"{words}: {_ALL}")


def _detail(page: Page, report: Report, number: int, finding: Finding) -> None:
    page.blank()
    head = f"{number}. {finding.severity}: {finding.rule}"
    if finding.saving:
        head += f" · saves {size(finding.saving)}"
    page.lines.append(page.colour(page.shorten(head, page.width), finding.severity))
    page.paragraph(finding.message, indent=3)

    def fact(label: str, text: str) -> None:
        page.paragraph(text, label=label, indent=3, hang=_LABEL)

    for evidence in finding.evidence[:_MOST_EVIDENCE]:
        place = [evidence.path] if evidence.path and evidence.path not in evidence.what else []
        if evidence.package and evidence.package not in evidence.what:
            place.append(f"package {evidence.package}")
        if evidence.layer is not None and finding.layers != (evidence.layer,):
            place.append(f"layer {evidence.layer}")
        fact("because", f"{evidence.what} ({', '.join(place)})" if place else evidence.what)
    if len(finding.evidence) > _MOST_EVIDENCE:
        fact("", f"and {count(len(finding.evidence) - _MOST_EVIDENCE, 'more reason')}")
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
    _table(
        page,
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
            "runs" if p.effective else "",
        ]
        for p in report.pythons
    ]
    rows += [
        [
            e.version,
            e.path,
            "environment",
            str(e.layer),
            size(e.size),
            "broken" if e.broken else "",
        ]
        for e in report.environments
    ]
    columns = [Column("version"), _PATH, Column("origin", widest=22), _LAYER, _SIZE, Column("")]
    _table(page, columns, rows)
    # Why is a sentence, and no room for one is left in a row.
    because = [
        f"{p.path} runs: {p.effective_because}"
        for p in report.pythons
        if p.effective and p.effective_because
    ]
    because += [f"{e.path} is broken: {e.broken}" for e in report.environments if e.broken]
    for text in because[:_MOST_ROWS]:
        page.paragraph(text)


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
    _table(
        page,
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
        _MOST_LAYERS,
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
    if waste.files > len(losses):
        page.lines.append(f"and {count(waste.files - len(losses), 'more file')}")


def _caches(page: Page, report: Report) -> None:
    if not report.caches:
        return
    page.title("Caches")
    _table(
        page,
        [Column("kind"), _SIZE, Column("files", right=True), Column("layers"), _PATH],
        [[c.kind, size(c.size), f"{c.files:,}", ranges(c.layers), c.path] for c in report.caches],
    )


def _build_tools(page: Page, report: Report) -> None:
    if not report.build_tools:
        return
    page.title("Build tools")
    _table(
        page,
        [
            Column("name"),
            Column("category"),
            _SIZE,
            _LAYER,
            Column("kept by", elastic=True),
            _PATH,
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
            for tool in sorted(report.build_tools, key=lambda tool: (-tool.size, tool.name))
        ],
    )


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
        page.paragraph(f"{' and '.join(words)}; {_ALL}.")


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


def _table(
    page: Page,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    most: int = _MOST_ROWS,
) -> None:
    """Add a table of the first rows, and say how many more there are."""
    page.table(columns, rows[:most])
    if len(rows) > most:
        page.lines.append(f"and {len(rows) - most:,} more: {_ALL}")
