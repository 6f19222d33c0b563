"""Edits about Python packages: bindings from the OS, build tools in copied environments."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

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
from pyimginspect.plan.runs import installed_packages, installs, is_sequence
from pyimginspect.plan.temporary import MANAGERS

__all__ = ["edits_of_bindings", "edits_of_environments"]


class _Bindings(NamedTuple):
    """Python packages of the OS that one layer brings, and what pip installs in their place.

    ``keys`` are those of the packages, ``asks`` the names on PyPI of those that pip has not
    installed yet; ``twins`` says of a key whether it has.
    """

    keys: list[str]
    asks: list[str]
    twins: dict[str, bool]


def edits_of_bindings(context: Context) -> Iterator[Proposal]:
    """Propose pip for Python packages that the OS's package manager was asked for."""
    inventory = context.inventory
    by_layer = _bindings_by_layer(context)
    if not by_layer:
        return
    graph = dependency_graph(context.packages)
    tools = {tool.package for tool in inventory.build_tools if tool.package and not tool.kept_by}
    for layer, bindings in sorted(by_layer.items()):
        # With the tools, which other edits take out: what only these need keeps no binding.
        free, kept = without(inventory, graph, tools | {*bindings.keys})
        # Otherwise something that runs depends on one of them.
        if free.issuperset(bindings.keys):
            before = {*context.leftovers.kept}
            proofs = {proof.package for proof in {*kept} - before}
            keep = sorted({context.packages[key].name for key in proofs})
            yield _with_pip(context, layer, bindings, free, keep)


def _bindings_by_layer(context: Context) -> dict[int, _Bindings]:
    """Return the Python packages that pip can install, by the layer that brings them."""
    inventory = context.inventory
    found: dict[int, _Bindings] = {}
    for binding in replaceable_bindings(inventory):
        lacking = lacks_twin(inventory, binding)
        layer = context.packages[binding.package].installed_in
        here = found.setdefault(layer, _Bindings([], [], {}))
        here.keys.append(binding.package)
        here.twins[binding.package] = twin_of(inventory, binding) is not None
        if lacking:
            here.asks.append(binding.project)
    return found


def _with_pip(
    context: Context, layer: int, bindings: _Bindings, free: Set[str], keep: list[str]
) -> Proposal:
    """Propose pip for the ``bindings`` of a layer, with which the packages ``free`` go.

    ``keep`` are the names of those that came with them and that files in use need.
    """
    asks = bindings.asks
    names = [context.packages[key].name for key in bindings.keys]
    manager = MANAGERS[context.packages[bindings.keys[0]].manager]
    command, operations = _pip_install(context, layer, asks)
    emptied = frozenset() if asks else context.emptied(layer, names, keep)
    if emptied:
        operations += fetch_again(context, layer)
    dropped = DropPackages(layer=layer, manager=manager, names=tuple(names), instead=tuple(keep))
    named = installed_packages(context.command(layer) or "", manager)
    edit = context.edit(
        "bindings",
        layer,
        _binding_words(names, bindings),
        command=command,
        packages=names,
        keep=keep,
        rules=("os-python-binding", "duplicate-python"),
        estimated=bool(asks),
        # Packages that came by a dependency, or by `$PACKAGES`, cannot be taken out of the command.
        operations=[dropped, *operations] if named.issuperset(names) else [],
        reason="another build of these packages: look whether anything else calls them",
    )
    gone = free - context.leftovers.packages
    return Proposal(edit, context.behind_packages(gone) | emptied, context.behind(gone))


def _binding_words(names: Sequence[str], bindings: _Bindings) -> str:
    words = f"do not install {' '.join(names)}"
    if bindings.asks:
        size = "its size" if len(bindings.asks) == 1 else "their size"
        return f"{words}; pip install {' '.join(bindings.asks)}, which adds {size}"
    if any(bindings.twins.values()):
        return f"{words}: pip has installed the same already"
    return words


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
        later = context.runs(layer)
        beside = (
            n
            for n in later
            if installs(context.command(n) or "", "pip")
            and context.user(n) in ("", inventory.image.config.user)
            and not for_environment(context, n)
        )
        return command, [AppendCommand(layer=next(beside, layer), command=command)]
    # An environment's own pip, for the plain one installs beside it.
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
        # The layout of an environment: `PREFIX/lib/pythonX.Y/site-packages`.
        prefix = location.partition("/lib/")[0]
        python = _python_with_pip(context, location)
        command = f"{shlex.quote(f'/{python}')} -m pip uninstall -y {shlex.join(names)}"
        # `<<` is no sequence: it stands for a layer that no RUN made.
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
