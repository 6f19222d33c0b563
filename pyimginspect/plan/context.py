"""What every kind of edit is made from: the inventory, and the wasted contents by their cause."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Content, contents_of
from pyimginspect.inventory.derived.leftovers import files_of_packages, find_leftovers
from pyimginspect.inventory.instructions import Step, read_steps
from pyimginspect.inventory.packages.removable import only_owned_by
from pyimginspect.plan import runs as runs_
from pyimginspect.plan.records import Edit, EditKind
from pyimginspect.rootfs import Removal

__all__ = ["LEAST", "Context", "Proposal"]

# pip notes in its cache when it last looked for a newer pip (78 bytes): with a lower limit each
# rebuild would have that to delete.
LEAST = 4096
"""Bytes below which no edit is worth a line in a plan."""

_NEUTRAL = frozenset(
    {"", "CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL"}
)
"""Instructions that no command notices; the first is a comment of a tool that makes bases."""


class Proposal(NamedTuple):
    """An edit without its figures, the contents that it saves, and the paths that go with it.

    ``gone`` are paths of the final file system. ``there`` are the first and the last layer whose
    instructions find them still: in the one ``RUN`` that installs and purges them, or in a stage
    of their own; without it they are nowhere.
    """

    edit: Edit
    contents: frozenset[Content]
    gone: frozenset[str] = frozenset()
    there: tuple[int, int] | None = None


class Context:
    """What all the functions here look things up in."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.base = inventory.base.layers
        self.contents = contents_of(inventory.rootfs)
        self.packages = inventory.packages
        self.steps = read_steps(inventory.image.config.history)
        made = {step.layer: step for step in self.steps if step.layer is not None}
        # Squashed and otherwise rewritten images have more steps than layers, or fewer.
        self.history_fits = len(made) == len(inventory.image.layers)
        # Otherwise it says of no layer for certain what made it.
        self.by_layer = made if self.history_fits else {}
        self.leftovers = find_leftovers(inventory)
        self._entries = {layer.number: layer.index.entries for layer in inventory.image.layers}

    def command(self, layer: int) -> str | None:
        """Return the shell command of a layer, ``None`` where it was made by something else."""
        step = self.by_layer.get(layer)
        return step.text if step is not None and step.word == "RUN" else None

    def joinable(self, first: int, last: int) -> bool:
        """Whether the steps of layers ``first`` to ``last`` can be one ``RUN``.

        All must be plain ``RUN``s, run by one user in one directory with one environment, and
        none but the last may leave its shell in another state.
        """
        if not self.history_fits:
            return False
        numbers = [number for number, step in enumerate(self.steps) if step.layer in (first, last)]
        steps = self.steps[numbers[0] : numbers[-1] + 1]
        # What a COPY, ENV or WORKDIR between them does, one would lack, or meet too early.
        runs = [step for step in steps if step.word not in _NEUTRAL]
        return all(step.word == "RUN" and step.shell == "sh" for step in runs) and all(
            runs_.keeps_state(step.text) for step in runs
        )

    def runs(self, first: int, last: int | None = None) -> list[int]:
        """Return the layers from ``first`` to ``last``, or to the top, that a ``RUN`` made."""
        end = len(self.inventory.image.layers) if last is None else last + 1
        return [n for n in range(first, end) if self.command(n) is not None]

    def user(self, layer: int) -> str:
        """Return the user that runs the ``RUN`` of a layer, empty for root."""
        users = [step.text.strip() for step in self._before(layer) if step.word == "USER"]
        # USER takes `NAME:GROUP` and numbers.
        user = users[-1].partition(":")[0] if users else ""
        return "" if user in ("root", "0") else user

    def directory(self, layer: int) -> str:
        """Return the working directory of the step of a layer, absolute."""
        found = "/"
        for step in self._before(layer):
            if step.word == "WORKDIR":
                found = posixpath.normpath(posixpath.join(found, step.text.strip()))
        return found

    def variable(self, layer: int, name: str) -> str:
        """Return the value that ``ENV`` gave a variable before the step of a layer, else nothing.

        A value that is quoted and has spaces ends at the first of them.
        """
        # `[= ]`: kaniko writes the old form, `ENV NAME VALUE`, as it stands in the Dockerfile.
        pattern = re.compile(rf"(?:^|\s){re.escape(name)}[= ]['\"]?([^\s'\"]*)")
        value = ""
        for step in self._before(layer):
            if step.word == "ENV" and (match := pattern.search(step.text)):
                value = match[1]
        return value

    def _before(self, layer: int) -> Iterator[Step]:
        """Return the steps before that of a layer."""
        return takewhile(lambda step: step.layer != layer, self.steps)

    def path_of(self, content: Content) -> str:
        """Return the path of the entry that stores a content."""
        layer, position = content
        return self._entries[layer][position].path

    def wasted(self, wanted: Callable[[Removal], bool]) -> frozenset[Content]:
        """Return the wasted contents of layers above the base that ``wanted`` chooses."""
        return frozenset(
            (removal.layer, removal.position)
            for removal in self.inventory.rootfs.removals
            if removal.layer >= self.base and wanted(removal)
        )

    def behind(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the paths, links among them, that would not be there without packages."""
        chosen = set(keys)
        files = files_of_packages(self.inventory.rootfs, self.packages, chosen)
        return files.union(only_owned_by(self.packages, chosen))

    def emptied(self, layer: int, names: Sequence[str], keep: Sequence[str]) -> frozenset[Content]:
        """Return all that a layer stores, if its command has nothing left to do without ``names``.

        Then the package manager's books are not written again either.
        """
        command = self.command(layer)
        if command is None or keep or not runs_.has_nothing_left(command, names):
            return frozenset()
        return self.stored_by(layer)

    def stored_by(self, layer: int) -> frozenset[Content]:
        """Return all that a layer stores."""
        # Not kept: it is asked for few layers, and takes a megabyte of a large one.
        entries = enumerate(self._entries[layer])
        return frozenset([(layer, n) for n, entry in entries if entry.stored])

    def behind_packages(self, keys: Iterable[str]) -> frozenset[Content]:
        """Return what is stored for packages and for nothing else."""
        files = files_of_packages(self.inventory.rootfs, self.packages, list(keys))
        return self.contents.behind(files)

    def without_packages(
        self,
        edit: Edit,
        keys: Iterable[str],
        *,
        there: tuple[int, int] | None = None,
        more: Iterable[Content] = (),
    ) -> Proposal:
        """Return the proposal of an edit that saves packages, and ``more`` contents."""
        keys = [*keys]
        contents = self.behind_packages(keys).union(more)
        return Proposal(edit, contents, self.behind(keys), there)

    def edit(self, kind: EditKind, layer: int, words: str, **more: Any) -> Edit:
        """Return an edit of the instruction that made ``layer``; lists become tuples."""
        instruction = self.inventory.instructions[layer]
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in more.items()
        }
        return Edit(kind=kind, layer=layer, instruction=instruction, words=words, **fields)
