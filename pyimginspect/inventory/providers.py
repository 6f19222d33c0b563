"""Which native libraries Python code opens at run time, and which OS package has a library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.inventory.packages.commands import install
from pyimginspect.inventory.tables import read_table

__all__ = [
    "Dlopened",
    "advice",
    "debian_packages",
    "dlopened",
    "is_mounted",
    "policy_name",
    "provider",
]

_DEBIAN = frozenset({"debian", "ubuntu"})
# Not Ubuntu: of its packages a short table says which releases have them.
_WITH_DEBIANS_NAMES = frozenset({"debian", "raspbian"})
_FEDORA = frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"})
_ALPINE = frozenset({"alpine", "wolfi", "chainguard"})
# The two forms of sonames that Debian's policy (8.1) names packages after: libz.so.1, libdb-5.3.so.
_SONAME = re.compile(r"lib(.+?)(?:\.so\.(\d[\w.]*)|-(\d[\d.]*)\.so)")
_BUNDLED = re.compile(r"-[0-9a-f]{8,}(?=[.\-])")  # what auditwheel adds to a name
_64BIT_TIME = {
    "debian": 13,
    "raspbian": 13,
    "ubuntu": 24,
}  # the releases that renamed packages to …t64


class Dlopened(Struct, frozen=True, kw_only=True):
    """Libraries that a distribution opens with ``dlopen`` when it is imported.

    Each of ``libraries`` lists sonames any of which will do. ``unless`` are distributions that
    bring them along. ``source`` is the file that opens them, or who says so.
    """

    distribution: str
    source: str
    libraries: tuple[tuple[str, ...], ...]
    unless: tuple[str, ...] = ()


class _Mounted(Struct, frozen=True, kw_only=True):
    """Libraries that no image has: the container runtime mounts those of the host's driver."""

    source: str
    libraries: frozenset[str]


class _Table(Struct, frozen=True, kw_only=True):
    source: str
    date: str
    dlopened: tuple[Dlopened, ...]
    mounted: _Mounted
    debian: dict[str, str]
    ubuntu: dict[str, tuple[int, int]]
    alpine: dict[str, str]
    fedora: dict[str, str]


class _Debian(Struct, frozen=True, kw_only=True):
    """Packages by their libraries, where no rule tells, and those that were renamed to …t64.

    ``packages`` are all names that a fix may print, by the releases that have them (``11 12``).
    """

    source: str
    date: str
    libraries: dict[str, str]
    libraries_13: dict[str, str]
    libraries_11: dict[str, str]
    packages: dict[str, tuple[str, ...]]
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
    given = (
        Dlopened(
            distribution=name,
            source="the policy's [dlopen]",
            libraries=tuple((soname,) for soname in sonames),
        )
        for name, sonames in sorted((more or {}).items())
    )
    return (*_table().dlopened, *given)


def provider(soname: str, system: OperatingSystem) -> str:
    """Return what to ask the system's package manager for to get a library, or nothing.

    Nothing but names of packages that exist: from tables of the release. Debian's packages are
    named after their libraries by its policy (8.1), but for thousands that its lists tell; the
    lists of the release must have a package of that name. Of Ubuntu's there is but a short table.
    """
    if (
        # ld.so(8): a name with a slash is opened as a path, and not searched for.
        "/" in soname
        or is_mounted(soname)
        or _BUNDLED.search(soname)
        or soname.startswith("libpython")
    ):
        return ""
    families = {system.id, *system.id_like}
    if families & _DEBIAN:
        return _of_debian(soname, system)
    if families & _ALPINE:
        return _table().alpine.get(soname, "")
    if families & _FEDORA:
        return _table().fedora.get(soname, "")
    return ""


def is_mounted(soname: str) -> bool:
    """Whether a library is one of the NVIDIA driver's, which a runtime with GPUs mounts."""
    return soname in _table().mounted.libraries


def advice(soname: str, system: OperatingSystem, bits: int = 64) -> str:
    """Return what to do for a library of which no package is known, as a sentence."""
    if _BUNDLED.search(soname):
        return (
            f"Install the distribution again: {soname} is a library that its wheel bundles, by a"
            " name that no package has."
        )
    if is_mounted(soname):
        return (
            f"Run the container with the NVIDIA Container Toolkit (docker run --gpus all): {soname}"
            " is the driver's, and comes from the host."
        )
    if soname.startswith("libpython"):
        return (
            f"Install the distribution with the Python that imports it: {soname} is the library"
            " of another."
        )
    families = {system.id, *system.id_like}
    how = ""
    if families & _DEBIAN:
        how = f" (apt-file search {soname})"
    elif families & _ALPINE:
        how = f" ({install('apk', [f'so:{soname}'])})"
    elif families & _FEDORA:
        # rpm's own capability for a library: the soname, `()`, and `(64bit)` on 64-bit machines.
        marked = f"'{soname}()(64bit)'" if bits == 64 else soname
        how = f" (dnf provides {marked})"
    return f"Install the package that has {soname}{how}."


def _of_debian(soname: str, system: OperatingSystem) -> str:
    number = system.version_id.partition(".")[0]
    # No release has more digits; int() raises ValueError for thousands of them.
    release = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    renaming = _64BIT_TIME.get(system.id)
    newer = renaming is not None and release >= renaming
    names = _debian_names(soname, newer)
    return next((name for name in names if _has_package(system.id, release, name)), "")


def _debian_names(soname: str, newer: bool) -> tuple[str, ...]:
    """Return what the package of a library may be called; ``newer`` releases renamed to …t64."""
    lists = _debian()
    known = _table().debian.get(soname) or lists.libraries.get(soname)
    name = known or policy_name(soname)
    if newer:
        suffix = "t64" if name in lists.suffixed else ""
        return lists.libraries_13.get(soname, ""), lists.renamed.get(name, f"{name}{suffix}")
    return name, lists.libraries_11.get(soname, "")


def _has_package(distribution: str, release: int, name: str) -> bool:
    if distribution == "ubuntu":
        releases = _table().ubuntu.get(name)
        return releases is not None and releases[0] <= release <= releases[1]
    return distribution in _WITH_DEBIANS_NAMES and name in debian_packages(str(release))


@cache
def debian_packages(release: str) -> frozenset[str]:
    """Return the names of packages of libraries that a release of Debian (``12``) has."""
    lists = _debian().packages
    return frozenset(
        name for numbers, names in lists.items() if release in numbers.split() for name in names
    )


def policy_name(soname: str) -> str:
    """Return the name that Debian's policy gives to the package of a library (8.1)."""
    match = _SONAME.fullmatch(soname)
    if not match:
        return ""
    name, version = match[1], match[2] or match[3]
    # The policy sets the number apart from a name that ends in a digit.
    hyphen = "-" if name[-1].isdigit() else ""
    # Names of Debian's packages have no capitals and no underscores.
    return f"lib{name}{hyphen}{version}".lower().replace("_", "-")
