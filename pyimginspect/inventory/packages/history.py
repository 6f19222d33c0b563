"""What each layer did to the packages: differences between the databases of successive layers.

A package database is rewritten whole by everything that changes it, so each layer that installs,
upgrades or removes a package holds a complete picture of what was installed when it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from pyimginspect.inventory.facts import PackageEvent
from pyimginspect.rootfs import RootFS

__all__ = ["Events", "Identity", "databases_by_layer", "last_change", "past", "trace"]

Identity = tuple[str, ...]
"""What makes a package the same one in two databases, such as name and architecture."""

Events = Mapping[Identity, tuple[PackageEvent, ...]]

_R = TypeVar("_R")


def trace(
    snapshots: Iterable[tuple[int, Mapping[Identity, str]]],
) -> dict[Identity, tuple[PackageEvent, ...]]:
    """Return what happened to every package that was ever installed, the oldest event first.

    Each snapshot is a layer's number and the versions of what is installed after it. A package
    that was replaced by itself, in the same version, leaves no trace.
    """
    events: dict[Identity, tuple[PackageEvent, ...]] = {}
    before: Mapping[Identity, str] = {}
    for layer, after in snapshots:
        for identity, version in after.items():
            old = before.get(identity)
            if old != version:
                event = PackageEvent(
                    layer=layer,
                    action="installed" if old is None else "upgraded",
                    version=version,
                )
                events[identity] = (*events.get(identity, ()), event)
        for identity in before.keys() - after.keys():
            event = PackageEvent(layer=layer, action="removed", version=before[identity])
            events[identity] = (*events[identity], event)
        before = after
    return events


def past(
    rootfs: RootFS,
    snapshots: list[tuple[int, dict[Identity, _R]]],
    live: Mapping[Identity, _R],
    version: Callable[[_R], str],
    databases: tuple[str, ...],
) -> tuple[Events, dict[Identity, _R]]:
    """Return the events of all packages, and the last records of those that are not ``live``.

    Where the final file system shows less than the last snapshot, because one of the files, or
    directories of files, ``databases`` itself was deleted, its packages were removed by the layer
    that deleted it.
    """
    versions = [
        (layer, {identity: version(record) for identity, record in records.items()})
        for layer, records in snapshots
    ]
    if snapshots and snapshots[-1][1].keys() != live.keys():
        layer = _deleted_in(rootfs, databases)
        versions.append((layer, {identity: version(record) for identity, record in live.items()}))
    gone = {
        identity: record
        for _, records in snapshots
        for identity, record in records.items()
        if identity not in live
    }
    return trace(versions), gone


def _deleted_in(rootfs: RootFS, paths: tuple[str, ...]) -> int:
    """Return the last layer that took away something at or below ``paths``, the top one if none.

    A file that another one with content has replaced is the next state of the database; one that
    an empty file, a link or a directory has replaced is gone.
    """
    places = tuple(f"{path}/" for path in paths)
    layers = {layer.number: layer.index for layer in rootfs.layers}
    removed_in = (
        removal.removed_in
        for removal in rootfs.removals
        if removal.how != "repeated"
        and (layers[removal.layer].entries[removal.position].path + "/").startswith(places)
        and not layers[removal.removed_in].texts.get(removal.successor)
    )
    return max(removed_in, default=max(layers))


def last_change(history: tuple[PackageEvent, ...]) -> int:
    """Return the layer that brought the version that is there now, or was there last."""
    return next((event.layer for event in history[::-1] if event.action != "removed"), 0)


def databases_by_layer(
    rootfs: RootFS, prefixes: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yield, for every layer that has any, the texts at paths that begin with ``prefixes``."""
    for layer in rootfs.layers:
        entries = layer.index.entries
        # Of two entries with one path the later counts, and comes later here.
        texts = {
            entries[position].path: text
            for position, text in sorted(layer.index.texts.items())
            if entries[position].path.startswith(prefixes)
        }
        if texts:
            yield layer.number, texts
