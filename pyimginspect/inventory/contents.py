"""Which stored bytes go if some paths are removed: with hard links that is no plain sum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyimginspect.inventory.memoize import memoized
from pyimginspect.rootfs import RootFS

__all__ = ["Content", "Contents", "Freed", "contents_of"]

Content = tuple[int, int]
"""The content of a file: the layer and the position of the entry that stores it."""


class Freed(NamedTuple):
    """Contents that go, and the bytes that each layer then stores less, by layer number."""

    contents: frozenset[Content]
    layers: dict[int, int]

    @property
    def size(self) -> int:
        """All bytes."""
        return sum(self.layers.values())


class Contents:
    """The contents behind the paths of a file system, one for all names of a hard link."""

    def __init__(self, rootfs: RootFS) -> None:
        self._nodes = rootfs.nodes
        self._layers = {layer.number: layer.index.entries for layer in rootfs.layers}
        self._names = {key: set(paths) for key, paths in rootfs.hard_links.items()}

    def behind(self, paths: Iterable[str]) -> frozenset[Content]:
        """Return what is stored for ``paths`` and for no other path."""
        chosen = set(paths)
        nodes = self._nodes
        found = set()
        for path in chosen:
            node = nodes[path]
            content = node.origin or node
            if content.entry.stored:
                found.add((content.layer, content.position))
        shared = self._names.keys() & found
        found -= {content for content in shared if not self._names[content] <= chosen}
        return frozenset(found)

    def freed(self, *paths: Iterable[str], wasted: Iterable[Content] = ()) -> Freed:
        """Return what goes when all of ``paths`` go: content with another name stays.

        ``wasted`` are contents that no path leads to, and that go with them. This is what every
        finding and every edit counts by.
        """
        contents = self.behind(path for each in paths for path in each).union(wasted)
        return Freed(contents, self.by_layer(contents))

    def stored_behind(self, paths: Iterable[str]) -> dict[int, int]:
        """Return what ``by_layer(behind(paths))`` does, of many paths in less time."""
        sums: dict[int, int] = {}
        several = []
        for path in paths:
            node = self._nodes[path]
            if node.origin is not None or (node.layer, node.position) in self._names:
                several.append(path)
            elif node.entry.stored:
                sums[node.layer] = sums.get(node.layer, 0) + node.entry.stored
        for layer, size in self.by_layer(self.behind(several)).items():
            sums[layer] = sums.get(layer, 0) + size
        return dict(sorted(sums.items()))

    def by_layer(self, contents: Iterable[Content]) -> dict[int, int]:
        """Return the bytes that each layer stores of ``contents``, by layer number."""
        sums: dict[int, int] = {}
        for layer, position in contents:
            sums[layer] = sums.get(layer, 0) + self._layers[layer][position].stored
        return dict(sorted(sums.items()))

    def size(self, contents: Iterable[Content]) -> int:
        """Return the bytes that the layers store of ``contents``."""
        entries = self._layers
        return sum([entries[layer][position].stored for layer, position in contents])


@memoized
def contents_of(rootfs: RootFS) -> Contents:
    """Return the contents of a file system, worked out when first asked for."""
    return Contents(rootfs)
