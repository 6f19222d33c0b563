"""Packages that one layer installs and a later one removes: left out, or in the RUN that builds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from pyimginspect.dockerfile.installs import package_name
from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.inventory.derived.leftovers import without
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.packages import dependency_graph, find_orphans
from pyimginspect.inventory.runtimes import runtime_of
from pyimginspect.inventory.tool_names import kind_of_package
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import clean, fetch_again, needless_fetches
from pyimginspect.plan.operations import (
    AppendCommand,
    DropCommand,
    DropInstruction,
    DropPackages,
    InsertCommand,
    JoinRuns,
    Operation,
    ReplaceCommand,
)
from pyimginspect.plan.runs import calls, installs, names_of, removed_packages
from pyimginspect.plan.spans import late_causes
from pyimginspect.plan.temporary import (
    MANAGERS,
    Temporary,
    emptied_by,
    install_again,
    needs_tools,
    takes_sources,
)

__all__ = ["edits_of_removed", "left_by_removals"]

_SOURCES = frozenset({"git", "mercurial", "subversion"})
_RULES = ("deleted-but-shipped",)


def edits_of_removed(context: Context) -> tuple[list[Cause], list[Proposal]]:
    """Return proposals for packages that are installed and removed later, and their causes."""
    mended: list[Cause] = []
    proposals: list[Proposal] = []
    for removed_in, causes in _by_layer(context).items():
        if any(context.joinable(cause.makers[0], removed_in) for cause in causes):
            continue  # one RUN in place of several is all that it takes
        groups = [*_groups(context, removed_in, causes)]
        if not groups:
            continue
        names = {name for group in groups for name in group.names}
        asked = {name for group in groups for name in _all_named(context, group.layer)} - names
        layers = {group.layer for group in groups}
        found = [
            cause
            for cause in causes
            if layers.issuperset(cause.makers)
            and asked.isdisjoint(owner.name for owner in cause.owners)
        ]
        operations, words, level = _edit(context, groups, found, removed_in)
        if not found or not operations:
            continue
        fetches = [*_needless(context, groups)]
        operations += [DropInstruction(layer=layer) for layer in fetches]
        found += [
            cause
            for cause in late_causes(context)
            if cause.kind == "deleted" and {*fetches}.issuperset(cause.makers)
        ]
        edit = context.edit(
            "leave-out" if level else "purge",
            groups[0].layer,
            words,
            packages=sorted(names),
            rules=_RULES,
            others=[*fetches, removed_in],
            operations=operations,
            reason="look whether what stands between calls any of them",
        )
        contents = {each for cause in found for each in cause.freed.contents}
        contents |= emptied_by(context, groups, -1 if level else groups[0].layer)
        for layer in fetches:
            contents |= context.stored_by(layer)
        orphans, _ = _orphans(context, groups)
        contents |= context.behind_packages(orphans)
        mended += found
        gone = (_live_in(context, groups) if level else frozenset[str]()) | context.behind(orphans)
        there = None if level else (groups[0].layer, removed_in)
        proposals.append(Proposal(edit, frozenset(contents), gone, there))
    return mended, proposals


def _needless(context: Context, groups: Sequence[Temporary]) -> Iterator[int]:
    """Yield the layers that fetch apt's lists for nothing but what is not installed there now."""
    dropped = [g.layer for g in groups if context.emptied(g.layer, g.names, ())]
    return needless_fetches(context, dropped)


def left_by_removals(context: Context) -> frozenset[str]:
    """Return the keys of packages that removals left behind, and that these edits take along."""
    _, proposals = edits_of_removed(context)
    mended = {layer for each in proposals for layer in each.edit.others}
    found: set[str] = set()
    for removed_in, causes in _by_layer(context).items():
        if removed_in in mended:
            found |= _orphans(context, [*_groups(context, removed_in, causes)])[0]
    return frozenset(found)


def _orphans(context: Context, groups: Sequence[Temporary]) -> tuple[frozenset[str], list[str]]:
    """Return what a removal left behind that nothing needs, and the names of what must stay.

    ``apt-get remove`` without ``--auto-remove`` leaves all that came with a package.
    """
    layers = {group.layer for group in groups}
    graph = dependency_graph(context.packages)
    orphans = {
        key
        for key in find_orphans(context.inventory.rootfs, graph)
        if context.packages[key].installed_in in layers
    }
    if not orphans:
        return frozenset(), []
    free, kept = without(context.inventory, graph, orphans)
    names = sorted({context.packages[proof.package].name for proof in kept})
    return frozenset(orphans & free), names


def _live_in(context: Context, groups: Sequence[Temporary]) -> frozenset[str]:
    """Return the paths that go with layers whose ``RUN`` has nothing left to do."""
    layers = {g.layer for g in groups if context.emptied(g.layer, g.names, ())}
    nodes = context.inventory.rootfs.nodes
    return frozenset(
        path
        for path, node in (nodes.items() if layers else ())
        if node.layer in layers and node.kind != "directory" and not is_journal(path)
    )


def _by_layer(context: Context) -> dict[int, list[Cause]]:
    """Return the causes that are packages which a command removes by name, by its layer."""
    found: dict[int, list[Cause]] = {}
    for cause in late_causes(context):
        owned = all(each.kind == "package" and not each.after for each in cause.owners)
        named = removed_packages(context.command(cause.removed_in) or "")
        if owned and cause.kind == "deleted" and named:
            found.setdefault(cause.removed_in, []).append(cause)
    return found


def _groups(context: Context, removed_in: int, causes: Iterable[Cause]) -> Iterator[Temporary]:
    """Yield what a layer removes by name of what other layers installed by name."""
    named = removed_packages(context.command(removed_in) or "")
    packages = {p.name: p for p in context.packages.removed if p.name in named}
    for layer in sorted({maker for cause in causes for maker in cause.makers}):
        asked = [
            package
            for package in packages.values()
            if package.name in _installed_by(context, layer, package)
            and any(e.layer == layer and e.action == "installed" for e in package.history)
        ]
        if asked:
            yield Temporary(layer=layer, asked=tuple(asked), keys=())


def _all_named(context: Context, layer: int) -> set[str]:
    """Return the packages of the OS that a layer's command asks for by name."""
    command = context.command(layer) or ""
    managers = MANAGERS.values()
    return {name for m in managers for each in installs(command, m) for name in names_of(each)}


def _installed_by(context: Context, layer: int, package: OsPackage) -> set[str]:
    command = context.command(layer) or ""
    return {
        name for each in installs(command, MANAGERS[package.manager]) for name in names_of(each)
    }


def _edit(
    context: Context, groups: Sequence[Temporary], causes: Iterable[Cause], removed_in: int
) -> tuple[list[Operation], str, bool]:
    """Return the operations, the words, and whether the packages are left out altogether."""
    names = [name for group in groups for name in group.names]
    drops: list[Operation] = [
        DropPackages(layer=g.layer, manager=MANAGERS[g.asked[0].manager], names=g.names)
        for g in groups
    ]
    layers = [group.layer for group in groups]
    for group in groups:
        if context.emptied(group.layer, group.names, ()):
            drops += fetch_again(context, group.layer, layers)
    drops += _without_removal(context, removed_in, {*names})
    uses = [n for n in _between(context, groups, removed_in) if _uses(context, n, groups, causes)]
    if not uses:
        them = "it" if len(names) == 1 else "them"
        words = (
            f"do not install {' '.join(names)}: nothing before layer {removed_in}, which removes"
            f" {them}, calls {them}"
        )
        return drops, words, True
    first, last = uses[0], uses[-1]
    install = install_again(context, groups)
    if not context.joinable(first, last) or context.user(first) or install is None:
        return [], "", False
    if groups[0].layer >= first:
        return [], "", False
    removal = _removal(context, groups, removed_in)
    operations = [*drops, InsertCommand(layer=first, after=(), command=install)]
    if last > first:
        others = tuple(context.runs(first + 1, last))
        operations.append(JoinRuns(layer=first, others=others))
    operations.append(AppendCommand(layer=last, command=" && ".join(removal)))
    if groups[0].asked[0].manager == "dpkg" and not any("apt/lists" in text for text in removal):
        operations += clean(context, last, [*layers, removed_in])
    words = f"install {' '.join(names)} and remove them again in the RUN of layer {first}"
    return operations, words, False


def _removal(context: Context, groups: Sequence[Temporary], removed_in: int) -> list[str]:
    """Return the commands of a layer that removes packages, so that nothing is left behind."""
    found = calls(context.command(removed_in) or "")
    orphans, kept = _orphans(context, groups)
    if not orphans:
        return [call.text for call in found]
    asked = [package for group in groups for package in group.asked]
    purge = purge_command(context.inventory, asked, orphans, kept)
    named = {package.name for package in asked}
    others = [
        call.text
        for call in found
        if not call.removes
        or call.manager is None
        or {package_name(word, call.manager) for word in call.operands} - named
    ]
    return [*others, purge]


def _between(context: Context, groups: Sequence[Temporary], removed_in: int) -> list[int]:
    return context.runs(min(group.layer for group in groups), removed_in - 1)


def _uses(
    context: Context, layer: int, groups: Sequence[Temporary], causes: Iterable[Cause]
) -> bool:
    """Whether a ``RUN`` may call the packages: it builds, or a word of it is their program."""
    text = context.command(layer) or ""
    called = {
        word.rpartition("/")[2]
        for call in calls(text)
        if call.manager not in ("apt", "apk", "dnf")
        for word in call.words
    }
    own = {
        content.path.rpartition("/")[2]
        for cause in causes
        for content in cause.wasted_files
        if content.path.rpartition("/")[0].endswith("bin")
    }
    if called & own:
        return True
    packages = [package for group in groups for package in group.asked]
    sources = any(
        runtime_of(package.name) in ("git", "mercurial", "subversion") for package in packages
    )
    if sources and ("git+" in text or takes_sources(context, layer)):
        return True
    tools = [p for p in packages if kind_of_package(p) and runtime_of(p.name) is None]
    return bool(tools or not sources) and needs_tools(context, layer)


def _without_removal(context: Context, layer: int, names: set[str]) -> Iterator[Operation]:
    """Yield what takes ``names`` out of the commands of a layer that remove them.

    With all that is removed by name go the commands that remove what was for those alone.
    """
    found = [call for call in calls(context.command(layer) or "") if call.removes]
    named = removed_packages(context.command(layer) or "")
    for call in found:
        if not call.operands and named <= names:
            yield DropCommand(layer=layer, words=call.words)
    for call in found:
        if call.manager is None:
            continue
        mine = [word for word in call.operands if package_name(word, call.manager) in names]
        if not mine:
            continue
        if len(mine) == len(call.operands):
            yield DropCommand(layer=layer, words=call.words)
        else:
            rest = [word for word in call.words if word not in mine]
            yield ReplaceCommand(layer=layer, words=call.words, command=shlex.join(rest))
