"""Which library a file would load where there are several of one name."""

from __future__ import annotations

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.memoize import memoized
from pyimginspect.rootfs import RootFS

__all__ = ["loaded_elsewhere", "loads_without"]


def loads_without(inventory: Inventory, path: str, library: str, layer: int) -> bool:
    """Whether a file loads ``library`` without what ``layer`` installed.

    It does where it was there before, and another library of that name too: the loader found that
    one, and the package's has only come to stand before it (docker-library/python issue 784).
    """
    nodes = inventory.rootfs.nodes
    if nodes[path].layer >= layer:
        return False
    return any(nodes[other].layer < layer for other in _by_name(inventory.rootfs).get(library, ()))


@memoized
def _by_name(rootfs: RootFS) -> dict[str, list[str]]:
    """Return the paths of the ELF files by their names; links are left out."""
    found: dict[str, list[str]] = {}
    for path in rootfs.elf:
        found.setdefault(path.rpartition("/")[2], []).append(path)
    return found


def loaded_elsewhere(inventory: Inventory) -> set[tuple[str, str]]:
    """Return file and library where what it loads of that name is no package's."""
    loaded: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for library in inventory.native.libraries:
        users = loaded[library.origin == "package"]
        users.update((user, library.name) for user in library.loaded_by)
    # A file that several processes load may get a package's library in one of them: that counts.
    return loaded[False] - loaded[True]
