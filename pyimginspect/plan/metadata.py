"""Edits that give files their owner and mode as they are made: ``--chown``, ``--chmod``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

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
from pyimginspect.plan.records import Edit
from pyimginspect.plan.runs import Call, calls, collapsed, is_sequence
from pyimginspect.plan.spans import find_spans, late_causes

__all__ = ["edits_of_metadata"]

_CHOWN = re.compile(r"chown\s+(?:-\S+\s+)*([\w.-]+(?::[\w.-]*)?)\s+\S.*")
_CHMOD = re.compile(r"chmod\s+(?:-\S+\s+)*[\w+=,-]+\s+\S.*")
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
    changing = _changing(context, removed_in)
    changed = frozenset(change for cause in causes for change in cause.changes)
    wasted: dict[int, list[WastedContent]] = {}
    for cause in causes:
        for content in cause.wasted_files:
            wasted.setdefault(content.layer, []).append(content)
    if not changing or not changed <= {"owner", "mode"} or min(wasted) < context.base:
        return None
    if not all(_reaches(context, changing, each) for here in wasted.values() for each in here):
        return None
    operations: list[Operation] = []
    for layer, here in sorted(wasted.items()):
        found = _made_so(context, layer, removed_in, here, changing)
        if found is None:
            return None
        operations += found
    left = _directories_left(context, removed_in, operations, changing)
    if left is None:
        return None
    operations += _without(context, removed_in, changing, left)
    flags = [each.flag for each in operations if isinstance(each, AddFlag)]
    what = " and ".join(change for change in ("owner", "mode") if change in changed)
    words = f"give the files their {what} as they are copied, not in layer {removed_in}"
    if not flags:
        words = f"{changing[0].program} in the RUN that makes the files, not in layer {removed_in}"
    return context.edit(
        "owner",
        min(wasted),
        words,
        command=" ".join(dict.fromkeys(flags)) or " && ".join(call.text for call in changing),
        rules=_RULES,
        others=[*sorted(wasted)[1:], removed_in],
        operations=operations,
        level="safe",
    )


def _changing(context: Context, layer: int) -> list[Call]:
    """Return the commands of a layer that give files another owner or mode; none if in doubt."""
    found = [
        call
        for call in calls(collapsed(context.command(layer) or ""))
        if call.program in ("chown", "chmod", "chgrp")
    ]
    plain = all(
        call.command.always and (_CHOWN.fullmatch(call.text) or _CHMOD.fullmatch(call.text))
        for call in found
    )
    return found if plain else []


def _reaches(context: Context, changing: Sequence[Call], content: WastedContent) -> bool:
    """Whether one of the commands names the file, or a directory above it."""
    path = f"/{content.path}/"
    for call in changing:
        for word in _paths(call):
            place = word.rstrip("/*") if word.startswith("/") else ""
            if path.startswith(f"{place}/"):
                return True
    return False


def _paths(call: Call) -> list[str]:
    return [word for word in call.words[1:] if not word.startswith("-")][1:]


def _without(
    context: Context, layer: int, changing: Sequence[Call], left: str
) -> Iterator[Operation]:
    """Yield what takes ``changing`` out of the instruction, and puts ``left`` in their place."""
    others = [
        call
        for call in calls(collapsed(context.command(layer) or ""))
        if call.words not in [each.words for each in changing] and call.program != "set"
    ]
    if not others:
        if left:
            yield ReplaceInstructions(layers=(layer,), lines=(f"RUN {left}",))
        else:
            yield DropInstruction(layer=layer)
        return
    for number, call in enumerate(changing):
        if number == 0 and left:
            yield ReplaceCommand(layer=layer, words=call.words, command=left)
        else:
            yield DropCommand(layer=layer, words=call.words)


def _made_so(
    context: Context,
    layer: int,
    removed_in: int,
    wasted: Sequence[WastedContent],
    changing: Sequence[Call],
) -> list[Operation] | None:
    """Return what lets the instruction of ``layer`` make its files as ``removed_in`` does."""
    step = context.by_layer.get(layer)
    if step is None:
        return None
    if step.word == "RUN":
        if not is_sequence(step.text) or context.user(layer):
            return None
        if not _known(context, layer, changing):
            return None
        command = " && ".join(call.text for call in changing)
        return [AppendCommand(layer=layer, command=command)]
    if step.word not in ("COPY", "ADD"):
        return None
    flags = _options(context, layer, removed_in, wasted, changing)
    return [AddFlag(layer=layer, flag=flag) for flag in flags] or None


def _known(context: Context, layer: int, changing: Sequence[Call]) -> bool:
    """Whether all that commands name, user and paths, is there after ``layer``."""
    made = {
        place
        for below in context.inventory.rootfs.layers[: layer + 1]
        for entry in below.index.entries
        for place in (entry.path, entry.path.rpartition("/")[0])
    }
    for call in changing:
        subject = next(word for word in call.words[1:] if not word.startswith("-"))
        if not all(path.strip("/") in made for path in _paths(call) if path.startswith("/")):
            return False
        if call.program == "chown" and not _has_user(context, layer, subject):
            return False
    return True


def _has_user(context: Context, layer: int, owner: str) -> bool:
    """Whether user and group of ``owner`` are numbers, or known after ``layer``."""
    user, _, group = owner.partition(":")
    return all(
        not name or name.isdecimal() or _listed(context, layer, path, name)
        for path, name in (("etc/passwd", user), ("etc/group", group))
    )


def _listed(context: Context, layer: int, path: str, name: str) -> bool:
    """Whether a table of users or groups, as it is after ``layer``, has a name."""
    text = b""
    for below in context.inventory.rootfs.layers[: layer + 1]:
        entries = below.index.entries
        texts = (t for at, t in below.index.texts.items() if entries[at].path == path)
        text = next(texts, text)
    return any(line.startswith(f"{name}:".encode()) for line in text.split(b"\n"))


def _directories_left(
    context: Context, removed_in: int, operations: Iterable[Operation], changing: Sequence[Call]
) -> str | None:
    """Return the command for the directories whose owner or mode none of ``operations`` gives.

    Empty where there are none, ``None`` where they are too many to be named.
    """
    layers = context.inventory.rootfs.layers
    done = {each.layer for each in operations if isinstance(each, AddFlag | AppendCommand)}
    entries = {e.path: e for e in layers[removed_in].index.entries if e.kind == "directory"}
    before: dict[str, Entry] = {}
    made: dict[str, int] = {}  # COPY gives a directory that is there already no other owner
    for layer in layers[:removed_in]:
        for entry in layer.index.entries:
            if entry.path in entries:
                before[entry.path] = entry
                made.setdefault(entry.path, layer.number)
    changes: dict[str, list[str]] = {}
    for path, new in sorted(entries.items()):
        old = before.get(path)
        if old is None or made[path] in done:
            continue
        if (old.uid, old.gid) != (new.uid, new.gid):
            names = (_CHOWN.fullmatch(call.text) for call in changing)
            named = next((match[1] for match in names if match), "")
            owner = named or f"{new.uid}:{new.gid}"
            changes.setdefault(f"chown {owner}", []).append(f"/{path}")
        if old.mode != new.mode:
            changes.setdefault(f"chmod {new.mode:o}", []).append(f"/{path}")
    if sum(map(len, changes.values())) > _MOST_DIRECTORIES:
        return None
    return " && ".join(f"{verb} {shlex.join(paths)}" for verb, paths in changes.items())


def _options(
    context: Context,
    layer: int,
    removed_in: int,
    wasted: Sequence[WastedContent],
    changing: Sequence[Call],
) -> list[str]:
    """Return the options of ``COPY`` that do the same, if it brings these files and no others."""
    layers = context.inventory.rootfs.layers
    made = layers[layer].index.entries
    positions = {content.position for content in wasted}
    if any(n not in positions for n, entry in enumerate(made) if entry.stored):
        return []
    after = layers[removed_in].index.entries
    pairs = [(made[content.position], after[content.successor]) for content in wasted]
    options = []
    owners = {(new.uid, new.gid) for _, new in pairs}
    if any((old.uid, old.gid) != (new.uid, new.gid) for old, new in pairs):
        if len(owners) > 1:
            return []
        named = {match[1] for call in changing if (match := _CHOWN.fullmatch(call.text))}
        name = next(iter(named), "") if len(named) == 1 else ""
        user, _, group = name.partition(":")
        # Without a group COPY takes the user's number for that, too; chown leaves it alone.
        known = user and group and _has_user(context, layer, name)
        uid, gid = min(owners)
        options.append(f"--chown={name if known else f'{uid}:{gid}'}")
    if any(old.mode != new.mode for old, new in pairs):
        modes = {new.mode for _, new in pairs}
        if len(modes) > 1 or not _fits_directories(context, layer, made, min(modes)):
            return []
        options.append(f"--chmod={min(modes):o}")
    return options


def _fits_directories(context: Context, layer: int, made: Sequence[Entry], mode: int) -> bool:
    """Whether directories that the ``COPY`` makes may have the mode of its files.

    ``--chmod`` gives it to both, and without the right to search nobody gets into a directory.
    """
    if mode & 0o111 == 0o111 or sum(entry.kind != "directory" for entry in made) == 1:
        return True  # the directories above a single file are made as they ever were
    known = _directories(
        entry for below in context.inventory.rootfs.layers[:layer] for entry in below.index.entries
    )
    return _directories(made) <= known


def _directories(entries: Iterable[Entry]) -> set[str]:
    """Return the directories that entries are, or are in."""
    found: set[str] = set()
    for entry in entries:
        path = entry.path if entry.kind == "directory" else entry.path.rpartition("/")[0]
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found
