"""The ledger as text: what each layer stores, what is left of it, and who took the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyimginspect.formats._page import Column, Page
from pyimginspect.plan import LayerBreakdown, Share
from pyimginspect.text import sized

__all__ = ["render"]

_MOST = 5
_NUMBERS = ("stored", "live", "identical", "metadata", "changed", "unknown", "deleted", "repeated")


def render(
    stories: Sequence[LayerBreakdown],
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return the stories of all layers in lines of at most ``width`` columns (60 to 100)."""
    page = Page(width=width, color=color, encoding=encoding)
    page.title("Layers: where every stored byte ended up")
    if stories:
        page.table(
            [Column("#", right=True), *(Column(name, right=True) for name in _NUMBERS)],
            [_row(str(story.layer), story) for story in stories] + [_total(stories)],
        )
    for story in stories:
        _story(page, story)
    return str(page)


def _row(name: str, story: LayerBreakdown) -> list[str]:
    numbers = [getattr(story.account, name) for name in _NUMBERS]
    return [name, *(sized(number) if number else "" for number in numbers)]


def _total(stories: Sequence[LayerBreakdown]) -> list[str]:
    sums = [sum(getattr(story.account, name) for story in stories) for name in _NUMBERS]
    return ["all", *(sized(number) if number else "" for number in sums)]


def _story(page: Page, story: LayerBreakdown) -> None:
    base = " (base)" if story.base else ""
    page.title(f"Layer {story.layer}{base}: {story.instruction or 'no instruction known'}")
    if not story.account.stored:
        page.paragraph("stores no file content")
        return
    for words, by in (("deleted", story.deleted_by), ("overwritten", story.overwritten_by)):
        if by:
            parts = [f"{sized(number)} by layer {removed_in}" for removed_in, number in by.items()]
            page.paragraph(f"{words}: {', '.join(parts)}")
    rows = [
        *_rows("directory", story.directories),
        *_rows("package", story.packages),
        *_rows("file", story.files),
    ]
    page.table(
        [
            Column(""),
            Column("live", right=True),
            Column("dead", right=True),
            Column("what", keep="end", elastic=True),
            Column("lost", widest=24),
        ],
        rows,
    )


def _rows(kind: str, shares: Iterable[Share]) -> list[list[str]]:
    return [
        [
            kind if number == 0 else "",
            sized(share.live) if share.live else "",
            sized(share.dead) if share.dead else "",
            share.name,
            f"{share.how}, layer {share.removed_in}" if share.how else "",
        ]
        for number, share in enumerate(list(shares)[:_MOST])
    ]
