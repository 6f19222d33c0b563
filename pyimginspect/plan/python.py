"""Edits about Python itself: bindings from the OS, copied environments, the base image."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyimginspect.inventory.derived.bindings import twin_of
from pyimginspect.inventory.derived.leftovers import not_in_slim, without
from pyimginspect.inventory.derived.replaceable import lacks_twin, replaceable_bindings
from pyimginspect.inventory.official_images import slim_image
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tool_names import python_build_tools
from pyimginspect.plan.context import Context, Proposal

__all__ = ["edits_of_base", "edits_of_bindings", "edits_of_environments"]


def edits_of_bindings(context: Context) -> Iterator[Proposal]:
    """Propose pip for Python packages that the OS's package manager was asked for."""
    inventory = context.inventory
    by_layer: dict[int, list[str]] = {}
    wanted: dict[int, list[str]] = {}
    twins: dict[str, bool] = {}
    for binding in replaceable_bindings(inventory):
        twins[binding.package] = twin_of(inventory, binding) is not None
        layer = context.packages[binding.package].installed_in
        by_layer.setdefault(layer, []).append(binding.package)
        if lacks_twin(inventory, binding):
            wanted.setdefault(layer, []).append(binding.project or binding.modules[0])
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
        edit = context.edit(
            "bindings",
            layer,
            words,
            command=f"pip install --no-cache-dir {shlex.join(asks)}" if asks else "",
            packages=names,
            keep=sorted({context.packages[p.package].name for p in {*kept} - {*before}}),
            rules=("os-python-binding", "duplicate-python"),
            estimated=bool(asks),
        )
        emptied = frozenset() if asks else context.emptied(layer, edit.packages, edit.keep)
        yield Proposal(edit, context.behind_packages(free - already) | emptied)


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
        python = shlex.quote(f"/{prefix}/bin/python")
        edit = context.edit(
            "environment",
            layer,
            f"take {' '.join(names)} out of /{prefix} before it is copied, or after the build",
            command=f"{python} -m pip uninstall -y {shlex.join(names)}",
            packages=names,
            rules=("leftover-build-tool",),
        )
        yield Proposal(edit, context.contents.behind(paths))


def edits_of_base(context: Context) -> Iterator[Proposal]:
    """Propose the slim variant in place of the full one; what that saves is an estimate."""
    base = context.inventory.base
    if base.family != "python" or base.variant != "full" or not base.layers:
        return
    keys, files = not_in_slim(context.inventory)
    full = base.name or "the full one"
    edit = context.edit(
        "base",
        0,
        f"begin with the slim variant; {full} brings {len(keys)} packages more",
        command=f"FROM {slim_image(base.version, base.distribution)}",
        rules=("base-not-official-slim",),
        estimated=True,
    )
    yield Proposal(edit, context.contents.behind(files))
