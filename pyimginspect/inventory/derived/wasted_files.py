"""What layers store and a container does not see: which contents, and how they were wasted."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.memoize import memoized
from pyimginspect.ledger import Account
from pyimginspect.model import Entry

__all__ = [
    "Change",
    "WastedContent",
    "changes",
    "find_wasted",
    "is_again",
    "places_of",
    "spared",
]

Change = Literal["owner", "mode", "xattrs", "time"]
"""What a layer changed of a file whose content it left alone."""

# As deep as a person who reads it needs: /usr/local/lib, /root/.cache/pip.
_DEPTH = 3


class WastedContent(Struct, frozen=True, gc=False):
    """One content that layer ``layer`` stores as its entry ``position``, and that is not live.

    ``removed_in`` is the layer that took the last name of it away; ``successor`` is the entry there
    that took its place, -1 where none did.
    """

    path: str
    layer: int
    position: int
    removed_in: int
    successor: int
    size: int
    account: Account

    @property
    def content(self) -> Content:
        """What the lower layer stores."""
        return self.layer, self.position

    @property
    def copy(self) -> Content | None:
        """What the upper layer stores in its place, if anything."""
        return (self.removed_in, self.successor) if self.successor >= 0 else None


@memoized
def find_wasted(inventory: Inventory) -> tuple[WastedContent, ...]:
    """Return all wasted contents, by layer and path; what package managers keep of journals too."""
    ledger, rootfs = inventory.ledger, inventory.rootfs
    accounts = {
        (wasted.layer, wasted.path, wasted.removed_in): wasted.account
        for wasted in ledger.wasted_files
    }
    entries = {layer.number: layer.index.entries for layer in rootfs.layers}
    found = []
    for removal in rootfs.removals:
        entry = entries[removal.layer][removal.position]
        found.append(
            WastedContent(
                entry.path,
                removal.layer,
                removal.position,
                removal.removed_in,
                removal.successor,
                entry.stored,
                accounts[removal.layer, entry.path, removal.removed_in],
            )
        )
    return tuple(sorted(found, key=lambda wasted: (wasted.layer, wasted.path, wasted.removed_in)))


def changes(inventory: Inventory, wasted: WastedContent) -> frozenset[Change]:
    """Return what the layer that stored a file again changed of its metadata."""
    if wasted.copy is None:
        return frozenset()
    old = _entry(inventory, wasted.content)
    new = _entry(inventory, wasted.copy)
    found: set[Change] = set()
    if (old.uid, old.gid) != (new.uid, new.gid):
        found.add("owner")
    if old.mode != new.mode:
        found.add("mode")
    if old.xattrs != new.xattrs:
        found.add("xattrs")
    if old.mtime != new.mtime:
        found.add("time")
    # What changes a file changes its time as a rule: alone it is a cause, else a consequence.
    return frozenset(found - {"time"} or found)


def _entry(inventory: Inventory, content: Content) -> Entry:
    layer, position = content
    return inventory.rootfs.layers[layer].index.entries[position]


def is_again(inventory: Inventory, wasted: WastedContent) -> bool:
    """Whether the upper layer stores nothing new: leave its copy out and nothing is missing.

    That is the same content with the same metadata; or with another time alone, where the
    instruction is ``COPY`` or ``ADD``, which give a file the time that it had or that of the
    build. What a ``RUN`` rewrote with another time it installed again.
    """
    if wasted.account == "unchanged":
        return True
    if wasted.account != "metadata_changed" or changes(inventory, wasted) != {"time"}:
        return False
    return inventory.instructions[wasted.removed_in].partition(" ")[0] in ("COPY", "ADD")


def spared(inventory: Inventory, wasted: WastedContent) -> Content | None:
    """Return which of two copies is not stored when a file is stored once; ``None`` for neither.

    Of what the base stores only the second copy can be spared, and so it is where the second is
    the same again; else the first. A copy that is wasted itself takes none with it.
    """
    if wasted.copy is None:
        return wasted.content if wasted.layer >= inventory.base.layers else None
    again = is_again(inventory, wasted)
    if wasted.removed_in < inventory.base.layers:
        return None
    if wasted.layer < inventory.base.layers:
        second = wasted.copy if again or wasted.account == "metadata_changed" else None
    else:
        second = wasted.copy if again and wasted.copy not in _wasted(inventory) else wasted.content
    if second == wasted.copy and not _all_names_below(inventory, wasted, second):
        return None
    return second


def _all_names_below(inventory: Inventory, wasted: WastedContent, copy: Content) -> bool:
    """Whether all names of the second copy are names of the first: else it is needed still."""
    # For a further name of the copy the layer has to store the content all the same.
    names = inventory.rootfs.hard_links.get(copy)
    if names is None:
        return True
    below = _links_to(inventory).get((wasted.layer, wasted.path), ())
    return {wasted.path, *below}.issuperset(names)


@memoized
def _links_to(inventory: Inventory) -> dict[tuple[int, str], list[str]]:
    """Return the paths of hard links by layer and target."""
    found: dict[tuple[int, str], list[str]] = {}
    for layer in inventory.rootfs.layers:
        for entry in layer.index.entries:
            if entry.kind == "hardlink":
                found.setdefault((layer.number, entry.target), []).append(entry.path)
    return found


@memoized
def _wasted(inventory: Inventory) -> frozenset[Content]:
    return frozenset(wasted.content for wasted in find_wasted(inventory))


def places_of(wasted_files: Sequence[WastedContent]) -> list[str]:
    """Return the one directory that held all that was wasted, or else the top directories."""
    paths = list({wasted.path: None for wasted in wasted_files})
    common = posixpath.commonpath([f"/{path}" for path in paths])
    return [common] if len(paths) > 1 and common != "/" else _top_directories(wasted_files)


def _top_directories(wasted_files: Sequence[WastedContent]) -> list[str]:
    """Return the directories, at most three levels deep, that wasted bytes, most bytes first."""
    sizes: Counter[str] = Counter()
    for wasted in wasted_files:
        top = "/" + "/".join(wasted.path.split("/")[:_DEPTH])
        sizes[top] += wasted.size
    return sorted(sizes, key=lambda top: (-sizes[top], top))
