"""The packages of the operating system: what is installed, since when, and whose each file is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages.from_apk import installed_by_apk
from pyimginspect.inventory.packages.from_dpkg import installed_by_dpkg
from pyimginspect.inventory.packages.from_rpm import installed_by_rpm
from pyimginspect.inventory.packages.installation import Installation, Record
from pyimginspect.inventory.packages.ownership import LiveFiles, own
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["PackageDatabase", "find_os_packages"]


class PackageDatabase(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """All that the package managers' databases say of the final file system.

    ``packages`` are sorted by name; ``removed`` are those that some layer's database shows and
    the last does not, their ``history`` tells who removed them. A package is named by its
    ``key``. ``notes`` say what could not be read.
    """

    packages: tuple[OsPackage, ...] = ()
    removed: tuple[OsPackage, ...] = ()
    notes: tuple[Note, ...] = ()
    by_key: Mapping[str, OsPackage] = {}
    files_by_key: Mapping[str, frozenset[str]] = {}
    owners: Mapping[str, tuple[str, ...]] = {}
    records: Mapping[str, Record] = {}

    def __contains__(self, key: object) -> bool:
        return key in self.by_key

    def __getitem__(self, key: str) -> OsPackage:
        return self.by_key[key]

    def get(self, key: str) -> OsPackage | None:
        """Return the package that goes by ``key``, or ``None`` where none does."""
        return self.by_key.get(key)

    def owner(self, path: str) -> tuple[str, ...]:
        """Return the keys of the packages that own ``path``, a real path; mostly one or none.

        Directories belong to no package.
        """
        return self.owners.get(path, ())

    def files(self, key: str) -> tuple[str, ...]:
        """Return the real paths of the files and links of a package that are there, sorted."""
        return tuple(sorted(self.files_by_key.get(key, ())))


def find_os_packages(rootfs: RootFS) -> PackageDatabase:
    """Read dpkg's, apk's and rpm's databases, with what each layer did to each package.

    What a database claims is compared with the final file system: a package owns only what is
    there. Files that maintainer scripts made, alternatives among them, are nobody's.
    """
    installations = (installed_by_apk(rootfs), installed_by_dpkg(rootfs), installed_by_rpm(rootfs))
    claims = sorted(
        (claim for installation in installations for claim in installation.claims),
        key=lambda claim: _order(claim.package),
    )
    keys = _keys([claim.package for claim in claims])
    live = LiveFiles(rootfs)
    files = {key: live.select(claim.paths) for key, claim in zip(keys, claims, strict=True)}
    packages = tuple(
        msgspec.structs.replace(claim.package, key=key, size=live.size(files[key]))
        for key, claim in zip(keys, claims, strict=True)
    )
    return PackageDatabase(
        packages=packages,
        removed=_removed(installations),
        notes=tuple(note for installation in installations for note in installation.notes),
        by_key=dict(zip(keys, packages, strict=True)),
        files_by_key=files,
        owners=own(files),
        records={key: claim.record for key, claim in zip(keys, claims, strict=True)},
    )


def _removed(installations: Iterable[Installation]) -> tuple[OsPackage, ...]:
    removed = sorted(
        (package for installation in installations for package in installation.removed),
        key=_order,
    )
    keys = _keys(removed)
    return tuple(
        msgspec.structs.replace(package, key=key)
        for key, package in zip(keys, removed, strict=True)
    )


def _order(package: OsPackage) -> tuple[str, ...]:
    return package.name, package.architecture, package.version, package.manager


def _keys(packages: list[OsPackage]) -> list[str]:
    """Name each package as shortly as tells it from all others (no two are wholly alike)."""
    # The second tells packages of two architectures apart, the third several versions at once
    # (kernels, gpg-pubkey of rpm), the last two managers in one image.
    forms = [
        [
            package.name,
            f"{package.name}:{package.architecture}",
            f"{package.name}={package.version}:{package.architecture}",
            f"{package.manager}:{package.name}={package.version}:{package.architecture}",
        ]
        for package in packages
    ]
    keys: list[str] = [""] * len(packages)
    missing = list(range(len(packages)))
    for length in range(4):
        count = Counter(forms[number][length] for number in missing)
        for number in missing:
            keys[number] = forms[number][length]
        missing = [number for number in missing if count[keys[number]] > 1]
    return keys
