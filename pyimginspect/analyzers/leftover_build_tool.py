"""Compilers, make, git and their like that the application's layers brought and left."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import get_args

from pyimginspect.analyzers._leftovers import asked_for, left_by_layer, left_in_layer
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import Freed, contents_of
from pyimginspect.inventory.derived.leftovers import find_leftovers
from pyimginspect.inventory.facts import BuildToolKind, Distribution
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tool_names import python_build_tools
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="leftover-build-tool",
    title="Build tools are left in the image",
    severity="warning",
    policy="size",
    what="A layer above the base image installed compilers, linkers, build systems or version"
    " control, and they are still in the image. Tools that an explicitly installed package"
    " depends on are not reported, nor are those of the base image.",
    why="They were needed once, to build. In the image they are bytes that every host pulls, and"
    " tools ready for an intruder. Removing them in a later layer saves nothing: the layer"
    " that has them is still stored.",
    fix="Build in a separate stage and copy the result, or purge the tools in the RUN that"
    " installed them.",
    example="""# at fault
RUN apt-get update && apt-get install -y build-essential
RUN pip install -r requirements.txt

# better
FROM python:3.13-slim AS builder
RUN apt-get update && apt-get install -y --no-install-recommends build-essential
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -r requirements.txt
FROM python:3.13-slim
COPY --from=builder /opt/venv /opt/venv
""",
)

# leftover-headers has those two.
_CATEGORIES = frozenset(get_args(BuildToolKind)) - {"headers", "static-library"}


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer that brought some."""
    leftovers = find_leftovers(inventory)
    yield from _from_pypi(inventory)
    for layer, tools in left_by_layer(inventory, leftovers, _CATEGORIES).items():
        asked = asked_for(inventory, layer, tools)
        names = [package.name for package in asked] or [f"/{tool.path}" for tool in tools]
        yield left_in_layer(
            RULE,
            inventory,
            layer,
            tools,
            leftovers.tools.get(layer, ()),
            subject=" ".join(names[:3]),
            message=f"{listed(names)}: build tools are left in the image",
            instead="Build in a separate stage and COPY the result from there",
        )


def _from_pypi(inventory: Inventory) -> Iterator[Finding]:
    """Find build tools that pip installed, one finding for each layer and place."""
    found: dict[tuple[int, str], list[Distribution]] = {}
    for tool in python_build_tools(inventory.rootfs, inventory.distributions):
        # Those of OS packages are in the findings about packages.
        if tool.layer >= inventory.base.layers and not tool.package:
            found.setdefault((tool.layer, tool.location), []).append(tool)
    for (layer, location), tools in sorted(found.items()):
        names = [tool.name for tool in tools]
        yield RULE.finding(
            subject=f"{' '.join(names[:3])} {location}",
            message=f"{listed(names)}: build tools from PyPI are left in /{location}",
            evidence=[
                Evidence(
                    what=f"{tool.name} {tool.version}: nothing installed requires it",
                    path=tool.metadata,
                    layer=tool.layer,
                )
                for tool in tools
            ],
            layers=[layer],
            instruction=inventory.instructions[layer],
            paths=[tool.metadata for tool in tools],
            frees=_freed(inventory, tools),
            fix=f"End the RUN that builds with && python -m pip uninstall -y {shlex.join(names)}",
        )


def _freed(inventory: Inventory, tools: Iterable[Distribution]) -> Freed:
    """Return what the layers store for distributions that no other lists too."""
    rootfs = inventory.rootfs
    paths = [
        path
        for tool in tools
        for path in files_of(rootfs, tool.location, tool.metadata)
        if (node := rootfs.get(path)) is not None and node.kind == "file"
    ]
    return contents_of(rootfs).freed(paths)


ANALYZER = Analyzer(rule=RULE, run=run)
