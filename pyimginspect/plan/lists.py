"""Lists of packages that one instruction fetches and a later one installs by."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pyimginspect.plan.context import Context
from pyimginspect.plan.operations import AppendCommand, InsertCommand
from pyimginspect.plan.runs import calls

__all__ = ["CLEAN", "UPDATE", "clean", "fetch_again", "needless_fetches", "only_fetches"]

UPDATE = "apt-get update"
CLEAN = "rm -rf /var/lib/apt/lists/*"
"""What deletes apt's lists (docs.docker.com/build/building/best-practices)."""


def only_fetches(text: str) -> bool:
    """Whether a command does nothing but fetch apt's lists."""
    found = calls(text)
    return bool(found) and all(
        (call.manager == "apt" and call.action == "update") or call.program == "set"
        for call in found
    )


def fetch_again(
    context: Context, layer: int, dropped: Collection[int] = ()
) -> Iterator[InsertCommand | AppendCommand]:
    """Yield what fetches apt's lists where they are read next, if those of ``layer`` do not stay.

    The instructions of ``dropped`` layers do not stay either. Nothing is needed where the next
    installation fetches them itself, or where those of ``layer`` were not fetched there. What
    fetches them deletes them, too.
    """
    own = calls(context.command(layer) or "")
    if any(call.manager == "apt" and call.action == "update" for call in own):
        for later in _readers(context, layer):
            if later not in dropped:
                yield InsertCommand(layer=later, after=(), command=UPDATE)
                yield AppendCommand(layer=later, command=CLEAN)


def clean(
    context: Context, layer: int, dropped: Collection[int] = ()
) -> Iterator[InsertCommand | AppendCommand]:
    """Yield what deletes apt's lists in a layer, and fetches them again where they are read next.

    ``dropped`` layers install nothing any more.
    """
    yield AppendCommand(layer=layer, command=CLEAN)
    for later in _readers(context, layer):
        if later not in dropped:
            yield InsertCommand(layer=later, after=(), command=UPDATE)
            yield AppendCommand(layer=later, command=CLEAN)


def needless_fetches(context: Context, dropped: Collection[int]) -> Iterator[int]:
    """Yield the layers that do nothing but fetch lists by which only ``dropped`` layers install."""
    for layer in context.runs(context.base):
        readers = [*_readers(context, layer)] if layer not in dropped else []
        if (
            readers
            and {*dropped}.issuperset(readers)
            and only_fetches(context.command(layer) or "")
        ):
            yield layer


def _readers(context: Context, layer: int) -> Iterator[int]:
    """Yield the later layers that install by the lists that are there after ``layer``."""
    for later in context.runs(layer + 1):
        actions = [c.action for c in calls(context.command(later) or "") if c.manager == "apt"]
        reads = next((each for each in actions if each in ("update", "install")), "")
        if reads == "install":
            yield later
        elif reads == "update":
            return
