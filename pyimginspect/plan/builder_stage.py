"""A stage of its own for building, where what it makes is something that people copy.

That is a virtual environment, pip's ``site-packages`` with the scripts that ``RECORD`` lists, the
``~/.local`` of ``pip install --user``, or a directory that the build made altogether: never single
files of the system, and never databases of users, packages or types, which the next version of the
base changes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.derived.leftovers import bytecode_of, files_of_packages
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.commands import install_and_clean, tool_of
from pyimginspect.inventory.records import files_of, recorded
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import BuildStage, StageCopy
from pyimginspect.plan.stages import is_generated, is_scripted, stray_bytecode
from pyimginspect.plan.temporary import Temporary, merged
from pyimginspect.rootfs import RootFS
from pyimginspect.text import pronoun

__all__ = ["build_stage"]

# Compiled where an image needs it, which few do: that takes longer than all else here.
# hier(7), with what packages put below /usr, /etc, /lib and /var, and the homes of users.
_SYSTEM = (
    r"(?:bin|boot|dev|etc|home|lib\w*|media|mnt|proc|root|run|sbin|srv|sys|tmp|usr|var|opt)"
    r"|usr/(?:bin|games|include|lib\w*|libexec|sbin|share|src|local)"
    r"|usr/(?:lib\w*|libexec|share|include|bin|sbin)/.*|usr/local/.*|(?:etc|var|lib\w*|bin|sbin)/.*"
    r"|home/[^/]+"
)
"""Directories of the system: nothing directly in them, and no whole one of them, is copied."""
# PEP 370: the user scheme has its scripts in ~/.local/bin, beside ~/.local/lib.
_USER_SITE = re.compile(r"((?:root|home/[^/]+)/\.local)(?:/.*)?")
_NAME = "builder"


class _Units(NamedTuple):
    """What is copied, and the commands that end the build so that nothing else is in it."""

    copies: tuple[StageCopy, ...]
    finish: tuple[str, ...]


class _Places(NamedTuple):
    """What people copy, as far as the inventory knows it.

    ``sites`` are the ``site-packages`` of a Python in ``/usr/local`` that no package brought,
    ``scripts`` those of the distributions there, by ``RECORD``.
    """

    sites: tuple[str, ...]
    environments: tuple[str, ...]
    scripts: frozenset[str]

    def unit_of(self, path: str) -> str | None:
        """Return the path of what is copied to have ``path``, if it is one of these."""
        for site in self.sites:
            if path.startswith(f"{site}/"):
                return site
        for top in self.environments:
            if f"{path}/".startswith(f"{top}/"):
                return top
        if path in self.scripts:
            return path
        match = _USER_SITE.fullmatch(path)
        return match[1] if match else None


def build_stage(
    context: Context, groups: Sequence[Temporary], last: int, why: str, rules: tuple[str, ...]
) -> Proposal:
    """Propose that everything from the first tools to the ``last`` build is in a stage of its own.

    Where what it makes is no unit, the proposal has no operations, and its reason says why.
    """
    first = groups[0].layer
    names, keys = merged(groups).names, merged(groups).keys
    units = _units(context, first, last)
    words = (
        f"build in a stage of its own (layers {first} to {last}), install {' '.join(names)} there"
        " alone, and copy the result"
    )
    operations: tuple[BuildStage, ...] = ()
    if isinstance(units, str):
        reason = f"{why}, and {units}"
    else:
        reason = "what the build makes is copied: look whether anything else of it is needed"
        kept = _runtime_packages(context, first, last)
        tool = tool_of(context.inventory.rootfs, groups[0].asked[0].manager)
        if kept:
            words += f"; install {' '.join(kept)} in the final stage: files that stay need"
            words += f" {pronoun(kept)}"
        operations = (
            BuildStage(
                first=first,
                last=last,
                name=_NAME,
                copies=units.copies,
                install=install_and_clean(tool, kept) if kept else (),
                finish=units.finish,
            ),
        )
    edit = context.edit(
        "builder-stage" if operations else "advice",
        first,
        words,
        command=f"COPY --from={_NAME}",
        packages=names,
        rules=rules,
        others=list(range(first + 1, last + 1)),
        operations=operations,
        reason=reason,
    )
    # What is made and removed within the stage stays there too, and bytecode of the base's modules.
    wasted = context.wasted(lambda removal: first <= removal.layer and removal.removed_in <= last)
    stray = context.contents.behind(stray_bytecode(context, first, last))
    contents = context.behind_packages(keys) | wasted | stray
    return Proposal(edit, contents, context.behind(keys), (first, last))


def _units(context: Context, first: int, last: int) -> _Units | str:
    """Return what the final stage copies, or what keeps it from copying."""
    rootfs = context.inventory.rootfs
    places, before = _places(context), _directories_before(rootfs, first)
    units: set[str] = set()
    for path in _made(context, first, last):
        inside = f"{path}/" if rootfs[path].kind == "directory" else path
        # A directory that the build left empty may be the unit itself; of a file one above it.
        unit = places.unit_of(path) or _own_directory(inside, before)
        if unit is None:
            return f"layer {rootfs[path].layer} makes /{path}, no unit to copy"
        units.add(unit)
    if not units:
        return "nothing is left of what the build makes"
    return _Units(
        tuple(
            StageCopy(source=f"/{path}", target=f"/{path}", owner=_owner(context, path))
            for path in sorted(units)
            if path in rootfs
        ),
        tuple(_spare(context, first, units.intersection(places.sites))),
    )


def _places(context: Context) -> _Places:
    inventory = context.inventory
    sites = tuple(
        site
        for python in inventory.interpreters
        # What a package manager installs is the package manager's to install in the final stage.
        if python.prefix == "usr/local" and not python.packages
        for site in python.site_packages
    )
    environments = tuple(each.path for each in inventory.environments if not each.broken)
    return _Places(sites, environments, frozenset(_scripts(context, sites)))


def _scripts(context: Context, sites: Collection[str]) -> Iterator[str]:
    """Yield the files of the distributions in ``sites`` that are elsewhere, by ``RECORD``."""
    inventory = context.inventory
    for each in inventory.distributions:
        if each.location in sites and not each.package:
            for path in files_of(inventory.rootfs, each.location, each.metadata):
                if not path.startswith(f"{each.location}/"):
                    yield path


def _made(context: Context, first: int, last: int) -> Iterator[str]:
    """Yield what layers ``first`` to ``last`` made, packages and their traces and debris apart."""
    rootfs, packages = context.inventory.rootfs, context.packages
    installed = [p.key for p in packages.packages if p.installed_in >= context.base]
    owned = files_of_packages(rootfs, packages, installed) | {*stray_bytecode(context, first, last)}
    debris = tuple(f"{c.path}/" for c in context.inventory.caches if c.kind not in INFORMATION)
    for path in _leaves(rootfs, first, last):
        # Databases and logs of the package manager change with whatever a stage installs itself.
        if path in owned or is_journal(path) or path.startswith(debris) or is_generated(path):
            continue
        # Files of the base's packages, written again, and links that packages' scripts made.
        if not (packages.owner(path) or is_scripted(context, path)):
            yield path


def _leaves(rootfs: RootFS, first: int, last: int) -> Iterator[str]:
    """Yield the files, links and empty directories of layers, those of the system apart."""
    parents = {path.rpartition("/")[0] for path in rootfs.nodes}
    for path, node in rootfs.nodes.items():
        if path and first <= node.layer <= last:
            folder = node.kind == "directory"
            # A directory with anything in it is copied with that; one of the system is in the base.
            if not folder or not (path in parents or re.fullmatch(_SYSTEM, path)):
                yield path


def _directories_before(rootfs: RootFS, first: int) -> set[str]:
    """Return the directories with files of layers below ``first``.

    A directory's own layer does not tell: each layer that changes something in it has it again.
    """
    found: set[str] = set()
    for path, node in rootfs.nodes.items():
        if node.layer < first and node.kind != "directory":
            while (path := path.rpartition("/")[0]) and path not in found:
                found.add(path)
    return found


def _own_directory(path: str, before: Collection[str]) -> str | None:
    """Return the highest directory above ``path`` with nothing else in it, if there is one.

    ``before`` are the directories that have files of the layers below.
    """
    found, place = None, path
    while place := place.rpartition("/")[0]:
        if re.fullmatch(_SYSTEM, place) or place in before:
            break
        found = place
    return found


def _owner(context: Context, path: str) -> str:
    entry = context.inventory.rootfs[path].entry
    # By number, for the final stage may have no such user; without --chown COPY makes files root's.
    return f"{entry.uid}:{entry.gid}" if (entry.uid, entry.gid) != (0, 0) else ""


def _spare(context: Context, first: int, whole: Collection[str]) -> Iterator[str]:
    """Yield the commands that take out of ``whole`` directories what the base has in them."""
    inventory = context.inventory
    names: dict[str, list[str]] = {}
    for each in inventory.distributions:
        if each.location in whole and not each.package:
            files = recorded(inventory.rootfs, each.location, each.metadata)
            if files is None:
                continue  # pip uninstalls nothing without RECORD, it ends with an error
            # pip uninstalls the bytecode of what RECORD lists, too.
            compiled = bytecode_of(inventory.rootfs, files)
            if all(
                inventory.rootfs[path].layer < first
                for path in (*files, *compiled)
                if path in inventory.rootfs
            ):
                names.setdefault(each.location, []).append(each.name)
    for python in inventory.interpreters:
        for site in python.site_packages:
            if "pip" in names.get(site, ()):
                # pip goes last, as it is what uninstalls the others.
                ordered = sorted(names.pop(site), key=lambda name: (name == "pip", name))
                yield shlex.join([f"/{python.path}", "-m", "pip", "uninstall", "-y", *ordered])


def _runtime_packages(context: Context, first: int, last: int) -> list[str]:
    """Return the names of the packages that the final stage has to install itself."""
    going = context.leftovers.packages
    proven = {proof.package for proof in context.leftovers.kept}
    graph = dependency_graph(context.packages)
    return sorted(
        {
            package.name
            for package in context.packages.packages
            if first <= package.installed_in <= last
            and package.key in graph.nodes
            and package.key not in going
            # apt installs again by itself what these depend on.
            and (package.automatic is False or package.key in proven)
            and not package.virtual
        }
    )
