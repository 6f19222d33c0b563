"""Edits that store nothing which no container sees: caches, late deletions, second copies."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyimginspect.inventory.caches import deletion_of, links_into_caches
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.cache_contents import contents_of_caches
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.differences import differing_paths
from pyimginspect.inventory.derived.owners import Owner
from pyimginspect.inventory.derived.wasted_files import places_of
from pyimginspect.plan import commands
from pyimginspect.plan.context import LEAST, Context, Proposal

__all__ = ["edits_of_caches", "edits_of_deleted", "edits_of_overwritten", "merged_runs"]

_MOST_NAMES = 3
_MOST_PLACES = 8


def edits_of_caches(context: Context) -> Iterator[Proposal]:
    """Propose to keep no cache, for each instruction that leaves some."""
    for (kind, path), (live, wasted) in contents_of_caches(context.inventory).items():
        if not live or links_into_caches(context.inventory.rootfs).get(path):
            continue  # what is installed are links into it
        by_layer: dict[int, set[Content]] = {}
        for content in live | wasted:
            by_layer.setdefault(content[0], set()).add(content)
        for layer, contents in sorted(by_layer.items()):
            words, command = _cache_edit(kind, path)
            edit = context.edit(
                "clean-cache", layer, words, command=command, rules=("package-cache",)
            )
            yield Proposal(edit, frozenset(contents))


_OPTIONS = {"pip": "--no-cache-dir", "apk": "--no-cache", "uv": "--no-cache"}
_WORDS = {
    "apt-lists": "delete apt's lists in the RUN that fetched them",
    "apt-archives": "delete what apt downloaded in the same RUN",
    "apt-index": "delete apt's binary index in the same RUN",
}
_CLEANERS = {
    "apt-lists": "rm -rf /var/lib/apt/lists/*",
    "apt-archives": "apt-get clean",
    "apt-index": "rm -f /var/cache/apt/*.bin",
    "dnf": "dnf clean all",
    "yum": "yum clean all",
    "conda": "conda clean -afy",
}


def _cache_edit(kind: str, path: str) -> tuple[str, str]:
    if kind in _OPTIONS:
        return f"keep no {kind} cache: {_OPTIONS[kind]}", _OPTIONS[kind]
    words = _WORDS.get(kind, f"leave no {kind} cache behind")
    return words, _CLEANERS.get(kind, deletion_of(kind, path))


# --- deleted and replaced -------------------------------------------------------------------------
_RULES = {"deleted": "deleted-but-shipped", "replaced": "overwritten-files"}


def edits_of_deleted(context: Context) -> Iterator[Proposal]:
    """Propose to delete or replace where files are made, for each layer that does it too late.

    Where nothing but plain commands stand between, one ``RUN`` in place of several is the edit.
    """
    merged = merged_runs(context)
    joined: dict[tuple[int, int], list[Cause]] = {}
    for cause in _late(context):
        first, removed_in = cause.makers[0], cause.removed_in
        span = next((each for each in merged if each[0] <= first and removed_in <= each[1]), None)
        if span is not None:
            joined.setdefault(span, []).append(cause)
        else:
            edit = context.edit(
                "advice",
                first,
                _late_words(cause),
                rules=(_RULES[cause.kind],),
                others=[removed_in],
            )
            yield Proposal(edit, cause.freed.contents)
    for (first, last), causes in sorted(joined.items()):
        edit = context.edit(
            "delete-early",
            first,
            f"{_joined_words(causes)} in one RUN (layers {first} to {last}), not one after another",
            command=" && ".join(merged[first, last]),
            rules=tuple(sorted({_RULES[cause.kind] for cause in causes})),
            others=list(range(first + 1, last + 1)),
        )
        contents = frozenset(each for cause in causes for each in cause.freed.contents)
        # What they overwrite of each other is stored once.
        yield Proposal(edit, contents | _wasted_between(context, first, last))


def _late(context: Context) -> list[Cause]:
    return [cause for cause in find_causes(context.inventory) if cause.kind in _RULES]


def merged_runs(context: Context) -> dict[tuple[int, int], list[str]]:
    """Return the spans of layers that should be one ``RUN``, and what to append to the first.

    Spans that have a layer in common are one.
    """
    spans: list[tuple[int, int]] = []
    for cause in sorted(_late(context), key=lambda cause: cause.makers[0]):
        first, last = cause.makers[0], cause.removed_in
        if not _merged(context, first, last):
            continue
        if spans and first <= spans[-1][1]:
            last = max(last, spans[-1][1])
            first, _ = spans.pop()
        spans.append((first, last))
    return {span: _merged(context, *span) for span in spans}


def _late_words(cause: Cause) -> str:
    where = _span(cause.makers)
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


def _span(layers: tuple[int, ...]) -> str:
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"


def _names(owners: tuple[Owner, ...]) -> str:
    names = list(dict.fromkeys(owner.name for owner in owners))
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _wasted_between(context: Context, first: int, last: int) -> frozenset[Content]:
    return context.wasted(lambda removal, _: first <= removal.layer and removal.removed_in <= last)


def _merged(context: Context, maker: int, removed_in: int) -> list[str]:
    """Return the commands to append to ``maker``'s so that what it made is deleted there.

    What stands between may use it, and must be in the same ``RUN``: nothing is returned where
    that is no plain one.
    """
    found = []
    for layer in range(maker, removed_in + 1):
        command = context.command(layer)
        if command is None or not commands.is_simple(command):
            return []
        found.append(commands.collapse(command))
    return found[1:]


# --- stored again -------------------------------------------------------------------------------
def edits_of_overwritten(context: Context) -> Iterator[Proposal]:
    """Propose to store once what a later layer stores again with other content, or the same."""
    for cause in find_causes(context.inventory):
        if cause.kind not in ("again", "overwritten") or cause.freed.size < LEAST:
            continue
        top = places_of(cause.wasted_files)[0]
        words = f"store {top} once: layer {cause.removed_in} stores it again"
        command = ""
        if cause.kind == "again":
            words, command = _copied(context, cause, top)
        edit = context.edit(
            "advice", cause.removed_in, words, command=command, rules=("overwritten-files",)
        )
        yield Proposal(edit, cause.freed.contents)


def _copied(context: Context, cause: Cause, top: str) -> tuple[str, str]:
    """Return what to do about a layer that stores what is there already, and what to copy."""
    word = context.inventory.instructions[cause.removed_in].partition(" ")[0]
    if word not in ("COPY", "ADD"):
        return f"leave {top} as it is in layer {cause.removed_in}, which changes nothing there", ""
    rootfs = context.inventory.rootfs
    paths = differing_paths(context.inventory, cause)
    if not paths:
        return f"drop this {word}: the layers below have all that it brings", ""
    more = len(paths) - _MOST_PLACES
    rest = f" and {more:,} more" if more > 0 else ""
    names = ", ".join(f"/{path}" for path in paths[:_MOST_PLACES])
    words = f"{word} only what the layers below do not have: {names}{rest}"
    if any(node is not None and node.kind == "symlink" for node in map(rootfs.get, paths)):
        # COPY stores what a link that it is given by name leads to.
        return words, f"cp -a --parents {shlex.join(paths)} /"
    return words, shlex.join(f"/{path}" for path in paths)
