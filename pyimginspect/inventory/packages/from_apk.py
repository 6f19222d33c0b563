"""apk's packages, as the final file system has them and as each layer had them."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.inventory.facts import OsPackage, PackageEvent
from pyimginspect.inventory.licenses import one_license
from pyimginspect.inventory.packages import apk
from pyimginspect.inventory.packages.apk import ApkPackage, capability
from pyimginspect.inventory.packages.history import (
    Identity,
    databases_by_layer,
    last_change,
    past,
)
from pyimginspect.inventory.packages.installation import Claim, Installation
from pyimginspect.inventory.packages.limits import left_out
from pyimginspect.rootfs import RootFS

__all__ = ["installed_by_apk"]

_Packages = dict[Identity, ApkPackage]
_Known = dict[str, ApkPackage | None]


def installed_by_apk(rootfs: RootFS) -> Installation:
    """Read apk's database, below ``lib`` or, since Alpine 3.23, below ``usr/lib``.

    A package is manual if the world names it, or something that it alone provides.
    """
    known: _Known = {}
    texts = rootfs.texts
    live: _Packages = {}
    for path in apk.INSTALLED[::-1]:
        live |= _read(texts.get(path, b""), known)
    world = {
        capability(wish)
        for wish in apk.parse_world(texts.get(apk.WORLD, b""))
        if not wish.startswith("!")
    }
    asked = {name for (name,) in live if name in world}
    # `apk add` of what a package provides puts that name into the world: cmd:bash.
    asked |= {
        package.name
        for package in live.values()
        if any(capability(given) in world - asked for given in package.provides)
    }
    events, gone = past(
        rootfs,
        list(_snapshots(rootfs, known)),
        live,
        lambda package: package.version,
        tuple(path for path in apk.INSTALLED if path not in texts),
    )
    claims = (
        Claim(
            package=_describe(package, events.get(identity, ()), package.name not in asked),
            record=package,
            paths=package.files,
        )
        for identity, package in live.items()
    )
    removed = (_describe(package, events[identity], None) for identity, package in gone.items())
    notes = (note for path in apk.INSTALLED for note in left_out(path, texts.get(path, b"")))
    return Installation(claims=tuple(claims), removed=tuple(removed), notes=tuple(notes))


def _snapshots(rootfs: RootFS, known: _Known) -> Iterator[tuple[int, _Packages]]:
    for layer, texts in databases_by_layer(rootfs, apk.INSTALLED):
        packages: _Packages = {}
        for path in apk.INSTALLED[::-1]:
            packages |= _read(texts.get(path, b""), known)
        yield layer, packages


def _read(text: bytes, known: _Known) -> _Packages:
    # apk has one version and one architecture of a package at a time.
    return {(package.name,): package for package in apk.parse_installed(text, known)}


def _describe(
    package: ApkPackage, history: tuple[PackageEvent, ...], automatic: bool | None
) -> OsPackage:
    depends = package.depends
    return OsPackage(
        manager="apk",
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        source=package.origin,
        maintainer=package.maintainer,
        licenses=one_license(package.license),
        automatic=automatic,
        virtual=package.virtual,
        depends=tuple((capability(need),) for need in depends if not need.startswith("!")),
        conflicts=tuple(capability(need) for need in depends if need.startswith("!")),
        provides=tuple(capability(given) for given in package.provides),
        installed_size=package.size,
        layer=last_change(history),
        history=history,
    )
