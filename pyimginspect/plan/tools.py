"""Edits that keep build tools out of the image: left out, purged where they are used, or staged.

The smallest change that does it comes first: not to install them, where nothing builds; to install
and purge them in the one ``RUN`` that builds; a stage of its own, where what the build makes is
something that people copy. What somebody asked for by name and may use at run time is a question.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pyimginspect.inventory.build_tools import loose_files
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.plan.builder_stage import build_stage
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import fetch_again
from pyimginspect.plan.operations import AppendCommand, DropPackages, Operation, ReplaceCommand
from pyimginspect.plan.recommended import recommended_keys
from pyimginspect.plan.runs import builds, calls, installed_packages, is_sequence, may_build
from pyimginspect.plan.temporary import (
    Temporary,
    asked_again,
    emptied_by,
    merged,
    needs_tools,
    one_run,
)
from pyimginspect.plan.tool_groups import LOOK, find_tool_groups, kept_of
from pyimginspect.text import listed, pronoun

__all__ = ["edits_of_tools"]

_TOOL_RULES = ("leftover-build-tool", "leftover-headers")
_VIRTUAL_RULES = ("leftover-virtual-package",)


def edits_of_tools(context: Context) -> Iterator[Proposal]:
    """Propose the smallest change that keeps each layer's build tools out of the image."""
    groups = find_tool_groups(context, recommended_keys(context))
    for group in groups.doubtful:
        yield _question(context, group)
    building = []
    for group in groups.certain:
        later = [n for n in _builds(context) if n > group.layer]
        own = _builds_itself(context, group)
        if later:
            building.append((group, [group.layer, *later] if own else later))
        elif own or group.virtual:
            yield _purged(context, group)
        else:
            yield _left_out(context, group)
    if building:
        yield _for_builds(context, building)
    yield from _loose(context)


def _question(context: Context, group: Temporary) -> Proposal:
    edit = context.edit(
        "advice",
        group.layer,
        f"does anything call {' '.join(group.names)} at run time? Nothing in the image shows it:"
        " leave out what is not called, or use it in a stage of its own",
        packages=group.names,
        rules=_TOOL_RULES,
        reason="somebody asked for it by name, and may use it at run time",
    )
    return context.without_packages(edit, group.keys)


def _builds(context: Context) -> list[int]:
    return [n for n in sorted(context.by_layer) if n >= context.base and needs_tools(context, n)]


def _builds_itself(context: Context, group: Temporary) -> bool:
    command = context.command(group.layer)
    return command is not None and may_build(command)


def _rules(group: Temporary) -> tuple[str, ...]:
    """Return the rules whose findings are mended when all these packages go."""
    tools = () if group.all_virtual else _TOOL_RULES
    return (*tools, *_VIRTUAL_RULES) if group.virtual else tools


def _purged(context: Context, group: Temporary) -> Proposal:
    """Propose to end the ``RUN`` that installed the tools, and used them, with their removal."""
    kept = kept_of(context, [group.layer])
    command = purge_command(context.inventory, group.asked, group.keys, kept)
    words = "purge the build tools in the RUN that used them"
    if group.virtual:
        words = f"delete {' '.join(group.names)} in the RUN that added {pronoun(group.names)}"
    again = asked_again(context, group.names, group.manager, group.layer)
    simple = is_sequence(context.command(group.layer) or "<<")
    operations = (_purge(context, group.layer, command), *again) if simple else ()
    edit = context.edit(
        "purge",
        group.layer,
        words,
        command=command,
        packages=group.names,
        rules=_rules(group),
        operations=operations,
        reason=LOOK,
    )
    return context.without_packages(edit, group.keys, there=(group.layer, group.layer))


def _purge(context: Context, layer: int, command: str) -> Operation:
    """Return the operation that ends a ``RUN`` with a purge, or widens the one that it has."""
    found = calls(context.command(layer) or "")
    own = [number for number, call in enumerate(found) if call.removes]
    if len(own) == 1 and command.rpartition(" && ")[2].startswith("apt-get purge"):
        call = found[own[0]]
        plain = call.manager == "apt" and call.operands and call.command.always
        if plain and not any(map(builds, found[own[0] + 1 :])):
            names = [name for name in call.operands if name not in command.split()]
            more = f" {shlex.join(names)}" if names else ""
            return ReplaceCommand(layer=layer, words=call.words, command=command + more)
    return AppendCommand(layer=layer, command=command)


def _left_out(context: Context, group: Temporary) -> Proposal:
    """Propose not to install what nothing uses."""
    names, layer, manager = group.names, group.layer, group.manager
    keep = kept_of(context, [layer])
    named = installed_packages(context.command(layer) or "", manager)
    operations: list[Operation] = [
        DropPackages(layer=layer, manager=manager, names=names, instead=tuple(keep))
    ]
    if context.emptied(layer, names, keep):
        operations += fetch_again(context, layer)
    operations += asked_again(context, names, manager, layer)
    edit = context.edit(
        "leave-out",
        layer,
        f"do not install {' '.join(names)}: no later instruction builds anything",
        packages=names,
        keep=keep,
        rules=_rules(group),
        operations=operations if named.issuperset(names) else [],
        reason=LOOK,
    )
    more = () if keep else emptied_by(context, [group], None)
    return context.without_packages(edit, group.keys, more=more)


def _for_builds(context: Context, building: Sequence[tuple[Temporary, Sequence[int]]]) -> Proposal:
    """Propose one ``RUN`` for everything that needs the tools, or else a stage of its own."""
    groups = [group for group, _ in building]
    every = merged(groups)
    builds = sorted({layer for _, layers in building for layer in layers})
    kept = kept_of(context, [group.layer for group in groups])
    operations, why = one_run(context, groups, builds, kept)
    if not operations:
        return build_stage(context, groups, builds[-1], why, _rules(every))
    first, last = builds[0], builds[-1]
    where = f"layer {first}" if first == last else f"layers {first} to {last}"
    words = (
        f"install {' '.join(every.names)} and purge {pronoun(every.names)} again in one RUN"
        f" ({where}), which builds"
    )
    if kept:
        stay = "stays" if len(kept) == 1 else "stay"
        words += f"; {listed(kept)} {stay}: files in use need {pronoun(kept)}"
    edit = context.edit(
        "purge",
        first,
        words,
        command=next(each.command for each in operations if isinstance(each, AppendCommand)),
        packages=every.names,
        rules=_rules(every),
        others=sorted({*(group.layer for group in groups), *context.runs(first, last)} - {first}),
        operations=(*operations, *asked_again(context, every.names, every.manager, last)),
        reason=LOOK,
    )
    wasted = context.wasted(lambda removal: first <= removal.layer and removal.removed_in <= last)
    more = wasted | emptied_by(context, groups, first)
    return context.without_packages(edit, every.keys, there=(first, last), more=more)


def _loose(context: Context) -> Iterator[Proposal]:
    files = loose_files(context.inventory.rootfs, context.packages, context.inventory.base)
    layers: dict[int, list[str]] = {}
    tops: dict[int, list[str]] = {}
    for tool in context.inventory.build_tools:
        if not tool.package:
            layers.setdefault(tool.layer, []).extend(files.get((tool.name, tool.path), ()))
            tops.setdefault(tool.layer, []).append(f"/{tool.path}")
    for layer, paths in sorted(layers.items()):
        words = f"do not bring {listed(tops[layer])}"
        edit = context.edit("advice", layer, words, rules=_TOOL_RULES)
        yield Proposal(edit, context.contents.behind(paths), frozenset(paths))
