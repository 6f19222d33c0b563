"""rpm's packages, as the final file system has them and as each layer had them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pyimginspect.inventory.facts import OsPackage, PackageEvent
from pyimginspect.inventory.licenses import one_license
from pyimginspect.inventory.packages import rpm
from pyimginspect.inventory.packages.history import (
    Identity,
    databases_by_layer,
    last_change,
    past,
)
from pyimginspect.inventory.packages.installation import Claim, Installation
from pyimginspect.inventory.packages.rpm import full_version, source_name
from pyimginspect.model import Note, RpmPackage
from pyimginspect.rootfs import RootFS

__all__ = ["installed_by_rpm"]

_Packages = dict[Identity, RpmPackage]


def installed_by_rpm(rootfs: RootFS) -> Installation:
    """Read rpm's database, or the manifest that stands in for it in distroless images.

    rpm does not know who asked for a package; dnf5 does, in a file beside it. Where that is
    absent, ``automatic`` is unknown.
    """
    records = list(_records(rootfs))
    number, path = _live_database(rootfs)
    present = next((found for layer, found in records if layer == number), ())
    several = _several([found for _, found in records])
    live = _by_identity(present, several)
    snapshots = [(layer, _by_identity(found, several)) for layer, found in records]
    events, gone = past(rootfs, snapshots, live, full_version, (path,))
    reasons = rpm.parse_dnf5_reasons(rootfs.texts.get(rpm.DNF5_PACKAGES, b""))
    claims = (
        Claim(
            package=_describe(
                package,
                events.get(identity, ()),
                reasons.get(f"{package.name}.{package.architecture}"),
            ),
            record=package,
            paths=package.files,
        )
        for identity, package in live.items()
    )
    removed = (_describe(package, events[identity], None) for identity, package in gone.items())
    return Installation(
        claims=tuple(claims), removed=tuple(removed), notes=tuple(_unread_logs(rootfs))
    )


def _records(rootfs: RootFS) -> Iterator[tuple[int, Sequence[RpmPackage]]]:
    """Yield what the database of each layer holds; of several in one layer, the largest."""
    manifests = dict(databases_by_layer(rootfs, (rpm.MANIFEST,)))
    for layer in rootfs.layers:
        found = [list(packages) for packages in layer.index.rpm.values()]
        found += map(rpm.parse_manifest, manifests.get(layer.number, {}).values())
        if found:
            yield layer.number, max(found, key=len)


def _live_database(rootfs: RootFS) -> tuple[int, str]:
    """Return layer and path of the database that is there in the end, -1 where none is."""
    path = rpm.MANIFEST
    for layer in rootfs.layers[::-1]:
        for position in sorted(layer.index.rpm):
            path = layer.index.entries[position].path
            node = rootfs.get(path)
            if node is not None and (node.layer, node.position) == (layer.number, position):
                return layer.number, path
    manifest = rootfs.get(rpm.MANIFEST)
    return (manifest.layer if manifest is not None else -1), path


def _several(snapshots: list[Sequence[RpmPackage]]) -> set[Identity]:
    """Return the names that rpm holds in several versions at once: kernels, signing keys."""
    return {
        identity
        for packages in snapshots
        for identity, count in Counter((p.name, p.architecture) for p in packages).items()
        if count > 1
    }


def _by_identity(packages: Sequence[RpmPackage], several: set[Identity]) -> _Packages:
    found: _Packages = {}
    for package in packages:
        identity: Identity = (package.name, package.architecture)
        if identity in several:
            identity = (*identity, full_version(package))
        found[identity] = package
    return found


def _unread_logs(rootfs: RootFS) -> Iterator[Note]:
    for directory in rpm.DIRECTORIES:
        # SQLite writes the log back and deletes it when the last connection closes: one that is
        # there belongs to a process that was killed.
        path = f"{directory}/rpmdb.sqlite-wal"
        node = rootfs.get(path)
        if node is not None and node.size:
            yield Note(
                what="the latest changes to the rpm database are in a write-ahead log, which is"
                " not read",
                path=path,
                layer=node.layer,
            )


def _describe(
    package: RpmPackage, history: tuple[PackageEvent, ...], automatic: bool | None
) -> OsPackage:
    return OsPackage(
        manager="rpm",
        name=package.name,
        version=full_version(package),
        architecture=package.architecture,
        source=source_name(package),
        maintainer=package.vendor,
        licenses=one_license(package.license),
        automatic=automatic,
        depends=tuple((need,) for need in package.requires),
        recommends=tuple((wish,) for wish in package.recommends),
        provides=package.provides,
        installed_size=package.size,
        layer=last_change(history),
        history=history,
    )
