"""Runs of instructions that should be one ``RUN``: what one of them makes, a later one deletes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from itertools import dropwhile, takewhile

from msgspec import Struct

from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.model import OPAQUE, WHITEOUT
from pyimginspect.plan.context import Context
from pyimginspect.plan.operations import AppendCommand, DropInstruction, JoinRuns, Operation
from pyimginspect.plan.runs import OS_MANAGERS, Call, calls, collapsed, is_only_deletion

__all__ = ["RULES", "Span", "find_spans", "join_runs", "late_causes"]

RULES = {"deleted": "deleted-but-shipped", "replaced": "overwritten-files"}
"""The rule by the kind of cause."""

_DELETERS = frozenset({"rm", "rmdir", "unlink", "find"})
_SETTINGS = frozenset({"set", "true", ":"})
# A home directory is the same where the same user runs it, which is asked before.
_ABSOLUTE = ("/", "~/", "$HOME/")


class Span(Struct, frozen=True, kw_only=True):
    """Layers ``first`` to ``last``, the ``RUN``s of which become one.

    ``moved`` are later layers that only delete: their commands go to the end of it, too.
    """

    first: int
    last: int
    moved: tuple[int, ...] = ()

    def covers(self, cause: Cause) -> bool:
        """Whether the cause is fixed by this."""
        inside = self.first <= cause.makers[0] and cause.makers[-1] <= self.last
        return inside and (cause.removed_in <= self.last or cause.removed_in in self.moved)

    def others(self, context: Context) -> list[int]:
        """The layers whose instructions are needless then."""
        return [*context.runs(self.first + 1, self.last), *self.moved]

    def operations(self, context: Context) -> list[Operation]:
        """What to do with the Dockerfile."""
        found: list[Operation] = [*join_runs(context, self.first, self.last)]
        for layer in self.moved:
            command = collapsed(context.command(layer) or "")
            found.append(AppendCommand(layer=self.last, command=command))
            found.append(DropInstruction(layer=layer))
        return found


def join_runs(context: Context, first: int, last: int) -> Iterator[JoinRuns]:
    """Yield what makes the ``RUN``s of layers ``first`` to ``last`` one; nothing for one layer."""
    if last > first:
        yield JoinRuns(layer=first, others=tuple(context.runs(first + 1, last)))


def late_causes(context: Context) -> list[Cause]:
    """Return the causes of waste that a later deletion or replacement is."""
    return [cause for cause in find_causes(context.inventory) if cause.kind in RULES]


def find_spans(context: Context, causes: Iterable[Cause]) -> list[Span]:
    """Return the spans that fix ``causes``; those that have a layer in common are one."""
    spans: list[Span] = []
    for cause in sorted(causes, key=lambda cause: (cause.makers[0], cause.removed_in)):
        covered = any(span.covers(cause) for span in spans)
        span = None if covered else _span(context, cause)
        # What a deletion that moves away makes is not made by its instruction any more.
        if span is None or any(span.first in each.moved for each in spans):
            continue
        if spans and span.first <= spans[-1].last:
            # Where each of two can be one RUN, and they have one in common, all can.
            spans[-1] = Span(
                first=spans[-1].first,
                last=max(span.last, spans[-1].last),
                moved=tuple(sorted({*spans[-1].moved, *span.moved})),
            )
        else:
            spans.append(span)
    return spans


def _span(context: Context, cause: Cause) -> Span | None:
    first, removed_in = cause.makers[0], cause.removed_in
    if context.command(first) is None:
        return None
    if context.joinable(first, removed_in):
        return Span(first=first, last=removed_in)
    # What stands between may use what is deleted: all of that comes before the deletion.
    last = context.runs(first, removed_in - 1)[-1]
    if not context.joinable(first, last) or not _may_move(context, removed_in, last):
        return None
    return Span(first=first, last=last, moved=(removed_in,))


def _may_move(context: Context, removed_in: int, last: int) -> bool:
    """Whether a later instruction only deletes, and nothing that is made after ``last``."""
    command = context.command(removed_in)
    if command is None or not is_only_deletion(command):
        return False
    same = context.user(removed_in) == context.user(last)
    if not same or context.by_layer[removed_in].shell != context.by_layer[last].shell:
        return False
    found = calls(command)
    if not all(_is_the_same_anywhere(call) for call in found):
        return False
    if any(_needs_environment(call) for call in found) and _sets_environment(
        context, last, removed_in
    ):
        return False
    return not _removes_later(context, removed_in, last)


def _removes_later(context: Context, removed_in: int, last: int) -> bool:
    """Whether a layer removes, or writes again, anything that layers after ``last`` made.

    An empty file, a link or a directory, too: ``rm`` would not find it earlier, and it would stay.
    """
    rootfs = context.inventory.rootfs
    removed = set()
    for entry in rootfs.layers[removed_in].index.entries:
        folder, _, name = entry.path.rpartition("/")
        if name.startswith(WHITEOUT):
            hidden = name.removeprefix(WHITEOUT)
            # An opaque marker hides all of its directory, as if each of its files had a whiteout.
            removed.add(folder if name == OPAQUE else posixpath.join(folder, hidden))
        elif entry.kind != "directory":
            removed.add(entry.path)
    made = (
        entry.path
        for layer in rootfs.layers[last + 1 : removed_in]
        for entry in layer.index.entries
    )
    return any(not removed.isdisjoint(_above(path)) for path in made)


def _above(path: str) -> Iterator[str]:
    """Yield a path and all directories that it is in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _sets_environment(context: Context, last: int, removed_in: int) -> bool:
    """Whether anything between two layers sets a variable that a command may read."""
    layers = [step.layer for step in context.steps]
    between = context.steps[layers.index(last) : layers.index(removed_in)]
    return any(step.word in ("ENV", "ARG") for step in between)


def _needs_environment(call: Call) -> bool:
    """Whether what a command that deletes does depends on variables: its program's, or its own."""
    if call.program in _DELETERS:
        return any(word.startswith(("~", "$")) for word in call.words[1:])
    return call.manager not in OS_MANAGERS and call.program not in _SETTINGS


def _is_the_same_anywhere(call: Call) -> bool:
    """Whether a command that deletes names the same files in every working directory."""
    if call.program not in _DELETERS:
        return True
    words: Iterable[str] = call.words[1:]
    if call.program == "find":
        # Its paths come first; without any it is the working directory.
        options = ("-H", "-L", "-P")
        named = dropwhile(lambda word: word in options, words)
        words = list(takewhile(lambda word: not word.startswith(("-", "(", "!")), named))
        if not words or "-exec" in call.words:
            return False
    return all(
        word.startswith(_ABSOLUTE) and "$" not in word.removeprefix("$HOME/")
        for word in words
        if not word.startswith("-")
    )
