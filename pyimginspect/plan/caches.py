"""Edits that keep no cache: an option of what would fill it, or its deletion in the same RUN."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pyimginspect.inventory.cache_places import files_in
from pyimginspect.inventory.caches import deletion_of, links_into_caches
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.cache_contents import contents_of_caches
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.lists import fetch_again, may_be_read, only_fetches
from pyimginspect.plan.operations import (
    AddOption,
    AppendCommand,
    DropInstruction,
    Manager,
    Operation,
)
from pyimginspect.plan.runs import calls, installs, is_sequence

__all__ = ["edits_of_caches"]

_OPTIONS: dict[str, tuple[Manager, str]] = {
    "pip": ("pip", "--no-cache-dir"),
    "apk": ("apk", "--no-cache"),
    "uv": ("uv", "--no-cache"),
}
_MOST_PLACES = 8
"""Caches of a kind in one layer that get an edit each."""

_WORDS = {
    "apt-lists": "delete apt's lists in the RUN that fetched them",
    "apt-archives": "delete what apt downloaded in the same RUN",
    "apt-index": "delete apt's binary index in the same RUN",
}
_CLEANERS = {
    "apt-lists": "rm -rf /var/lib/apt/lists/*",
    "apt-archives": "apt-get clean",
    # pkgcache.bin and srcpkgcache.bin: apt builds them again from the lists.
    "apt-index": "rm -f /var/cache/apt/*.bin",
    "conda": "conda clean -afy",
}
# What a directory of the user's is good for between builds, and the tool's own documentation of
# it as a cache mount: docs.docker.com/build/cache/optimize, docs.astral.sh/uv/guides/integration.
_MOUNTED = frozenset({"pip", "uv", "poetry", "pdm", "pipenv", "npm", "yarn", "pnpm", "go-build"})


def edits_of_caches(context: Context) -> Iterator[Proposal]:
    """Propose to keep no cache, for each instruction that leaves some."""
    found: dict[tuple[str, int], list[Proposal]] = {}
    for kind, layer, proposal in _by_place(context):
        found.setdefault((kind, layer), []).append(proposal)
    for proposals in found.values():
        if len(proposals) <= _MOST_PLACES:
            yield from proposals
        else:
            yield _together(proposals)


def _together(proposals: list[Proposal]) -> Proposal:
    """Return one edit in place of many: a cache of each of many users is not many edits."""
    first = proposals[0].edit
    contents = frozenset[Content]().union(*(each.contents for each in proposals))
    gone = frozenset[str]().union(*(each.gone for each in proposals))
    # An option is the same for all of them; to delete so many places is nobody's edit.
    same = all(each.edit.operations == first.operations for each in proposals)
    edit = msgspec.structs.replace(
        first,
        words=f"{first.words}, in {len(proposals):,} places",
        command=first.command if same else "",
        operations=first.operations if same else (),
        alternative="",
    )
    return Proposal(edit, contents, gone)


def _by_place(context: Context) -> Iterator[tuple[str, int, Proposal]]:
    """Yield kind, layer and edit for each directory that is a cache."""
    rootfs = context.inventory.rootfs
    for (kind, path), (live, wasted) in contents_of_caches(context.inventory).items():
        # Where all of it was deleted, it was too late: that is the edit of a deletion.
        if not live or links_into_caches(rootfs).get(path):
            continue  # what is installed are links into it
        by_layer: dict[int, set[Content]] = {}
        for content in live | wasted:
            by_layer.setdefault(content[0], set()).add(content)
        for layer, contents in sorted(by_layer.items()):
            gone = frozenset(
                each for each in files_in(rootfs, path) if rootfs[each].content.layer == layer
            )
            if context.contents.size(contents) >= LEAST:
                yield kind, layer, _edit(context, kind, path, layer, frozenset(contents), gone)


def _edit(
    context: Context,
    kind: str,
    path: str,
    layer: int,
    contents: frozenset[Content],
    gone: frozenset[str],
) -> Proposal:
    words, command, operations = _cache_edit(context, kind, path, layer)
    alternative = ""
    if kind in _MOUNTED and operations:
        alternative = f"RUN --mount=type=cache,target=/{path}"
    edit = context.edit(
        "clean-cache",
        layer,
        words,
        command=command,
        rules=("package-cache",),
        operations=operations,
        level="safe",
        alternative=alternative,
    )
    return Proposal(edit, contents, gone)


def _cache_edit(
    context: Context, kind: str, path: str, layer: int
) -> tuple[str, str, list[Operation]]:
    text = context.command(layer)
    if kind in _OPTIONS:
        manager, option = _OPTIONS[kind]
        # The option is the smallest change, but only where nothing else fills the cache.
        if text is None or _all_installed_by(text, manager):
            operations: list[Operation] = [AddOption(layer=layer, manager=manager, option=option)]
            words = f"keep no {kind} cache: {option}"
            return words, option, operations if text is not None else []
    command = _CLEANERS.get(kind) or _program_cleans(kind, text) or deletion_of(kind, path)
    words = _WORDS.get(kind, f"leave no {kind} cache behind")
    if text is None or not is_sequence(text):
        return words, command, []
    operations = [AppendCommand(layer=layer, command=command)]
    if kind == "apt-lists":
        if only_fetches(text):
            # A script that installs by these lists would find none, and cannot be given an update.
            if may_be_read(context, layer):
                return words, command, []
            words = "fetch apt's lists in the RUN that installs, and delete them there"
            operations = [DropInstruction(layer=layer)]
        operations += fetch_again(context, layer)
    return words, command, operations


def _program_cleans(kind: str, text: str | None) -> str:
    """Return the own command of dnf, microdnf or yum, whichever the instruction calls."""
    if kind not in ("dnf", "yum"):
        return ""
    found = (call.program for call in calls(text or "") if call.program.endswith(("dnf", "yum")))
    return f"{next(found, kind)} clean all"


def _all_installed_by(text: str, manager: Manager) -> bool:
    """Whether an option of the installations reaches every call that may fill the cache."""
    if not installs(text, manager):
        return False
    # Subcommands beside `install` that download or build, and keep what they got in the cache.
    fillers = {"pip": {"download", "wheel"}, "uv": {"sync", "tool", "run", "add", "build"}}
    return not any(
        (call.manager == manager or call.program == manager)
        and call.action in fillers.get(manager, ())
        for call in calls(text)
    )
