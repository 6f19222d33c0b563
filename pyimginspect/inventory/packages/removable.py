"""Which files are deleted with packages: those that no other package owns too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages.database import PackageDatabase

__all__ = ["only_owned_by", "owned_alone", "owned_together"]


def only_owned_by(database: PackageDatabase, keys: Collection[str]) -> set[str]:
    """Return the files that no package but ``keys`` owns, links among them."""
    alone = owned_alone(database)
    return owned_together(database, keys).union(*(alone.get(key, ()) for key in keys))


@memoized
def owned_alone(database: PackageDatabase) -> Mapping[str, frozenset[str]]:
    """Return the files that a package is the only owner of, by its key."""
    shared = _shared(database)
    return {
        key: files.difference(shared.get(key, ())) for key, files in database.files_by_key.items()
    }


def owned_together(database: PackageDatabase, keys: Collection[str]) -> set[str]:
    """Return the files that several of ``keys`` own, and no other package."""
    shared, owners = _shared(database), database.owners
    chosen = frozenset(keys)
    # Packages of one name for two architectures share files (Multi-Arch: same).
    return {
        path
        for key in chosen & shared.keys()
        for path in shared[key]
        if chosen.issuperset(owners[path])
    }


@memoized
def _shared(database: PackageDatabase) -> dict[str, list[str]]:
    """Return the files that a package is one of several owners of, by its key."""
    several = [(path, keys) for path, keys in database.owners.items() if len(keys) > 1]
    shared: dict[str, list[str]] = {}
    for path, keys in several:
        for key in keys:
            shared.setdefault(key, []).append(path)
    return shared
