"""Every byte that findings would save is counted by one of them, however many fixes free it.

The order decides which: errors before warnings before notes, then what frees most, then what an
analyzer yields first. So the finding that is seen first names the cause, and those of the same
cause refer to it (docs/decisions/savings-counted-once.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from pyimginspect.inventory.contents import Content, Contents
from pyimginspect.model import Evidence
from pyimginspect.report import SEVERITIES, Finding
from pyimginspect.rules import Claim
from pyimginspect.text import sized

__all__ = ["count_once"]

# A dozen findings may have bytes in common; the largest few lead to the cause.
_MOST = 3
# Without ``frees``: sets of contents are for this sum alone, and no report has them.
_PLAIN = Finding.__struct_fields__


def count_once(findings: Iterable[Finding], contents: Contents) -> list[Finding]:
    """Return the findings with savings that add up to what all fixes together save.

    What an earlier finding counts is ``shared`` by the later ones, and their evidence says where
    it is counted. Findings of analyzers that do not say what they free are left as they are.
    """
    # sorted() is stable: what is equal in both stays as analyzers yielded it, causes first.
    ranked = sorted(findings, key=lambda each: (SEVERITIES.index(each.severity), -each.saving))
    counted: dict[Content, int] = {}
    return [
        _settled(ranked, number, counted, contents) if isinstance(finding, Claim) else finding
        for number, finding in enumerate(ranked)
    ]


def _settled(
    ranked: list[Finding], number: int, counted: dict[Content, int], contents: Contents
) -> Finding:
    claim = ranked[number]
    assert isinstance(claim, Claim)
    facts = {name: getattr(claim, name) for name in _PLAIN}
    elsewhere: dict[int, set[Content]] = {}
    for content in claim.frees & counted.keys():
        elsewhere.setdefault(counted[content], set()).add(content)
    mine = claim.frees - counted.keys()
    counted.update(dict.fromkeys(mine, number))
    if elsewhere:
        savings = contents.by_layer(mine)
        sizes = {other: contents.size(shared) for other, shared in elsewhere.items()}
        facts["savings"], facts["saving"] = savings, sum(savings.values())
        facts["shared"] = sum(sizes.values())
        facts["evidence"] += tuple(_references(ranked, sizes))
    return Finding(**facts)


def _references(ranked: list[Finding], sizes: dict[int, int]) -> Iterable[Evidence]:
    """Yield where the bytes that several findings free are counted, most bytes first."""
    ordered = sorted(sizes, key=lambda other: (-sizes[other], other))
    for other in ordered[:_MOST]:
        where = f"the finding {ranked[other].rule} about {ranked[other].subject}"
        yield Evidence(what=f"{sized(sizes[other])} of this are counted in {where}")
    rest = ordered[_MOST:]
    if rest:
        size = sized(sum(sizes[other] for other in rest))
        where = f"{len(rest)} other {'finding' if len(rest) == 1 else 'findings'}"
        yield Evidence(what=f"{size} of this are counted in {where}")
