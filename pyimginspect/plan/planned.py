"""The file system that a container of the planned image would see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pyimginspect.rootfs import Node, RootFS

__all__ = ["PlannedRootFS"]


class PlannedRootFS(RootFS):
    """A file system without some paths, none of them a directory.

    What the layers store stays as it is, and so do removals: this is for questions about what a
    container sees.
    """

    def __init__(self, rootfs: RootFS, gone: Collection[str]) -> None:
        # All else is shared with the file system at hand: its nodes take megabytes.
        children = dict(rootfs._children)
        for parent in {path.rpartition("/")[0] for path in gone}:
            if parent in children:
                children[parent] = [path for path in children[parent] if path not in gone]
        super().__init__(
            rootfs.layers,
            _Without(rootfs.nodes, gone),
            children,
            rootfs._moved,
            rootfs._links,
            rootfs.removals,
            rootfs.notes,
            rootfs.replaced_links,
        )


class _Without(Mapping[str, Node]):
    """Nodes without those that are gone: of tens of thousands a few are asked for."""

    def __init__(self, nodes: Mapping[str, Node], gone: Collection[str]) -> None:
        self._nodes = nodes
        self._gone = gone

    def __getitem__(self, path: str) -> Node:
        if path in self._gone:
            raise KeyError(path)
        return self._nodes[path]

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._nodes if path not in self._gone)

    def __len__(self) -> int:
        return sum(1 for _ in self)
