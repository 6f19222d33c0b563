"""The summary of a fleet as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.fleet import Fleet
from pyimginspect.fleet.summary import Totals
from pyimginspect.formats._page import WIDEST, Column, Page
from pyimginspect.formats._text import listing
from pyimginspect.text import counted, sized

__all__ = ["render"]

_MOST = 10


def render(
    fleet: Fleet,
    *,
    group_by: str = "repository",
    width: int = WIDEST,
    color: bool = False,
    encoding: str = "utf-8",
) -> Iterator[bytes]:
    """Return what matters most: totals, fixes, bases, old and second Pythons, failures."""
    page = Page(width=width, color=color, encoding=encoding)
    _totals(page, fleet.totals())
    _fixes(page, fleet)
    _bases(page, fleet)
    _pythons(page, fleet)
    _groups(page, fleet, group_by)
    _failed(page, fleet)
    yield str(page).encode(encoding, "backslashreplace")


def _totals(page: Page, totals: Totals) -> None:
    named = f"{counted(totals.images, 'image')} of {counted(totals.references, 'reference')}"
    page.title(f"{named}, {counted(totals.layers, 'layer')}")
    unread = [
        f"{totals.failed:,} failed" if totals.failed else "",
        f"{totals.deferred:,} deferred" if totals.deferred else "",
        f"{totals.failing:,} of the images fail the policy" if totals.failing else "",
    ]
    if any(unread):
        page.paragraph(", ".join(word for word in unread if word))
    page.table(
        [Column(""), Column("once", right=True), Column("for each image", right=True)],
        [
            ["stored", sized(totals.stored_once), sized(totals.stored_summed)],
            ["wasted", _wasted(totals), sized(totals.wasted_summed)],
        ],
    )


def _wasted(totals: Totals) -> str:
    least, most = sized(totals.wasted_once), sized(totals.wasted_once_anywhere)
    return least if least == most else f"{least} to {most}"


def _fixes(page: Page, fleet: Fleet) -> None:
    fixes = [fix for fix in fleet.fixes() if fix.saving]
    if not fixes:
        return
    page.title("Fixes that save most, each byte counted once")
    page.table(
        [
            Column("saves", right=True),
            Column("images", right=True),
            Column("rule", widest=26),
            Column("what", elastic=True),
            Column("made by", widest=40),
        ],
        [
            [
                *(sized(fix.saving), f"{fix.images:,}", fix.rule),
                *(listing(fix.subjects, 2), fix.instruction),
            ]
            for fix in fixes[:_MOST]
        ],
    )
    _more(page, len(fixes), "fix", "fixes")


def _bases(page: Page, fleet: Fleet) -> None:
    bases = fleet.bases()
    if not bases:
        return
    page.title("Shared bases: fixed there, all their images follow")
    page.table(
        [
            Column("saves", right=True),
            Column("wasted", right=True),
            Column("images", right=True),
            Column("layers", right=True),
            Column("base", widest=32),
            Column("its last layer is made by", elastic=True),
        ],
        [
            [
                *(sized(base.saving), sized(base.wasted), f"{base.images:,}"),
                *(str(base.layers), base.name or base.chain[:19], base.instruction),
            ]
            for base in bases[:_MOST]
        ],
    )
    _more(page, len(bases), "base")


def _pythons(page: Page, fleet: Fleet) -> None:
    pythons = fleet.pythons()
    for title, chosen, number in (
        ("Pythons past their end of life", [p for p in pythons if p.past_end], "images"),
        ("Layers that bring a second Python", [p for p in pythons if p.second], "second"),
    ):
        if not chosen:
            continue
        chosen.sort(key=lambda python: -getattr(python, number))
        page.title(title)
        page.table(
            [
                Column("Python"),
                Column("images", right=True),
                Column("ended"),
                Column("path", widest=36),
                Column("made by", elastic=True),
            ],
            [
                [
                    *(python.version, f"{getattr(python, number):,}"),
                    *(python.ends if python.past_end else "", python.path, python.instruction),
                ]
                for python in chosen[:_MOST]
            ],
        )
        _more(page, len(chosen), "layer")


def _groups(page: Page, fleet: Fleet, group_by: str) -> None:
    rules: dict[str, set[str]] = {}
    images: dict[str, int] = {}
    for group in fleet.groups(group_by):
        rules.setdefault(group.rule, set()).add(group.group)
        images[group.rule] = images.get(group.rule, 0) + group.images
    if not rules:
        return
    page.title(f"Rules, by {group_by}")
    ordered = sorted(rules, key=lambda rule: (-images[rule], rule))
    page.table(
        [Column("rule"), Column("images", right=True), Column("in", elastic=True)],
        [[rule, f"{images[rule]:,}", listing(sorted(rules[rule]), 4)] for rule in ordered],
    )


def _failed(page: Page, fleet: Fleet) -> None:
    failed = fleet.failed()
    if not failed:
        return
    page.title("Not inspected")
    page.table(
        [Column("status"), Column("why", elastic=True)],
        [[failure.status, failure.error] for failure in failed[:_MOST]],
    )
    _more(page, len(failed), "reference")


def _more(page: Page, number: int, noun: str, plural: str = "") -> None:
    if number > _MOST:
        page.paragraph(f"and {counted(number - _MOST, noun, plural)} more")
