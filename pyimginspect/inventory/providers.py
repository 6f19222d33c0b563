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
_ALWAYS = (0, 9999)
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


class _Renamed(Struct, frozen=True, kw_only=True):
    """Packages with another name since their ``time_t`` has 64 bits everywhere."""

    source: str
    date: str
    renamed: dict[str, str]
    suffixed: frozenset[str]


@cache
def _table() -> _Table:
    return read_table("native_libraries", _Table)


@cache
def _renamed() -> _Renamed:
    return read_table("debian_t64", _Renamed)


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
    policy (8.1), but for those in the table; nothing is said where the release has no such package
    any more, or not yet.
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
    package = _table().debian.get(soname)
    if package is None:
        match = _SONAME.fullmatch(soname)
        if not match:
            return ""
        name, version = match[1], match[2] or match[3]
        hyphen = "-" if name[-1].isdigit() else ""
        package = f"lib{name}{hyphen}{version}".lower().replace("_", "-")
    release = system.version_id.partition(".")[0]
    if not (release.isascii() and release.isdigit()):
        return package
    first, last = _table().debian_releases.get(package, {}).get(system.id, _ALWAYS)
    if not first <= int(release[:4]) <= last:
        return ""
    if int(release[:4]) >= _64BIT_TIME.get(system.id, last + 1):
        return (
            f"{package}t64"
            if package in _renamed().suffixed
            else _renamed().renamed.get(package, package)
        )
    return package
