"""Packages that something is built with, in the one ``RUN`` that builds: installed, then purged."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.journals import is_journal
from pyimginspect.plan.context import Context
from pyimginspect.plan.lists import clean, fetch_again
from pyimginspect.plan.operations import (
    AppendCommand,
    DropCommand,
    DropPackages,
    InsertCommand,
    JoinRuns,
    Manager,
    Operation,
)
from pyimginspect.plan.runs import builds as builds_
from pyimginspect.plan.runs import (
    calls,
    installs,
    is_sequence,
    may_build,
    names_of,
    takes_wheels,
)

__all__ = [
    "MANAGERS",
    "Temporary",
    "emptied_by",
    "install_again",
    "needs_tools",
    "one_run",
    "takes_sources",
]

MANAGERS: dict[str, Manager] = {"dpkg": "apt", "apk": "apk", "rpm": "dnf"}
"""What operations call the program that installs, by the name of the packages' database."""

_LOCAL = re.compile(rb"^Tag:.*-linux_\w+\s*$", re.MULTILINE)


class Temporary(Struct, frozen=True, kw_only=True):
    """Packages that layer ``layer`` installed and that the finished image can do without.

    ``asked`` are those that its command names, ``keys`` all that go with them.
    """

    layer: int
    asked: tuple[OsPackage, ...]
    keys: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the command has."""
        return tuple(package.name for package in self.asked)


# --- which RUN builds -----------------------------------------------------------------------------
def needs_tools(context: Context, layer: int) -> bool:
    """Whether the ``RUN`` of a layer may have needed build tools.

    Where it does nothing but let pip or uv install, its wheels tell: what was compiled here bears
    the tag of this very platform, and all else came ready from the index (PEP 425, PEP 600).
    """
    text = context.command(layer) or ""
    if not may_build(text):
        return False
    if not all(takes_wheels(call) for call in calls(text) if builds_(call)):
        return True
    wheels, sources = _metadata(context, layer)
    return not wheels or sources or any(_LOCAL.search(text) for text in wheels)


def takes_sources(context: Context, layer: int) -> bool:
    """Whether a layer installs Python packages from version control, as PEP 610 records it."""
    index = context.inventory.rootfs.layers[layer].index
    return any(
        b"vcs_info" in text and index.entries[position].path.endswith("/direct_url.json")
        for position, text in index.texts.items()
    )


def _metadata(context: Context, layer: int) -> tuple[list[bytes], bool]:
    """Return the ``WHEEL`` files that a layer stores, and whether anything has another origin."""
    index = context.inventory.rootfs.layers[layer].index
    wheels, sources = [], False
    for position, text in index.texts.items():
        path = index.entries[position].path
        if path.endswith(".dist-info/WHEEL"):
            wheels.append(text)
        elif path.endswith(".dist-info/direct_url.json"):
            sources = sources or b"vcs_info" in text
        elif ".egg-info" in path or path.endswith(".egg-link"):
            sources = True
    return wheels, sources


# --- commands -------------------------------------------------------------------------------------
def install_again(context: Context, groups: Sequence[Temporary]) -> str | None:
    """Return the one command that installs what several layers did, as they did it.

    ``None`` where their commands do not name it.
    """
    words: dict[str, None] = {}
    lean, program = True, "dnf"
    manager = MANAGERS[groups[0].asked[0].manager]
    for group in groups:
        names, found = {*group.names}, set[str]()
        for each in installs(context.command(group.layer) or "", manager):
            mine = {
                word.text: name
                for word, name in zip(each.packages, names_of(each), strict=True)
                if name in names
            }
            if mine:
                words.update(dict.fromkeys(mine))
                found.update(mine.values())
                lean &= any(word.text == "--no-install-recommends" for word in each.options)
                program = each.command.program
        if found < names:
            return None
    named = shlex.join(words)
    if manager == "apk":
        return f"apk add --no-cache --virtual .build-deps {named}"
    if manager == "dnf":
        return f"{program} install -y {named}"
    option = "--no-install-recommends " if lean else ""
    return f"apt-get update && apt-get install -y {option}{named}"


def emptied_by(context: Context, groups: Sequence[Temporary], first: int) -> frozenset[Content]:
    """Return all that layers store whose ``RUN`` has nothing left to install.

    What the package manager notes is stored all the same, once, by layer ``first``, which installs
    now; by none for a negative one.
    """
    found: set[Content] = set()
    journals: list[set[Content]] = []
    for group in groups:
        emptied = context.emptied(group.layer, group.names, ())
        if group.keys:  # what stays of the layer's packages is installed with the tools, elsewhere
            emptied -= context.behind_packages(
                package.key
                for package in context.packages.packages
                if package.installed_in == group.layer and package.key not in group.keys
            )
        noted = {each for each in emptied if is_journal(context.path_of(each))}
        if group.layer != first and emptied:
            found |= emptied - noted
            journals.append(noted)
    journals.sort(key=context.contents.size)
    return frozenset(found.union(*(journals if first < 0 else journals[:-1])))


# --- the one RUN ----------------------------------------------------------------------------------
def one_run(
    context: Context, groups: Sequence[Temporary], builds: Sequence[int], kept: Iterable[str]
) -> tuple[tuple[Operation, ...], str]:
    """Return the operations that install ``groups`` in the first of ``builds``, and purge them.

    ``builds`` are the layers that need them, all of which become one ``RUN``. Without operations
    the second result says why not.
    """
    first, last = builds[0], builds[-1]
    if first != last and not context.joinable(first, last):
        return (), f"layers {first} to {last} cannot be one RUN"
    if context.user(first):
        return (), f"{context.user(first)}, who runs layer {first}, cannot install packages"
    if not is_sequence(context.command(last) or "<<"):
        return (), f"the command of layer {last} is no plain sequence"
    asked = [package for group in groups for package in group.asked]
    keys = [key for group in groups for key in group.keys]
    operations: list[Operation] = []
    moved = [group for group in groups if group.layer != first]
    virtual = [package for package in asked if package.virtual]
    purge = purge_command(context.inventory, asked, keys, kept)
    if moved:
        install = "" if virtual else install_again(context, moved)
        if install is None or len({package.manager for package in asked}) > 1:
            return (), "the command that installed them does not name them"
        layers = [group.layer for group in moved]
        for group in moved:
            dropped = [*_drop(context, group)]
            operations += dropped
            if context.emptied(group.layer, group.names, ()):
                again = fetch_again(context, group.layer, layers)
                operations += [each for each in again if each.layer != first]
            install = install or " && ".join(
                shlex.join(each.words) for each in dropped if isinstance(each, DropCommand)
            )
        if asked[0].manager == "apk" and not virtual and len(moved) == len(groups):
            purge = purge.replace(shlex.join(p.name for p in asked), ".build-deps")
        operations.append(InsertCommand(layer=first, after=(), command=install))
    if first != last:
        others = tuple(context.runs(first + 1, last))
        operations.append(JoinRuns(layer=first, others=others))
    operations.append(AppendCommand(layer=last, command=purge))
    if asked[0].manager == "dpkg" and moved:
        operations += clean(context, last, [group.layer for group in moved])
    return tuple(operations), ""


def _drop(context: Context, group: Temporary) -> Iterator[Operation]:
    """Yield what takes an installation out of its own ``RUN``."""
    for package in group.asked:
        if package.virtual:
            for each in installs(context.command(group.layer) or "", "apk"):
                words = each.command.texts
                if package.name in words or f"--virtual={package.name}" in words:
                    yield DropCommand(layer=group.layer, words=words)
    names = tuple(package.name for package in group.asked if not package.virtual)
    if names:
        manager = MANAGERS[group.asked[0].manager]
        yield DropPackages(layer=group.layer, manager=manager, names=names)
