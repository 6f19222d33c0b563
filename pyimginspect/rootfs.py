"""The final file system: what a container made from the layers would see.

How layers become one is told in :mod:`pyimginspect.changesets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Literal, TypeVar

from msgspec import Struct

from pyimginspect.model import ElfFile, Entry, Kind, Layer, LayerIndex, Note

__all__ = ["Node", "Removal", "RootFS", "follow"]

_MAX_LINKS = 40  # as Linux: path_resolution(7)

_T = TypeVar("_T")


class Node(Struct, frozen=True, kw_only=True, gc=False):
    """One path of the final file system.

    ``entry`` is the archive member that put it there, number ``position`` of layer ``layer``.
    For a hard link ``origin`` is the node that carries the content, under whatever name.
    A directory that no entry describes has ``position`` -1.
    """

    path: str
    layer: int
    position: int
    entry: Entry
    origin: Node | None = None

    @property
    def content(self) -> Node:
        """The node that holds the content: ``origin`` for a hard link, else this one."""
        return self.origin or self

    @property
    def kind(self) -> Kind:
        """What is found at the path; a hard link is what it links to."""
        return (self.origin or self).entry.kind

    @property
    def size(self) -> int:
        """Length of the file in bytes, as a program sees it."""
        return (self.origin or self).entry.size


class Removal(Struct, frozen=True, kw_only=True, gc=False):
    """Content that a layer stores and that the final file system does not show.

    ``layer`` and ``position`` name the entry that stored it; ``killer`` is the layer that took
    its last name away; ``successor`` is the position, in the killer, of the regular file that
    took its place (-1: none).
    """

    layer: int
    position: int
    killer: int
    how: Literal["overwritten", "deleted", "repeated"]
    successor: int = -1


class RootFS:
    """A read-only view of the final file system, and of what its layers lost on the way.

    ``nodes`` maps every path to its :class:`Node`; the root is the path ``""``.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        nodes: dict[str, Node],
        children: dict[str, set[str]],
        moved: set[str],
        links: set[str],
        removals: tuple[Removal, ...],
        notes: tuple[Note, ...],
    ) -> None:
        self.layers = layers
        self.nodes: Mapping[str, Node] = nodes
        self.removals = removals
        self.notes = notes
        self._children = children
        self._moved = moved
        self._links = links
        self._directories: dict[str, str | None] = {}

    def __getitem__(self, path: str) -> Node:
        return self.nodes[path]

    def __contains__(self, path: object) -> bool:
        return path in self.nodes

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.nodes))

    def get(self, path: str) -> Node | None:
        """Return the node at exactly this path, following no link; ``None`` if there is none."""
        return self.nodes.get(path)

    def children(self, path: str) -> list[str]:
        """Return the paths of what is directly in the directory ``path``, sorted."""
        return sorted(self._children.get(path, ()))

    @cached_property
    def directories(self) -> tuple[str, ...]:
        """The paths of all directories that hold something, sorted; the root among them.

        There are ten times as many files: what can be told by the place is asked of these.
        """
        return tuple(sorted(path for path, below in self._children.items() if below))

    def walk(self, top: str = "") -> Iterator[Node]:
        """Yield every node below ``top``, in the order of their paths; not ``top`` itself."""
        stack = self.children(top)[::-1]
        while stack:
            path = stack.pop()
            yield self.nodes[path]
            if path in self._children:
                stack.extend(self.children(path)[::-1])

    def resolve(self, path: str) -> str | None:
        """Return the real path behind ``path`` (absolute or relative to the image's root).

        Follows symbolic links in every component, the last included, and ``..`` as a kernel
        does. Returns ``None`` where nothing is there, or the links go in a circle.
        """
        parent, _, name = path.rpartition("/")
        if name and name not in (".", "..") and not parent.startswith("/"):
            # Most questions are about neighbours: remember where their directory really is.
            if parent not in self._directories:
                self._directories[parent] = follow(self.nodes, parent)
            real = self._directories[parent]
            if real is None:
                return None
            full = f"{real}/{name}" if real else name
            node = self.nodes.get(full)
            if node is None:
                return None
            return full if node.kind != "symlink" else follow(self.nodes, full)
        return follow(self.nodes, path)

    @cached_property
    def texts(self) -> Mapping[str, bytes]:
        """Contents of the small text files that are live, by real path."""
        return self._live(lambda index: index.texts)

    @cached_property
    def elf(self) -> Mapping[str, ElfFile]:
        """What a loader would read of every live ELF file, by real path; hard links each."""
        return self._live(lambda index: index.elf)

    @cached_property
    def scripts(self) -> Mapping[str, str]:
        """First lines (``#!…``) of live scripts, by real path."""
        return self._live(lambda index: index.scripts)

    @cached_property
    def strings(self) -> Mapping[str, str]:
        """Version strings found in live C libraries and Python executables, by real path."""
        return self._live(lambda index: index.strings)

    def facts(self, probe: str) -> Mapping[str, object]:
        """What a third party's probe said of the live files, by real path."""
        return self._live(lambda index: index.extra.get(probe, {}))

    @cached_property
    def symlinks(self) -> tuple[str, ...]:
        """The paths of all symbolic links, sorted; hard links to one among them."""
        named = [path for path in self._links | self._moved if path in self.nodes]
        return tuple(sorted(path for path in named if self.nodes[path].kind == "symlink"))

    @cached_property
    def hard_links(self) -> Mapping[tuple[int, int], tuple[str, ...]]:
        """The paths of every content that has several, by its layer and position there."""
        names: dict[tuple[int, int], set[str]] = {}
        for path in self._moved:
            node = self.nodes.get(path)
            if node is None or node.origin is None:
                continue
            origin = node.origin
            paths = names.setdefault((origin.layer, origin.position), set())
            paths.add(path)
            # The name that came with the content counts while it is still the same file.
            if self.nodes.get(origin.path) is origin:
                paths.add(origin.path)
        return {key: tuple(sorted(names[key])) for key in sorted(names)}

    @cached_property
    def _linked(self) -> dict[tuple[int, int], list[str]]:
        """The paths of content whose entry does not stand at its own path, or not only there."""
        linked: dict[tuple[int, int], list[str]] = {}
        for path in sorted(self._moved):
            node = self.nodes.get(path)
            if node is not None and (node.origin is not None or path != node.entry.path):
                content = node.content
                linked.setdefault((content.layer, content.position), []).append(path)
        return linked

    def _live(self, select: Callable[[LayerIndex], Mapping[int, _T]]) -> dict[str, _T]:
        found: dict[str, _T] = {}
        for layer in self.layers:
            entries = layer.index.entries
            for position, fact in select(layer.index).items():
                path = entries[position].path
                node = self.nodes.get(path)
                if node is not None and (node.layer, node.position) == (layer.number, position):
                    found[path] = fact
                for other in self._linked.get((layer.number, position), ()):
                    found[other] = fact
        return dict(sorted(found.items()))


def follow(
    nodes: Mapping[str, Node], path: str, make: Callable[[str], None] | None = None
) -> str | None:
    """Resolve ``path`` to a real path; ``None`` where nothing is there or links go in a circle.

    With ``make``, every component is to be a directory, and ``make`` is called for each path
    that is not one yet.
    """
    real = ""
    todo = path.split("/")[::-1]
    hops = 0
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            real = real.rpartition("/")[0]
            continue
        step = f"{real}/{name}" if real else name
        node = nodes.get(step)
        kind = node.kind if node is not None else None
        if node is not None and kind == "symlink":
            hops += 1
            if hops > _MAX_LINKS:
                return None
            target = node.content.entry.target
            if target.startswith("/"):
                real = ""
            todo.extend(target.split("/")[::-1])
            continue
        if make is not None:
            if kind != "directory":
                make(step)
        elif node is None or (todo and kind != "directory"):
            return None
        real = step
    return real
