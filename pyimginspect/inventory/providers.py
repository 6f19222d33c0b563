"""Which native libraries Python code opens at run time, and which OS package has a library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.inventory.tables import read_table

__all__ = ["Dlopened", "dlopened", "provider"]

_DEBIAN = frozenset({"debian", "ubuntu"})
_FEDORA = frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"})
_ALPINE = frozenset({"alpine", "wolfi", "chainguard"})
_SONAME = re.compile(r"lib(.+?)(?:\.so\.(\d[\w.]*)|-(\d[\d.]*)\.so)")
_LAST = 999
_64BIT_TIME = {"debian": 13, "ubuntu": 24}  # the releases that renamed packages to …t64


class Dlopened(Struct, frozen=True, kw_only=True):
    """Libraries that a distribution opens with ``dlopen`` when it is imported.

    Each of ``libraries`` lists sonames any of which will do. ``unless`` are distributions that
    bring them along. ``source`` is the file that opens them, or who says so.
    """

    distribution: str
    source: str
    libraries: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...] = ()


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    date: str
    dlopened: tuple[Dlopened, ...]
    debian: dict[str, str]
    debian_releases: dict[str, dict[str, tuple[int, int]]]
    alpine: dict[str, str]
    fedora: dict[str, str]


class _Debian(Struct, frozen=True, kw_only=True):
    """Packages by their libraries, where no rule tells, and those that were renamed to …t64."""

    source: str
    date: str
    libraries: dict[str, str]
    libraries_13: dict[str, str]
    renamed: dict[str, str]
    suffixed: frozenset[str]


@cache
def _table() -> _Table:
    return read_table("native_libraries", _Table)


@cache
def _debian() -> _Debian:
    return read_table("debian_libraries", _Debian)


def dlopened(more: Mapping[str, tuple[str, ...]] | None = None) -> tuple[Dlopened, ...]:
    """Return what is known of libraries that leave no trace in any ELF file.

    ``more`` are sonames by normalised distribution name, all of which are opened: the ``[dlopen]``
    of a policy. A distribution has a row of its own for them.
    """
    told = (
        Dlopened(
            distribution=name,
            source="the policy's [dlopen]",
            libraries=tuple((soname,) for soname in sonames),
        )
        for name, sonames in sorted((more or {}).items())
    )
    return (*_table().dlopened, *told)


def provider(soname: str, system: OperatingSystem, bits: int = 64) -> str:
    """Return what to ask the system's package manager for to get a library, or nothing.

    apk and dnf take the name of a library itself. Debian's packages are named after it by its
    policy (8.1), but for thousands that its lists tell; nothing is said where the release is known
    to have no such package any more, or not yet.
    """
    if "/" in soname:
        return ""
    families = {system.id, *system.id_like}
    if families & _DEBIAN:
        return _of_debian(soname, system)
    if families & _ALPINE:
        return _table().alpine.get(soname, f"so:{soname}")
    if families & _FEDORA:
        marked = f"{soname}()(64bit)" if bits == 64 else soname
        return _table().fedora.get(soname, f"'{marked}'")
    return ""


def _of_debian(soname: str, system: OperatingSystem) -> str:
    lists, table = _debian(), _table()
    number = system.version_id.partition(".")[0]
    release = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    newer = release >= _64BIT_TIME.get(system.id, _LAST + 1)
    if newer and soname in lists.libraries_13:
        return lists.libraries_13[soname]
    package = table.debian.get(soname) or lists.libraries.get(soname) or _by_rule(soname)
    first, last = table.debian_releases.get(package, {}).get(system.id, (0, _LAST))
    if release and not first <= release <= last:
        return ""
    if newer:
        package = lists.renamed.get(package, package + "t64" * (package in lists.suffixed))
    return package


def _by_rule(soname: str) -> str:
    """Return the name that Debian's policy gives to the package of a library (8.1)."""
    match = _SONAME.fullmatch(soname)
    if not match:
        return ""
    name, version = match[1], match[2] or match[3]
    hyphen = "-" if name[-1].isdigit() else ""
    return f"lib{name}{hyphen}{version}".lower().replace("_", "-")
