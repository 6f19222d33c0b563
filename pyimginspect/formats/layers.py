"""The ledger as text: what each layer stores, what is left of it, and who took the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyimginspect.formats._page import Column, Page
from pyimginspect.plan import LayerBreakdown, LayersDocument, Share
from pyimginspect.report import as_json as encoded
from pyimginspect.text import sized

__all__ = ["as_json", "render"]

# Of each kind and layer; the sums in the table above are of everything.
_MOST = 5
_NUMBERS = (
    "stored",
    "live",
    "unchanged",
    "metadata_changed",
    "content_changed",
    "not_compared",
    "removed",
    "repeated",
)


def render(
    breakdowns: Sequence[LayerBreakdown],
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return the breakdown of all layers in lines of at most ``width`` columns (60 to 100)."""
    page = Page(width=width, color=color, encoding=encoding)
    page.title("Layers: where every stored byte ended up")
    if breakdowns:
        page.table(
            [
                Column("#", right=True),
                *(Column(name.replace("_", " "), right=True) for name in _NUMBERS),
            ],
            [_row(str(breakdown.layer), breakdown) for breakdown in breakdowns]
            + [_total(breakdowns)],
        )
    for breakdown in breakdowns:
        _breakdown(page, breakdown)
    return str(page)


def _row(name: str, breakdown: LayerBreakdown) -> list[str]:
    numbers = [getattr(breakdown.account, name) for name in _NUMBERS]
    return [name, *(sized(number) if number else "" for number in numbers)]


def _total(breakdowns: Sequence[LayerBreakdown]) -> list[str]:
    sums = [sum(getattr(breakdown.account, name) for breakdown in breakdowns) for name in _NUMBERS]
    return ["all", *(sized(number) if number else "" for number in sums)]


def _breakdown(page: Page, breakdown: LayerBreakdown) -> None:
    base = " (base)" if breakdown.base else ""
    page.title(f"Layer {breakdown.layer}{base}: {breakdown.instruction or 'no instruction known'}")
    if not breakdown.account.stored:
        page.paragraph("stores no file content")
        return
    for words, by in (("removed", breakdown.removed_by), ("overwritten", breakdown.overwritten_by)):
        if by:
            parts = [f"{sized(number)} by layer {removed_in}" for removed_in, number in by.items()]
            page.paragraph(f"{words}: {', '.join(parts)}")
    rows = [
        *_rows("directory", breakdown.directories),
        *_rows("package", breakdown.packages),
        *_rows("file", breakdown.files),
    ]
    page.table(
        [
            Column(""),
            Column("live", right=True),
            Column("wasted", right=True),
            Column("what", keep="end", elastic=True),
            Column("how", widest=24),
        ],
        rows,
    )


def _rows(kind: str, shares: Iterable[Share]) -> list[list[str]]:
    return [
        [
            kind if number == 0 else "",
            sized(share.live) if share.live else "",
            sized(share.wasted) if share.wasted else "",
            share.name,
            f"{share.how.replace('_', ' ')}, layer {share.removed_in}" if share.how else "",
        ]
        for number, share in enumerate(list(shares)[:_MOST])
    ]


def as_json(layers: Sequence[LayerBreakdown]) -> str:
    """Return the layers as JSON."""
    return encoded(LayersDocument(layers=tuple(layers)))
