"""The final file system: what a container made from the layers would see.

How layers become one file system: see :mod:`pyimginspect.changesets`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, partial
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pyimginspect.model import ElfFile, Entry, Kind, Layer, LayerIndex, Note
from pyimginspect.path_resolution import MAX_LINKS, PathResolver

__all__ = [
    "Node",
    "Removal",
    "ReplacedLink",
    "RootFS",
    "give_headers",
    "implied_directory",
    "target_of",
]

_MAX_TARGET = 4095  # bytes: symlink(2) makes no longer one, and no empty one

_SHORT_TARGET = 1000  # characters, so never more than _MAX_TARGET bytes

_T = TypeVar("_T")


class Node(Struct, frozen=True, kw_only=True, gc=False):
    """One path of the final file system.

    ``entry`` is the archive member that put it there, number ``position`` of layer ``layer``;
    of content with several names it has the mode, owner and time that the last of them gave it.
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

    ``layer`` and ``position`` name the entry that stored it; ``removed_in`` is the layer that took
    its last name away; ``successor`` is the position, in the removed_in, of the regular file that
    took its place (-1: none).
    """

    layer: int
    position: int
    removed_in: int
    how: Literal["overwritten", "removed", "repeated"]
    successor: int = -1


class ReplacedLink(Struct, frozen=True, kw_only=True, gc=False):
    """A symbolic link to whose place a higher layer put a directory.

    ``entry`` is the member of layer ``layer`` that did so: that directory, or something in it.
    """

    link: Node
    layer: int
    entry: Entry


class RootFS:
    """A read-only view of the final file system, and of what was removed on the way.

    ``nodes`` maps every path to its :class:`Node`; the root is the path ``""``.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        nodes: Mapping[str, Node],
        children: Mapping[str, Collection[str]],
        moved: set[str],
        links: set[str],
        removals: tuple[Removal, ...],
        notes: tuple[Note, ...],
        replaced_links: tuple[ReplacedLink, ...] = (),
    ) -> None:
        self.layers = layers
        self.nodes = nodes
        self.removals = removals
        self.notes = notes
        self.replaced_links = replaced_links
        self._children = children
        self._moved = moved
        self._links = links
        self._directories: dict[str, str | None] = {}
        self._resolver = PathResolver(partial(_look, nodes))

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

    def files(self, path: str) -> list[str]:
        """Return the paths of the files directly in the directory ``path``, in no order."""
        nodes = self.nodes
        return [
            below
            for below in self._children.get(path, ())
            if ((node := nodes[below]).origin or node).entry.kind == "file"
        ]

    @cached_property
    def directories(self) -> tuple[str, ...]:
        """The paths of all directories that hold something, sorted; the root among them.

        There are ten times as many files: what a place is enough for is looked up here.
        """
        return tuple(sorted(path for path, below in self._children.items() if below))

    @cached_property
    def directories_by_name(self) -> Mapping[str, list[str]]:
        """The same paths by the last part of each, under each name sorted."""
        named: dict[str, list[str]] = {}
        for path in self.directories:
            named.setdefault(path.rpartition("/")[2], []).append(path)
        return named

    @cached_property
    def archives(self) -> Mapping[str, list[str]]:
        """The paths of static libraries (``.a``) and of Java's archives (``.jar``), by ending."""
        found: dict[str, list[str]] = {".a": [], ".jar": []}
        endings = tuple(found)
        for path in self.nodes:
            if path.endswith(endings):
                found[path[path.rindex(".") :]].append(path)
        return found

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
        does (path_resolution(7)). Returns ``None`` where nothing is there, where the links go in a
        circle, or there are more than 40 of them.
        """
        path = path.lstrip("/")
        parent, _, name = path.rpartition("/")
        if name and name not in (".", ".."):
            # Most questions are about neighbours: remember where their directory really is.
            if parent not in self._directories:
                self._directories[parent] = self._resolver.resolve(parent)
            real = self._directories[parent]
            if real is None:
                return None
            full = f"{real}/{name}" if real else name
            node = self.nodes.get(full)
            if node is None:
                return None
            if node.kind != "symlink":
                return full
            return self._direct(real, node) or self._resolver.resolve(full)
        return self._resolver.resolve(path)

    def _direct(self, directory: str, link: Node) -> str | None:
        """Return where a link in a real directory leads, if only such links are on the way.

        Most lead to a neighbour (``libx.so`` to ``libx.so.1``) or by ``../`` to another real
        directory, and need no walk; of all others, ``None``.
        """
        for _ in range(MAX_LINKS):
            rest = link.content.entry.target
            if len(rest) > _SHORT_TARGET:
                return None
            if rest.startswith("/"):
                directory, rest = "", rest[1:]
            while rest.startswith("../"):
                directory, rest = directory.rpartition("/")[0], rest[3:]
            # Names that begin with a dot, `.` and `..` among them, go the long way.
            if not rest or rest.startswith((".", "/")) or "//" in rest or "/." in rest:
                return None
            path = f"{directory}/{rest}" if directory else rest
            node = self.nodes.get(path)
            if node is None:
                return None
            if node.kind != "symlink":  # a node's path is a real one, all of it
                return path
            directory, link = path.rpartition("/")[0], node
        return None

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
        # Both remember paths that a higher layer took away.
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
        # By path, whichever layer brought what: reports are the same from run to run.
        return dict(sorted(found.items()))


def give_headers(nodes: dict[str, Node], headers: Mapping[tuple[int, int], Entry]) -> None:
    """Give content the mode, owner and time that ``headers`` has, by its layer and position."""
    if not headers:
        return
    origins: dict[tuple[int, int], Node] = {}
    for path, node in nodes.items():
        key = (node.content.layer, node.content.position)
        entry = headers.get(key)
        if entry is None:
            continue
        origin = origins.get(key)
        if origin is None:
            origin = origins[key] = replace(node.content, entry=entry)
        nodes[path] = origin if node.origin is None else replace(node, origin=origin)


def implied_directory(path: str, layer: int) -> Node:
    """Return a node for a directory that entries imply and none describes, as Docker makes it."""
    # ImpliedDirectoryMode of moby's pkg/archive; no header says an owner or a time.
    entry = Entry(
        path=path, kind="directory", mode=0o755, uid=0, gid=0, size=0, stored=0, offset=0, mtime=0
    )
    return Node(path=path, layer=layer, position=-1, entry=entry)


def target_of(link: Node) -> str:
    """Return where a symbolic link leads; through itself for one that nobody could make."""
    target = link.content.entry.target
    if 0 < len(target.encode("utf-8", "surrogateescape")) <= _MAX_TARGET:
        return target
    return f"/{link.path}"


def _look(nodes: Mapping[str, Node], path: str) -> tuple[bool, str | None] | None:
    """Return whether a path is a directory, and its target where it is a symbolic link."""
    node = nodes.get(path)
    if node is None:
        return None
    kind = node.kind
    return kind == "directory", target_of(node) if kind == "symlink" else None
