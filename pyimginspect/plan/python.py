"""Edits about Python packages: bindings from the OS, build tools in copied environments."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from pyimginspect.inventory.derived.bindings import twin_of
from pyimginspect.inventory.derived.leftovers import without
from pyimginspect.inventory.derived.replaceable import lacks_twin, replaceable_bindings
from pyimginspect.inventory.derived.runtime_python import runtime_python
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tool_names import python_build_tools
from pyimginspect.plan.bytecode import for_environment
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import fetch_again
from pyimginspect.plan.operations import (
    AppendCommand,
    DropPackages,
    Operation,
)
from pyimginspect.plan.runs import installs, is_sequence, names_of
from pyimginspect.plan.temporary import MANAGERS

__all__ = ["edits_of_bindings", "edits_of_environments"]


def edits_of_bindings(context: Context) -> Iterator[Proposal]:
    """Propose pip for Python packages that the OS's package manager was asked for."""
    inventory = context.inventory
    by_layer: dict[int, list[str]] = {}
    wanted: dict[int, list[str]] = {}
    twins: dict[str, bool] = {}
    for binding in replaceable_bindings(inventory):
        if lacks_twin(inventory, binding) and not binding.project:
            continue  # what it is called on PyPI is not known
        twins[binding.package] = twin_of(inventory, binding) is not None
        layer = context.packages[binding.package].installed_in
        by_layer.setdefault(layer, []).append(binding.package)
        if lacks_twin(inventory, binding):
            wanted.setdefault(layer, []).append(binding.project)
    if not by_layer:
        return
    graph = dependency_graph(context.packages)
    tools = {tool.package for tool in inventory.build_tools if tool.package and not tool.kept_by}
    already, before = context.leftovers.packages, context.leftovers.kept
    for layer, keys in sorted(by_layer.items()):
        free, kept = without(inventory, graph, tools | {*keys})
        if not free.issuperset(keys):  # something that runs depends on one of them
            continue
        names = [context.packages[key].name for key in keys]
        asks = wanted.get(layer, [])
        words = f"do not install {' '.join(names)}"
        if asks:
            words += f"; pip install {' '.join(asks)}, which adds their size"
        elif any(twins.get(key) for key in keys):
            words += ": pip has installed the same already"
        keep = sorted({context.packages[p.package].name for p in {*kept} - {*before}})
        command, operations = _pip_install(context, layer, asks)
        manager = MANAGERS[context.packages[keys[0]].manager]
        dropped = DropPackages(
            layer=layer, manager=manager, names=tuple(names), instead=tuple(keep)
        )
        if not asks and context.emptied(layer, names, keep):
            operations += fetch_again(context, layer)
        named = {
            word
            for each in installs(context.command(layer) or "", manager)
            for word in names_of(each)
        }
        edit = context.edit(
            "bindings",
            layer,
            words,
            command=command,
            packages=names,
            keep=keep,
            rules=("os-python-binding", "duplicate-python"),
            estimated=bool(asks),
            operations=[dropped, *operations] if named.issuperset(names) else [],
            reason="another build of these packages: look whether anything else calls them",
        )
        emptied = frozenset() if asks else context.emptied(layer, edit.packages, edit.keep)
        gone = free - already
        yield Proposal(edit, context.behind_packages(gone) | emptied, context.behind(gone))


def _pip_install(context: Context, layer: int, asks: Sequence[str]) -> tuple[str, list[Operation]]:
    """Return the command that installs ``asks`` for what starts, and where it goes."""
    if not asks:
        return "", []
    sight, inventory = runtime_python(context.inventory), context.inventory
    environment = next(
        (each for each in inventory.environments if sight and each.path == sight.owner), None
    )
    if environment is None:
        command = f"pip install --no-cache-dir {shlex.join(asks)}"
        # Beside other packages from PyPI for the same Python, with their index and constraints.
        later = context.runs(layer, len(inventory.image.layers) - 1)
        beside = (
            n
            for n in later
            if installs(context.command(n) or "", "pip")
            and context.user(n) in ("", inventory.image.config.user)
            and not for_environment(context, n)
        )
        return command, [AppendCommand(layer=next(beside, layer), command=command)]
    pip = f"/{environment.path}/bin/pip"
    command = f"{shlex.quote(pip)} install --no-cache-dir {shlex.join(asks)}"
    made = max(environment.layer, layer)
    if context.command(made) is None or pip[1:] not in inventory.rootfs:
        return command, []
    return command, [AppendCommand(layer=made, command=command)]


def edits_of_environments(context: Context) -> Iterator[Proposal]:
    """Propose to take build tools from PyPI out of environments that were copied in."""
    inventory = context.inventory
    by_place: dict[tuple[int, str], list[str]] = {}
    for tool in python_build_tools(inventory.rootfs, inventory.distributions):
        if tool.layer >= context.base and not tool.package:
            by_place.setdefault((tool.layer, tool.location), []).append(tool.metadata)
    metadata = {each.metadata: each for each in inventory.distributions}
    for (layer, location), found in sorted(by_place.items()):
        paths = [
            path
            for each in found
            for path in files_of(inventory.rootfs, location, each)
            if (node := inventory.rootfs.get(path)) is not None and node.kind == "file"
        ]
        names = [metadata[each].name for each in found]
        prefix = location.partition("/lib/")[0]
        python = _python_with_pip(context, location)
        command = f"{shlex.quote(f'/{python}')} -m pip uninstall -y {shlex.join(names)}"
        simple = is_sequence(context.command(layer) or "<<")
        operations = [AppendCommand(layer=layer, command=command)] if python and simple else []
        edit = context.edit(
            "environment",
            layer,
            f"take {' '.join(names)} out of /{prefix} before it is copied, or after the build",
            command=command if python else "",
            packages=names,
            rules=("leftover-build-tool",),
            operations=operations,
            reason="look whether the application calls any of them",
        )
        yield Proposal(edit, context.contents.behind(paths), frozenset(paths), (layer, layer))


def _python_with_pip(context: Context, location: str) -> str:
    """Return the path of a Python that imports from ``location`` and has a pip; else nothing."""
    inventory = context.inventory
    for each in inventory.distributions:
        if each.name == "pip" and each.location == location:
            for path in each.interpreters:
                for python in (f"{path}/bin/python", path):
                    node = inventory.rootfs.get(python)
                    if node is not None and node.kind != "directory":
                        return python
    return ""
