"""What a layer has that the layers below it have not: what a COPY would have to name."""

from __future__ import annotations

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.model import Entry

__all__ = ["changed_directories", "differing_paths"]


def differing_paths(inventory: Inventory, cause: Cause) -> list[str]:
    """Return the fewest directories and files that hold all that the layer of ``cause`` changes.

    None of them holds anything that the layers below have already, so that copying them in place
    of all costs nothing twice. Empty where the layer changes nothing.
    """
    layer = inventory.rootfs.layers[cause.removed_in]
    below = _below(inventory, cause.removed_in)
    again = {wasted.successor for wasted in cause.wasted_files}
    # A hard link is again what its target is: it has no content of its own.
    names = {layer.index.entries[position].path for position in again}
    kept = {""}  # directories with something that the layers below have
    new = []
    for position, entry in enumerate(layer.index.entries):
        same = position in again or (entry.kind == "hardlink" and entry.target in names)
        if same or _is_same(entry, below.get(entry.path)):
            if entry.kind != "directory":
                path = entry.path.rpartition("/")[0]
                while path not in kept:
                    kept.add(path)
                    path = path.rpartition("/")[0]
        elif entry.kind != "directory" or entry.path not in below:
            new.append(entry.path)
    return sorted({_top(path, kept) for path in new})


def changed_directories(inventory: Inventory, cause: Cause) -> list[str]:
    """Return the directories whose owner or mode the layer of ``cause`` changes, sorted.

    No copy of less than the whole directory would do that in its place.
    """
    below = _below(inventory, cause.removed_in)
    return sorted(
        entry.path
        for entry in inventory.rootfs.layers[cause.removed_in].index.entries
        if entry.kind == "directory"
        and (old := below.get(entry.path)) is not None
        and old.kind == "directory"
        and _access(entry) != _access(old)
    )


def _below(inventory: Inventory, number: int) -> dict[str, Entry]:
    """Return the last entry below layer ``number`` for each path that this one has too."""
    wanted = {entry.path for entry in inventory.rootfs.layers[number].index.entries}
    return {
        entry.path: entry
        for layer in inventory.rootfs.layers[:number]
        for entry in layer.index.entries
        if entry.path in wanted
    }


def _is_same(entry: Entry, old: Entry | None) -> bool:
    """Whether a link, a device or an empty file is what the layers below have."""
    # What stores bytes has been compared already, by its checksum.
    if old is None or entry.kind != old.kind or entry.stored or old.stored:
        return False
    same = (entry.size, entry.target, entry.device) == (old.size, old.target, old.device)
    # Linux ignores the mode of a symbolic link: symlink(7).
    return same and (entry.kind == "symlink" or _access(entry) == _access(old))


def _access(entry: Entry) -> tuple[object, ...]:
    return entry.mode, entry.uid, entry.gid, entry.xattrs


def _top(path: str, kept: set[str]) -> str:
    parent = path.rpartition("/")[0]
    while parent not in kept:
        path, parent = parent, parent.rpartition("/")[0]
    return path
