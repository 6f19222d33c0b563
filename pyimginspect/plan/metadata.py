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
_MOST_PATHS = 8
"""What an instruction goes on to change by name."""


def edits_of_metadata(context: Context) -> Iterator[Proposal]:
    """Propose owner and mode where files are made, for each layer that changes them later.

    The later instruction goes only if all that it does is done elsewhere; what costs nothing, as
    directories do and files that the same ``RUN`` makes, it goes on to change by name.
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
        # A second name is an entry of its own, a hard link to the path of the first one.
        links |= {e.path for e in made if e.kind == "hardlink" and e.target in paths}
    entries = layers[removed_in].index.entries
    return frozenset(
        (removed_in, n) for n, entry in enumerate(entries) if entry.stored and entry.path in links
    )


def _advice(context: Context, cause: Cause) -> Edit:
    # A package that is installed again has its files' times from the archive: no command set them.
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
    # COPY has no flag for extended attributes, and the base's instructions are in another file.
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
    files = {each.successor for here in wasted.values() for each in here}
    left = _left(context, change, operations, files)
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
        # Only root may give a file to somebody else (chown(2)).
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
        # A relative path is another one where the command runs in another directory.
        if not all(path.startswith("/") and path.strip("/") in made for path in paths_of(call)):
            return False
        if call.program == "chown" and not has_user(context, layer, subject):
            return False
    return True


def _left(
    context: Context,
    change: MetadataChange,
    operations: Iterable[Operation],
    files: Collection[int],
) -> str | None:
    """Return the command for all that none of ``operations`` gives its owner or mode.

    ``files`` are the entries that they do. Empty where nothing is left; ``None`` where it is too
    much to be named, or not there yet, or needed by the commands between, where the command stands.
    """
    paths: dict[str, list[str]] = {}
    made_here = False
    for command, path, new in _changed(context, change, operations, files):
        paths.setdefault(command, []).append(f"/{path}")
        made_here |= new
    if sum(map(len, paths.values())) > _MOST_PATHS:
        return None
    if paths and not _stands_well(context, change, made_here=made_here):
        return None
    return " && ".join(f"{command} {shlex.join(each)}" for command, each in paths.items())


def _stands_well(context: Context, change: MetadataChange, *, made_here: bool) -> bool:
    """Whether one command in the place of those of ``change`` finds what they change.

    They must follow each other, and what the same ``RUN`` makes must be made before them.
    """
    going = {call.words for call in change.commands}
    found = [c.words in going for c in calls(collapsed(context.command(change.layer) or ""))]
    first, count = found.index(True), sum(found)
    return all(found[first : first + count]) and not (made_here and first + count < len(found))


def _changed(
    context: Context,
    change: MetadataChange,
    operations: Iterable[Operation],
    files: Collection[int],
) -> Iterator[tuple[str, str, bool]]:
    """Yield what is left to change: the command, the path, and whether the same ``RUN`` makes it.

    That are directories, empty files, and whatever else is none of ``files``.
    """
    entries = context.inventory.rootfs.layers[change.layer].index.entries
    changed = {
        entry.path: entry
        for position, entry in enumerate(entries)
        # chown and chmod follow symbolic links: a link itself keeps what it has.
        if entry.kind in ("directory", "file") and position not in files
    }
    before, made = _before(context, change.layer, changed)
    owned, moded = _done(operations, "--chown"), _done(operations, "--chmod")
    names = {*change.owners}
    for path, new in sorted(changed.items()):
        old, maker = before.get(path), made.get(path)
        if maker not in owned and _gets_owner(change, old, new):
            # Where commands name several owners, the numbers say which of them this path got.
            owner = next(iter(names)) if len(names) == 1 else f"{new.uid}:{new.gid}"
            yield f"chown {owner}", path, old is None
        if maker not in moded and _gets_mode(change, old, new):
            yield f"chmod {new.mode:o}", path, old is None


def _before(
    context: Context, layer: int, paths: Collection[str]
) -> tuple[dict[str, Entry], dict[str, int]]:
    """Return what lower layers have at some paths, and the layers that give it its owner.

    ``COPY`` gives a directory that is there already no other owner: that is the first one's.
    """
    before: dict[str, Entry] = {}
    made: dict[str, int] = {}
    for below in context.inventory.rootfs.layers[:layer]:
        for entry in below.index.entries:
            if entry.path in paths:
                first = made.get(entry.path) if entry.kind == "directory" else None
                before[entry.path] = entry
                made[entry.path] = below.number if first is None else first
    return before, made


def _done(operations: Iterable[Operation], flag: str) -> set[int]:
    """Return the layers whose instructions give all that they make what ``flag`` is for."""
    return {
        each.layer
        for each in operations
        if isinstance(each, AppendCommand)
        or (isinstance(each, AddFlag) and each.flag.startswith(flag))
    }


def _gets_owner(change: MetadataChange, old: Entry | None, new: Entry) -> bool:
    """Whether ``chown`` gives a file its owner; ``old`` is what is there before, if anything."""
    if not change.reaches(new.path, "chown"):
        return False
    # What is not there before is made as root's, by COPY and by a RUN that may use chown.
    return (new.uid, new.gid) != ((old.uid, old.gid) if old is not None else (0, 0))


def _gets_mode(change: MetadataChange, old: Entry | None, new: Entry) -> bool:
    """Whether ``chmod`` gives a file its mode, as :func:`_gets_owner`."""
    return change.reaches(new.path, "chmod") and (old is None or old.mode != new.mode)
