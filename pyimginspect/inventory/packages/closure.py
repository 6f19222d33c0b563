"""Why a package is installed, and what would be removed with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages.apt_conf import AutoRemove, read_auto_remove
from pyimginspect.inventory.packages.database import PackageDatabase
from pyimginspect.inventory.packages.graph import Graph, Node, members
from pyimginspect.inventory.packages.needed import needed_by_apk, needed_by_apt, needed_by_dnf
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.inventory.packages.removable import only_owned_by
from pyimginspect.mappings import freeze
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["RemovalPlan", "find_orphans", "plan_removal", "why"]


# From nearly everything that was asked for some chain leads to the C library.
_MOST_CHAINS = 100


def why(graph: Graph, key: str) -> tuple[tuple[str, ...], ...]:
    """Return how packages that someone asked for lead to ``key``: the reasons that it is here.

    Each chain begins with such a package, ends with ``key``, and is the shortest between them;
    none leads through another package that was asked for. Chains of requirements come first, the
    shortest first; where there are none, chains may lead over recommendations. Where the package
    manager does not tell what was asked for, chains begin with what nothing else needs. Of more
    than a hundred chains the shortest hundred are given.
    """
    if key not in graph.nodes:
        return ()
    strong = _chains(graph, key, recommended=False)
    return strong or _chains(graph, key, recommended=True)


def _chains(graph: Graph, key: str, *, recommended: bool) -> tuple[tuple[str, ...], ...]:
    towards: dict[str, str] = {key: ""}
    frontier = [key]
    ends = []
    while frontier:
        following = []
        for current in frontier:
            needing = graph.required_by[current]
            if recommended:
                needing = tuple(sorted({*needing, *graph.recommended_by[current]}))
            if _asked_for(graph.nodes[current], needing):
                ends.append(current)
                if current != key:
                    continue
            for one in needing:
                if one not in towards:
                    towards[one] = current
                    following.append(one)
        # Sorted, so that of chains of one length every run shows the same.
        frontier = sorted(following)
    chains = []
    for end in ends[:_MOST_CHAINS]:
        chain = [end]
        while towards[chain[-1]]:
            chain.append(towards[chain[-1]])
        chains.append(tuple(chain))
    return tuple(sorted(chains, key=lambda chain: (len(chain), chain)))


def _asked_for(node: Node, needing: tuple[str, ...]) -> bool:
    # rpm by itself records no reasons.
    if node.package.automatic is None:
        return not needing
    return not node.package.automatic


class RemovalPlan(Struct, frozen=True, kw_only=True):
    """What goes when ``roots`` go, as their package manager would have it; keys, sorted.

    ``kept`` are those that stay all the same: apk brings them along for the sake of others
    (``install_if``). ``dependents`` need the roots, and go with them. ``orphaned`` packages came
    along with something that goes, and nothing that stays needs them. ``already_orphaned`` were
    not needed before, and the manager takes them on the way. ``orphans_known`` is false where
    the manager does not tell what was asked for (rpm without dnf's records): both are empty then.
    ``layers`` maps the layers to the bytes they store for the files that go, ``size`` is their
    sum; ``already_size`` is the part of it that the already orphaned account for.
    """

    roots: tuple[str, ...]
    kept: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    orphaned: tuple[str, ...] = ()
    already_orphaned: tuple[str, ...] = ()
    orphans_known: bool = True
    size: int = 0
    already_size: int = 0
    layers: Mapping[int, int] = {}
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "layers")

    @property
    def packages(self) -> tuple[str, ...]:
        """All that goes, sorted."""
        return tuple(
            sorted((*self.roots, *self.dependents, *self.orphaned, *self.already_orphaned))
        )


def plan_removal(
    rootfs: RootFS, database: PackageDatabase, graph: Graph, roots: Iterable[str]
) -> RemovalPlan:
    """Say what ``apt-get purge --auto-remove``, ``apk del -r`` or ``dnf remove`` would remove.

    ``roots`` are keys; those that are not installed are passed over. apt might rather install
    an alternative that its lists offer: this is what it does with what is installed.
    """
    wanted = {key for key in roots if key in graph.nodes}
    settings = read_auto_remove(rootfs)
    gone = wanted | _dependents(graph, wanted)
    # apk installs whatever its install_if asks for, even what is being deleted.
    gone -= _brought_back(graph, gone)
    chosen, dependents = wanted & gone, gone - wanted
    managers = {graph.nodes[key].package.manager for key in wanted}
    before = _orphans_now(graph, managers, settings)
    after = _orphans(graph, managers, settings, gone, _left_behind(graph, dependents, settings))
    already = before & after
    layers = stored_by_layer(rootfs, only_owned_by(database, gone | after))
    without = layers
    if already:
        without = stored_by_layer(rootfs, only_owned_by(database, (gone | after) - already))
    size = sum(layers.values())
    return RemovalPlan(
        roots=tuple(sorted(chosen)),
        kept=tuple(sorted(wanted - chosen)),
        dependents=tuple(sorted(dependents)),
        orphaned=tuple(sorted(after - before)),
        already_orphaned=tuple(sorted(already)),
        orphans_known=_telling(graph, managers) == managers,
        size=size,
        already_size=size - sum(without.values()),
        layers=layers,
        notes=settings.notes,
    )


def find_orphans(rootfs: RootFS, graph: Graph) -> tuple[str, ...]:
    """Return the packages that nothing needs as things are, sorted.

    They are what ``apt-get autoremove`` would remove, or ``apk`` at the next occasion, or
    ``dnf autoremove``. There are none where the manager does not tell what was asked for.
    """
    managers = {node.package.manager for node in graph.nodes.values()}
    return tuple(sorted(_orphans_now(graph, managers, read_auto_remove(rootfs))))


def _dependents(graph: Graph, roots: set[str]) -> set[str]:
    """Return what cannot stay without ``roots``: of some clause, no satisfying package is left.

    ``apk del -r`` takes all that leans on them, though others might satisfy it as well.
    """
    gone = set(roots)
    todo = sorted(roots)
    while todo:
        for key in graph.required_by[todo.pop()]:
            if key not in gone and _goes_with(graph.nodes[key], gone):
                gone.add(key)
                todo.append(key)
    return gone - roots


def _goes_with(node: Node, gone: set[str]) -> bool:
    # A clause that several packages satisfy holds while one of them stays.
    return node.package.manager == "apk" or any(
        gone.issuperset(one for alternative in clause for one in alternative)
        for clause in node.requires
    )


def _brought_back(graph: Graph, gone: set[str]) -> set[str]:
    """Return what apk would keep of ``gone`` though the world asks for none of it any more."""
    nodes = {k: node for k, node in graph.nodes.items() if node.package.manager == "apk"}
    asked = {key for key, node in nodes.items() if not node.package.automatic} - gone
    return gone & needed_by_apk(nodes, asked)


def _left_behind(graph: Graph, dependents: set[str], settings: AutoRemove) -> set[str]:
    """Return what apt takes for asked for once a metapackage over it is gone."""
    metapackages = (
        graph.nodes[key]
        for key in dependents
        if settings.outlives(graph.nodes[key].package.section)
    )
    return {key for node in metapackages for key in members(node.requires + node.recommends)}


def _telling(graph: Graph, managers: Collection[str]) -> set[str]:
    """Return those of ``managers`` that know what was asked for."""
    return {
        node.package.manager
        for node in graph.nodes.values()
        if node.package.automatic is not None and node.package.manager in managers
    }


def _orphans_now(graph: Graph, managers: Collection[str], settings: AutoRemove) -> frozenset[str]:
    """Return what nothing needs as things are."""
    already, key = _orphans_already(graph), (frozenset(managers), settings)
    if key not in already:
        already[key] = frozenset(_orphans(graph, managers, settings))
    return already[key]


@memoized
def _orphans_already(
    graph: Graph,
) -> dict[tuple[frozenset[str], AutoRemove], frozenset[str]]:
    """Return what was found so far: each question about a removal asks for it."""
    return {}


def _orphans(
    graph: Graph,
    managers: Collection[str],
    settings: AutoRemove,
    gone: Collection[str] = (),
    kept: Collection[str] = (),
) -> set[str]:
    """Return what nothing needs once ``gone`` is gone, and ``kept`` counts as asked for."""
    orphans: set[str] = set()
    for manager in sorted(_telling(graph, managers)):
        stay = {
            key: node
            for key, node in graph.nodes.items()
            if node.package.manager == manager and key not in gone
        }
        asked = {key for key, node in stay.items() if not node.package.automatic or key in kept}
        if manager == "dpkg":
            needed = needed_by_apt(stay, asked, settings)
        elif manager == "apk":
            needed = needed_by_apk(stay, asked)
        else:
            needed = needed_by_dnf(stay, asked)
        orphans |= stay.keys() - needed
    return orphans
