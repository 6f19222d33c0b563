"""Packages that something is built with, in the one ``RUN`` that builds: installed, then purged."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from pyimginspect.dockerfile.installs import Installation
from pyimginspect.inventory.contents import Content
from pyimginspect.inventory.derived.purging import purge_command
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.packages.commands import TOOLS, update_and_install
from pyimginspect.plan.context import Context
from pyimginspect.plan.lists import clean, fetch_again
from pyimginspect.plan.operations import (
    AppendCommand,
    DropCommand,
    DropPackages,
    InsertCommand,
    Manager,
    Operation,
)
from pyimginspect.plan.runs import builds as builds_
from pyimginspect.plan.runs import (
    calls,
    installed_packages,
    installs,
    is_read,
    is_sequence,
    may_build,
    names_of,
    takes_wheels,
)
from pyimginspect.plan.spans import join_runs

__all__ = [
    "MANAGERS",
    "Temporary",
    "asked_again",
    "emptied_by",
    "install_again",
    "merged",
    "needs_tools",
    "one_run",
    "takes_sources",
]

MANAGERS: dict[str, Manager] = {"dpkg": "apt", "apk": "apk", "rpm": "dnf"}
"""What operations call the program that installs, by the name of the packages' database."""

_BUILD_DEPS = ".build-deps"
"""What Alpine's users call the virtual package of what they build with."""
_PARTICULAR: dict[Manager, re.Pattern[str]] = {
    "apt": re.compile(
        r"-[A-Za-z]*[toac]|--(?:target-release|default-release|option|config-file|allow|force|host)"
    ),
    "apk": re.compile(r"-X|-p|--(?:repositor|allow-untrusted|root|initdb|keys-dir|arch)"),
    "dnf": re.compile(
        r"-x|-c|--(?:enable|disable|repo|setopt|nogpg|releasever|installroot|allow|nobest|skip|exclude)"
    ),
}
"""Options of which the result depends, by the manager (apt-get(8), apk-add(8), dnf(8))."""
# The `Tag` lines of WHEEL (PEP 427). PyPI takes no wheel with the plain tag `linux_x86_64` (PEP
# 513): one that has it was built here, or comes from elsewhere.
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
        # One name for a package of two architectures: `libc6-dev:amd64 libc6-dev:i386`.
        return tuple(dict.fromkeys(package.name for package in self.asked))

    @property
    def manager(self) -> Manager:
        """What installed them; where several did, the first one's."""
        return MANAGERS[self.asked[0].manager]

    @property
    def virtual(self) -> bool:
        """Whether a virtual package is among them, which apk deletes with all that it needs."""
        return any(package.virtual for package in self.asked)

    @property
    def all_virtual(self) -> bool:
        """Whether there are no others among them."""
        return all(package.virtual for package in self.asked)

    @property
    def without_virtual(self) -> Temporary:
        """The group without its virtual packages."""
        asked = tuple(package for package in self.asked if not package.virtual)
        return msgspec.structs.replace(self, asked=asked)


def merged(groups: Sequence[Temporary]) -> Temporary:
    """Return the packages of several layers as one group, of the first one's layer."""
    return Temporary(
        layer=groups[0].layer,
        asked=tuple(package for group in groups for package in group.asked),
        keys=tuple(key for group in groups for key in group.keys),
    )


# --- which RUN builds -----------------------------------------------------------------------------
def needs_tools(context: Context, layer: int) -> bool:
    """Whether the ``RUN`` of a layer may have needed build tools.

    Where it does nothing but let pip or uv install, its wheels tell: what was compiled here bears
    the tag of this very platform, and all else came ready from the index (PEP 425, PEP 600).
    """
    text = context.command(layer) or ""
    if not may_build(text):
        return False
    if not (is_read(text) and all(takes_wheels(call) for call in calls(text) if builds_(call))):
        return True
    wheels, sources = _metadata(context, layer)
    return not wheels or sources or any(_LOCAL.search(text) for text in wheels)


def takes_sources(context: Context, layer: int) -> bool:
    """Whether a layer installs Python packages from version control, as PEP 610 records it."""
    index = context.inventory.rootfs.layers[layer].index
    return any(
        index.entries[position].path.endswith("/direct_url.json") and b"vcs_info" in text
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
        # setup.py wrote these, by `install` and `develop`; wheels have .dist-info.
        elif ".egg-info" in path or path.endswith(".egg-link"):
            sources = True
    return wheels, sources


# --- commands -------------------------------------------------------------------------------------
def install_again(context: Context, groups: Sequence[Temporary], virtual: str = "") -> str | None:
    """Return the one command that installs what several layers did, as they did it.

    apk adds it as a package ``virtual``, if that is given, and deletes it by this name alone: what
    a virtual package needs is not deleted by its own. ``None`` where commands do not name it, or
    say more than names: a variable, a release, a repository.
    """
    words: dict[str, None] = {}
    manager = groups[0].manager
    lean, tool = True, TOOLS.get(manager, "apt-get")
    for group in groups:
        names, found = {*group.names}, set[str]()
        for each in installs(context.command(group.layer) or "", manager):
            mine = {
                word.text: name
                for word, name in zip(each.packages, names_of(each), strict=True)
                if name in names
            }
            if mine:
                if _says_more(each):
                    return None
                words.update(dict.fromkeys(mine))
                found.update(mine.values())
                # One of several that took recommended packages may have been built with these.
                lean &= any(word.text == "--no-install-recommends" for word in each.options)
                tool = TOOLS.get(each.command.program, tool)
        if found < names:
            return None
    recommended = manager == "dnf" or not lean
    commands = update_and_install(tool, tuple(words), recommended=recommended, virtual=virtual)
    return " && ".join(commands)


def _says_more(installation: Installation) -> bool:
    """Whether a command that has the names alone might install something else, or nothing."""
    # In quotes a variable would not be expanded, and without them its value is not known.
    if not all(word.literal for word in installation.packages):
        return True
    options = _PARTICULAR[installation.manager]
    return any(options.match(word.text) for word in installation.options)


def asked_again(
    context: Context, names: Sequence[str], manager: Manager, after: int
) -> Iterator[DropPackages]:
    """Yield what takes packages out of later ``RUN``s that ask for them though they are there."""
    for layer in context.runs(after + 1):
        found = installed_packages(context.command(layer) or "", manager)
        again = tuple(name for name in names if name in found)
        if again:
            yield DropPackages(layer=layer, manager=manager, names=again)


def emptied_by(
    context: Context, groups: Iterable[Temporary], first: int | None
) -> frozenset[Content]:
    """Return all that layers store whose ``RUN`` has nothing left to install.

    What the package manager notes is stored all the same, once, by layer ``first``, which installs
    now, if any does.
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
        entries = context.inventory.image.layers[group.layer].index.entries
        noted = {each for each in emptied if is_journal(entries[each[1]].path)}
        if group.layer != first and emptied:
            found |= emptied - noted
            journals.append(noted)
    # Databases and logs of the package manager: the RUN that installs now writes the largest.
    journals.sort(key=context.contents.size)
    return frozenset(found.union(*(journals if first is None else journals[:-1])))


# --- the one RUN ----------------------------------------------------------------------------------
def one_run(
    context: Context, groups: Sequence[Temporary], builds: Sequence[int], kept: Iterable[str]
) -> tuple[tuple[Operation, ...], str]:
    """Return the operations that install ``groups`` in the first of ``builds``, and purge them.

    ``builds`` are the layers that need them, all of which become one ``RUN``. Without operations
    the second result says why not.
    """
    first, last = builds[0], builds[-1]
    why = _cannot_be_one(context, first, last)
    if why:
        return (), why
    every = merged(groups)
    purge = purge_command(context.inventory, every.asked, every.keys, kept)
    operations: list[Operation] = []
    moved = [group for group in groups if group.layer != first]
    if moved:
        # apk deletes by `.build-deps` what was added for it, and refuses to do so by its names.
        alone = every.manager == "apk" and not every.virtual and len(moved) == len(groups)
        install = _moved_install(context, moved, _BUILD_DEPS if alone else "")
        if install is None:
            return (), "what installed them cannot be written in another RUN"
        operations += _without_moved(context, moved, first)
        operations.append(InsertCommand(layer=first, after=(), command=install))
        if alone:
            purge = purge.replace(shlex.join(every.names), _BUILD_DEPS)
    operations += join_runs(context, first, last)
    operations.append(AppendCommand(layer=last, command=purge))
    if moved and every.manager == "apt":
        operations += clean(context, last, [group.layer for group in moved])
    return tuple(operations), ""


def _cannot_be_one(context: Context, first: int, last: int) -> str:
    """Return why layers cannot be one ``RUN`` that installs and purges; nothing if they can."""
    if first != last and not context.joinable(first, last):
        return f"layers {first} to {last} cannot be one RUN"
    if user := context.user(first):
        return f"{user}, who runs layer {first}, cannot install packages"
    if not is_sequence(context.command(last) or "<<"):
        return f"the command of layer {last} is no plain sequence"
    return ""


def _moved_install(context: Context, moved: Sequence[Temporary], virtual: str) -> str | None:
    """Return the commands that install in another layer what the ``moved`` groups are.

    Virtual packages are added by their own commands, as those are; others by one, for ``virtual``.
    ``None`` where the commands do not name the packages.
    """
    if len({package.manager for group in moved for package in group.asked}) > 1:
        return None
    adding = [
        _adding(context, group.layer, package)
        for group in moved
        for package in group.asked
        if package.virtual
    ]
    plain = [group.without_virtual for group in moved if not group.all_virtual]
    again = install_again(context, plain, virtual) if plain else ""
    if again is None or not all(adding):
        return None
    commands = [shlex.join(words) for each in adding for words in each]
    return " && ".join([*commands, again] if again else commands)


def _without_moved(context: Context, moved: Sequence[Temporary], first: int) -> Iterator[Operation]:
    """Yield what takes installations out of their own ``RUN``s; layer ``first`` has them then."""
    layers = [group.layer for group in moved]
    for group in moved:
        for package in group.asked:
            for words in _adding(context, group.layer, package) if package.virtual else ():
                yield DropCommand(layer=group.layer, words=words)
        if not group.all_virtual:
            names = group.without_virtual.names
            yield DropPackages(layer=group.layer, manager=group.manager, names=names)
        if context.emptied(group.layer, group.names, ()):
            again = fetch_again(context, group.layer, layers)
            yield from (each for each in again if each.layer != first)


def _adding(context: Context, layer: int, virtual: OsPackage) -> list[tuple[str, ...]]:
    """Return the words of the commands of a layer that add a virtual package."""
    commands = (each.command.texts for each in installs(context.command(layer) or "", "apk"))
    options = {virtual.name, f"--virtual={virtual.name}"}
    return [words for words in commands if not options.isdisjoint(words)]
