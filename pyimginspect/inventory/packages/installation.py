"""What a package manager has installed: the common form of dpkg's, apk's and rpm's databases."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages.apk import ApkPackage
from pyimginspect.inventory.packages.dpkg import DpkgPackage
from pyimginspect.model import Note, RpmPackage

__all__ = ["Claim", "Installation", "Record"]

Record = DpkgPackage | ApkPackage | RpmPackage


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """A package, the record of it in its database, and the paths that it says are its own."""

    package: OsPackage
    record: Record
    paths: Sequence[str] = ()


class Installation(Struct, frozen=True, kw_only=True):
    """What one package manager has installed, and what some layer had and the image has not."""

    claims: tuple[Claim, ...] = ()
    removed: tuple[OsPackage, ...] = ()
    notes: tuple[Note, ...] = ()
