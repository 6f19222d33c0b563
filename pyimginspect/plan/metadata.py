"""Edits that give files their owner and mode as they are made: ``--chown``, ``--chmod``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.model import Entry
from pyimginspect.plan import commands
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.records import Edit
from pyimginspect.plan.waste_edits import merged_runs

__all__ = ["edits_of_metadata"]

_CHOWN = re.compile(r"chown\s+(?:-\S+\s+)*([\w.-]+(?::[\w.-]*)?)\s+\S.*")
_CHMOD = re.compile(r"chmod\s+(?:-\S+\s+)*[\w+=,-]+\s+\S.*")
_RULES = ("rewritten-metadata",)


def edits_of_metadata(context: Context) -> Iterator[Proposal]:
    """Propose owner and mode where files are made, for each layer that changes them later.

    The later instruction goes only if all that it does is done elsewhere.
    """
    merged = merged_runs(context)
    by_remover: dict[int, list[Cause]] = {}
    for cause in find_causes(context.inventory):
        inside = any(a <= cause.makers[0] and cause.removed_in <= b for a, b in merged)
        if cause.kind == "rewritten" and cause.freed.size >= LEAST and not inside:
            by_remover.setdefault(cause.removed_in, []).append(cause)
    for removed_in, causes in sorted(by_remover.items()):
        edits = [_edit(context, cause) for cause in causes]
        complete = all(edits) and _does_nothing_else(context, removed_in, causes)
        for cause, edit in zip(causes, edits, strict=True):
            yield Proposal(
                edit if edit is not None and complete else _advice(context, cause),
                cause.freed.contents,
            )


def _advice(context: Context, cause: Cause) -> Edit:
    if cause.changes <= {"time"}:
        words = f"bring these files once: layer {cause.removed_in} installs them again as they were"
        if cause.makers[0] < context.base:
            words = "start from a newer base image, or upgrade its packages in its own build"
    else:
        words = "change owner and mode where the files are made, or leave them as they are"
    return context.edit("advice", cause.removed_in, words, rules=_RULES)


def _does_nothing_else(context: Context, removed_in: int, causes: Sequence[Cause]) -> bool:
    """Whether a layer stores nothing but files whose metadata is changed elsewhere now."""
    changed = {wasted.successor for cause in causes for wasted in cause.wasted_files}
    entries = context.inventory.rootfs.layers[removed_in].index.entries
    return all(n in changed for n, entry in enumerate(entries) if entry.stored)


def _edit(context: Context, cause: Cause) -> Edit | None:
    """Return the edit of the one instruction that made the files, if that can do it."""
    command = commands.collapse(context.command(cause.removed_in) or "")
    parts = [part for _, part in commands.split(command)]
    plain = parts and all(_CHOWN.fullmatch(part) or _CHMOD.fullmatch(part) for part in parts)
    if not plain or len(cause.makers) > 1 or cause.makers[0] < context.base:
        return None
    layer, removed_in = cause.makers[0], cause.removed_in
    maker = context.by_layer.get(layer)
    if maker is None or not cause.changes <= {"owner", "mode"}:
        return None
    if maker.word == "RUN":
        if not commands.is_simple(maker.text):
            return None
        words = f"{parts[0].split()[0]} in the RUN that makes the files, not in layer {removed_in}"
        return context.edit(
            "owner", layer, words, command=command, rules=_RULES, others=[removed_in]
        )
    options = _options(context, cause, parts) if maker.word in ("COPY", "ADD") else ""
    if not options:
        return None
    what = " and ".join(change for change in ("owner", "mode") if change in cause.changes)
    words = f"give the files their {what} as they are copied, not in layer {removed_in}"
    return context.edit("owner", layer, words, command=options, rules=_RULES, others=[removed_in])


def _options(context: Context, cause: Cause, parts: Sequence[str]) -> str:
    """Return the options of ``COPY`` that do the same, if it brings these files and no others."""
    layers = context.inventory.rootfs.layers
    made = layers[cause.makers[0]].index.entries
    changed = {wasted.position for wasted in cause.wasted_files}
    if any(n not in changed for n, entry in enumerate(made) if entry.stored):
        return ""
    new = [
        layers[cause.removed_in].index.entries[wasted.successor] for wasted in cause.wasted_files
    ]
    options = []
    if "owner" in cause.changes:
        named = next((match[1] for part in parts if (match := _CHOWN.fullmatch(part))), None)
        if named is None:
            return ""
        options.append(f"--chown={named}")
    if "mode" in cause.changes:
        modes = {entry.mode for entry in new}
        if len(modes) > 1 or not _fits_directories(context, cause, made, min(modes)):
            return ""
        options.append(f"--chmod={min(modes):o}")
    return " ".join(options)


def _fits_directories(context: Context, cause: Cause, made: Sequence[Entry], mode: int) -> bool:
    """Whether directories that the ``COPY`` makes may have the mode of its files.

    ``--chmod`` gives it to both, and without the right to search nobody gets into a directory.
    """
    if mode & 0o111 == 0o111 or sum(entry.kind != "directory" for entry in made) == 1:
        return True  # the directories above a single file are made as they ever were
    below = _directories(
        entry
        for layer in context.inventory.rootfs.layers[: cause.makers[0]]
        for entry in layer.index.entries
    )
    return _directories(made) <= below


def _directories(entries: Iterable[Entry]) -> set[str]:
    """Return the directories that entries are, or are in."""
    found: set[str] = set()
    for entry in entries:
        path = entry.path if entry.kind == "directory" else entry.path.rpartition("/")[0]
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found
