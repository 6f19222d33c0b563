"""The command that removes what a build needed, and nothing that must stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.apt_conf import read_auto_remove
from pyimginspect.inventory.packages.commands import remove, remove_alone, tool_of
from pyimginspect.inventory.packages.needed import needed_by_apt

__all__ = ["purge_command"]


def purge_command(
    inventory: Inventory, asked: Sequence[OsPackage], keys: Collection[str], kept: Iterable[str]
) -> str:
    """Return the command that removes what was ``asked`` for, with ``keys`` and nothing else.

    ``kept`` are the names of packages that must stay though they were installed with these.
    """
    tool = tool_of(inventory.rootfs, asked[0].manager)
    names = _names(asked)
    keep = {*kept}
    if tool == "apt-get":
        # Recommended packages would stay for as long as anything in the base suggests them.
        return remove(tool, names, sorted(keep | _would_go(inventory, asked, keys, keep)))
    if tool == "apk" or not keep:
        return remove(tool, names, sorted(keep))
    # They cannot be marked as asked for in a way that all of rpm's tools know.
    return remove_alone(tool, sorted({*names, *(inventory.packages[key].name for key in keys)}))


def _names(asked: Sequence[OsPackage]) -> list[str]:
    """Return what the package manager is told, each once.

    Where apt has a package of several architectures, its name alone is the native one's.
    """
    count = Counter(package.name for package in asked)
    names = (
        package.key if package.manager == "dpkg" and count[package.name] > 1 else package.name
        for package in asked
    )
    return list(dict.fromkeys(names))


def _would_go(
    inventory: Inventory, asked: Sequence[OsPackage], keys: Collection[str], kept: Collection[str]
) -> set[str]:
    """Return what ``--auto-remove`` would take besides: recommended by something that stays."""
    graph = dependency_graph(inventory.packages)
    gone = {package.key for package in asked}
    # The marks are apt's alone: a package of another manager needs none of them.
    stay = {
        key: node
        for key, node in graph.nodes.items()
        if node.package.manager == "dpkg" and key not in gone
    }
    roots = {
        key for key, node in stay.items() if not node.package.automatic or node.package.name in kept
    }
    settings = msgspec.structs.replace(
        read_auto_remove(inventory.rootfs), recommends=False, suggests=False
    )
    orphans = stay.keys() - needed_by_apt(stay, roots, settings) - {*keys}
    # Those that others of them need stay with those.
    needed = {key for key in orphans if not orphans.isdisjoint(graph.required_by[key])}
    return {graph.nodes[key].package.name for key in orphans - needed}
