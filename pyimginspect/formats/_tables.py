"""The tables of facts behind a report, for those who ask for all of it."""

from __future__ import annotations

from collections.abc import Sequence

from pyimginspect.formats._attested import add_attestations
from pyimginspect.formats._page import Column, Page
from pyimginspect.formats._text import listing, ranges, runs_word, start_words, toc_words
from pyimginspect.report import Report
from pyimginspect.text import counted, sized

__all__ = ["ALL", "SIZE", "add_rows", "add_tables"]

# Lists for a terminal, where a page or two is all that is read; ALL names what has the rest.
_MOST_LOSSES = 8
_MOST_ROWS = 15
_MOST_LAYERS = 128  # as many as an engine stacks
_MOST_BUNDLED = 40
_MOST_NOTES = 20
ALL = "--format json lists them all"
_PATH = Column("path", keep="end", elastic=True)
SIZE = Column("size", right=True)
_LAYER = Column("layer", right=True)


def add_tables(page: Page, report: Report) -> None:
    """Add a table of each kind of fact that there is."""
    _pythons(page, report)
    _libc(page, report)
    _layers(page, report)
    _waste(page, report)
    _caches(page, report)
    _build_tools(page, report)
    _bundled(page, report)
    _packages(page, report)
    add_attestations(page, report.attestations)
    _notes(page, report)


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
            sized(p.size),
            runs_word(report) if p.effective else "",
        ]
        for p in report.pythons
    ]
    rows += [
        [
            e.version,
            e.path,
            "environment",
            str(e.layer),
            sized(e.size),
            "broken" if e.broken else "",
        ]
        for e in report.environments
    ]
    columns = [Column("version"), _PATH, Column("origin", widest=22), _LAYER, SIZE, Column("")]
    add_rows(page, columns, rows)
    # Why is a sentence, and no room for one is left in a row.
    reason = [
        f"{p.path} {runs_word(report)}: {p.effective_reason}"
        for p in report.pythons
        if p.effective and p.effective_reason
    ]
    if report.startup.status in ("unknown", "cannot-start"):
        reason.append(f"What starts: {start_words(report)}")
    reason += [f"{e.path} is broken: {e.broken}" for e in report.environments if e.broken]
    for text in reason[:_MOST_ROWS]:
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
    add_rows(
        page,
        [
            Column("#", right=True),
            SIZE,
            Column("wasted", right=True),
            Column("", widest=6),
            Column("instruction", elastic=True),
        ],
        [
            [
                str(layer.number),
                "absent" if layer.absent else sized(layer.account.stored),
                sized(layer.account.waste) if layer.account.waste else "",
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
    page.title(f"Wasted space: {sized(waste.size)} in {counted(waste.files, 'file')}")
    wasted_files = waste.largest[:_MOST_LOSSES]
    if wasted_files:
        page.table(
            [SIZE, Column("removed in", widest=12), Column("stored in", right=True), _PATH],
            [
                [
                    sized(wasted.size),
                    f"layer {wasted.removed_in}",
                    f"layer {wasted.layer}",
                    wasted.path,
                ]
                for wasted in wasted_files
            ],
        )
    if waste.files > len(wasted_files):
        page.lines.append(f"and {counted(waste.files - len(wasted_files), 'more file')}")


def _bundled(page: Page, report: Report) -> None:
    rows = [
        [distribution.name, library.name, library.version, library.purl]
        for distribution in report.distributions
        for library in distribution.bundled
    ]
    if not rows:
        return
    page.title("Native libraries that distributions say they bundle")
    add_rows(
        page,
        [
            Column("distribution", widest=30),
            Column("library", widest=30),
            Column("version", widest=30),
            Column("package URL", elastic=True),
        ],
        rows,
        _MOST_BUNDLED,
    )


def _caches(page: Page, report: Report) -> None:
    if not report.caches:
        return
    page.title("Caches")
    add_rows(
        page,
        [Column("kind"), SIZE, Column("files", right=True), Column("layers"), _PATH],
        [[c.kind, sized(c.size), f"{c.files:,}", ranges(c.layers), c.path] for c in report.caches],
    )


def _build_tools(page: Page, report: Report) -> None:
    if not report.build_tools:
        return
    page.title("Build tools")
    add_rows(
        page,
        [
            Column("name"),
            Column("category"),
            SIZE,
            _LAYER,
            Column("kept by", elastic=True),
            _PATH,
        ],
        [
            [
                tool.name,
                tool.category,
                sized(tool.size),
                str(tool.layer),
                listing(tool.kept_by, 2),
                tool.path,
            ]
            for tool in sorted(report.build_tools, key=lambda tool: (-tool.size, tool.name))
        ],
    )


def _packages(page: Page, report: Report) -> None:
    words = [
        counted(len(found), noun)
        for found, noun in (
            (report.os_packages, "package"),
            (report.distributions, "Python distribution"),
        )
        if found
    ]
    if words:
        page.title("Installed")
        page.paragraph(f"{' and '.join(words)}; {ALL}.")


def _notes(page: Page, report: Report) -> None:
    words = toc_words(report)
    if not report.notes and not words:
        return
    page.title("Limits of this report")
    if words:
        page.paragraph(words, label="-", hang=2)
    for note in report.notes[:_MOST_NOTES]:
        place = [] if note.layer is None else [f"layer {note.layer}"]
        if note.path:
            place.append(note.path)
        text = f"{note.what} ({', '.join(place)})" if place else note.what
        page.paragraph(text, label="-", hang=2)
    if len(report.notes) > _MOST_NOTES:
        page.paragraph(f"and {len(report.notes) - _MOST_NOTES:,} more", label="-", hang=2)


def add_rows(
    page: Page,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    most: int = _MOST_ROWS,
) -> None:
    """Add a table of the first rows, and say how many more there are."""
    page.table(columns, rows[:most])
    if len(rows) > most:
        page.lines.append(f"and {len(rows) - most:,} more: {ALL}")
