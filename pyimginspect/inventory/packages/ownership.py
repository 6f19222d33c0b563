"""Which package owns which file of the final file system."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pyimginspect.rootfs import RootFS

__all__ = ["LiveFiles", "own", "stored_by_layer"]


class LiveFiles:
    """Finds the paths that a package claims in the final file system.

    Packages name their files as they were built: ``lib/…`` on a system where ``lib`` is a link
    to ``usr/lib``. The directory that a name leads through is resolved, the last part is not:
    a package owns its links, and not what they point at.
    """

    def __init__(self, rootfs: RootFS) -> None:
        self._rootfs = rootfs
        self._nodes = rootfs.nodes
        self._linked = {path for paths in rootfs.hard_links.values() for path in paths}
        self._parents: dict[str, tuple[str | None, frozenset[str]]] = {}

    def select(self, claimed: Collection[str]) -> frozenset[str]:
        """Return the real paths of ``claimed`` that are there; no directories.

        A directory belongs to nobody, as every package that puts something in it names it; nor
        does a link in the place of a directory, through which other claimed paths lead.
        """
        nodes = self._nodes
        # Most paths are there as they are named: sets find them much faster than one by one.
        there = nodes.keys() & claimed
        found = {path for path in there if nodes[path].entry.kind != "directory"}
        through: set[str] = set()
        for path in set(claimed).difference(nodes):
            parent, _, name = path.rpartition("/")
            if parent not in self._parents:
                self._parents[parent] = self._follow(parent)
            real, links = self._parents[parent]
            if real is not None and real != parent:
                through |= links
                path = f"{real}/{name}" if real else name
                node = nodes.get(path)
                if node is not None and node.entry.kind != "directory":
                    found.add(path)
        return frozenset(found - through)

    def size(self, paths: frozenset[str]) -> int:
        """Return the bytes of content that the layers store for ``paths``, hard links once."""
        # Most packages have no hard links, and then a sum will do.
        if self._linked.isdisjoint(paths):
            return sum(self._nodes[path].entry.stored for path in paths)
        return sum(stored_by_layer(self._rootfs, paths).values())

    def _follow(self, directory: str) -> tuple[str | None, frozenset[str]]:
        """Return the real path of a directory, and the links that stand on the way to it."""
        real = self._rootfs.resolve(directory)
        links = set()
        path = directory
        while path and real not in (None, directory):
            node = self._rootfs.get(path)
            if node is not None and node.kind == "symlink":
                links.add(path)
            path = path.rpartition("/")[0]
        return real, frozenset(links)


def stored_by_layer(rootfs: RootFS, paths: Iterable[str]) -> dict[int, int]:
    """Return the bytes that each layer stores for live ``paths``, content with several names once.

    Layers that store nothing of it are left out.
    """
    contents = {}
    nodes = rootfs.nodes
    for path in paths:
        node = nodes[path]
        content = node.origin or node
        if content.entry.stored:
            contents[content.layer, content.position] = content.entry.stored
    layers: dict[int, int] = {}
    for (layer, _), stored in contents.items():
        layers[layer] = layers.get(layer, 0) + stored
    return dict(sorted(layers.items()))


def own(files: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Turn the files of each package into the packages of each file, the latter sorted."""
    owners: dict[str, tuple[str, ...]] = {}
    shared: dict[str, list[str]] = {}
    for key in sorted(files):
        alone = dict.fromkeys(files[key], (key,))
        for path in owners.keys() & alone.keys():
            shared.setdefault(path, [*owners[path]]).append(key)
        owners |= alone
    owners.update({path: tuple(keys) for path, keys in shared.items()})
    return owners
