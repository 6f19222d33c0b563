"""The files of one layer as a tree: what it added, changed and removed, and what was there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from msgspec import Struct

from pyimginspect.changesets import LayerStack
from pyimginspect.ledger import Ledger, WastedFile
from pyimginspect.model import Layer
from pyimginspect.rootfs import Node, target_of

__all__ = ["CHANGES", "Change", "File", "FileTree", "Layers"]

Change = Literal["added", "changed", "removed", "unchanged"]

CHANGES: tuple[Change, ...] = ("added", "changed", "removed", "unchanged")


class File(Struct, frozen=True, kw_only=True, gc=False):
    """One path as a layer left it, or had it before the layer removed it.

    ``size`` is in bytes, for a directory of all files shown below it. ``wasted`` says what became
    of the bytes that the layer stored for it, where the final file system does not show them.
    """

    path: str
    node: Node
    change: Change
    size: int
    wasted: WastedFile | None = None

    @property
    def name(self) -> str:
        """The last component of the path; ``/`` for the root."""
        return self.path.rpartition("/")[2] or "/"

    @property
    def is_directory(self) -> bool:
        """Whether others may be below it."""
        return self.node.kind == "directory"

    @property
    def target(self) -> str:
        """Where a symbolic link leads; empty for anything else."""
        return target_of(self.node) if self.node.kind == "symlink" else ""


class FileTree:
    """The files of a layer that were chosen, below the directories that they are in."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files
        self._below: dict[str, list[str]] = {}
        self._sizes: dict[str, int] = {}
        placed = {""}
        for path in files:
            # Up to the first directory that has been placed: each is placed once.
            while path not in placed:
                placed.add(path)
                parent = path.rpartition("/")[0]
                self._below.setdefault(parent, []).append(path)
                path = parent
        for path, file in files.items():
            if file.size and not file.is_directory:
                self._add(path, file.size)

    def __len__(self) -> int:
        return len(self._files)

    def file(self, path: str) -> File | None:
        """Return what was chosen at a path; ``None`` for a directory that only leads to some."""
        return self._files.get(path)

    def size(self, path: str) -> int:
        """Return the bytes of a file, or of all files chosen below a directory."""
        return self._sizes.get(path, 0)

    def is_directory(self, path: str) -> bool:
        """Whether something is, or may be, below a path."""
        file = self._files.get(path)
        return path in self._below or (file is not None and file.is_directory)

    def children(self, path: str) -> list[str]:
        """Return what is directly in a directory: directories first, by name."""
        below = self._below.get(path, [])
        return sorted(below, key=lambda each: (not self.is_directory(each), each))

    def search(self, text: str, after: str = "") -> str | None:
        """Return the next path after ``after`` whose name has ``text`` in it, or else the first.

        Upper and lower case are the same where ``text`` has no upper case.
        """
        fold = text == text.lower()
        hits = sorted(
            (
                path
                for path in self._files
                if text in ((path.lower() if fold else path).rpartition("/")[2])
            ),
            key=_order,
        )
        if not text or not hits:
            return None
        start = _order(after)
        return next((path for path in hits if _order(path) > start), hits[0])

    def _add(self, path: str, size: int) -> None:
        self._sizes[path] = size
        while path:
            path = path.rpartition("/")[0]
            self._sizes[path] = self._sizes.get(path, 0) + size


def _order(path: str) -> tuple[str, ...]:
    # By components: as text, `a-b` would come between `a` and `a/b`.
    return tuple(path.split("/"))


class Layers:
    """The layers of an image, shown one by one."""

    def __init__(self, layers: tuple[Layer, ...], ledger: Ledger) -> None:
        self._layers = layers
        self._wasted: dict[int, dict[str, WastedFile]] = {}
        for each in ledger.wasted_files:
            self._wasted.setdefault(each.layer, {})[each.path] = each
        self._stack = LayerStack()  # of the layers below the one that was shown last
        self._applied = 0

    def wasted(self, number: int) -> Mapping[str, WastedFile]:
        """Return the wasted files of a layer, by path."""
        return self._wasted.get(number, {})

    def files(
        self,
        number: int,
        changes: Collection[Change] = CHANGES,
        wanted: Callable[[str], bool] | None = None,
    ) -> FileTree:
        """Return the files of a layer with one of these changes, and that are ``wanted``.

        Raises :class:`~pyimginspect.errors.CorruptLayerError` for a layer that none can apply.
        """
        before, after = self._around(number)
        found: dict[str, File] = {}
        all_wasted = self.wasted(number)
        for path, node in after.items():
            change = _change(before.get(path), node, number)
            if path and change in changes and (wanted is None or wanted(path)):
                wasted = all_wasted.get(path) if change != "unchanged" else None
                found[path] = _file(path, node, change, wasted)
        if "removed" in changes:
            for path in before.keys() - after.keys():
                if wanted is None or wanted(path):
                    found[path] = _file(path, before[path], "removed", None)
        return FileTree(found)

    def _around(self, number: int) -> tuple[dict[str, Node], dict[str, Node]]:
        """Return the file systems below a layer, and with it."""
        if self._applied > number:
            self._stack, self._applied = LayerStack(), 0
        for layer in self._layers[self._applied : number]:
            self._stack.apply(layer)
        self._applied = number
        before = dict(self._stack.nodes)
        with_it = self._stack.copy()
        with_it.apply(self._layers[number])
        return before, with_it.nodes


def _change(before: Node | None, after: Node, number: int) -> Change:
    if before is None:
        return "added"
    if after.layer != number or after is before:
        return "unchanged"
    if after.kind == before.kind == "directory" and _metadata(before) == _metadata(after):
        return "unchanged"  # archives describe the directories of what they hold again
    return "changed"


def _metadata(node: Node) -> tuple[object, ...]:
    entry = node.entry
    # No time: each build writes its directories with another.
    return entry.mode, entry.uid, entry.gid


def _file(path: str, node: Node, change: Change, wasted: WastedFile | None) -> File:
    size = 0 if node.kind == "directory" else node.size
    return File(path=path, node=node, change=change, size=size, wasted=wasted)
