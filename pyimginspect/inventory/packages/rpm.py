"""rpm's packages as this package speaks of packages, and what dnf knows of their reasons.

Databases are read while their layer goes by (:mod:`pyimginspect.layers.rpmdb`). Images without
one may have a manifest, as Azure Linux's distroless images have.
"""

from __future__ import annotations

from pyimginspect.model import RpmPackage

__all__ = [
    "DIRECTORIES",
    "DNF5_PACKAGES",
    "MANIFEST",
    "full_version",
    "parse_dnf5_reasons",
    "parse_manifest",
    "source_name",
]

# Fedora since 36, rpm-ostree's systems, and all before them.
DIRECTORIES = ("usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm")
# Azure Linux's distroless images have no database, and this list of packages in its place.
MANIFEST = "var/lib/rpmmanifest/container-manifest-2"
DNF5_PACKAGES = "usr/lib/sysimage/libdnf5/packages.toml"

_NONE = "(none)"  # How rpm prints a tag that is not there.


def parse_manifest(data: bytes) -> list[RpmPackage]:
    """Return the packages of ``container-manifest-2``: one a line, tab-separated.

    The columns, as rpm's query format has them: name, version-release, install time, build time,
    vendor, epoch, size, architecture, epoch number, source package.
    """
    packages = []
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        columns = line.split("\t")
        if len(columns) < 8 or not columns[0]:
            continue
        name, version, _, _, vendor, epoch, size, architecture, *rest = columns
        number, _, release = version.rpartition("-")
        packages.append(
            RpmPackage(
                name=name,
                version=number or release,
                release=release if number else "",
                epoch=_number(epoch),
                architecture="" if architecture == _NONE else architecture,
                vendor="" if vendor == _NONE else vendor,
                source=rest[1] if len(rest) > 1 and rest[1] != _NONE else "",
                size=_number(size) or 0,
            )
        )
    return packages


def _number(text: str) -> int | None:
    # As many digits fit 64 bits in any case.
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def full_version(package: RpmPackage) -> str:
    """Return ``[epoch:]version[-release]``; an epoch of 0 is the same as none."""
    epoch = f"{package.epoch}:" if package.epoch else ""
    release = f"-{package.release}" if package.release else ""
    return f"{epoch}{package.version}{release}"


def source_name(package: RpmPackage) -> str:
    """Return the name of the source package that ``package`` was built from."""
    # name-version-release.src.rpm: neither version nor release may have a hyphen.
    return package.source.removesuffix(".rpm").rsplit("-", 2)[0]


def parse_dnf5_reasons(data: bytes) -> dict[str, bool]:
    """Return, by ``name.architecture``, whether dnf5 brought a package along on its own.

    What was there before dnf, or asked for by a group, is nobody's dependency.
    """
    if not data:
        return {}
    import tomllib  # few images have this file

    try:
        packages = tomllib.loads(data.decode("utf-8", "replace")).get("packages", {})
    except (ValueError, RecursionError):
        return {}
    if not isinstance(packages, dict):
        return {}
    return {
        name: str(entry.get("reason", "")) in _AUTOMATIC
        for name, entry in packages.items()
        if isinstance(entry, dict)
    }


# transaction_item_reason_to_string() of libdnf5; others are User, Group, Clean and External User.
_AUTOMATIC = frozenset({"Dependency", "Weak Dependency"})
