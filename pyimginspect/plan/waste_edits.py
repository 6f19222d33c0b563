"""Edits that store nothing which no container sees: late deletions, second copies."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.differences import changed_directories, differing_paths
from pyimginspect.inventory.derived.owners import Owner
from pyimginspect.inventory.derived.wasted_files import places_of
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.installed_twice import edits_of_replaced
from pyimginspect.plan.mounts import edits_of_deleted_copies
from pyimginspect.plan.operations import (
    DropCommand,
    DropInstruction,
    NarrowCopy,
    Operation,
    ReplaceCommand,
)
from pyimginspect.plan.removed import edits_of_removed
from pyimginspect.plan.runs import collapsed
from pyimginspect.plan.spans import RULES, Span, find_spans, late_causes

__all__ = ["edits_of_deleted", "edits_of_overwritten"]

_MOST_NAMES = 3
_MOST_PLACES = 8


def edits_of_deleted(context: Context) -> Iterator[Proposal]:
    """Propose to delete or replace where files are made, for each layer that does it too late.

    Where nothing but plain commands stand between, one ``RUN`` in place of several is the edit.
    """
    mended, removed = edits_of_removed(context)
    left = [cause for cause in late_causes(context) if cause not in mended]
    others = [*removed, *edits_of_deleted_copies(context, left)]
    yield from others
    spans = _spans_beside(context, left, others)
    apart = [cause for cause in left if not any(span.covers(cause) for span in spans)]
    yield from edits_of_replaced(context, apart)
    joined: dict[int, list[Cause]] = {}
    for cause in left:
        number = next((n for n, span in enumerate(spans) if span.covers(cause)), None)
        if number is not None:
            joined.setdefault(number, []).append(cause)
        else:
            yield _late(context, cause)
    for number, causes in sorted(joined.items()):
        yield _joined(context, spans[number], causes)


def _spans_beside(
    context: Context, causes: Iterable[Cause], others: Iterable[Proposal]
) -> list[Span]:
    """Return the spans that fix ``causes``, but for what ``others`` change of a deletion.

    Moved as it was, it would delete what is not there any more.
    """
    changed = {
        operation.layer
        for each in others
        for operation in each.edit.operations
        if isinstance(operation, DropCommand | ReplaceCommand)
    }
    return [span for span in find_spans(context, causes) if changed.isdisjoint(span.moved)]


def _late(context: Context, cause: Cause) -> Proposal:
    edit = context.edit(
        "advice",
        cause.makers[0],
        _late_words(cause),
        rules=(RULES[cause.kind],),
        others=[cause.removed_in],
    )
    return Proposal(edit, cause.freed.contents)


def _joined(context: Context, span: Span, causes: list[Cause]) -> Proposal:
    others = span.others(context)
    where = f"layers {span.first} to {span.last}" if span.last > span.first else ""
    words = f"{_joined_words(causes)} in one RUN ({where}), not one after another"
    if span.moved:
        place = f"({where})" if where else f"of layer {span.first}"
        words = f"{_joined_words(causes)} in one RUN {place}, not in layer {span.moved[-1]}"
    edit = context.edit(
        "delete-early",
        span.first,
        words,
        command=" && ".join(collapsed(context.command(layer) or "") for layer in others),
        rules=tuple(sorted({RULES[cause.kind] for cause in causes})),
        others=others,
        operations=span.operations(context),
        level="safe",
    )
    contents = frozenset[Content]().union(*(cause.freed.contents for cause in causes))
    # What they overwrite of each other is stored once.
    last = max([span.last, *span.moved])
    return Proposal(edit, contents | _wasted_between(context, span.first, span.last, last))


def _late_words(cause: Cause) -> str:
    where = _span_words(cause.makers)
    if cause.kind == "deleted":
        return (
            f"delete {_names(cause.owners)} in the RUN that made it ({where}), not in layer"
            f" {cause.removed_in}"
        )
    return (
        f"install {_names(cause.owners)} once: {where} and layer {cause.removed_in} both bring it"
    )


def _joined_words(causes: list[Cause]) -> str:
    parts = []
    for kind, verb in (("deleted", "make and delete"), ("replaced", "install and upgrade")):
        owners = [owner for cause in causes if cause.kind == kind for owner in cause.owners]
        if owners:
            parts.append(f"{verb} {_names(tuple(owners))}")
    return " and ".join(parts)


def _span_words(layers: tuple[int, ...]) -> str:
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"


def _names(owners: tuple[Owner, ...]) -> str:
    names = list(dict.fromkeys(owner.name for owner in owners))
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _wasted_between(context: Context, first: int, last: int, end: int) -> frozenset[Content]:
    return context.wasted(
        lambda removal: first <= removal.layer <= last and removal.removed_in <= end
    )


# --- stored again -------------------------------------------------------------------------------
def edits_of_overwritten(context: Context) -> Iterator[Proposal]:
    """Propose to store once what a later layer stores again with other content, or the same."""
    for cause in find_causes(context.inventory):
        if cause.kind not in ("again", "overwritten") or cause.freed.size < LEAST:
            continue
        top = places_of(cause.wasted_files)[0]
        words = f"store {top} once: layer {cause.removed_in} stores it again"
        command, operations = "", list[Operation]()
        if cause.kind == "again":
            words, command, operations = _copied(context, cause, top)
        # A COPY that goes is missed by no build; a narrowed one may lack what a later build makes.
        drops = any(isinstance(each, DropInstruction) for each in operations)
        edit = context.edit(
            "narrow-copy" if operations else "advice",
            cause.removed_in,
            words,
            command=command,
            rules=("overwritten-files",),
            operations=operations,
            level="safe" if drops else "review",
            reason="" if drops else "what a later build makes elsewhere has to be named too",
        )
        yield Proposal(edit, cause.freed.contents)


def _copied(context: Context, cause: Cause, top: str) -> tuple[str, str, list[Operation]]:
    """Return what to do about a layer that stores what is there already, and what to copy."""
    layer = cause.removed_in
    step = context.by_layer.get(layer)
    word = step.word if step is not None else ""
    if word not in ("COPY", "ADD"):
        return f"leave {top} as it is in layer {layer}, which changes nothing there", "", []
    # The layer gives a directory another owner or mode, which dropping it would undo.
    if changed := changed_directories(context.inventory, cause):
        words = (
            f"set the owner and mode of /{changed[0]} where it is made, and drop this {word}:"
            " the layers below have its files"
        )
        return words, "", []
    rootfs = context.inventory.rootfs
    paths = differing_paths(context.inventory, cause)
    if not paths:
        words = f"drop this {word}: the layers below have all that it brings"
        return words, "", [DropInstruction(layer=layer)]
    more = len(paths) - _MOST_PLACES
    # As of `COPY --from=build /usr/local /usr/local`: what differs lies in too many places for a
    # list of them to stay right.
    if more > 0 and any("/site-packages/" in path for path in paths):
        words = (
            f"install into a virtual environment, or with --prefix, where {top} is made, and {word}"
            " that: the layers below have the base's own packages already"
        )
        return words, "", []
    rest = f" and {more:,} more" if more > 0 else ""
    names = ", ".join(f"/{path}" for path in paths[:_MOST_PLACES])
    words = f"{word} only what the layers below do not have: {names}{rest}"
    if any(node is not None and node.kind == "symlink" for node in map(rootfs.get, paths)):
        # COPY stores what a link that it is given by name leads to.
        return words, f"cp -a --parents {shlex.join(paths)} /", []
    return words, shlex.join(f"/{path}" for path in paths), _narrowed(context, layer, paths)


def _narrowed(context: Context, layer: int, paths: list[str]) -> list[Operation]:
    """Return the operation that copies ``paths`` alone, where one directory is copied now."""
    step = context.by_layer.get(layer)
    words = [word for word in (step.text if step else "").split() if not word.startswith("--")]
    if len(words) != 2 or len(paths) > _MOST_PLACES or not words[1].startswith("/"):
        return []
    target = words[1].strip("/")
    top = f"{target}/" if target else ""
    if not all(path.startswith(top) for path in paths):
        return []
    return [NarrowCopy(layer=layer, sources=tuple(path[len(top) :] for path in paths))]
