"""What every kind of edit is made with: the inventory, and contents told by those who lost them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Content, contents_of
from pyimginspect.inventory.derived.leftovers import files_of_packages, find_leftovers
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.plan import commands
from pyimginspect.plan.records import Edit, EditKind
from pyimginspect.rootfs import Removal

__all__ = ["LEAST", "Context", "Proposal"]

LEAST = 4096
"""Bytes below which no edit is worth a line in a plan."""


class Proposal(NamedTuple):
    """An edit without its figures, and the contents that it saves."""

    edit: Edit
    contents: frozenset[Content]


class Context:
    """What all the functions here look things up in."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.base = inventory.base.layers
        self.contents = contents_of(inventory.rootfs)
        self.packages = inventory.packages
        self.steps = read_steps(inventory.image.config.history)
        self.by_layer = {step.layer: step for step in self.steps if step.layer is not None}
        self.leftovers = find_leftovers(inventory)
        self._entries = {layer.number: layer.index.entries for layer in inventory.image.layers}

    def command(self, layer: int) -> str | None:
        """Return the shell command of a layer, ``None`` where it was made by something else."""
        step = self.by_layer.get(layer)
        return step.text if step is not None and step.word == "RUN" else None

    def path(self, removal: Removal) -> str:
        """Return the path that the lost content had."""
        return self._entries[removal.layer][removal.position].path

    def wasted(self, wanted: Callable[[Removal, str], bool]) -> frozenset[Content]:
        """Return the lost contents of layers above the base that ``wanted`` chooses."""
        return frozenset(
            (removal.layer, removal.position)
            for removal in self.inventory.rootfs.removals
            if removal.layer >= self.base and wanted(removal, self.path(removal))
        )

    def emptied(self, layer: int, names: Sequence[str], keep: Sequence[str]) -> frozenset[Content]:
        """Return all that a layer stores, if its command has nothing left to do without ``names``.

        Then the package manager's books are not written again either.
        """
        command = self.command(layer)
        if command is None or not commands.is_simple(command):
            return frozenset()
        managers: tuple[commands.Manager, ...] = ("apt", "apk", "dnf")
        left = [commands.drop_packages(command, manager, names, keep) for manager in managers]
        if "" not in left:
            return frozenset()
        entries = self._entries[layer]
        return frozenset((layer, n) for n, entry in enumerate(entries) if entry.stored)

    def behind_packages(self, keys: Iterable[str]) -> frozenset[Content]:
        """Return what is stored for packages and for nothing else."""
        files = files_of_packages(self.inventory.rootfs, self.packages, list(keys))
        return self.contents.behind(files)

    def edit(self, kind: EditKind, layer: int, words: str, **more: Any) -> Edit:
        """Return an edit of the instruction that made ``layer``; lists become tuples."""
        instruction = self.inventory.instructions[layer]
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in more.items()
        }
        return Edit(kind=kind, layer=layer, instruction=instruction, words=words, **fields)
