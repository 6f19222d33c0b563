"""Which installed packages satisfy a dependency, by the rules of dpkg, of apk and of rpm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages.apk import ApkPackage, capability
from pyimginspect.inventory.packages.database import PackageDatabase
from pyimginspect.inventory.packages.dpkg import DpkgPackage
from pyimginspect.inventory.packages.graph import Clauses, Graph, Node, build_graph
from pyimginspect.inventory.packages.relations import (
    Operator,
    Relation,
    compare_versions,
    read_relations,
)
from pyimginspect.model import RpmPackage

__all__ = ["dependency_graph"]

# Of one name; more would let a small database make a graph of any size.
_MOST_PROVIDERS = 100


@memoized
def dependency_graph(database: PackageDatabase) -> Graph:
    """Find the packages behind every dependency of every installed package."""
    dpkg: dict[str, DpkgPackage] = {}
    apk: dict[str, ApkPackage] = {}
    rpm: dict[str, RpmPackage] = {}
    for key, record in database.records.items():
        if isinstance(record, DpkgPackage):
            dpkg[key] = record
        elif isinstance(record, ApkPackage):
            apk[key] = record
        else:
            rpm[key] = record
    return build_graph(
        {
            **_dpkg_nodes(database, dpkg),
            **_apk_nodes(database, apk),
            **_rpm_nodes(database, rpm),
        }
    )


class _Providers:
    """Which packages answer to a name, where nothing but the name counts."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}

    def add(self, key: str, names: Iterable[str]) -> None:
        for name in set(names):
            self._keys.setdefault(name, []).append(key)

    def clauses(self, names: Iterable[str]) -> Clauses:
        """One clause for each name that something answers to, each with one alternative."""
        return tuple(
            (tuple(sorted(self._keys[name][:_MOST_PROVIDERS])),)
            for name in names
            if name in self._keys
        )


# --- dpkg ---------------------------------------------------------------------------------------
class _Candidate(NamedTuple):
    """A package under one of the names that it answers to; no version: provided without one."""

    key: str
    version: str
    architecture: str
    multi_arch: str


class _Dpkg:
    """Looks up relations: deb-control(5), and Debian's MultiarchSpec for architectures."""

    def __init__(self, records: Mapping[str, DpkgPackage]) -> None:
        # A package for all architectures counts as one of the system's own.
        counts = Counter(r.architecture for r in records.values() if r.architecture != "all")
        # Sorted first, so that of two that are as many every run takes the same.
        self._native = max(sorted(counts), key=counts.__getitem__, default="")
        self._candidates: dict[str, list[_Candidate]] = {}
        for key, record in records.items():
            self._add(record.name, key, record, record.version)
            for (given,) in read_relations(record.provides):
                self._add(given.name, key, record, given.version)

    def _add(self, name: str, key: str, record: DpkgPackage, version: str) -> None:
        self._candidates.setdefault(name, []).append(
            _Candidate(key, version, self.architecture(record), record.multi_arch)
        )

    def architecture(self, record: DpkgPackage) -> str:
        return self._native if record.architecture == "all" else record.architecture

    def clauses(self, text: str, architecture: str, *, fulfilled: bool = False) -> Clauses:
        """Find the packages behind ``text``; ``fulfilled`` if each clause is known to hold."""
        found = []
        for clause in read_relations(text):
            # Of alternatives any may be the one that holds.
            sure = fulfilled and len(clause) == 1
            alternatives = (self._satisfy(relation, architecture, sure) for relation in clause)
            satisfied = tuple(alternative for alternative in alternatives if alternative)
            if satisfied:
                found.append(satisfied)
        return tuple(found)

    def _satisfy(self, relation: Relation, architecture: str, sure: bool) -> tuple[str, ...]:
        candidates = self._candidates.get(relation.name, [])[:_MOST_PROVIDERS]
        if sure and len(candidates) == 1:
            return (candidates[0].key,)
        return tuple(
            sorted(
                {
                    candidate.key
                    for candidate in candidates
                    if _right_architecture(candidate, relation.architecture, architecture)
                    and _right_version(candidate.version, relation.operator, relation.version)
                }
            )
        )


def _right_architecture(candidate: _Candidate, wanted: str, dependent: str) -> bool:
    # Multi-Arch in deb-control(5): `allowed` is for those who ask for name:any, `foreign` is for
    # whoever asks, of any architecture.
    if wanted == "any":
        return candidate.multi_arch == "allowed" or candidate.architecture == dependent
    if wanted and wanted != "native":
        return candidate.architecture == wanted
    return candidate.architecture == dependent or candidate.multi_arch == "foreign"


def _right_version(version: str, operator: Operator, wanted: str) -> bool:
    if not operator:
        return True
    # What is provided without a version satisfies no relation that has one: dpkg since 1.17.11.
    if not version:
        return False
    order = compare_versions(version, wanted)
    return {
        "<<": order < 0,
        "<=": order <= 0,
        "=": order == 0,
        ">=": order >= 0,
        ">>": order > 0,
    }[operator]


def _dpkg_nodes(database: PackageDatabase, records: Mapping[str, DpkgPackage]) -> dict[str, Node]:
    look = _Dpkg(records)
    nodes = {}
    for key, record in records.items():
        architecture = look.architecture(record)
        nodes[key] = Node(
            package=database[key],
            # dpkg leaves no package without what it depends on.
            requires=look.clauses(record.depends, architecture, fulfilled=True),
            recommends=look.clauses(record.recommends, architecture),
            suggests=look.clauses(record.suggests, architecture),
            source_version=record.source_version,
            spared=record.essential or record.held,
            required=record.priority == "required",
        )
    return nodes


# --- apk ----------------------------------------------------------------------------------------
def _apk_nodes(database: PackageDatabase, records: Mapping[str, ApkPackage]) -> dict[str, Node]:
    providers = _Providers()
    for key, record in records.items():
        providers.add(key, [record.name, *map(capability, record.provides)])

    def clauses(needs: Iterable[str]) -> Clauses:
        # A need that begins with an exclamation mark is a conflict.
        return providers.clauses(capability(need) for need in needs if not need.startswith("!"))

    nodes = {}
    for key, record in records.items():
        conditions = clauses(record.install_if)
        nodes[key] = Node(
            package=database[key],
            requires=clauses(record.depends),
            # A condition that nothing installed meets is never met.
            install_if=conditions if len(conditions) == len(record.install_if) else (),
            priority=record.priority,
        )
    return nodes


# --- rpm ----------------------------------------------------------------------------------------
def _rpm_nodes(database: PackageDatabase, records: Mapping[str, RpmPackage]) -> dict[str, Node]:
    """Versions are not compared: what is installed together has been found to fit.

    Conditions such as ``(a if b)`` are passed over.
    """
    providers = _Providers()
    # rpm's packages may require paths (/bin/sh), which are not among what is provided.
    wanted_files = {
        need for record in records.values() for need in record.requires if need.startswith("/")
    }
    for key, record in records.items():
        files = wanted_files.intersection(f"/{path}" for path in record.files)
        providers.add(key, [record.name, *record.provides, *files])
    return {
        key: Node(
            package=database[key],
            requires=providers.clauses(record.requires),
            recommends=providers.clauses(record.recommends),
        )
        for key, record in records.items()
    }
