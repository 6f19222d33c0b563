"""Runs of instructions that should be one ``RUN``: what one of them makes, a later one deletes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.plan.context import Context
from pyimginspect.plan.operations import AppendCommand, DropInstruction, JoinRuns, Operation
from pyimginspect.plan.runs import calls, collapsed, is_only_deletion

__all__ = ["RULES", "Span", "find_spans", "join_runs", "late_causes"]

RULES = {"deleted": "deleted-but-shipped", "replaced": "overwritten-files"}
"""The rule by the kind of cause."""


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
        if any(span.covers(cause) for span in spans):
            continue
        span = _span(context, cause)
        if span is None:
            continue
        if spans and span.first <= spans[-1].last:
            joined = Span(
                first=spans[-1].first,
                last=max(span.last, spans[-1].last),
                moved=tuple(sorted({*spans[-1].moved, *span.moved})),
            )
            if not context.joinable(joined.first, joined.last):
                continue
            spans[-1] = joined
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
    if context.user(removed_in) != context.user(last):
        return False
    words = [word for call in calls(command) if call.program == "rm" for word in call.words[1:]]
    if not all(word.startswith(("-", "/", "~/", "$HOME/")) for word in words):
        return False
    return not any(
        removal.removed_in == removed_in and removal.layer > last
        for removal in context.inventory.rootfs.removals
    )
