"""Why layers store bytes in vain, by cause, by the layer that is to blame, and by owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

_MOST_OWNERS = 20
"""Owners of one layer and kind that are told apart: those that lost most."""


class Cause(Struct, frozen=True, kw_only=True):
    """What layer ``removed_in`` did to files of one owner, and which contents were stored in vain.

    ``freed`` is what is not stored when the cause is mended. ``changes`` are those of metadata,
    ``owners`` all whose files these were, ``owner`` the one that lost most.
    """

    kind: CauseKind
    removed_in: int
    owner: Owner
    owners: tuple[Owner, ...]
    wasted_files: tuple[WastedContent, ...]
    freed: Freed
    changes: frozenset[Change] = frozenset()

    @property
    def size(self) -> int:
        """Bytes that were lost."""
        return sum(wasted.size for wasted in self.wasted_files)

    @property
    def makers(self) -> tuple[int, ...]:
        """The layers that stored first what was lost."""
        return tuple(sorted({wasted.layer for wasted in self.wasted_files}))


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
) -> Iterable[Cause]:
    base = inventory.base.layers
    # What is overwritten in a cache is the cache's affair, and counted there.
    outside = [
        wasted
        for wasted in wasted_files
        if wasted.account == "removed" or not wasted.path.startswith(caches)
    ]
    again = [wasted for wasted in outside if is_again(inventory, wasted)]
    if again:
        yield _cause(
            inventory, "again", removed_in, [*by_owner(inventory, removed_in, again)], again
        )
    kinds: dict[CauseKind, list[tuple[Owner, list[WastedContent]]]] = {}
    rewritten: dict[frozenset[Change], dict[Owner, list[WastedContent]]] = {}
    others = [wasted for wasted in outside if not is_again(inventory, wasted)]
    for owner, group in by_owner(inventory, removed_in, others).items():
        shares: dict[CauseKind, list[WastedContent]] = {}
        for wasted in group:
            in_base = wasted.layer < base
            if wasted.account == "metadata_changed" and (in_base or not owner.after):
                what = changes(inventory, wasted)
                rewritten.setdefault(what, {}).setdefault(owner, []).append(wasted)
            elif wasted.account == "removed" and not owner.after:
                shares.setdefault("base-deleted" if in_base else "deleted", []).append(wasted)
            elif not in_base:
                shares.setdefault("replaced" if owner.after else "overwritten", []).append(wasted)
        for kind, share in shares.items():
            kinds.setdefault(kind, []).append((owner, share))
    for kind, owned in sorted(kinds.items()):
        owned.sort(key=lambda each: (-sum(wasted.size for wasted in each[1]), each[0]))
        for owner, share in owned[:_MOST_OWNERS]:
            yield _cause(inventory, kind, removed_in, [owner], share)
        if owned[_MOST_OWNERS:]:
            rest = owned[_MOST_OWNERS:]
            share = [wasted for _, each in rest for wasted in each]
            yield _cause(inventory, kind, removed_in, [owner for owner, _ in rest], share)
    for what, owners in sorted(rewritten.items(), key=lambda each: sorted(each[0])):
        share = [wasted for each in owners.values() for wasted in each]
        yield _cause(inventory, "rewritten", removed_in, [*owners], share, what)


def _cause(
    inventory: Inventory,
    kind: CauseKind,
    removed_in: int,
    owners: Sequence[Owner],
    wasted_files: Sequence[WastedContent],
    what: frozenset[Change] = frozenset(),
) -> Cause:
    contents = {spared(inventory, wasted) for wasted in wasted_files} - {None}
    return Cause(
        kind=kind,
        removed_in=removed_in,
        owner=owners[0],
        owners=tuple(owners),
        wasted_files=tuple(wasted_files),
        freed=contents_of(inventory.rootfs).freed(wasted=(each for each in contents if each)),
        changes=what,
    )
