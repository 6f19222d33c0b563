"""Build tools in the image by the layer that installed them, and those that may be in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set
from typing import NamedTuple

from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.graph import members
from pyimginspect.inventory.runtimes import runtime_of
from pyimginspect.plan.context import Context
from pyimginspect.plan.removed import left_by_removals
from pyimginspect.plan.temporary import Temporary, merged

__all__ = ["LOOK", "ToolGroups", "find_tool_groups", "kept_of", "may_be_used"]

LOOK = "look whether the application calls any of them"
"""Why an edit of such packages needs a review."""

_RUNTIMES = frozenset({"git", "mercurial", "subversion", "java", "node", "go"})
"""What an application may call at run time, with nothing in the image to show it."""


class ToolGroups(NamedTuple):
    """Build tools by layer: those that nothing can miss, and those that may be in use."""

    certain: tuple[Temporary, ...]
    doubtful: tuple[Temporary, ...]


def find_tool_groups(context: Context, recommended: Collection[str]) -> ToolGroups:
    """Return the build tools by layer, but for those that are only ``recommended``.

    What doubtful ones need or recommend stays with them, in whichever layer it is.
    """
    found = [
        Temporary(layer=layer, asked=_asked_for(context, keys), keys=tuple(sorted(keys)))
        for layer, keys in _tools_by_layer(context, recommended).items()
    ]
    if not found:
        return ToolGroups((), ())
    every = merged(found)
    # What only tools that go need does not stay for a doubtful one.
    going = {package.key for package in every.asked if not may_be_used(package)}
    doubtful = tuple(_doubtful(context, found, {*every.keys}, going.union(recommended)))
    shared = frozenset[str]().union(*(group.keys for group in doubtful))
    return ToolGroups(tuple(_certain(found, shared)), doubtful)


def _doubtful(
    context: Context, found: Iterable[Temporary], every: Set[str], going: Collection[str]
) -> Iterator[Temporary]:
    """Yield what may be in use of each layer, with its dependencies among ``every`` tool, once."""
    shared: set[str] = set()
    for group in found:
        packages = tuple(package for package in group.asked if may_be_used(package))
        if packages:
            share = _with_dependencies(context, packages, going) & every
            yield Temporary(layer=group.layer, asked=packages, keys=tuple(sorted(share - shared)))
            shared |= share


def _certain(found: Iterable[Temporary], shared: Collection[str]) -> Iterator[Temporary]:
    """Yield what nothing can miss of each layer, without what doubtful packages need."""
    for group in found:
        packages = tuple(package for package in group.asked if not may_be_used(package))
        rest = tuple(key for key in group.keys if key not in shared)
        if packages and rest:
            yield Temporary(layer=group.layer, asked=packages, keys=rest)


def _tools_by_layer(context: Context, recommended: Collection[str]) -> dict[int, list[str]]:
    """Return the keys of build tools by layer, without those that other edits speak of."""
    found = context.leftovers
    layers: dict[int, list[str]] = {}
    for group in (found.tools, found.headers, found.virtual):
        for layer, members_ in group.items():
            layers.setdefault(layer, []).extend(members_)
    left = left_by_removals(context)
    chosen = {}
    for layer, keys in sorted(layers.items()):
        removed = not left.isdisjoint(keys)
        keys = [key for key in keys if key not in recommended and key not in left]
        # Dependencies of packages that are removed by name are that removal's affair.
        if not (removed and all(context.packages[key].automatic for key in keys)):
            chosen[layer] = keys
    return chosen


def may_be_used(package: OsPackage) -> bool:
    """Whether somebody asked for a package that an application may call at run time."""
    return package.automatic is False and runtime_of(package.name) in _RUNTIMES


def _with_dependencies(
    context: Context, packages: Iterable[OsPackage], but: Collection[str]
) -> set[str]:
    """Return packages with all that they need and recommend, ``but`` some and what those need."""
    graph, found = dependency_graph(context.packages), set[str]()
    todo = [package.key for package in packages]
    while todo:
        key = todo.pop()
        if key in found or key in but:
            continue
        found.add(key)
        node = graph.nodes[key]
        todo.extend(members(node.requires + node.recommends))
    return found


def _asked_for(context: Context, keys: Iterable[str]) -> tuple[OsPackage, ...]:
    tools = {tool.package for tool in context.inventory.build_tools}
    packages = tuple(context.packages[key] for key in sorted(keys))
    asked = tuple(package for package in packages if package.automatic is False)
    known = tuple(package for package in packages if package.key in tools)
    # Where the database has no marks of what was asked for, the tools themselves are named.
    return asked or known or packages


def kept_of(context: Context, layers: Iterable[int]) -> list[str]:
    """Return the runtime packages that came with layers' tools, and that files in use need."""
    packages = {context.packages[proof.package] for proof in context.leftovers.kept}
    return sorted(package.name for package in packages if package.installed_in in {*layers})
