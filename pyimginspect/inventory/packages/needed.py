"""Which packages are still needed, by the rules of apt, of apk and of dnf.

All three begin with what someone asked for and follow dependencies. They differ in which of
several packages that satisfy one dependency they hold on to.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping

from pyimginspect.inventory.packages.apt_conf import AutoRemove
from pyimginspect.inventory.packages.graph import Clauses, Node, members
from pyimginspect.inventory.packages.relations import compare_versions

__all__ = ["needed_by_apk", "needed_by_apt", "needed_by_dnf"]

Nodes = Mapping[str, Node]


def needed_by_apt(nodes: Nodes, asked: Collection[str], settings: AutoRemove) -> set[str]:
    """Return what ``apt-get autoremove`` keeps of ``nodes`` (apt.conf(5), "AutoRemove").

    It holds on to every alternative that is there, and to every package that satisfies it, but
    of several packages of one source only to those of the newest version.
    """
    needed: set[str] = set()
    todo = [
        key
        for key, node in nodes.items()
        if key in asked
        or node.spared
        or (node.required and settings.required)
        or settings.spares(node.package.name)
    ]
    while todo:
        key = todo.pop()
        node = nodes.get(key)
        if node is None or key in needed:
            continue
        needed.add(key)
        clauses = node.requires
        if settings.recommends:
            clauses += node.recommends
        if settings.suggests:
            clauses += node.suggests
        todo.extend(_held_on_to(nodes, clauses))
    return needed


def _held_on_to(nodes: Nodes, clauses: Clauses) -> list[str]:
    """Return every package that satisfies a clause, and no older one of the same source."""
    found: list[str] = []
    for clause in clauses:
        for alternative in clause:
            found += alternative if len(alternative) == 1 else _newest(nodes, alternative)
    return found


def _newest(nodes: Nodes, alternative: Iterable[str]) -> list[str]:
    # MarkPackage() in apt-pkg/depcache.cc: "only latest binary package of a source package is
    # marked instead of all".
    keys = [key for key in alternative if key in nodes]
    newest: dict[str, str] = {}
    for key in keys:
        source, version = nodes[key].package.source, nodes[key].source_version
        if source not in newest or compare_versions(version, newest[source]) > 0:
            newest[source] = version
    return [key for key in keys if nodes[key].source_version == newest[nodes[key].package.source]]


def needed_by_apk(nodes: Nodes, asked: Collection[str]) -> set[str]:
    """Return what ``apk`` keeps of ``nodes`` for the world ``asked``.

    Of several providers one will do: one that is needed anyway, else the one of the highest
    priority. A package with a condition (``install_if``) is there while the condition holds.
    """
    needed: set[str] = set()
    choices: list[list[str]] = []
    conditional = _conditional(nodes)
    todo = [key for key in sorted(asked) if key in nodes]
    while todo or choices:
        if not todo:
            # Everything that is sure is known; now one choice, which may settle others.
            providers = heapq.heappop(choices)
            if needed.isdisjoint(providers):
                todo.append(min(providers, key=lambda key: (-nodes[key].priority, key)))
            continue
        key = todo.pop()
        if key in needed:
            continue
        needed.add(key)
        for clause in nodes[key].requires:
            providers = [one for one in clause[0] if one in nodes]
            if len(providers) == 1:
                todo.append(providers[0])
            elif providers:
                heapq.heappush(choices, providers)
        todo.extend(one for one in conditional.get(key, ()) if _is_triggered(nodes[one], needed))
    return needed


def _conditional(nodes: Nodes) -> dict[str, list[str]]:
    """Return the packages with a condition, by every package that it names."""
    conditional: dict[str, list[str]] = {}
    for key, node in nodes.items():
        for one in set(members(node.install_if)):
            conditional.setdefault(one, []).append(key)
    return conditional


def _is_triggered(node: Node, needed: set[str]) -> bool:
    """Whether the condition of a package holds (``install_if``)."""
    return all(not needed.isdisjoint(clause[0]) for clause in node.install_if)


def needed_by_dnf(nodes: Nodes, asked: Collection[str]) -> set[str]:
    """Return what ``dnf autoremove`` keeps: requirements and recommendations of what was asked."""
    needed: set[str] = set()
    todo = sorted(asked)
    while todo:
        key = todo.pop()
        if key in nodes and key not in needed:
            needed.add(key)
            todo.extend(members(nodes[key].requires + nodes[key].recommends))
    return needed
