"""Packages that one layer installs and a later one removes: left out, or in the RUN that builds."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.memoize import memoized
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import clean, fetch_again, needless_fetches
from pyimginspect.plan.operations import (
    AppendCommand,
    DropCommand,
    DropInstruction,
    DropPackages,
    InsertCommand,
    Operation,
    ReplaceCommand,
)
from pyimginspect.plan.removals import Removal, find_removals, may_use, orphans_of
from pyimginspect.plan.runs import calls, removed_packages
from pyimginspect.plan.spans import join_runs, late_causes
from pyimginspect.plan.temporary import emptied_by, install_again
from pyimginspect.text import pronoun

__all__ = ["edits_of_removed", "left_by_removals"]

_RULES = ("deleted-but-shipped",)


class _Change(NamedTuple):
    """What to do about a removal: the packages are left out, or installed by ``layer`` instead.

    The ``RUN``s of ``emptied`` layers have nothing left to do.
    """

    operations: tuple[Operation, ...]
    words: str
    emptied: tuple[int, ...]
    layer: int | None = None

    @property
    def left_out(self) -> bool:
        """Whether nothing uses the packages before they are removed."""
        return self.layer is None


@memoized
def edits_of_removed(context: Context) -> tuple[Sequence[Cause], Sequence[Proposal]]:
    """Return proposals for packages that are installed and removed later, and their causes."""
    mended: list[Cause] = []
    proposals: list[Proposal] = []
    for removal in find_removals(context):
        change = _change(context, removal)
        if change is None:
            continue
        fetches = [*needless_fetches(context, change.emptied)]
        found = [*removal.causes, *_deleted_of(context, fetches)]
        mended += found
        proposals.append(_proposal(context, removal, change, fetches, found))
    return mended, proposals


def _deleted_of(context: Context, layers: Collection[int]) -> Iterator[Cause]:
    """Yield the causes that are deletions, or replacements, of what ``layers`` alone made."""
    for cause in late_causes(context):
        if {*layers}.issuperset(cause.makers):
            yield cause


def _proposal(
    context: Context,
    removal: Removal,
    change: _Change,
    fetches: Sequence[int],
    causes: Iterable[Cause],
) -> Proposal:
    """Return the proposal of a change, after which layers ``fetches`` are needless."""
    first = removal.groups[0].layer
    edit = context.edit(
        "leave-out" if change.left_out else "purge",
        first,
        change.words,
        packages=sorted({*removal.names}),
        rules=_RULES,
        others=[*fetches, removal.layer],
        operations=(*change.operations, *(DropInstruction(layer=layer) for layer in fetches)),
        reason="look whether what stands between calls any of them",
    )
    orphans, _ = orphans_of(context, removal)
    contents = frozenset[Content]().union(
        *(cause.freed.contents for cause in causes),
        _emptied_by(context, removal, change),
        *(context.stored_by(layer) for layer in fetches),
        context.behind_packages(orphans),
    )
    gone = context.behind(orphans)
    if change.left_out:
        return Proposal(edit, contents, gone | _live_in(context, change.emptied))
    return Proposal(edit, contents, gone, (first, removal.layer))


def _emptied_by(context: Context, removal: Removal, change: _Change) -> frozenset[Content]:
    """Return what layers store whose ``RUN`` goes, without packages that are still there."""
    groups = [group for group in removal.groups if group.layer in change.emptied]
    return emptied_by(context, groups, change.layer) - context.behind_packages(
        package.key
        for package in context.packages.packages
        if package.installed_in in change.emptied
    )


def _emptied(context: Context, removal: Removal, kept: Sequence[str] = ()) -> tuple[int, ...]:
    """Return the layers whose ``RUN`` installs nothing but the packages, and does nothing else."""
    return tuple(g.layer for g in removal.groups if context.emptied(g.layer, g.names, kept))


def left_by_removals(context: Context) -> frozenset[str]:
    """Return the keys of packages that removals left behind, and that these edits take along."""
    _, proposals = edits_of_removed(context)
    mended = {layer for each in proposals for layer in each.edit.others}
    left = (orphans_of(context, each)[0] for each in find_removals(context) if each.layer in mended)
    return frozenset[str]().union(*left)


def _live_in(context: Context, layers: Collection[int]) -> frozenset[str]:
    """Return the paths that go with layers whose ``RUN`` has nothing left to do."""
    if not layers:
        return frozenset()
    return frozenset(
        node.path
        for node in context.inventory.rootfs.nodes.values()
        if node.layer in layers and node.kind != "directory" and not is_journal(node.path)
    )


def _change(context: Context, removal: Removal) -> _Change | None:
    """Return what to do about a removal, ``None`` where the packages cannot be moved.

    The ``RUN`` that removes them may be the one that uses them: ``make && apt-get purge -y gcc``.
    """
    layers = context.runs(removal.groups[0].layer, removal.layer)
    uses = [layer for layer in layers if may_use(context, layer, removal)]
    if uses:
        return _moved(context, removal, uses[0], uses[-1])
    _, kept = orphans_of(context, removal)
    emptied = _emptied(context, removal, kept)
    drops = _without_installs(context, removal, emptied, kept)
    them = pronoun(removal.names)
    words = (
        f"do not install {' '.join(removal.names)}: nothing before layer {removal.layer}, which"
        f" removes {them}, calls {them}"
    )
    if kept:
        words += f"; install {' '.join(kept)} by name, which files that stay need"
    return _Change((*drops, *_without_removal(context, removal)), words, emptied)


def _without_installs(
    context: Context, removal: Removal, emptied: Iterable[int], kept: Sequence[str] = ()
) -> Iterator[Operation]:
    """Yield what takes the installations out of their ``RUN``s; ``kept`` packages stay."""
    layers = [group.layer for group in removal.groups]
    instead = tuple(kept)
    for group in removal.groups:
        yield DropPackages(
            layer=group.layer, manager=group.manager, names=group.names, instead=instead
        )
        # Once is enough: the first of the installations asks for them.
        instead = ()
    for layer in emptied:
        yield from fetch_again(context, layer, layers)


def _moved(context: Context, removal: Removal, first: int, last: int) -> _Change | None:
    """Return how layers ``first`` to ``last``, as one ``RUN``, install and remove the packages."""
    groups = removal.groups
    install = install_again(context, groups)
    if not context.joinable(first, last) or context.user(first) or install is None:
        return None
    # The first RUN that may use them is the one that installs them: there is nowhere to move to.
    if groups[0].layer >= first:
        return None
    # `make && apt-get purge -y gcc`: the last use is in the command that removes them.
    removes = last == removal.layer
    emptied = _emptied(context, removal)
    operations: list[Operation] = [*_without_installs(context, removal, emptied)]
    if not removes:
        operations += _without_removal(context, removal)
    operations += [
        InsertCommand(layer=first, after=(), command=install),
        *join_runs(context, first, last),
    ]
    commands = _removing(context, removal)
    if removes:
        # Its own commands stay; those that take what they leave behind come after them.
        commands = [*_purging(context, removal)]
    if commands:
        operations.append(AppendCommand(layer=last, command=" && ".join(commands)))
    text = context.command(removal.layer) or ""
    # A removal that deletes the lists itself has its commands moved with the rest.
    if groups[0].manager == "apt" and "apt/lists" not in text:
        operations += clean(context, last, [*(group.layer for group in groups), removal.layer])
    them = pronoun(removal.names)
    words = f"install {' '.join(removal.names)} and remove {them} again in the RUN of layer {first}"
    return _Change(tuple(operations), words, emptied, first)


def _removing(context: Context, removal: Removal) -> list[str]:
    """Return the commands of a layer that removes packages, so that nothing is left behind."""
    found = calls(context.command(removal.layer) or "")
    purges = [*_purging(context, removal)]
    if not purges:
        return [call.text for call in found]
    named = {*removal.names}
    others = [call.text for call in found if not call.removes or {*call.packages} - named]
    return [*others, *purges]


def _purging(context: Context, removal: Removal) -> Iterator[str]:
    """Yield what removes the packages with what they would leave behind, if that is anything."""
    orphans, kept = orphans_of(context, removal)
    if orphans:
        yield purge_command(context.inventory, removal.packages, orphans, kept)


def _without_removal(context: Context, removal: Removal) -> Iterator[Operation]:
    """Yield what takes the packages out of the commands of the layer that removes them.

    With all that is removed by name go the commands that remove what was for those alone.
    """
    layer, names = removal.layer, {*removal.names}
    text = context.command(layer) or ""
    found = [call for call in calls(text) if call.removes]
    if removed_packages(text) <= names:
        for call in found:
            if not call.operands:
                yield DropCommand(layer=layer, words=call.words)
    for call in found:
        named = zip(call.operands, call.packages, strict=True)
        mine = [word for word, name in named if name in names]
        if mine and len(mine) == len(call.operands):
            yield DropCommand(layer=layer, words=call.words)
        elif mine:
            rest = [word for word in call.words if word not in mine]
            yield ReplaceCommand(layer=layer, words=call.words, command=shlex.join(rest))
