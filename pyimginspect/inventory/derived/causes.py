"""Why layers waste bytes, by cause, by the layer that is to blame, and by owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Freed, contents_of
from pyimginspect.inventory.derived.owners import Owner, by_owner
from pyimginspect.inventory.derived.wasted_files import (
    Change,
    WastedContent,
    changes,
    find_wasted,
    is_again,
    spared,
)
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.memoize import memoized

__all__ = ["Cause", "CauseKind", "find_causes"]

CauseKind = Literal["deleted", "base-deleted", "replaced", "overwritten", "again", "rewritten"]
"""Deleted after layers above the base stored it, or after the base did; another version of the
same package or distribution; other content; the same content once more; other metadata alone."""

# Each becomes a finding: docs/decisions/savings-counted-once.md has what the rest becomes.
_MOST_OWNERS = 20
"""Owners of one layer and kind that are distinguished: those that wasted most."""


class Cause(Struct, frozen=True, kw_only=True):
    """What layer ``removed_in`` did to files of one owner, and which contents were wasted.

    ``size`` is the bytes of these, ``makers`` are the layers that stored them first. ``freed`` is
    what is not stored when the cause is fixed. ``changes`` are those of metadata, ``owners`` all
    whose files these were, ``owner`` the one that wasted most.
    """

    kind: CauseKind
    removed_in: int
    owner: Owner
    owners: tuple[Owner, ...]
    wasted_files: tuple[WastedContent, ...]
    size: int
    makers: tuple[int, ...]
    freed: Freed
    changes: frozenset[Change] = frozenset()


@memoized
def find_causes(inventory: Inventory) -> tuple[Cause, ...]:
    """Return all causes of waste, by layer, kind and bytes; what package managers note is none."""
    base = inventory.base.layers
    by_remover: dict[int, list[WastedContent]] = {}
    for wasted in find_wasted(inventory):
        whiteout = wasted.removed_in == wasted.layer and wasted.account != "repeated"
        if wasted.removed_in >= base and not whiteout and not is_journal(wasted.path):
            by_remover.setdefault(wasted.removed_in, []).append(wasted)
    caches = tuple(f"{c.path}/" for c in inventory.caches if c.kind not in INFORMATION)
    found: list[Cause] = []
    for removed_in, wasted_files in sorted(by_remover.items()):
        found += _causes(inventory, removed_in, wasted_files, caches)
    return tuple(found)


def _causes(
    inventory: Inventory,
    removed_in: int,
    wasted_files: Sequence[WastedContent],
    caches: tuple[str, ...],
) -> Iterator[Cause]:
    again: list[WastedContent] = []
    others: list[WastedContent] = []
    for wasted in wasted_files:
        # What is overwritten in a cache is the cache's affair, and counted there.
        if wasted.account == "removed" or not wasted.path.startswith(caches):
            (again if is_again(inventory, wasted) else others).append(wasted)
    if again:
        owners = [*by_owner(inventory, removed_in, again)]
        yield _cause(inventory, "again", removed_in, owners, again)
    shares: dict[tuple[CauseKind, tuple[Change, ...]], dict[Owner, list[WastedContent]]] = {}
    for owner, group in by_owner(inventory, removed_in, others).items():
        for wasted in group:
            kind = _kind(wasted, owner, in_base=wasted.layer < inventory.base.layers)
            if kind is not None:
                changed = sorted(changes(inventory, wasted)) if kind == "rewritten" else []
                # By what was changed as well: `chmod` and `chown` of one layer have different
                # edits.
                share = shares.setdefault((kind, tuple(changed)), {})
                share.setdefault(owner, []).append(wasted)
    for kind, what in sorted(shares):
        for batch in _batches(kind, shares[kind, what]):
            files = [wasted for _, each in batch for wasted in each]
            owners = [owner for owner, _ in batch]
            yield _cause(inventory, kind, removed_in, owners, files, frozenset(what))


def _kind(wasted: WastedContent, owner: Owner, *, in_base: bool) -> CauseKind | None:
    """Return what was done to a file; ``None`` for upgrades of what the base image stored."""
    upgraded = bool(owner.after)
    match wasted.account:
        case "metadata_changed" if in_base or not upgraded:
            return "rewritten"
        case "removed" if not upgraded:
            return "base-deleted" if in_base else "deleted"
    if in_base:
        return None
    return "replaced" if upgraded else "overwritten"


def _batches(
    kind: CauseKind, shares: Mapping[Owner, list[WastedContent]]
) -> Iterator[list[tuple[Owner, list[WastedContent]]]]:
    """Yield the shares that make one cause each: the largest alone, the rest together.

    A change of metadata is one cause, whosever files it reaches.
    """
    if kind == "rewritten":
        yield [*shares.items()]
        return
    owned = sorted(
        shares.items(), key=lambda each: (-sum(wasted.size for wasted in each[1]), each[0])
    )
    yield from ([each] for each in owned[:_MOST_OWNERS])
    if owned[_MOST_OWNERS:]:
        yield owned[_MOST_OWNERS:]


def _cause(
    inventory: Inventory,
    kind: CauseKind,
    removed_in: int,
    owners: Sequence[Owner],
    wasted_files: Sequence[WastedContent],
    what: frozenset[Change] = frozenset(),
) -> Cause:
    # A set: of three copies of a file, two wasted ones may spare the same one.
    contents = {spared(inventory, wasted) for wasted in wasted_files} - {None}
    return Cause(
        kind=kind,
        removed_in=removed_in,
        owner=owners[0],
        owners=tuple(owners),
        wasted_files=tuple(wasted_files),
        size=sum(wasted.size for wasted in wasted_files),
        makers=tuple(sorted({wasted.layer for wasted in wasted_files})),
        freed=contents_of(inventory.rootfs).freed(wasted=(each for each in contents if each)),
        changes=what,
    )
