"""What the analyzers of leftovers share: the edit that takes packages away, and lists of names."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence

from pyimginspect.inventory.build_tools import brought, loose_files
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Contents
from pyimginspect.inventory.facts import BuildTool, OsPackage
from pyimginspect.inventory.leftovers import Kept, Leftovers, files_of_packages
from pyimginspect.model import Evidence

__all__ = [
    "NOTABLE",
    "add_words",
    "asked_for",
    "kept_of",
    "left_by_layer",
    "listed",
    "proofs",
    "purge_words",
    "removal_words",
    "size_of_loose",
    "size_of_packages",
    "tool_evidence",
]

NOTABLE = 1_000_000
"""Bytes from which debris is against the policy; below, it is good to know."""

_MOST = 12
_KINDS = {"meta": "collection of build packages"}


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names in a phrase: ``a, b, c and 4 more``."""
    if len(names) <= most:
        return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def left_by_layer(
    inventory: Inventory, leftovers: Leftovers, categories: Collection[str]
) -> dict[int, list[BuildTool]]:
    """Return the build tools of some categories by the layer that brought them, largest first.

    Left out is what a runtime package depends on, and what a virtual package holds.
    """
    held = {key for keys in leftovers.virtual.values() for key in keys}
    found: dict[int, list[BuildTool]] = {}
    for tool in inventory.build_tools:
        if tool.category in categories and not tool.kept_by and tool.package not in held:
            found.setdefault(tool.layer, []).append(tool)
    return dict(sorted(found.items()))


def asked_for(inventory: Inventory, layer: int, tools: Iterable[BuildTool]) -> list[OsPackage]:
    """Return what someone asked for by name of ``tools``, or else what brought them along.

    Where the package manager does not tell, or nothing of the kind was asked for in the layer,
    these are all of ``tools`` that are packages.
    """
    own = [inventory.packages[tool.package] for tool in tools if tool.package]
    others = [
        inventory.packages[tool.package]
        for tool in inventory.build_tools
        if tool.package and tool.layer == layer
    ]
    for packages in (own, others):
        asked = [package for package in packages if package.automatic is False]
        if asked and own:
            return sorted(asked, key=lambda package: package.name)
    return own


def purge_words(packages: Sequence[OsPackage]) -> str:
    """Return the command that removes packages and what came along with them."""
    names = shlex.join(package.name for package in packages)
    if packages[0].manager == "apk":
        return f"apk del {names}"
    if packages[0].manager == "rpm":
        return f"dnf remove -y {names}"
    return f"apt-get purge -y --auto-remove {names}"


def add_words(manager: str, names: Sequence[str]) -> str:
    """Return the command that installs packages and no more than they need."""
    if manager == "apk":
        return f"apk add --no-cache {shlex.join(names)}"
    if manager == "rpm":
        return f"dnf install -y --setopt=install_weak_deps=False {shlex.join(names)}"
    return f"apt-get install -y --no-install-recommends {shlex.join(names)}"


def kept_of(inventory: Inventory, leftovers: Leftovers, layer: int) -> list[Kept]:
    """Return the proofs for runtime packages that came with the tools of a layer."""
    return [
        proof for proof in leftovers.kept if brought(inventory.packages[proof.package]) == layer
    ]


def removal_words(inventory: Inventory, packages: Sequence[OsPackage], kept: Sequence[Kept]) -> str:
    """Return the command that removes packages, and first asks for what must stay by name."""
    names = sorted({inventory.packages[proof.package].name for proof in kept})
    keep = f"{add_words(packages[0].manager, names)} && " if names else ""
    return f"{keep}{purge_words(packages)}"


def size_of_packages(inventory: Inventory, contents: Contents, keys: Sequence[str]) -> int:
    """Return the bytes that the layers store for packages, and for nothing else."""
    files = files_of_packages(inventory.rootfs, inventory.packages, keys)
    return contents.size(contents.behind(files))


def size_of_loose(inventory: Inventory, contents: Contents, tools: Iterable[BuildTool]) -> int:
    """Return the bytes that the layers store for those of ``tools`` that are no packages."""
    loose = [tool for tool in tools if not tool.package]
    if not loose:
        return 0
    files = loose_files(inventory.rootfs, inventory.packages, inventory.base)
    return contents.size(
        contents.behind(path for tool in loose for path in files.get((tool.name, tool.path), ()))
    )


def tool_evidence(inventory: Inventory, tools: Sequence[BuildTool]) -> Iterator[Evidence]:
    """Yield what shows the largest of some build tools, and how many there are besides."""
    for tool in tools[:_MOST]:
        package = inventory.packages.get(tool.package) if tool.package else None
        kind = _KINDS.get(tool.category, tool.category)
        what = f"{tool.name} {package.version}: {kind}" if package else kind
        yield Evidence(what=what, path=tool.path, layer=tool.layer, package=tool.package)
    if len(tools) > _MOST:
        yield Evidence(what=f"and {len(tools) - _MOST:,} smaller ones")


def proofs(kept: Iterable[Kept]) -> Iterator[Evidence]:
    """Yield why runtime packages must stay when build packages go."""
    for proof in kept:
        what = f"needs {proof.library}: {proof.package} must stay"
        yield Evidence(what=what, path=proof.path, package=proof.package)
