"""What the analyzers of leftovers share: the edit that takes packages away, and lists of names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from pyimginspect.analyzers.rule import Rule
from pyimginspect.inventory.build_tools import loose_files
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Freed, contents_of
from pyimginspect.inventory.derived.leftovers import Leftovers, files_of_packages, find_leftovers
from pyimginspect.inventory.derived.proofs_of_use import Kept
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.derived.recommended import find_recommended
from pyimginspect.inventory.facts import BuildTool, OsPackage
from pyimginspect.inventory.tool_names import users_at_run_time
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted

__all__ = [
    "NOTABLE",
    "asked_for",
    "freed_packages",
    "left_by_layer",
    "left_in_layer",
]

NOTABLE = 1_000_000
"""Bytes from which debris is against the policy; below, it is good to know."""

_MOST = 12
_KINDS = {"meta": "collection of build packages"}


def left_by_layer(
    inventory: Inventory, leftovers: Leftovers, categories: Collection[str]
) -> dict[int, list[BuildTool]]:
    """Return the build tools of some categories by the layer that brought them, largest first.

    Left out is what a runtime package depends on, and what a virtual package holds.
    """
    # `apk del NAME` takes these, so leftover-virtual-package alone reports them.
    virtual = {key for keys in leftovers.virtual.values() for key in keys}
    found: dict[int, list[BuildTool]] = {}
    for tool in inventory.build_tools:
        if tool.category in categories and not tool.kept_by and tool.package not in virtual:
            found.setdefault(tool.layer, []).append(tool)
    return dict(sorted(found.items()))


def left_in_layer(
    rule: Rule,
    inventory: Inventory,
    layer: int,
    tools: Sequence[BuildTool],
    keys: Sequence[str],
    *,
    subject: str,
    message: str,
    instead: str,
) -> Finding:
    """Return what a rule finds of the build tools that one layer brought and left.

    ``keys`` are the packages that would be removed too, ``instead`` the first half of the fix: the
    other is the command that ends the same ``RUN``, where there is one.
    """
    asked = asked_for(inventory, layer, tools)
    kept = _kept_of(inventory, find_leftovers(inventory), layer)
    users = users_at_run_time(tools, inventory.distributions)
    evidence = [*_tool_evidence(inventory, tools)]
    if len(keys) > len(tools):
        what = f"purging them removes {len(keys):,} packages, dependencies included"
        evidence.append(Evidence(what=what))
    evidence += _proofs(kept)
    evidence += [Evidence(what=f"{user} uses such tools at run time") for user in users]
    fix = ""
    recommended = _recommendations(inventory, layer, keys)
    if recommended:
        evidence += recommended
        # A purge would be half the fix: the option spares the download, and what is not a tool too.
        fix = "Install no recommended packages: see the finding os-package-recommends"
    elif asked:
        names = {inventory.packages[proof.package].name for proof in kept}
        # Headers and tools have findings of their own, and are removed by the same command.
        purge = purge_command(inventory, asked, find_leftovers(inventory).packages, names)
        fix = f"{instead}; or, if no later RUN builds, end this one with && {purge}"
    contents = contents_of(inventory.rootfs)
    return rule.finding(
        subject=subject,
        # Triton and its like call a compiler at run time: to remove it would break them.
        severity="note" if users else None,
        message=message,
        evidence=evidence,
        layers=[layer],
        instruction=inventory.instructions[layer],
        paths=[tool.path for tool in tools if tool.path],
        packages=keys,
        frees=contents.freed(
            files_of_packages(inventory.rootfs, inventory.packages, keys),
            _loose(inventory, tools),
        ),
        fix=fix,
    )


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
        # Not `not`: None is a package manager that keeps no record of what was asked for.
        asked = [package for package in packages if package.automatic is False]
        if asked and own:
            return sorted(asked, key=lambda package: package.name)
    return own


def _recommendations(inventory: Inventory, layer: int, keys: Collection[str]) -> list[Evidence]:
    """Return which packages recommend ``keys``, where all are there for no other reason."""
    return [
        Evidence(
            what=f"{inventory.packages[each.upper].name} only recommends"
            f" {inventory.packages[each.lower].name}; no remaining package depends on it"
        )
        for found in find_recommended(inventory)
        # The option is the whole answer only where all of them came as recommendations.
        if found.layer == layer and keys and {*keys} <= {*found.packages}
        for root in found.roots
        for each in root.recommendations
        if not {*keys}.isdisjoint(each.packages)
    ][:_MOST]


def _kept_of(inventory: Inventory, leftovers: Leftovers, layer: int) -> list[Kept]:
    """Return the proofs for runtime packages that came with the tools of a layer."""
    return [
        proof for proof in leftovers.kept if inventory.packages[proof.package].installed_in == layer
    ]


def freed_packages(inventory: Inventory, keys: Sequence[str]) -> Freed:
    """Return what the layers store for packages, and for nothing else."""
    files = files_of_packages(inventory.rootfs, inventory.packages, keys)
    return contents_of(inventory.rootfs).freed(files)


def _loose(inventory: Inventory, tools: Iterable[BuildTool]) -> list[str]:
    """Return the files of those of ``tools`` that are no packages."""
    loose = [tool for tool in tools if not tool.package]
    if not loose:
        return []
    files = loose_files(inventory.rootfs, inventory.packages, inventory.base)
    return [path for tool in loose for path in files.get((tool.name, tool.path), ())]


def _tool_evidence(inventory: Inventory, tools: Sequence[BuildTool]) -> Iterator[Evidence]:
    """Yield what shows the largest of some build tools, and how many there are besides."""
    for tool in tools[:_MOST]:
        package = inventory.packages.get(tool.package) if tool.package else None
        kind = _KINDS.get(tool.category, tool.category)
        name = f"{tool.name} {package.version}" if package else f"/{tool.path}"
        what = f"{name} is in the image ({kind})"
        yield Evidence(what=what, path=tool.path, layer=tool.layer, package=tool.package)
    if len(tools) > _MOST:
        yield Evidence(what=f"{counted(len(tools) - _MOST, 'smaller build tool')} not listed")


def _proofs(kept: Iterable[Kept]) -> Iterator[Evidence]:
    """Yield why runtime packages must stay when build packages go."""
    for proof in kept:
        what = f"{proof.need}: {proof.package} must stay"
        if not proof.need:
            what = (
                f"{proof.package} must stay: a program that starts, or another package, requires it"
            )
        yield Evidence(what=what, path=proof.path, package=proof.package)
