"""Who needs whom among the installed packages: a graph that is the same for all managers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from pyimginspect.inventory.facts import OsPackage

__all__ = ["Clauses", "Graph", "Node", "build_graph", "dependency_closure", "members"]

Clauses = tuple[tuple[tuple[str, ...], ...], ...]
"""All must hold; of each, one of its alternatives; of each, one of the packages that satisfy it."""


class Node(Struct, frozen=True, kw_only=True):
    """An installed package in the graph, and the keys of the packages that it leans on.

    A clause that nothing installed satisfies is left out: it is broken, or about something that
    is no package. ``install_if`` is apk's condition for bringing a package along by itself and
    ``priority`` apk's preference among providers. ``source_version`` is that of the source
    package (dpkg). ``spared`` packages are never removed for want of a reason to be there, nor
    ``required`` ones, if their priority is to be believed (:class:`AutoRemove`).
    """

    package: OsPackage
    requires: Clauses = ()
    recommends: Clauses = ()
    suggests: Clauses = ()
    install_if: Clauses = ()
    source_version: str = ""
    priority: int = 0
    spared: bool = False
    required: bool = False


class Graph(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """The installed packages by key, and for each of them those that require or recommend it."""

    nodes: Mapping[str, Node]
    required_by: Mapping[str, tuple[str, ...]]
    recommended_by: Mapping[str, tuple[str, ...]]


def build_graph(nodes: Mapping[str, Node]) -> Graph:
    """Add the reverse of what the nodes say; every key that they name must be a node."""
    ordered = {key: nodes[key] for key in sorted(nodes)}
    return Graph(
        nodes=ordered,
        required_by=_reverse({key: node.requires for key, node in ordered.items()}),
        recommended_by=_reverse({key: node.recommends for key, node in ordered.items()}),
    )


def members(clauses: Clauses) -> Iterator[str]:
    """Yield every package that has a part in satisfying ``clauses``, some perhaps twice."""
    return (key for clause in clauses for alternative in clause for key in alternative)


def dependency_closure(graph: Graph, roots: Iterable[str], *, recommended: bool) -> set[str]:
    """Return ``roots`` and all that they lean on, any alternative and any provider of it.

    With ``recommended`` also what is recommended or suggested.
    """
    found: set[str] = set()
    todo = list(roots)
    while todo:
        key = todo.pop()
        if key in found:
            continue
        found.add(key)
        node = graph.nodes[key]
        todo.extend(members(node.requires))
        if recommended:
            todo.extend(members(node.recommends + node.suggests))
    return found


def _reverse(clauses_by_key: Mapping[str, Clauses]) -> dict[str, tuple[str, ...]]:
    reverse: dict[str, set[str]] = {key: set() for key in clauses_by_key}
    for key, clauses in clauses_by_key.items():
        for needed in members(clauses):
            # A package may provide what it depends on.
            if needed != key:
                reverse[needed].add(key)
    return {key: tuple(sorted(needing)) for key, needing in reverse.items()}
