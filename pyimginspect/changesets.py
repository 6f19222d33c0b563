"""Layers put on top of each other: whiteouts, replacements, merges, links.

The rules are those of the OCI image specification (layer.md, "Applying changesets") as Docker
carries them out: whiteouts hide what lower layers hold, a directory over a directory merges,
everything else replaces, and a name whose parent is a symbolic link goes through that link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from pyimginspect.errors import CorruptLayerError, LimitError
from pyimginspect.model import Entry, Layer, Note
from pyimginspect.rootfs import MAX_LINKS, Node, Removal, RootFS, target_of

__all__ = ["OPAQUE", "WHITEOUT", "apply_layers"]

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_RESERVED = ".wh..wh."
_UNKNOWN_DIRECTORY = 0o755
_MOST_STEPS = 2_000_000
_MOST_IMPLIED = 64 << 20


def apply_layers(layers: Iterable[Layer]) -> RootFS:
    """Fold layers, the lowest first, into the file system that a container would see.

    Raises :class:`CorruptLayerError` for a layer that no container engine could apply: an entry
    below a circle of links, or a whiteout of ``.`` or ``..``; :class:`LimitError` where finding
    the entries' directories behind links takes millions of steps, or where the directories that
    entries imply and none describes have tens of megabytes of names.
    """
    builder = _Builder()
    applied = tuple(layers)
    for layer in applied:
        builder.apply(layer)
    return RootFS(
        applied,
        builder.nodes,
        builder.children,
        builder.moved,
        builder.links,
        tuple(sorted(builder.removals, key=lambda r: (r.layer, r.position))),
        tuple(builder.notes),
    )


def _directory(path: str, layer: int) -> Node:
    """Return a node for a directory that entries imply and none describes."""
    entry = Entry(
        path=path,
        kind="directory",
        mode=_UNKNOWN_DIRECTORY,
        uid=0,
        gid=0,
        size=0,
        stored=0,
        offset=0,
        mtime=0,
    )
    return Node(path=path, layer=layer, position=-1, entry=entry)


class _Builder:
    """The fold's state: the file system so far, and what it has lost."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"": _directory("", 0)}
        self.children: dict[str, set[str]] = {}
        self.removals: list[Removal] = []
        self.notes: list[Note] = []
        # Paths that are not those of the entry with their content: hard links, linked parents.
        self.moved: set[str] = set()
        self.links: set[str] = set()
        # How many names content has that has more than one, by (layer, position).
        self._names: dict[tuple[int, int], int] = {}
        # Where the parents named by entries really are; those reached through links apart,
        # because any change of a link may lead them elsewhere.
        self._literal: set[str] = {""}
        self._through_links: dict[str, str] = {}
        # Steps taken on the way through links, and characters of the paths of directories that
        # only are implied: one entry of 4 kB may take and imply thousands of them.
        self._steps = 0
        self._implied = 0

    def apply(self, layer: Layer) -> None:
        """Put one layer on top."""
        entries = layer.index.entries
        whiteouts = [n for n, entry in enumerate(entries) if WHITEOUT in entry.path]
        hidden = set()
        for position in whiteouts:
            # Whiteouts speak of lower layers only, wherever in the archive they stand.
            if self._whiteout(entries[position], position, layer.number):
                hidden.add(position)
        for position, entry in enumerate(entries):
            if position in hidden:
                continue
            path = entry.path
            parent, _, name = path.rpartition("/")
            if parent not in self._literal:
                real = self._enter(parent, entry, layer.number)
                if real != parent:
                    parent = real
                    path = f"{real}/{name}" if real else name
                    self.moved.add(path)
            self._add(path, parent, entry, position, layer.number)

    def _whiteout(self, entry: Entry, position: int, layer: int) -> bool:
        """Carry out a whiteout; return whether the entry is one, or aufs's own."""
        parent, _, name = entry.path.rpartition("/")
        if f"/{_RESERVED}" in f"/{parent}":
            self._account(layer, position, entry, layer, "deleted")
            return True
        if not name.startswith(WHITEOUT):
            return False
        self._account(layer, position, entry, layer, "deleted")
        where = parent if parent in self._literal else self._follow(parent, entry, layer)
        if name == OPAQUE:
            for path in list(self.children.get(where, ())) if where is not None else ():
                self._remove(path, layer, "deleted")
            # A set keeps its room when it is empty, and each look at it would cost that.
            if where is not None and not self.children.get(where):
                self.children.pop(where, None)
            return True
        if name.startswith(_RESERVED):
            return True
        victim = name[len(WHITEOUT) :]
        if victim in ("", ".", ".."):
            raise CorruptLayerError("whiteout of nothing", layer=str(layer), entry=entry.path)
        path = f"{where}/{victim}" if where else victim
        if where is not None and path in self.nodes:
            self._remove(path, layer, "deleted")
        return True

    def _enter(self, parent: str, entry: Entry, layer: int) -> str:
        """Return the real directory behind ``parent``, made where it is missing."""
        known = self._through_links.get(parent)
        if known is not None:
            return known
        there = self.nodes.get(parent)
        in_known = parent.rpartition("/")[0] in self._literal
        if in_known and there is not None and there.kind == "directory":
            self._literal.add(parent)
            return parent

        def make(path: str) -> None:
            if path in self.nodes:
                self.notes.append(Note(what="a file is used as a directory", path=path))
                self._remove(path, layer, "overwritten")
            self._implied += len(path)
            if self._implied > _MOST_IMPLIED:
                what = (
                    f"directories that no entry describes have {_MOST_IMPLIED >> 20} MiB of names"
                )
                raise LimitError(what, layer=str(layer), entry=entry.path)
            self._put(path.rpartition("/")[0], _directory(path, layer))

        real = self._follow(parent, entry, layer, make)
        if real is None:
            raise CorruptLayerError(
                "the entry's directory is a circle of links", layer=str(layer), entry=entry.path
            )
        if real == parent:
            self._literal.add(parent)
        else:
            self._through_links[parent] = real
        return real

    def _follow(
        self, path: str, entry: Entry, layer: int, make: Callable[[str], None] | None = None
    ) -> str | None:
        """Resolve ``path`` to a real path; ``None`` where nothing is there or in a circle of links.

        With ``make``, every component is to be a directory, and ``make`` is called for each path
        that is not one yet. As long as layers change, no answer can be kept for long: so the
        steps are counted, and of too many the image is refused.
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
            node = self.nodes.get(step)
            kind = node.kind if node is not None else None
            if node is not None and kind == "symlink":
                hops += 1
                if hops > MAX_LINKS:
                    return None
                target = target_of(node)
                if target.startswith("/"):
                    real = ""
                names = target.split("/")
                self._steps += len(names)
                if self._steps > _MOST_STEPS:
                    what = f"links were followed through {_MOST_STEPS:,} directories, and more"
                    raise LimitError(what, layer=str(layer), entry=entry.path)
                todo.extend(reversed(names))
                continue
            if make is not None:
                if kind != "directory":
                    make(step)
            elif node is None or (todo and kind != "directory"):
                return None
            real = step
        return real

    def _add(self, path: str, parent: str, entry: Entry, position: int, layer: int) -> None:
        kind = entry.kind
        origin = None
        if kind == "hardlink":
            origin = self._origin(path, entry, layer)
            if origin is None:
                return
        elif kind == "symlink":
            self.links.add(path)
        old = self.nodes.get(path)
        if old is not None and not (kind == "directory" and old.kind == "directory"):
            if origin is not None and origin.layer == layer:
                successor = origin.position  # a further name of what this layer stores
            else:
                successor = position if kind == "file" else -1
            self._remove(path, layer, "overwritten", successor)
        node = Node(path=path, layer=layer, position=position, entry=entry, origin=origin)
        self._put(parent, node)

    def _origin(self, path: str, entry: Entry, layer: int) -> Node | None:
        """Return the node whose content a hard link is a new name of, if it is one."""
        origin = self._target(entry, layer)
        if origin is None or origin.kind == "directory":
            self.notes.append(Note(what="hard link to no file", path=path, layer=layer))
            return None
        key = (origin.layer, origin.position)
        old = self.nodes.get(path)
        if old is not None and (old.content.layer, old.content.position) == key:
            return None  # a link to what it already is
        self._names[key] = self._names.get(key, 1) + 1
        self.moved.add(path)
        return origin

    def _put(self, parent: str, node: Node) -> None:
        self.nodes[node.path] = node
        if node.path:
            below = self.children.get(parent)
            if below is None:
                below = self.children[parent] = set()
            below.add(node.path)

    def _target(self, entry: Entry, layer: int) -> Node | None:
        parent, _, name = entry.target.rpartition("/")
        real = parent if parent in self._literal else self._follow(parent, entry, layer)
        if real is None or not name:
            return None
        node = self.nodes.get(f"{real}/{name}" if real else name)
        return node.content if node is not None else None

    def _remove(
        self,
        top: str,
        killer: int,
        how: Literal["overwritten", "deleted"],
        successor: int = -1,
    ) -> None:
        """Take ``top`` and all below it away, and note the content that loses its last name."""
        parent = top.rpartition("/")[0]
        self.children[parent].discard(top)
        stack = [top]
        while stack:
            path = stack.pop()
            node = self.nodes.pop(path)
            if node.kind == "directory":
                stack.extend(self.children.pop(path, ()))
                self._literal.clear()
                self._literal.add("")
                self._through_links.clear()
            elif node.kind == "symlink":
                self._through_links.clear()
            content = node.content
            key = (content.layer, content.position)
            if key in self._names:
                self._names[key] -= 1
                if self._names[key]:
                    continue
            after = successor if path == top else -1
            self._account(content.layer, content.position, content.entry, killer, how, after)

    def _account(
        self,
        layer: int,
        position: int,
        entry: Entry,
        killer: int,
        how: Literal["overwritten", "deleted"],
        successor: int = -1,
    ) -> None:
        if entry.stored:
            self.removals.append(
                Removal(
                    layer=layer,
                    position=position,
                    killer=killer,
                    how="repeated" if how == "overwritten" and layer == killer else how,
                    successor=successor,
                )
            )
