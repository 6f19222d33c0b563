"""Which package that somebody asked for brought which others, by recommendation alone.

``apt-get install`` brings what the new packages recommend, and what that depends on and recommends
in turn, unless ``--no-install-recommends`` or ``APT::Install-Recommends`` says otherwise
(apt.conf(5)); ``dnf install`` does the same with weak dependencies (``install_weak_deps``,
dnf.conf(5)). Only the packages of one installation recommend anything: what was there before has
been asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from msgspec import Struct

from pyimginspect.inventory.packages.graph import Graph, members

__all__ = ["Recommendation", "RecommendedBy", "recommended_by", "required_by"]


class Recommendation(Struct, frozen=True, kw_only=True):
    """``upper`` recommends ``lower``, and with it came ``packages``, ``lower`` among them; keys."""

    upper: str
    lower: str
    packages: tuple[str, ...]


class RecommendedBy(Struct, frozen=True, kw_only=True):
    """What came with ``root``, a package asked for by name, because of recommendations; keys."""

    root: str
    recommendations: tuple[Recommendation, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """All of it, sorted."""
        return tuple(sorted({key for each in self.recommendations for key in each.packages}))


def required_by(graph: Graph, roots: Iterable[str]) -> set[str]:
    """Return ``roots`` and all that they depend on, with every provider of it.

    Of alternatives the first that is here counts: it is the one that would be installed, unless
    another is needed all the same.
    """
    found: set[str] = set()
    todo = list(roots)
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            todo.extend(one for clause in graph.nodes[key].requires for one in clause[0])
    return found


def recommended_by(
    graph: Graph, roots: Collection[str], new: Collection[str], extra: Collection[str]
) -> tuple[RecommendedBy, ...]:
    """Share the packages ``extra`` out among the ``roots`` whose recommendations brought them.

    ``new`` are all packages that one installation brought, roots and extra ones among them.
    Each extra package goes with the root that is the fewest steps away, of several the first by
    name, and with the first recommendation on the way; what no root leads to is left out.
    """
    shares: dict[tuple[str, str, str], list[str]] = {}
    seen: set[str] = set()
    # The second is the recommendation on the way, empty on the way to it.
    todo = deque((root, root, ("", "")) for root in sorted(roots))
    while todo:
        key, root, way = todo.popleft()
        if key in seen or key not in new:
            continue
        seen.add(key)
        if key in extra:
            shares.setdefault((root, *way), []).append(key)
        else:
            way = ("", "")
        node = graph.nodes[key]
        todo.extend((one, root, way) for one in sorted(set(members(node.requires))))
        for one in sorted(set(members(node.recommends))):
            # One that is needed all the same may recommend others, which are not.
            starts = one in extra and not way[1]
            todo.append((one, root, (key, one) if starts else way))
    found: dict[str, list[Recommendation]] = {}
    for (root, upper, lower), keys in shares.items():
        found.setdefault(root, []).append(
            Recommendation(upper=upper, lower=lower, packages=tuple(sorted(keys)))
        )
    return tuple(
        RecommendedBy(root=root, recommendations=tuple(each)) for root, each in found.items()
    )
