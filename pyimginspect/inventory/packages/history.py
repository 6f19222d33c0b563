"""What each layer did to the packages: differences between the databases of successive layers.

A package database is rewritten whole by everything that changes it, so each layer that installs,
upgrades or removes a package holds a complete picture of what was installed when it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pyimginspect.inventory.facts import PackageEvent
from pyimginspect.rootfs import RootFS

__all__ = ["Identity", "databases_by_layer", "trace"]

Identity = tuple[str, ...]
"""What makes a package the same one in two databases, such as name and architecture."""


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
