"""Lists of packages that one instruction fetches and a later one installs by."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from pyimginspect.plan.context import Context
from pyimginspect.plan.operations import AppendCommand, InsertCommand
from pyimginspect.plan.runs import Call, calls, is_read, tokens

__all__ = [
    "CLEAN",
    "UPDATE",
    "clean",
    "fetch_again",
    "may_be_read",
    "needless_fetches",
    "only_fetches",
]

UPDATE = "apt-get update"
CLEAN = "rm -rf /var/lib/apt/lists/*"
"""What deletes apt's lists (docs.docker.com/build/building/best-practices)."""

# The verbs of apt(8), apt-get(8) and apt-cache(8) whose answer comes from the lists.
_READING = frozenset(
    {"install", "reinstall", "upgrade", "dist-upgrade", "full-upgrade", "build-dep"}
) | {"satisfy", "source", "download", "search", "show", "policy", "list"}
# Programs that read the lists, whether `sudo` or `xargs` calls them or the shell.
_PROGRAMS = frozenset({"apt", "apt-get", "apt-cache", "aptitude", "gdebi", "apt-file"})


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
                yield from _fetched_and_deleted(context, later)


def clean(
    context: Context, layer: int, dropped: Collection[int] = ()
) -> Iterator[InsertCommand | AppendCommand]:
    """Yield what deletes apt's lists in a layer, and fetches them again where they are read next.

    ``dropped`` layers install nothing any more.
    """
    yield AppendCommand(layer=layer, command=CLEAN)
    for later in _readers(context, layer):
        if later not in dropped:
            yield from _fetched_and_deleted(context, later)


def _fetched_and_deleted(context: Context, layer: int) -> Iterator[InsertCommand | AppendCommand]:
    """Yield what fetches lists before a ``RUN`` installs, and deletes them after it."""
    as_root = "sudo " if context.user(layer) else ""  # by which it installs, too
    yield InsertCommand(layer=layer, after=(), command=as_root + UPDATE)
    yield AppendCommand(layer=layer, command=as_root + CLEAN)


def needless_fetches(context: Context, dropped: Collection[int]) -> Iterator[int]:
    """Yield the layers that do nothing but fetch lists by which only ``dropped`` layers install."""
    for layer in context.runs(context.base):
        readers = [*_readers(context, layer)]
        if (
            readers
            and {*dropped}.issuperset(readers)
            and only_fetches(context.command(layer) or "")
            and not may_be_read(context, layer)
        ):
            yield layer


def _readers(context: Context, layer: int) -> Iterator[int]:
    """Yield the later layers that install by the lists that are there after ``layer``."""
    for later in context.runs(layer + 1):
        text = context.command(later) or ""
        # Nothing can be added to what cannot be read: then no edit that needs it is applied.
        if not (is_read(text) or _PROGRAMS.isdisjoint(tokens(text))):
            yield later
            continue
        uses = map(_use_of, calls(text))
        # The first use decides: after an update of its own a RUN reads no older lists.
        reads = next((each for each in uses if each), "")
        if reads == "read":
            yield later
        # From here on the lists are others, whoever reads them.
        elif reads == "update":
            return


def may_be_read(context: Context, layer: int) -> bool:
    """Whether a later script, whose commands are not known, may install by the lists of a layer."""
    for later in context.runs(layer + 1):
        text = context.command(later) or ""
        found = calls(text)
        if not is_read(text) or any(map(_is_script, found)):
            return True
        if any(_use_of(call) == "update" for call in found):
            return False
    return False


def _use_of(call: Call) -> Literal["update", "read", ""]:
    """Return what a command does with apt's lists (apt-get(8), apt-cache(8)).

    ``apt-get upgrade`` upgrades nothing without any, and says nothing of it.
    """
    if call.manager == "apt" and call.action:
        if call.action == "update":
            return "update"
        return "read" if call.action in _READING else ""
    names = {word.rpartition("/")[2] for word in call.words}
    return "" if names.isdisjoint(_PROGRAMS) else "read"


def _is_script(call: Call) -> bool:
    shell = call.program in ("sh", "bash", "dash", "ash") and "-c" not in call.words
    return shell or call.program.endswith(".sh") or call.words[:1] == (f"./{call.program}",)
