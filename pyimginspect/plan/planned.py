"""The file system that a container of the planned image would see."""

from __future__ import annotations

from collections.abc import Collection

from pyimginspect.rootfs import RootFS

__all__ = ["PlannedRootFS"]


class PlannedRootFS(RootFS):
    """A file system without some paths, none of them a directory.

    What the layers store stays as it is, and so do removals: this is for questions about what a
    container sees.
    """

    def __init__(self, rootfs: RootFS, gone: Collection[str]) -> None:
        children = dict(rootfs._children)
        for parent in {path.rpartition("/")[0] for path in gone}:
            if parent in children:
                children[parent] = [path for path in children[parent] if path not in gone]
        super().__init__(
            rootfs.layers,
            {path: node for path, node in rootfs.nodes.items() if path not in gone},
            children,
            rootfs._moved,
            rootfs._links,
            rootfs.removals,
            rootfs.notes,
            rootfs.replaced_links,
        )
