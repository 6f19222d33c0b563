"""The ledger: every stored byte of every layer, in exactly one account.

``live`` bytes are what the final file system shows. All others are wasted space. Files that a
later layer stores again are ``unchanged`` (same content, same metadata), ``metadata_changed``
(same content; changed owner, mode, time or extended attributes), ``content_changed``, or
``not_compared`` where the contents could not be compared. Files that a later layer deletes are
``removed``; files that one layer stores twice are ``repeated``. The copy that survives is live,
never waste. The accounts of a layer add up to the bytes of content that the layer stores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from pyimginspect.model import Layer
from pyimginspect.rootfs import Removal, RootFS

__all__ = ["Account", "Checksum", "LayerAccount", "Ledger", "WastedFile", "build_ledger"]

Account = Literal[
    "unchanged", "metadata_changed", "content_changed", "not_compared", "removed", "repeated"
]

Checksum = Callable[[int, int], int | None]
"""CRC-32 of the content of a layer's entry, by their numbers; ``None`` where it is not known."""


class WastedFile(Struct, frozen=True, kw_only=True, gc=False):
    """One stored file that the final file system does not show.

    ``layer`` stores its ``size`` bytes, ``removed_in`` is the layer that took it away.
    """

    path: str
    layer: int
    removed_in: int
    size: int
    account: Account


class LayerAccount(Struct, frozen=True, kw_only=True):
    """What became of the bytes that one layer stores. ``stored`` is the sum of all others."""

    layer: int
    stored: int = 0
    live: int = 0
    unchanged: int = 0
    metadata_changed: int = 0
    content_changed: int = 0
    not_compared: int = 0
    removed: int = 0
    repeated: int = 0

    @property
    def overwritten(self) -> int:
        """Bytes whose path a later layer stores again."""
        return self.unchanged + self.metadata_changed + self.content_changed + self.not_compared

    @property
    def waste(self) -> int:
        """Bytes that are stored and not live."""
        return self.overwritten + self.removed + self.repeated


class Ledger(Struct, frozen=True, kw_only=True):
    """The accounts of all layers, and every loss behind them, by layer and path."""

    layers: tuple[LayerAccount, ...]
    wasted_files: tuple[WastedFile, ...]

    @property
    def stored(self) -> int:
        """Bytes of file content in all layers."""
        return sum(account.stored for account in self.layers)

    @property
    def waste(self) -> int:
        """Bytes that are stored and not live, in all layers."""
        return sum(account.waste for account in self.layers)


def build_ledger(rootfs: RootFS, checksum: Checksum | None = None) -> Ledger:
    """Settle the accounts of the layers behind ``rootfs``.

    ``checksum`` is asked for those that the indexes do not hold, when a file was overwritten by
    one of the same length; without it such files are ``not_compared``.
    """
    layers = {layer.number: layer for layer in rootfs.layers}
    wasted_files = []
    sums: dict[int, dict[str, int]] = {number: {} for number in layers}
    for removal in rootfs.removals:
        entry = layers[removal.layer].index.entries[removal.position]
        account: Account
        if removal.how == "overwritten":
            account = _overwritten(layers, removal, checksum)
        else:
            account = removal.how
        wasted_files.append(
            WastedFile(
                path=entry.path,
                layer=removal.layer,
                removed_in=removal.removed_in,
                size=entry.stored,
                account=account,
            )
        )
        sums[removal.layer][account] = sums[removal.layer].get(account, 0) + entry.stored
    accounts = []
    for number, layer in layers.items():
        stored = layer.index.stored
        wasted = sums[number]
        accounts.append(
            LayerAccount(layer=number, stored=stored, live=stored - sum(wasted.values()), **wasted)
        )
    wasted_files.sort(key=lambda wasted: (wasted.layer, wasted.path, wasted.removed_in))
    return Ledger(layers=tuple(accounts), wasted_files=tuple(wasted_files))


def _overwritten(layers: dict[int, Layer], removal: Removal, checksum: Checksum | None) -> Account:
    if removal.successor < 0:
        return "content_changed"  # a directory, a link or a device stands there now
    old_layer, new_layer = layers[removal.layer], layers[removal.removed_in]
    old = old_layer.index.entries[removal.position]
    new = new_layer.index.entries[removal.successor]
    # Sums of 32 bits are enough for two files of one length at one path
    # (docs/decisions/checksums.md).
    if old.size != new.size or new.kind != "file":
        return "content_changed"
    # What a table of contents says of contents compares with its like alone.
    alike = bool(old_layer.index.toc_digest) == bool(new_layer.index.toc_digest)
    before = _sum(old_layer, removal.position, checksum, alike)
    after = _sum(new_layer, removal.successor, checksum, alike) if before is not None else None
    if before is None or after is None:
        return "not_compared"
    if before != after:
        return "content_changed"
    kept = (old.mode, old.uid, old.gid, old.mtime, old.xattrs)
    return (
        "unchanged"
        if kept == (new.mode, new.uid, new.gid, new.mtime, new.xattrs)
        else "metadata_changed"
    )


def _sum(layer: Layer, position: int, checksum: Checksum | None, alike: bool) -> int | None:
    if layer.index.checksums is not None and (alike or not layer.index.toc_digest):
        return layer.index.checksums.get(position)
    return checksum(layer.number, position) if checksum is not None else None
