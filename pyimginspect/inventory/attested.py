"""What attestations say of an image, checked against its layers, which are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from pyimginspect.attestations import Attestation
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import PackageManager

__all__ = ["compared"]

_MOST_NAMED = 3
# purl-spec: pkg:type/namespace/name@version?qualifiers#subpath. The namespace names the vendor
# (debian, alpine), by which nothing is compared.
_PURL = re.compile(r"pkg:(?P<type>deb|apk|rpm)/(?:[^@?#]*/)?(?P<name>[^/@?#]+)@(?P<version>[^?#]+)")
_MANAGERS: dict[str, PackageManager] = {"deb": "dpkg", "apk": "apk", "rpm": "rpm"}
# Images whose name says which system they have; other names say nothing.
_SYSTEMS = {
    "alpine": ("alpine",), "debian": ("debian",), "ubuntu": ("ubuntu",), "fedora": ("fedora",),
    "rockylinux": ("rocky",), "almalinux": ("almalinux",), "amazonlinux": ("amzn",),
    "archlinux": ("arch",), "opensuse/leap": ("opensuse-leap",),
}  # fmt: skip


def compared(inventory: Inventory) -> tuple[Attestation, ...]:
    """Return the attestations of an image, each with where it and the layers differ."""
    return tuple(
        msgspec.structs.replace(
            each,
            purls=(),
            contradictions=(*each.contradictions, *_differences(each, inventory)),
        )
        for each in inventory.image.attestations
    )


def _differences(said: Attestation, inventory: Inventory) -> Iterator[str]:
    if said.kind == "provenance" and said.base_name:
        yield from _base(said.base_name, inventory)
    elif said.kind == "sbom":
        yield from _packages(said.purls, inventory)


def _base(name: str, inventory: Inventory) -> Iterator[str]:
    """Compare a base by its name: an official image's says which Python or system it has."""
    repository, _, tag = name.partition(":")
    os = inventory.os.id
    known = _SYSTEMS.get(repository)
    if known is not None and os and os not in known:
        yield f"it names {name} as the base, and the layers have {os}"
    if repository != "python":
        return
    # `3.12.1` and `3.12-slim` have a version; `3.13.0rc1` and `latest` are not compared.
    version = re.match(r"\d+(?:\.\d+)*(?=-|$)", tag)
    found = inventory.base.version
    if version is not None and inventory.base.family == "python" and found:
        # A tag may name a series: 3.12 stands for every 3.12.x.
        wanted = version[0].split(".")
        if found.split(".")[: len(wanted)] != wanted:
            yield f"it names {name} as the base, and the layers have Python {found}"
    # Alpine's variants all say so in their tag; without it an image is on Debian or Windows.
    if os and ("alpine" in tag) != (os == "alpine") and tag:
        yield f"it names {name} as the base, and the layers have {os}"


def _packages(purls: tuple[str, ...], inventory: Inventory) -> Iterator[str]:
    """Compare a bill with the system packages that are installed.

    Of distributions it may list those that others carry with them, which are not installed.
    """
    packages = inventory.packages.packages
    there = {(each.manager, each.name, _without_epoch(each.version)) for each in packages}
    missing = []
    for match in filter(None, map(_PURL.match, purls)):
        name, version = unquote(match["name"]), unquote(match["version"])
        if (_MANAGERS[match["type"]], name, _without_epoch(version)) not in there:
            missing.append(f"{name} {version}")
    if missing:
        more = len(missing) - _MOST_NAMED
        named = ", ".join(missing[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield f"it lists system packages that are not installed: {named}"


def _without_epoch(version: str) -> str:
    """Return a version without its epoch, which package URLs of rpm have elsewhere."""
    epoch, colon, rest = version.partition(":")
    return rest if colon and epoch.isdecimal() else version
