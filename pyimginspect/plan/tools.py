"""Edits that keep build tools out of the image: left out, purged where they are used, or staged.

The smallest change that does it comes first: not to install them, where nothing builds; to install
and purge them in the one ``RUN`` that builds; a stage of its own, where what the build makes is
something that people copy. What somebody asked for by name and may use at run time is a question.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence

from pyimginspect.inventory.build_tools import loose_files
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.derived.recommended import RecommendedInLayer, find_recommended
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.commands import tool_of, without_recommended
from pyimginspect.inventory.packages.graph import members
from pyimginspect.inventory.runtimes import runtime_of
from pyimginspect.plan.builder_stage import build_stage
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import fetch_again
from pyimginspect.plan.operations import (
    AddOption,
    AppendCommand,
    DropPackages,
    Operation,
    ReplaceCommand,
)
from pyimginspect.plan.records import Edit
from pyimginspect.plan.removed import left_by_removals
from pyimginspect.plan.runs import builds, calls, installs, is_sequence, may_build, names_of
from pyimginspect.plan.temporary import (
    MANAGERS,
    Temporary,
    emptied_by,
    needs_tools,
    one_run,
)

__all__ = ["edits_of_recommended", "edits_of_tools"]

_TOOL_RULES = ("leftover-build-tool", "leftover-headers")
_VIRTUAL_RULES = ("leftover-virtual-package",)
_RUNTIMES = frozenset({"git", "mercurial", "subversion", "java", "node", "go"})
"""What an application may call at run time, with nothing in the image to show it."""
_LOOK = "look whether the application calls any of them"


def edits_of_tools(context: Context) -> Iterator[Proposal]:
    """Propose the smallest change that keeps each layer's build tools out of the image."""
    groups, questions = _groups(context)
    yield from questions
    building = []
    for group in groups:
        later = [n for n in _builds(context) if n > group.layer]
        own = _builds_itself(context, group)
        if later:
            building.append((group, [group.layer, *later] if own else later))
        elif own or any(package.virtual for package in group.asked):
            yield _purged(context, group)
        else:
            yield _left_out(context, group)
    if building:
        yield _for_builds(context, building)
    yield from _loose(context)


# --- what there is --------------------------------------------------------------------------------
def _groups(context: Context) -> tuple[list[Temporary], list[Proposal]]:
    """Return the build tools by layer, and questions about those that may be in use.

    What those need or recommend stays with them, in whichever layer it is.
    """
    recommended = {
        key for each in find_recommended(context.inventory) for key in _recommended(context, each)
    }
    layers = _tools_by_layer(context, recommended)
    asked = {layer: _asked_for(context, layer, keys) for layer, keys in layers.items()}
    certain = {p.key for found in asked.values() for p in found if not _may_be_used(p)}
    going = certain | recommended
    every = {key for keys in layers.values() for key in keys}
    shares: set[str] = set()
    questions: list[Proposal] = []
    for layer, found in asked.items():
        doubtful = [package for package in found if _may_be_used(package)]
        if doubtful:
            share = _with_dependencies(context, doubtful, going) & every
            questions.append(_question(context, layer, doubtful, share - shares))
            shares |= share
    groups = []
    for layer, keys in layers.items():
        names = tuple(package for package in asked[layer] if package.key in certain)
        rest = tuple(key for key in sorted(keys) if key not in shares)
        if names and rest:
            groups.append(Temporary(layer=layer, asked=names, keys=rest))
    return groups, questions


def _tools_by_layer(context: Context, recommended: Collection[str]) -> dict[int, list[str]]:
    """Return the keys of build tools by layer, without those that other edits speak of."""
    found = context.leftovers
    layers: dict[int, list[str]] = {}
    for group in (found.tools, found.headers, found.virtual):
        for layer, members_ in group.items():
            layers.setdefault(layer, []).extend(members_)
    left = left_by_removals(context)
    chosen = {}
    for layer, keys in sorted(layers.items()):
        removed = not left.isdisjoint(keys)
        keys = [key for key in keys if key not in recommended and key not in left]
        # What came along with packages that are removed by name is their removal's affair.
        if keys and not (removed and all(context.packages[key].automatic for key in keys)):
            chosen[layer] = keys
    return chosen


def _may_be_used(package: OsPackage) -> bool:
    return package.automatic is False and runtime_of(package.name) in _RUNTIMES


def _with_dependencies(
    context: Context, packages: Iterable[OsPackage], but: Collection[str]
) -> set[str]:
    """Return packages with all that they need and recommend, ``but`` some and what those need."""
    graph, found = dependency_graph(context.packages), set[str]()
    todo = [package.key for package in packages]
    while todo:
        key = todo.pop()
        if key in found or key in but:
            continue
        found.add(key)
        node = graph.nodes[key]
        todo.extend(members(node.requires + node.recommends))
    return found


def _question(
    context: Context, layer: int, asked: Sequence[OsPackage], keys: Iterable[str]
) -> Proposal:
    names = [package.name for package in asked]
    edit = context.edit(
        "advice",
        layer,
        f"does anything call {' '.join(names)} at run time? Nothing in the image shows it: leave"
        " out what is not called, or use it in a stage of its own",
        packages=names,
        rules=_TOOL_RULES,
        reason="somebody asked for it by name, and may use it at run time",
    )
    return Proposal(edit, context.behind_packages(keys), context.behind(keys))


def _asked_for(context: Context, layer: int, keys: list[str]) -> list[OsPackage]:
    tools = {tool.package for tool in context.inventory.build_tools}
    packages = [context.packages[key] for key in sorted(keys)]
    asked = [package for package in packages if package.automatic is False]
    known = [package for package in packages if package.key in tools]
    return asked or known or packages


def _builds(context: Context) -> list[int]:
    return [n for n in sorted(context.by_layer) if n >= context.base and needs_tools(context, n)]


def _builds_itself(context: Context, group: Temporary) -> bool:
    command = context.command(group.layer)
    return command is not None and may_build(command)


def _kept(context: Context, layers: Iterable[int]) -> list[str]:
    """Return the runtime packages that came with layers' tools, and that files in use need."""
    packages = {context.packages[proof.package] for proof in context.leftovers.kept}
    return sorted(package.name for package in packages if package.installed_in in {*layers})


# --- what to do about it --------------------------------------------------------------------------
def _rules(group: Temporary) -> tuple[str, ...]:
    return _VIRTUAL_RULES if any(p.virtual for p in group.asked) else _TOOL_RULES


def _purged(context: Context, group: Temporary) -> Proposal:
    """Propose to end the ``RUN`` that installed the tools, and used them, with their removal."""
    kept = _kept(context, [group.layer])
    command = purge_command(context.inventory, group.asked, group.keys, kept)
    words = "purge the build tools in the RUN that used them"
    if any(package.virtual for package in group.asked):
        words = f"delete {' '.join(group.names)} in the RUN that added it"
    simple = is_sequence(context.command(group.layer) or "<<")
    operations = (_purge(context, group.layer, command),) if simple else ()
    edit = context.edit(
        "purge",
        group.layer,
        words,
        command=command,
        packages=group.names,
        rules=_rules(group),
        operations=operations,
        reason=_LOOK,
    )
    return _proposal(context, edit, group.keys, there=(group.layer, group.layer))


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
    names, layer = list(group.names), group.layer
    keep = _kept(context, [layer])
    manager = group.asked[0].manager
    found = installs(context.command(layer) or "", MANAGERS[manager])
    named = {name for each in found for name in names_of(each)}
    operations: list[Operation] = [
        DropPackages(
            layer=layer, manager=MANAGERS[manager], names=tuple(names), instead=tuple(keep)
        )
    ]
    if context.emptied(layer, names, keep):
        operations += fetch_again(context, layer)
    edit = context.edit(
        "leave-out",
        layer,
        f"do not install {' '.join(names)}: no later instruction builds anything",
        packages=names,
        keep=keep,
        rules=_rules(group),
        operations=operations if named.issuperset(names) else [],
        reason=_LOOK,
    )
    more = () if keep else emptied_by(context, [group], -1)
    return _proposal(context, edit, group.keys, more=more)


def _for_builds(context: Context, building: Sequence[tuple[Temporary, Sequence[int]]]) -> Proposal:
    """Propose one ``RUN`` for everything that needs the tools, or else a stage of its own."""
    groups = [group for group, _ in building]
    builds = sorted({layer for _, layers in building for layer in layers})
    kept = _kept(context, [group.layer for group in groups])
    operations, why = one_run(context, groups, builds, kept)
    if not operations:
        return build_stage(context, groups, builds[-1], why, _TOOL_RULES)
    first, last = builds[0], builds[-1]
    names = [name for group in groups for name in group.names]
    where = f"layer {first}" if first == last else f"layers {first} to {last}"
    words = f"install {' '.join(names)} and purge them again in one RUN ({where}), which builds"
    if kept:
        words += f"; {' '.join(kept)} stays: files in use need it"
    edit = context.edit(
        "purge",
        first,
        words,
        command=next(each.command for each in operations if isinstance(each, AppendCommand)),
        packages=names,
        rules=_rules(groups[0]),
        others=sorted({*(group.layer for group in groups), *context.runs(first, last)} - {first}),
        operations=operations,
        reason=_LOOK,
    )
    keys = [key for group in groups for key in group.keys]
    wasted = context.wasted(
        lambda removal, _: first <= removal.layer and removal.removed_in <= last
    )
    return _proposal(
        context, edit, keys, there=(first, last), more=wasted | emptied_by(context, groups, first)
    )


def _proposal(
    context: Context,
    edit: Edit,
    keys: Iterable[str],
    *,
    there: tuple[int, int] | None = None,
    more: Iterable[Content] = (),
) -> Proposal:
    keys = [*keys]
    contents = context.behind_packages(keys).union(more)
    return Proposal(edit, contents, context.behind(keys), there)


# --- files and recommendations --------------------------------------------------------------------
def _loose(context: Context) -> Iterator[Proposal]:
    files = loose_files(context.inventory.rootfs, context.packages, context.inventory.base)
    layers: dict[int, list[str]] = {}
    tops: dict[int, list[str]] = {}
    for tool in context.inventory.build_tools:
        if not tool.package:
            layers.setdefault(tool.layer, []).extend(files.get((tool.name, tool.path), ()))
            tops.setdefault(tool.layer, []).append(f"/{tool.path}")
    for layer, paths in sorted(layers.items()):
        words = f"do not bring {', '.join(tops[layer][:4])}"
        words += f" and {len(tops[layer]) - 4} more" if len(tops[layer]) > 4 else ""
        edit = context.edit("advice", layer, words, rules=_TOOL_RULES)
        yield Proposal(edit, context.contents.behind(paths), frozenset(paths))


def edits_of_recommended(context: Context) -> Iterator[Proposal]:
    """Propose to do without what packages that stay only recommend."""
    for found in find_recommended(context.inventory):
        keys = _recommended(context, found)
        if not keys:
            continue
        layer = found.layer
        names = [context.packages[key].name for key in keys]
        in_use = (context.packages[use.package].name for use in found.in_use)
        keep = sorted({*in_use, *_kept(context, [layer])})
        option = without_recommended(tool_of(context.inventory.rootfs, found.manager))
        manager = MANAGERS[found.manager]
        operations: list[Operation] = [AddOption(layer=layer, manager=manager, option=option)]
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
            rules=("os-package-recommends", *_TOOL_RULES),
            operations=[] if tool else operations,
            reason=f"the RUN may build with what {tool} recommends" if tool else _LOOK,
        )
        yield _proposal(context, edit, keys)


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
        if not _may_be_used(context.packages[key])
    }


def _builds_with_recommended(context: Context, found: RecommendedInLayer) -> str:
    """Return the build tool that the very ``RUN`` may use with what it recommends, or nothing.

    ``gcc`` recommends ``libc6-dev``, without which it compiles nothing.
    """
    tools = _purgeable(context)
    names = (context.packages[root.root].name for root in found.roots if root.root in tools)
    return next(names, "") if needs_tools(context, found.layer) else ""
