"""What changed between two images, as a table, JSON, Markdown or a web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyimginspect.comparison import Change, Comparison
from pyimginspect.errors import printable
from pyimginspect.formats import _markdown as md
from pyimginspect.formats._page import Column, Page
from pyimginspect.formats._text import severity_words
from pyimginspect.formats.html._page import page as web_page
from pyimginspect.report import ImageFacts
from pyimginspect.text import counted, sized

__all__ = ["RENDERERS", "table"]

_MOST = 40  # changes of one kind in a comment, or on a screen

_TITLES = (
    ("facts", "The image"),
    ("layers", "Bytes by layer group"),
    ("interpreters", "Interpreters"),
    ("os_packages", "Packages of the operating system"),
    ("distributions", "Python distributions"),
)


def _growth(number: int) -> str:
    """Return a difference of bytes with its sign; nothing for none."""
    return "" if not number else f"{'+' if number > 0 else '-'}{sized(abs(number))}"


def _name(image: ImageFacts) -> str:
    return printable(image.names[0] if image.names else image.reference)


def _summary(comparison: Comparison) -> list[str]:
    before, after = comparison.size
    lines = [
        f"size: {sized(before)} to {sized(after)} ({_growth(comparison.growth) or 'the same'})",
        f"wasted space: {sized(comparison.waste[0])} to {sized(comparison.waste[1])}",
        f"findings: {counted(len(comparison.new), 'new finding')}, {len(comparison.fixed)} fixed, "
        f"{comparison.kept} as before",
    ]
    if comparison.shared_layers:
        shared = counted(comparison.shared_layers, "layer")
        lines.insert(1, f"shared: the lowest {shared}, {sized(comparison.shared_size)}")
    return lines


def _absent(change: Change) -> str:
    """Return what to say where there is nothing: what is added or removed is listed as such."""
    return "none" if change.subject in ("fact", "layers") else ""


def _sections(comparison: Comparison) -> list[tuple[str, tuple[Change, ...]]]:
    sections: list[tuple[str, tuple[Change, ...]]] = [
        (title, getattr(comparison, field)) for field, title in _TITLES
    ]
    return [(title, changes) for title, changes in sections if changes]


# --- table ----------------------------------------------------------------------------------------
def table(
    comparison: Comparison, *, width: int = 80, color: bool = False, encoding: str = "utf-8"
) -> str:
    """Return the comparison in lines of at most ``width`` columns (60 to 100)."""
    page = Page(width=width, color=color, encoding=encoding)
    page.title(f"{_name(comparison.before)} → {_name(comparison.after)}")
    for line in _summary(comparison):
        label, _, words = line.partition(": ")
        page.paragraph(words, label=label, hang=12)
    if comparison.same:
        page.paragraph("The reports do not differ.")
    for title, findings in (("New findings", comparison.new), ("Gone", comparison.fixed)):
        if findings:
            page.title(f"{title}: {severity_words(findings)}")
            page.table(
                [
                    Column("severity", tinted=True),
                    Column("rule"),
                    Column("saves", right=True),
                    Column("finding", elastic=True),
                ],
                [
                    [f.severity, f.rule, sized(f.saving) if f.saving else "", f.message]
                    for f in findings[:_MOST]
                ],
            )
            if len(findings) > _MOST:
                rest = counted(len(findings) - _MOST, "more finding")
                page.paragraph(f"and {rest}: --format json lists them all")
    for title, changes in _sections(comparison):
        page.title(title if len(changes) <= _MOST else f"{title}: {_MOST} of {len(changes)}")
        page.table(
            [
                Column(""),
                Column("name", elastic=True),
                Column("before"),
                Column("after"),
                Column("bytes", right=True),
            ],
            [
                [
                    c.how if c.subject not in ("fact", "layers") else "",
                    c.name,
                    c.before or _absent(c),
                    c.after or _absent(c),
                    _growth(c.growth),
                ]
                for c in changes[:_MOST]
            ],
        )
    return str(page)


# --- Markdown -------------------------------------------------------------------------------------
def _markdown(comparison: Comparison) -> str:
    names = f"{md.code(_name(comparison.before))} → {md.code(_name(comparison.after))}"
    lines = [f"### {'❌' if comparison.new else '✅'} {names}", ""]
    lines += [f"- {md.text(line)}" for line in _summary(comparison)]
    lines.append("")
    for title, findings in (("New findings", comparison.new), ("Gone", comparison.fixed)):
        if findings:
            rows = [
                f"| {f.severity} | {md.text(f.message)} | {md.cell(f.rule)} |"
                for f in findings[:_MOST]
            ]
            lines += [f"**{title}**", "", "| | finding | rule |", "|---|---|---|", *rows, ""]
            if len(findings) > _MOST:
                lines += [f"… and {counted(len(findings) - _MOST, 'more finding')}.", ""]
    for title, changes in _sections(comparison):
        lines += ["<details>", f"<summary>{title}: {len(changes)}</summary>", ""]
        lines += ["| | before | after | bytes |", "|---|---|---|--:|"]
        lines += [_row(change) for change in changes[:_MOST]]
        if len(changes) > _MOST:
            lines += ["", f"… and {len(changes) - _MOST:,} more."]
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def _row(change: Change) -> str:
    before, after = (
        md.cell(version) if version is not None else "" for version in (change.before, change.after)
    )
    return f"| {md.cell(change.name)} | {before} | {after} | {_growth(change.growth)} |"


# --- HTML -----------------------------------------------------------------------------------------
def _html(comparison: Comparison) -> str:
    return web_page(
        "compare.html",
        comparison=comparison,
        before=_name(comparison.before),
        after=_name(comparison.after),
        summary=[line.partition(": ")[::2] for line in _summary(comparison)],
        sections=_sections(comparison),
        findings=_findings(comparison),
        growth=_growth,
    )


def _findings(comparison: Comparison) -> Sequence[tuple[str, object]]:
    pairs = (("New findings", comparison.new), ("Gone", comparison.fixed))
    return [(title, findings) for title, findings in pairs if findings]


RENDERERS: dict[str, Callable[[Comparison], str]] = {
    "json": Comparison.to_json,
    "markdown": _markdown,
    "html": _html,
}
"""The formats that need nothing but the comparison."""
