"""Edits that install no recommended packages where nothing that stays needs any of them."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.inventory.derived.recommended import RecommendedInLayer, find_recommended
from pyimginspect.inventory.packages.commands import tool_of, without_recommended
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import AddOption, DropPackages, Operation
from pyimginspect.plan.temporary import MANAGERS, needs_tools
from pyimginspect.plan.tool_groups import LOOK, kept_of, may_be_used

__all__ = ["edits_of_recommended", "recommended_keys"]

_RULES = ("os-package-recommends", "leftover-build-tool", "leftover-headers")


def recommended_keys(context: Context) -> frozenset[str]:
    """Return the keys of the packages that these edits speak of."""
    return frozenset(
        key for each in find_recommended(context.inventory) for key in _recommended(context, each)
    )


def edits_of_recommended(context: Context) -> Iterator[Proposal]:
    """Propose to do without what packages that stay only recommend."""
    for found in find_recommended(context.inventory):
        keys = _recommended(context, found)
        if not keys:
            continue
        layer = found.layer
        names = [context.packages[key].name for key in keys]
        in_use = (context.packages[use.package].name for use in found.in_use)
        keep = sorted({*in_use, *kept_of(context, [layer])})
        option = without_recommended(tool_of(context.inventory.rootfs, found.manager))
        manager = MANAGERS[found.manager]
        operations: list[Operation] = [AddOption(layer=layer, manager=manager, option=option)]
        # In the same instruction, so that what is in use comes by name once the option is given.
        if keep:
            operations.append(
                DropPackages(layer=layer, manager=manager, names=(), instead=tuple(keep))
            )
        tool = _builds_with_recommended(context, found)
        edit = context.edit(
            "no-recommends",
            layer,
            f"install no recommended packages: {len(names)} are here for no other reason",
            command=option,
            packages=names,
            keep=keep,
            rules=_RULES,
            operations=[] if tool else operations,
            reason=f"the RUN may build with what {tool} recommends" if tool else LOOK,
        )
        yield context.without_packages(edit, keys)


def _recommended(context: Context, found: RecommendedInLayer) -> tuple[str, ...]:
    """Return what came by recommendation of packages that stay; of build tools others speak."""
    tools = _purgeable(context)
    roots = [root for root in found.roots if root.root not in tools]
    return tuple(sorted({key for root in roots for key in root.packages}))


def _purgeable(context: Context) -> set[str]:
    """Return the keys of build tools that nobody may use at run time."""
    found = context.leftovers
    return {
        key
        for group in (found.tools, found.headers)
        for keys in group.values()
        for key in keys
        if not may_be_used(context.packages[key])
    }


def _builds_with_recommended(context: Context, found: RecommendedInLayer) -> str:
    """Return the build tool that the very ``RUN`` may use with what it recommends, or nothing.

    ``gcc`` recommends ``libc6-dev``, without which it compiles nothing.
    """
    tools = _purgeable(context)
    names = (context.packages[root.root].name for root in found.roots if root.root in tools)
    return next(names, "") if needs_tools(context, found.layer) else ""
