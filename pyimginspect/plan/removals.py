"""Packages that one layer installs and a later one removes, both by name, and what may use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.inventory.derived.leftovers import without
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import dependency_graph, find_orphans
from pyimginspect.inventory.runtimes import runtime_of
from pyimginspect.inventory.tool_names import kind_of_package
from pyimginspect.plan.context import Context
from pyimginspect.plan.runs import (
    OS_MANAGERS,
    calls,
    installed_packages,
    is_read,
    removed_packages,
    tokens,
)
from pyimginspect.plan.spans import late_causes
from pyimginspect.plan.temporary import MANAGERS, Temporary, merged, needs_tools, takes_sources

__all__ = ["Removal", "find_removals", "may_use", "orphans_of"]

_SOURCES = frozenset({"git", "mercurial", "subversion"})


class Removal(NamedTuple):
    """A layer that removes packages by name, those that installed them, and the waste by cause."""

    layer: int
    groups: tuple[Temporary, ...]
    causes: tuple[Cause, ...]

    @property
    def packages(self) -> tuple[OsPackage, ...]:
        """The packages, each once."""
        return tuple(dict.fromkeys(merged(self.groups).asked))

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, as the commands have them."""
        return tuple(dict.fromkeys(package.name for package in self.packages))

    @property
    def programs(self) -> set[str]:
        """The names of their programs."""
        places = (
            content.path.rpartition("/") for cause in self.causes for content in cause.wasted_files
        )
        return {name for directory, _, name in places if directory.endswith("bin")}


@memoized
def find_removals(context: Context) -> tuple[Removal, ...]:
    """Return the removals that one ``RUN`` in place of several would not fix."""
    return tuple(_removals(context))


def _removals(context: Context) -> Iterator[Removal]:
    for removed_in, causes in _by_layer(context).items():
        if any(context.joinable(cause.makers[0], removed_in) for cause in causes):
            continue
        groups = tuple(_groups(context, removed_in, causes))
        found = tuple(_of_these_alone(context, groups, causes))
        if found:
            yield Removal(removed_in, groups, found)


def _of_these_alone(
    context: Context, groups: Sequence[Temporary], causes: Iterable[Cause]
) -> Iterator[Cause]:
    """Yield the causes that are files of ``groups``, and of nothing else that their layers name."""
    names = {name for group in groups for name in group.names}
    layers = {group.layer for group in groups}
    texts = [context.command(layer) or "" for layer in layers]
    others = {name for text in texts for name in installed_packages(text, *OS_MANAGERS)} - names
    for cause in causes:
        owners = {owner.name for owner in cause.owners}
        # What else these layers install by name would be left out with the removed package's files.
        if layers.issuperset(cause.makers) and others.isdisjoint(owners):
            yield cause


def _by_layer(context: Context) -> dict[int, list[Cause]]:
    """Return the causes that are packages which a command removes by name, by its layer."""
    found: dict[int, list[Cause]] = {}
    for cause in late_causes(context):
        # An owner with a version `after` was upgraded, not removed.
        owned = all(each.kind == "package" and not each.after for each in cause.owners)
        named = removed_packages(context.command(cause.removed_in) or "")
        if owned and cause.kind == "deleted" and named:
            found.setdefault(cause.removed_in, []).append(cause)
    return found


def _groups(context: Context, removed_in: int, causes: Iterable[Cause]) -> Iterator[Temporary]:
    """Yield what a layer removes by name of what other layers installed by name.

    A layer that asks for what is installed already is among them: without the others it would
    install that.
    """
    named = removed_packages(context.command(removed_in) or "")
    packages = {p.name: p for p in context.packages.removed if p.name in named}
    first = min(maker for cause in causes for maker in cause.makers)
    for layer in context.runs(first, removed_in - 1):
        text = context.command(layer) or ""
        asked = [
            package
            for package in packages.values()
            if package.name in installed_packages(text, MANAGERS[package.manager])
            and any(
                context.base <= e.layer <= layer and e.action == "installed"
                for e in package.history
            )
        ]
        if asked:
            yield Temporary(layer=layer, asked=tuple(asked), keys=())


def orphans_of(context: Context, removal: Removal) -> tuple[frozenset[str], list[str]]:
    """Return what a removal left behind that nothing needs, and the names of what must stay.

    ``apt-get remove`` without ``--auto-remove`` leaves all that came with a package.
    """
    layers = {group.layer for group in removal.groups}
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


def may_use(context: Context, layer: int, removal: Removal) -> bool:
    """Whether a ``RUN`` may call the packages: it builds, or a word of it is their program."""
    text = context.command(layer) or ""
    if not removal.programs.isdisjoint(_called(text)):
        return True
    packages = removal.packages
    sources = any(runtime_of(package.name) in _SOURCES for package in packages)
    # The prefix of version control in a requirement of pip's ("VCS Support" in its documentation).
    if sources and ("git+" in text or takes_sources(context, layer)):
        return True
    tools = any(kind_of_package(p) and runtime_of(p.name) is None for p in packages)
    return (tools or not sources) and needs_tools(context, layer)


def _called(text: str) -> Iterator[str]:
    """Yield the last name of every word, but of what the OS's package manager is told."""
    if not is_read(text):
        yield from tokens(text)
    for call in calls(text):
        if call.manager not in OS_MANAGERS:
            yield from (word.rpartition("/")[2] for word in call.words)
