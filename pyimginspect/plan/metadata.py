"""Edits that give files their owner and mode as they are made: ``--chown``, ``--chmod``."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.wasted_files import WastedContent
from pyimginspect.model import Entry
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.operations import (
    AddFlag,
    AppendCommand,
    DropCommand,
    DropInstruction,
    Operation,
    ReplaceCommand,
    ReplaceInstructions,
)
from pyimginspect.plan.ownership import (
    MetadataChange,
    change_of,
    copy_flags,
    has_user,
    paths_of,
)
from pyimginspect.plan.records import Edit
from pyimginspect.plan.runs import calls, collapsed, is_sequence
from pyimginspect.plan.spans import find_spans, late_causes

__all__ = ["edits_of_metadata"]

_RULES = ("rewritten-metadata",)
_MOST_DIRECTORIES = 8


def edits_of_metadata(context: Context) -> Iterator[Proposal]:
    """Propose owner and mode where files are made, for each layer that changes them later.

    The later instruction goes only if all that it does is done elsewhere; directories, which cost
    no bytes, it goes on to change by name.
    """
    spans = find_spans(context, late_causes(context))
    by_layer: dict[int, list[Cause]] = {}
    for cause in find_causes(context.inventory):
        if cause.kind != "rewritten" or cause.freed.size < LEAST:
            continue
        if not any(
            span.first <= cause.makers[0] <= cause.removed_in <= span.last for span in spans
        ):
            by_layer.setdefault(cause.removed_in, []).append(cause)
    for removed_in, causes in sorted(by_layer.items()):
        edit = _edit(context, removed_in, causes)
        if edit is None:
            for cause in causes:
                yield Proposal(_advice(context, cause), cause.freed.contents)
        else:
            contents = frozenset(each for cause in causes for each in cause.freed.contents)
            yield Proposal(edit, contents | _torn_apart(context, removed_in, contents))


def _torn_apart(
    context: Context, removed_in: int, contents: frozenset[Content]
) -> frozenset[Content]:
    """Return what ``removed_in`` stores once more for each further name of a hard-linked file.

    A storage driver copies a file up by name: of two names two files come to be. Where the first
    layer makes the files as they are to be, they stay one.
    """
    layers = context.inventory.rootfs.layers
    links: set[str] = set()
    for number in {layer for layer, _ in contents}:
        made = layers[number].index.entries
        paths = {made[position].path for layer, position in contents if layer == number}
        links |= {e.path for e in made if e.kind == "hardlink" and e.target in paths}
    entries = layers[removed_in].index.entries
    return frozenset(
        (removed_in, n) for n, entry in enumerate(entries) if entry.stored and entry.path in links
    )


def _advice(context: Context, cause: Cause) -> Edit:
    if cause.changes <= {"time"}:
        words = f"bring these files once: layer {cause.removed_in} installs them again as they were"
        if cause.makers[0] < context.base:
            words = "start from a newer base image, or upgrade its packages in its own build"
    else:
        words = "change owner and mode where the files are made, or leave them as they are"
    return context.edit("advice", cause.removed_in, words, rules=_RULES)


def _edit(context: Context, removed_in: int, causes: Sequence[Cause]) -> Edit | None:
    """Return the edit of the instructions that made the files, if they can do it all."""
    change = change_of(context, removed_in)
    kinds = frozenset(kind for cause in causes for kind in cause.changes)
    wasted = _by_maker(causes)
    if not change.commands or not kinds <= {"owner", "mode"} or min(wasted) < context.base:
        return None
    operations = _operations(context, change, wasted)
    if operations is None:
        return None
    flags = [each.flag for each in operations if isinstance(each, AddFlag)]
    what = " and ".join(kind for kind in ("owner", "mode") if kind in kinds)
    words = f"give the files their {what} as they are copied, not in layer {removed_in}"
    if not flags:
        program = change.commands[0].program
        words = f"{program} in the RUN that makes the files, not in layer {removed_in}"
    return context.edit(
        "owner",
        min(wasted),
        words,
        command=" ".join(dict.fromkeys(flags)) or _joined(change),
        rules=_RULES,
        others=[*list(wasted)[1:], removed_in],
        operations=operations,
        level="safe",
    )


def _by_maker(causes: Iterable[Cause]) -> dict[int, list[WastedContent]]:
    """Return the wasted files of causes by the layer that made them, the lowest first."""
    files = [content for cause in causes for content in cause.wasted_files]
    files.sort(key=lambda content: content.layer)
    return {layer: [*here] for layer, here in groupby(files, key=lambda content: content.layer)}


def _joined(change: MetadataChange) -> str:
    return " && ".join(call.text for call in change.commands)


def _operations(
    context: Context, change: MetadataChange, wasted: Mapping[int, Sequence[WastedContent]]
) -> list[Operation] | None:
    """Return what lets other instructions do all that ``change`` does, ``None`` if they cannot."""
    if not all(change.reaches(each.path) for here in wasted.values() for each in here):
        return None
    operations: list[Operation] = []
    for layer, here in wasted.items():
        found = _made_so(context, layer, change, here)
        if not found:
            return None
        operations += found
    left = _directories_left(context, change, operations)
    if left is None:
        return None
    return [*operations, *_without(context, change, left)]


def _without(context: Context, change: MetadataChange, left: str) -> Iterator[Operation]:
    """Yield what takes ``change`` out of the instruction, and puts ``left`` in its place."""
    layer = change.layer
    going = [each.words for each in change.commands]
    others = [
        call
        for call in calls(collapsed(context.command(layer) or ""))
        if call.words not in going and call.program != "set"
    ]
    if not others:
        if left:
            yield ReplaceInstructions(layers=(layer,), lines=(f"RUN {left}",))
        else:
            yield DropInstruction(layer=layer)
        return
    for number, words in enumerate(going):
        if number == 0 and left:
            yield ReplaceCommand(layer=layer, words=words, command=left)
        else:
            yield DropCommand(layer=layer, words=words)


def _made_so(
    context: Context, layer: int, change: MetadataChange, wasted: Sequence[WastedContent]
) -> list[Operation]:
    """Return what lets the instruction of ``layer`` make its files as ``change`` does, or none."""
    step = context.by_layer.get(layer)
    if step is None:
        return []
    if step.word == "RUN":
        if not is_sequence(step.text) or context.user(layer):
            return []
        if not _known(context, layer, change):
            return []
        return [AppendCommand(layer=layer, command=_joined(change))]
    if step.word not in ("COPY", "ADD"):
        return []
    return [AddFlag(layer=layer, flag=flag) for flag in copy_flags(context, layer, change, wasted)]


def _known(context: Context, layer: int, change: MetadataChange) -> bool:
    """Whether all that commands name, user and paths, is there after ``layer``."""
    made = {
        place
        for below in context.inventory.rootfs.layers[: layer + 1]
        for entry in below.index.entries
        for place in (entry.path, entry.path.rpartition("/")[0])
    }
    for call in change.commands:
        subject = next(word for word in call.words[1:] if not word.startswith("-"))
        if not all(path.strip("/") in made for path in paths_of(call) if path.startswith("/")):
            return False
        if call.program == "chown" and not has_user(context, layer, subject):
            return False
    return True


def _directories_left(
    context: Context, change: MetadataChange, operations: Iterable[Operation]
) -> str | None:
    """Return the command for the directories whose owner or mode none of ``operations`` gives.

    Empty where there are none, ``None`` where they are too many to be named.
    """
    done = {each.layer for each in operations if isinstance(each, AddFlag | AppendCommand)}
    paths: dict[str, list[str]] = {}
    for command, path in _changed_directories(context, change, done):
        paths.setdefault(command, []).append(f"/{path}")
    if sum(map(len, paths.values())) > _MOST_DIRECTORIES:
        return None
    return " && ".join(f"{command} {shlex.join(each)}" for command, each in paths.items())


def _changed_directories(
    context: Context, change: MetadataChange, done: Collection[int]
) -> Iterator[tuple[str, str]]:
    """Yield the commands that change directories, and these; those of ``done`` layers apart."""
    layers = context.inventory.rootfs.layers
    changed = {e.path: e for e in layers[change.layer].index.entries if e.kind == "directory"}
    before: dict[str, Entry] = {}
    made: dict[str, int] = {}  # COPY gives a directory that is there already no other owner
    for layer in layers[: change.layer]:
        for entry in layer.index.entries:
            if entry.path in changed:
                before[entry.path] = entry
                made.setdefault(entry.path, layer.number)
    owner = next(iter(change.owners), "")
    for path, new in sorted(changed.items()):
        old = before.get(path)
        if old is None or made[path] in done:
            continue
        if (old.uid, old.gid) != (new.uid, new.gid):
            yield f"chown {owner or f'{new.uid}:{new.gid}'}", path
        if old.mode != new.mode:
            yield f"chmod {new.mode:o}", path
