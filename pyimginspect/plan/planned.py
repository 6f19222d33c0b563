"""The file system that a container of the planned image would see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from pyimginspect.rootfs import RootFS

__all__ = ["PlannedRootFS"]

_T = TypeVar("_T")


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
                children[parent] = {*children[parent]}.difference(gone)
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
        # What the layers' indexes say of a file is the same as long as it is there.
        self.texts = _Without(rootfs.texts, gone)
        self.elf = _Without(rootfs.elf, gone)
        self.scripts = _Without(rootfs.scripts, gone)
        self.strings = _Without(rootfs.strings, gone)


class _Without(Mapping[str, _T]):
    """What is known by path, without what is gone: of tens of thousands a few are asked for."""

    def __init__(self, known: Mapping[str, _T], gone: Collection[str]) -> None:
        self._known = known
        self._gone = gone

    def __getitem__(self, path: str) -> _T:
        if path in self._gone:
            raise KeyError(path)
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._known if path not in self._gone)

    def __len__(self) -> int:
        return sum(1 for _ in self)
