"""Edits for Python distributions that one layer installs and a later one replaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pyimginspect.dockerfile.installs import Manager
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.leftovers import bytecode_of
from pyimginspect.inventory.records import files_of
from pyimginspect.plan import runs
from pyimginspect.plan.bytecode import compiled_again, whose_bytecode
from pyimginspect.plan.context import LEAST, Context, Proposal
from pyimginspect.plan.operations import DropPackages, Operation
from pyimginspect.text import listed

__all__ = ["edits_of_replaced", "edits_of_upgraded_base"]

_MANAGERS: tuple[Manager, ...] = ("pip", "uv")
_SEEDS = frozenset({"pip", "setuptools", "wheel"})
"""What an official image brings to install with."""

# Builds that take setuptools and wheel of the environment, and not of one of their own (PEP 517).
_NOT_ISOLATED = re.compile(r"no-(build-)?isolation|no-use-pep517|setup\.py|NO_BUILD_ISOLATION")


def edits_of_replaced(context: Context, causes: Iterable[Cause]) -> Iterator[Proposal]:
    """Propose not to ask for what a later layer replaces."""
    for cause in causes:
        if cause.kind != "replaced" or len(cause.makers) > 1:
            continue
        names = {owner.name for owner in cause.owners if owner.kind == "distribution"}
        layer = cause.makers[0]
        operations = _dropped(context, layer, names)
        if len(names) < len(cause.owners) or not operations:
            continue
        edit = context.edit(
            "leave-out",
            layer,
            f"do not install {listed(sorted(names))} here: layer {cause.removed_in} installs"
            " another version in its place",
            packages=sorted(names),
            rules=("overwritten-files",),
            others=[cause.removed_in],
            operations=operations,
            reason="look whether anything between the two needs the first version",
        )
        yield Proposal(edit, cause.freed.contents)


def edits_of_upgraded_base(context: Context) -> Iterator[Proposal]:
    """Propose to leave pip and its like as the base image has them."""
    upgraded: dict[int, set[str]] = {}
    for cause in find_causes(context.inventory):
        # The base itself cannot be edited: the upgrade is what goes.
        if cause.makers[0] < context.base <= cause.removed_in:
            names = {o.name for o in cause.owners if o.kind == "distribution" and o.after}
            upgraded.setdefault(cause.removed_in, set()).update(names & _SEEDS)
    for layer, names in sorted(upgraded.items()):
        # Such a build may need a newer setuptools or wheel than the base has.
        if any(_NOT_ISOLATED.search(each.text) for each in context.steps):
            names = names & {"pip"}
        operations = _dropped(context, layer, names) if names else []
        contents = _contents_of(context, layer, names)
        if not operations or context.contents.size(contents) < LEAST:
            continue
        edit = context.edit(
            "leave-out",
            layer,
            f"leave {listed(sorted(names))} as the base image has it: the upgrade stores it again",
            packages=sorted(names),
            rules=("rewritten-metadata", "overwritten-files"),
            operations=operations,
            reason="look whether what is installed needs a newer version of it",
        )
        yield Proposal(edit, contents)


def _dropped(context: Context, layer: int, names: set[str]) -> list[Operation]:
    """Return what takes ``names`` out of a layer's installations, if it names all of them."""
    command = context.command(layer) or ""
    operations: list[Operation] = []
    found: set[str] = set()
    for manager in _MANAGERS:
        named = {
            name for each in runs.installs(command, manager) for name in runs.names_of(each)
        } & names
        if named:
            found |= named
            operations.append(
                DropPackages(layer=layer, manager=manager, names=tuple(sorted(named)))
            )
    return operations if found == names else []


def _contents_of(context: Context, layer: int, names: set[str]) -> frozenset[Content]:
    """Return what a layer stores less without some distributions.

    All of it where its ``RUN`` does nothing else. Bytecode that the next call of the base's own
    Python stores again is left out. Nothing where a later layer replaces them: there they go.
    """
    inventory = context.inventory
    paths: set[str] = set()
    for each in inventory.distributions:
        if each.name in names and each.layer == layer and not each.package:
            files = files_of(inventory.rootfs, each.location, each.metadata)
            paths.update(files, bytecode_of(inventory.rootfs, files))
    if not paths:
        return frozenset()
    there = (path for path in paths if path in inventory.rootfs)
    stored = context.contents.behind(p for p in there if inventory.rootfs[p].kind == "file")
    whole = runs.has_nothing_left(context.command(layer) or "", names, _MANAGERS)
    if whole:
        stored |= context.stored_by(layer)
    # From the RUN itself, where it stays and calls pip for something else, else from the next one.
    kept = compiled_again(context, layer + whole, names)
    return frozenset(
        content
        for content in stored
        if content[0] == layer and not kept.intersection(whose_bytecode(context.path_of(content)))
    )
