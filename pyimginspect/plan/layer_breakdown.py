"""What each layer stores, for whom, and which later layer removed or replaced it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import LayerAccount
from pyimginspect.mappings import freeze

__all__ = ["LayerBreakdown", "Share", "break_down_layers"]

_DEPTH = 3
_MOST = 8


LAYERS_VERSION = 1
"""Of what the document has in it: fields may be added, never changed in meaning."""


class Share(Struct, frozen=True, kw_only=True):
    """A part of what a layer stores: of one directory, one package, or one file.

    ``live`` and ``wasted`` are bytes of content; ``how`` says of a wasted file whether it was
    removed, overwritten or repeated, and ``removed_in`` by which layer.
    """

    name: str
    live: int = 0
    wasted: int = 0
    how: str = ""
    removed_in: int | None = None

    @property
    def stored(self) -> int:
        """All bytes of the share."""
        return self.live + self.wasted


class LayerBreakdown(Struct, frozen=True, kw_only=True):
    """One layer's account, and the largest parts of it.

    ``removed_by`` and ``overwritten_by`` map later layers to the bytes they took. Content with
    several names counts under the name that it was stored by. ``packages`` are shares of live
    bytes by the OS package that owns them.
    """

    layer: int
    instruction: str
    base: bool
    size: int
    account: LayerAccount
    removed_by: Mapping[int, int] = {}
    overwritten_by: Mapping[int, int] = {}
    directories: tuple[Share, ...] = ()
    packages: tuple[Share, ...] = ()
    files: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "removed_by", "overwritten_by")


class LayersDocument(Struct, frozen=True, kw_only=True):
    """What ``--layers -f json`` prints: the layers of an image, the lowest first."""

    layers_version: int = LAYERS_VERSION
    layers: tuple[LayerBreakdown, ...]


def break_down_layers(inventory: Inventory) -> tuple[LayerBreakdown, ...]:
    """Return the breakdown of every layer, the lowest first; shares are sorted by bytes stored."""
    by_layer: dict[int, dict[int, tuple[int, str]]] = {}
    accounts = {
        (found.layer, found.path, found.removed_in): found.account
        for found in inventory.ledger.wasted_files
    }
    entries = {layer.number: layer.index.entries for layer in inventory.image.layers}
    for removal in inventory.rootfs.removals:
        path = entries[removal.layer][removal.position].path
        account = accounts[removal.layer, path, removal.removed_in]
        by_layer.setdefault(removal.layer, {})[removal.position] = (removal.removed_in, account)
    return tuple(
        _breakdown(inventory, account, by_layer.get(account.layer, {}))
        for account in inventory.ledger.layers
    )


def _breakdown(
    inventory: Inventory, account: LayerAccount, wasted_files: Mapping[int, tuple[int, str]]
) -> LayerBreakdown:
    layer = inventory.image.layers[account.layer]
    removed: dict[int, int] = {}
    overwritten: dict[int, int] = {}
    directories: dict[str, list[int]] = {}
    packages: dict[str, int] = {}
    largest: list[Share] = []
    for position, entry in enumerate(layer.index.entries):
        if not entry.stored:
            continue
        share = directories.setdefault(_directory(entry.path), [0, 0])
        found = wasted_files.get(position)
        if found is None:
            share[0] += entry.stored
            for key in inventory.packages.owner(entry.path):
                packages[key] = packages.get(key, 0) + entry.stored
            largest.append(Share(name=entry.path, live=entry.stored))
            continue
        removed_in, how = found
        share[1] += entry.stored
        if how == "removed":
            removed[removed_in] = removed.get(removed_in, 0) + entry.stored
        # What a layer stores twice itself no other layer took.
        elif how != "repeated":
            overwritten[removed_in] = overwritten.get(removed_in, 0) + entry.stored
        largest.append(Share(name=entry.path, wasted=entry.stored, how=how, removed_in=removed_in))
    return LayerBreakdown(
        layer=account.layer,
        instruction=inventory.instructions[account.layer],
        base=account.layer < inventory.base.layers,
        size=layer.index.size,
        account=account,
        removed_by=dict(sorted(removed.items())),
        overwritten_by=dict(sorted(overwritten.items())),
        directories=_first(
            Share(name=name, live=live, wasted=wasted)
            for name, (live, wasted) in directories.items()
        ),
        packages=_first(Share(name=key, live=live) for key, live in packages.items()),
        files=_first(largest),
    )


def _directory(path: str) -> str:
    """Return the directory of ``path``, at most three levels deep."""
    return "/" + "/".join(path.split("/")[:-1][:_DEPTH])


def _first(shares: Iterable[Share]) -> tuple[Share, ...]:
    ordered = sorted(shares, key=lambda share: (-share.stored, share.name))
    return tuple(ordered[:_MOST])
