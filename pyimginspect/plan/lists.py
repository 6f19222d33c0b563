"""Lists of packages that one instruction fetches and a later one installs by."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pyimginspect.plan.context import Context
from pyimginspect.plan.operations import AppendCommand, InsertCommand
from pyimginspect.plan.runs import calls

__all__ = ["CLEAN", "UPDATE", "fetch_again", "only_fetches"]

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
    if not any(call.manager == "apt" and call.action == "update" for call in own):
        return
    for later in context.runs(layer + 1, len(context.inventory.image.layers) - 1):
        if later in dropped:
            continue
        actions = [c.action for c in calls(context.command(later) or "") if c.manager == "apt"]
        reads = next((each for each in actions if each in ("update", "install")), "")
        if reads == "install":
            yield InsertCommand(layer=later, after=(), command=UPDATE)
            yield AppendCommand(layer=later, command=CLEAN)
        elif reads == "update":
            return
