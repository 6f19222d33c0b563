"""Layers put on top of each other: whiteouts, replacements, merges, links.

The rules are those of the OCI image specification (layer.md, "Applying changesets") as Docker
carries them out with overlay2: each layer is unpacked into a directory of its own, and those are
merged (docs.kernel.org, "Overlay Filesystem"). Whiteouts hide what lower layers hold, as do that
file system's own (devices 0/0, a mark on a directory); a directory over a directory merges, all
else replaces. A name whose parent is a symbolic link goes through that link if the same layer has
it; a directory stands in the place of a lower one. containerd and Podman do the same, but for the
modes of directories that no entry describes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from msgspec.structs import replace

from pyimginspect.errors import CorruptLayerError, LimitError
from pyimginspect.model import OPAQUE, WHITEOUT, Entry, Layer, Note
from pyimginspect.path_resolution import MAX_LINKS
from pyimginspect.rootfs import (
    Node,
    Removal,
    ReplacedLink,
    RootFS,
    give_headers,
    implied_directory,
    target_of,
)

__all__ = ["LayerStack", "apply_layers"]

_MOST_STEPS = 2_000_000
_MOST_IMPLIED = 64 << 20  # characters: 300 entries of 4 kB imply half a million directories
_OPAQUE_MARK = "trusted.overlay.opaque=79"  # `y`, as in an entry's `xattrs`

_How = Literal["overwritten", "removed"]
_Look = Callable[[str], Node | None]
_Enter = Callable[[str, Node | None], bool]


def apply_layers(layers: Iterable[Layer]) -> RootFS:
    """Fold layers, the lowest first, into the file system that a container would see.

    Raises :class:`CorruptLayerError` for a layer that no container engine could apply: an entry
    below a circle of its own links, or a whiteout of ``.`` or ``..``; :class:`LimitError` where
    finding the entries' directories behind links takes millions of steps, or where the directories
    that entries imply and none describes have tens of megabytes of names.
    """
    stack = LayerStack()
    applied = tuple(layers)
    for layer in applied:
        stack.apply(layer)
    return stack.rootfs(applied)


class LayerStack:
    """The fold's state: the file system so far, and what was removed from it.

    What a copy does leaves the original alone, so that several images may be built on one base.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"": implied_directory("", 0)}
        # Dictionaries without values: a set of so few takes twice the memory.
        self.children: dict[str, dict[str, None]] = {}
        self.removals: list[Removal] = []
        self.replaced_links: list[ReplacedLink] = []
        self.notes: list[Note] = []
        # Paths that are not those of the entry with their content: hard links, linked parents.
        self.moved: set[str] = set()
        self.links: set[str] = set()
        # How many names content has that has more than one, by (layer, position).
        self._names: dict[tuple[int, int], int] = {}
        # What the headers of hard links made of content, where they differ from its own.
        self._headers: dict[tuple[int, int], Entry] = {}
        # Numbers that are objects once, not once for each layer.
        self._positions: list[int] = []
        # Of the layer that is being applied: its directories, where its entries' parents really
        # are, what it hides of lower layers.
        self._literal: set[str] = {""}
        self._through_links: dict[str, str] = {}
        self._whiteouts: list[str] = []
        self._opaque: list[str] = []
        self._devices: list[str] = []
        # Steps taken on the way through links, and characters of the paths of directories that
        # only are implied: one entry of 4 kB may take and imply thousands of them.
        self._steps = 0
        self._implied = 0

    def apply(self, layer: Layer) -> None:
        """Put one layer on top."""
        number = layer.number
        self._literal, self._through_links = {""}, {}
        self._whiteouts, self._opaque, self._devices = [], [], []
        entries = layer.index.entries
        self._positions += range(len(self._positions), len(entries))
        for position, entry in zip(self._positions, entries, strict=False):
            path = entry.path
            parent, _, name = path.rpartition("/")
            if parent not in self._literal:
                real = self._enter(parent, entry, number)
                if real != parent:
                    parent = real
                    path = f"{real}/{name}" if real else name
                    self.moved.add(path)
            if name[:4] == WHITEOUT:
                self._whiteout(parent, name, entry, position, number)
            else:
                self._add(path, parent, entry, position, number)
        self._hide(number)

    def _whiteout(self, parent: str, name: str, entry: Entry, position: int, layer: int) -> None:
        """Take note of what a whiteout hides, of lower layers only, wherever it stands."""
        self._account(layer, position, entry, layer, "removed")
        if name == OPAQUE:
            self._opaque.append(parent)
            return
        victim = name[len(WHITEOUT) :]
        if victim in ("", ".", ".."):
            raise CorruptLayerError("whiteout of nothing", layer=str(layer), entry=entry.path)
        path = f"{parent}/{victim}" if parent else victim
        node = self.nodes.get(path)
        if node is not None and node.layer == layer:
            # Engines refuse such a layer; by the specification what it holds itself stays.
            self._opaque.append(path)
        else:
            self._whiteouts.append(path)

    def _hide(self, layer: int) -> None:
        """Take away what the layer's whiteouts hide, now that all that it holds is there.

        What it made again after a whiteout stays, and a directory then merges with the lower one:
        in an overlay nothing is left of the whiteout.
        """
        for path in self._whiteouts:
            node = self.nodes.get(path)
            if node is not None and node.layer != layer:
                self._remove(path, layer, "removed")
        for path in self._devices:
            node = self.nodes.get(path)
            if node is not None and _is_whiteout(node.content.entry):
                self._remove(path, layer, "removed")
        seen = {""}  # no engine hides what is at the root
        todo = self._opaque
        while todo:
            top = todo.pop()
            below = [] if top in seen else list(self.children.get(top, ()))
            seen.add(top)
            for path in below:
                node = self.nodes[path]
                if node.layer != layer:
                    self._remove(path, layer, "removed")
                elif node.kind == "directory":
                    todo.append(path)
            # A dictionary keeps its room when it is empty, and each look at it would cost that.
            if not self.children.get(top):
                self.children.pop(top, None)

    def _enter(self, parent: str, entry: Entry, layer: int) -> str:
        """Return the layer's own directory behind ``parent``, made where it is missing.

        Lower layers do not matter: an engine unpacks each layer into a directory of its own, so
        a link below is not followed, and a directory that no entry describes gets a mode and an
        owner that are the engine's.
        """
        known = self._through_links.get(parent)
        if known is not None:
            return known
        there = self.nodes.get(parent)
        # What the file system has is at its real path: no link leads to it.
        if there is not None and there.kind == "directory" and there.layer == layer:
            self._literal.add(parent)
            return parent

        def own(path: str) -> Node | None:
            node = self.nodes.get(path)
            return node if node is not None and node.layer == layer else None

        def enter(path: str, node: Node | None) -> bool:
            if node is None or node.kind != "directory":
                self._imply(path, entry, layer)
            return True

        real = self._follow(parent, entry, layer, own, enter)
        if real is None:
            raise CorruptLayerError(
                "the entry's directory is a symbolic link loop", layer=str(layer), entry=entry.path
            )
        if real != parent:
            self._through_links[parent] = real
        return real

    def _imply(self, path: str, entry: Entry, layer: int) -> None:
        """Make a directory of the layer that no entry describes, for an ``entry`` below it."""
        old = self.nodes.get(path)
        if old is not None and old.kind != "directory":
            if old.layer == layer:
                what = "a file is used as a directory"
                self.notes.append(Note(what=what, path=path, layer=layer))
            self._replace(old, entry, layer)
        self._implied += len(path)
        if self._implied > _MOST_IMPLIED:
            what = f"directories that no entry describes have {_MOST_IMPLIED >> 20} MiB of names"
            raise LimitError(what, layer=str(layer), entry=entry.path)
        self._put(path.rpartition("/")[0], implied_directory(path, layer))

    def _replace(self, old: Node, entry: Entry, layer: int) -> None:
        """Take away what a directory, of ``entry`` or above it, stands in the place of."""
        if old.kind == "symlink" and old.layer != layer:
            self.replaced_links.append(ReplacedLink(link=old, layer=layer, entry=entry))
        self._remove(old.path, layer, "overwritten")

    def _follow(
        self, path: str, entry: Entry, layer: int, look: _Look, enter: _Enter
    ) -> str | None:
        """Resolve ``path`` to a real path; ``None`` where it cannot be, or in a circle of links.

        ``look`` returns what is at a path; ``enter`` whether the way leads there, from the path and
        what is there. As long as layers change, no answer can be kept for long: so the steps are
        counted, and of too many the image is refused.
        """
        real = ""
        todo = path.split("/")[::-1]
        hops = 0
        while todo:
            name = todo.pop()
            if name == "..":
                real = real.rpartition("/")[0]
            elif name and name != ".":
                step = f"{real}/{name}" if real else name
                node = look(step)
                if node is not None and node.kind == "symlink":
                    hops += 1
                    if hops > MAX_LINKS:
                        return None
                    target = target_of(node)
                    if target.startswith("/"):
                        real = ""
                    todo.extend(reversed(target.split("/")))
                    self._steps += target.count("/") + 1
                    if self._steps > _MOST_STEPS:
                        what = f"links were followed through {_MOST_STEPS:,} directories, and more"
                        raise LimitError(what, layer=str(layer), entry=entry.path)
                elif enter(step, node):
                    real = step
                else:
                    return None
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
        elif kind == "character" and _is_whiteout(entry):
            self._devices.append(path)
        old = self.nodes.get(path)
        if kind == "directory":
            if old is not None and old.kind != "directory":
                self._replace(old, entry, layer)
            self._literal.add(path)
            if _OPAQUE_MARK in entry.xattrs:
                self._opaque.append(path)
        elif old is not None:
            if origin is not None and origin.layer == layer:
                successor = origin.position  # a further name of what this layer stores
            else:
                successor = position if kind == "file" else -1
            how: _How = "removed" if path in self._devices[-1:] else "overwritten"
            self._remove(path, layer, how, successor)
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
        if _is_whiteout(origin.entry):
            self._devices.append(path)
        now = self._headers.get(key, origin.entry)
        mode = now.mode if origin.kind == "symlink" else entry.mode
        if (mode, entry.uid, entry.gid, entry.mtime) != (now.mode, now.uid, now.gid, now.mtime):
            self._headers[key] = replace(
                now, mode=mode, uid=entry.uid, gid=entry.gid, mtime=entry.mtime
            )
        return origin

    def copy(self) -> LayerStack:
        """Return a stack of the same layers; nodes and entries never change and are shared."""
        other = LayerStack()
        for name, value in vars(self).items():
            setattr(other, name, value if isinstance(value, int) else value.copy())
        other.children = {path: below.copy() for path, below in self.children.items()}
        return other

    def rootfs(self, layers: tuple[Layer, ...]) -> RootFS:
        """Return the file system of ``layers``, all that were applied; the stack ends with it."""
        give_headers(self.nodes, self._headers)
        removals = tuple(sorted(self.removals, key=lambda r: (r.layer, r.position)))
        said = removals, tuple(self.notes), tuple(self.replaced_links)
        return RootFS(layers, self.nodes, self.children, self.moved, self.links, *said)

    def _put(self, parent: str, node: Node) -> None:
        self.nodes[node.path] = node
        if node.path:
            below = self.children.get(parent)
            if below is None:
                below = self.children[parent] = {}
            below[node.path] = None

    def _target(self, entry: Entry, layer: int) -> Node | None:
        parent, _, name = entry.target.rpartition("/")
        real: str | None = parent
        if parent not in self._literal:
            real = self._follow(parent, entry, layer, self.nodes.get, _is_directory)
        if real is None or not name:
            return None
        node = self.nodes.get(f"{real}/{name}" if real else name)
        return node.content if node is not None else None

    def _remove(self, top: str, removed_in: int, how: _How, successor: int = -1) -> None:
        """Take ``top`` and all below it away, and note the content that loses its last name."""
        parent = top.rpartition("/")[0]
        self.children[parent].pop(top, None)
        stack = [top]
        while stack:
            path = stack.pop()
            node = self.nodes.pop(path)
            if node.kind == "directory":
                stack.extend(self.children.pop(path, ()))
                if node.layer == removed_in:
                    self._literal = {""}
            if node.layer == removed_in and node.kind in ("directory", "symlink"):
                self._through_links.clear()
            content = node.content
            key = (content.layer, content.position)
            if key in self._names:
                self._names[key] -= 1
                if self._names[key]:
                    continue
            after = successor if path == top else -1
            self._account(content.layer, content.position, content.entry, removed_in, how, after)

    def _account(
        self, layer: int, position: int, entry: Entry, removed_in: int, how: _How, after: int = -1
    ) -> None:
        if entry.stored:
            self.removals.append(
                Removal(
                    layer=layer,
                    position=position,
                    removed_in=removed_in,
                    how="repeated" if how == "overwritten" and layer == removed_in else how,
                    successor=after,
                )
            )


def _is_whiteout(entry: Entry) -> bool:
    return entry.kind == "character" and entry.device == (0, 0)


def _is_directory(path: str, node: Node | None) -> bool:
    """Whether a path leads on from here."""
    return node is not None and node.kind == "directory"
