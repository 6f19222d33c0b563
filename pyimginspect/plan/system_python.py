"""Edits that put an official image's Python in the place of one that Debian's packages bring."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyimginspect.inventory.derived.primary_python import application_of
from pyimginspect.inventory.facts import Interpreter, OsPackage
from pyimginspect.inventory.official_images import slim_image
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.graph import members
from pyimginspect.plan.bytecode import compiled_again
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import fetch_again
from pyimginspect.plan.operations import DropPackages, Operation, ReplaceBase, ReplaceCommand
from pyimginspect.plan.runs import Call, calls, installed_packages, programs
from pyimginspect.text import listed

__all__ = ["edits_of_system_python"]

_RULES = ("base-not-official-slim",)
_OF_PYTHON = (
    r"python3(?:\.\d+)?(?:-(?:pip|venv|dev|full|setuptools|wheel|distutils|minimal|virtualenv))?"
    r"|python-is-python3|virtualenv"
)
"""Packages that are Python itself and what installs for it: the official image has all that."""
_SYSTEM_PATH = re.compile(r"/usr/bin/(?:python|pip)[\d.]*|/usr/lib/python3.*")
# PEP 668: Debian's Python is marked EXTERNALLY-MANAGED, the official image's is not.
_BREAK = re.compile(r"\s+--break-system-packages?\b")
_OFFICIAL = {9: 50, 10: 53, 11: 55, 12: 46, 13: 40, 14: 42}
"""Megabytes that an official slim image stores above Debian's, by the minor version of Python 3:
those of 3.11 and 3.13 were measured, and the others are estimated from their sources' sizes."""
_BYTECODE = {"pip": 5_400_000, "library": 5_300_000}
"""What the first ``RUN`` that calls pip stores beside them, measured with 3.11: bytecode of pip
and of what it imports of the standard library. Debian compiles its own as it installs it."""
_SETUPTOOLS = frozenset({"_distutils_hack", "pkg_resources", "setuptools"})
# versions.json of docker-library/python has `setuptools` for 3.10 and 3.11 only.
_WITHOUT_SETUPTOOLS = 12
"""The first minor version whose official images have no setuptools."""
_OF_DEBIAN = r"_distutils_system_mod|sitecustomize|test|_sysconfigdata_.*"
"""Modules in Debian's standard library that a Python built from source does not have there."""


class _SystemPython(NamedTuple):
    """Debian's Python, the packages that somebody asked for to have it, and the image in its place.

    ``minor`` is the minor version of both.
    """

    python: Interpreter
    asked: tuple[OsPackage, ...]
    image: str
    minor: int

    @property
    def by_layer(self) -> dict[int, tuple[str, ...]]:
        """The names of the packages by the layer that installed them, the lowest first."""
        layers = sorted({package.installed_in for package in self.asked})
        return {
            layer: tuple(package.name for package in self.asked if package.installed_in == layer)
            for layer in layers
        }


def edits_of_system_python(context: Context) -> Iterator[Proposal]:
    """Propose an official image where the only Python is Debian's, and pip installs for it."""
    found = _system_python(context)
    if found is None:
        return
    gone = _without(context, found.asked)
    behind = context.behind(gone)
    modules = _modules(found.python, behind, found.minor)
    operations, why = _official_operations(context, found)
    stays = next((key for key in found.python.packages if key not in gone), "")
    if operations and stays:
        operations, why = [], f"{stays} stays: another package needs it"
    elif operations:
        why += _debian_alone(modules)
    names = [package.name for package in found.asked]
    compiled = sum(_BYTECODE[each] for each in compiled_again(context, context.base))
    emptied = (context.emptied(layer, here, ()) for layer, here in found.by_layer.items())
    edit = context.edit(
        "base" if operations else "advice",
        min(found.by_layer),
        f"begin with {found.image}, without {' '.join(names)}: it has a Python of its own, which"
        " pip installs for",
        command=f"FROM {found.image}",
        packages=names,
        modules=modules,
        rules=_RULES,
        estimated=True,
        adds=_OFFICIAL[found.minor] * 1_000_000 + compiled,
        operations=operations,
        reason=why,
    )
    yield Proposal(edit, context.behind_packages(gone).union(*emptied), behind)


def _system_python(context: Context) -> _SystemPython | None:
    """Return Debian's Python where somebody asked for it, and an official image has the same."""
    python, system = _only_python(context), context.inventory.os
    if python is None:
        return None
    image = slim_image(python.version, f"{system.id} {system.version_id}")
    asked = tuple(
        package for package in _asked_above(context) if re.fullmatch(_OF_PYTHON, package.name)
    )
    # `python:3.11-slim-bookworm`: without the second hyphen there is no such image on that release.
    if not image.count("-") > 1 or not asked:
        return None
    minor = int(image.partition("-")[0].rpartition(".")[2])
    if minor not in _OFFICIAL:
        return None
    return _SystemPython(python, asked, image, minor)


def _asked_above(context: Context) -> Iterator[OsPackage]:
    """Yield the packages that somebody asked for by name above the base."""
    for package in context.packages.packages:
        if package.installed_in >= context.base and package.automatic is False:
            yield package


def _only_python(context: Context) -> Interpreter | None:
    """Return the Python that Debian's packages brought, if there is no other, and pip is used."""
    inventory = context.inventory
    pythons = inventory.interpreters
    # Official images are made on Debian and Alpine: none is on Ubuntu.
    if len(pythons) != 1 or not pythons[0].packages or inventory.os.id != "debian":
        return None
    python = pythons[0]
    # A Python that the base itself brings was chosen with it.
    above = all(inventory.packages[key].installed_in >= context.base for key in python.packages)
    return python if above and application_of(inventory, python) else None


def _modules(python: Interpreter, gone: Iterable[str], minor: int) -> list[str]:
    """Return the modules that go with Debian's Python and that an official image does not have."""
    there = {"pip", *(_SETUPTOOLS if minor < _WITHOUT_SETUPTOOLS else ())}
    found = set()
    for path in gone:
        directory, _, name = path.removesuffix("/__init__.py").rpartition("/")
        if not path.endswith(".py"):
            continue
        module = name.removesuffix(".py")
        of_packages = directory in python.site_packages and module not in there
        if of_packages or (directory == python.stdlib and re.fullmatch(_OF_DEBIAN, module)):
            found.add(module)
    return sorted(found)


def _without(context: Context, asked: Iterable[OsPackage]) -> frozenset[str]:
    """Return the keys of what goes with packages that nobody asks for any more."""
    graph, dropped = dependency_graph(context.packages), {package.key for package in asked}
    needed = set[str]()
    todo = [
        package.key
        for package in context.packages.packages
        if package.key not in dropped
        and (
            package.installed_in < context.base
            or package.essential
            # What has no mark was installed by hand or by dpkg, and apt would not remove it either.
            or package.automatic is not True
        )
    ]
    while todo:
        key = todo.pop()
        if key not in needed:
            needed.add(key)
            todo.extend(members(graph.nodes[key].requires))
    return frozenset(graph.nodes.keys() - needed)


def _debian_alone(modules: Iterable[str]) -> str:
    """Return the clause about packages from Debian among modules that would not be there."""
    named = [each for each in modules if each[0] != "_" and not re.fullmatch(_OF_DEBIAN, each)]
    return f"; it does not have Debian's {listed(named)}" if named else ""


def _official_operations(context: Context, found: _SystemPython) -> tuple[list[Operation], str]:
    """Return what to do, and why it needs a review; or no operations, and why not."""
    why_not = next(_hindrances(context, found), "")
    if why_not:
        return [], why_not
    operations: list[Operation] = [ReplaceBase(image=found.image)]
    for layer, names in found.by_layer.items():
        operations.append(DropPackages(layer=layer, manager="apt", names=names))
        if context.emptied(layer, names, ()):
            operations += fetch_again(context, layer, found.by_layer)
    operations += _unbroken(context)
    return operations, "another base image, with a Python that is built from source in /usr/local"


def _hindrances(context: Context, found: _SystemPython) -> Iterator[str]:
    """Yield why the system's Python cannot go by an edit alone."""
    others = [
        package.name
        for package in _asked_above(context)
        # Debian builds its modules for its own Python alone: the other one does not import them.
        if package.name.startswith("python3-") and not re.fullmatch(_OF_PYTHON, package.name)
    ]
    if others:
        yield f"{', '.join(others)} would have to come from PyPI first"
    for named in _system_paths(context):
        yield f"{named} names the system's Python, which would not be there"
    for layer, names in found.by_layer.items():
        if not installed_packages(context.command(layer) or "", "apt") >= {*names}:
            yield f"layer {layer} does not name {' '.join(names)}"


def _unbroken(context: Context) -> Iterator[ReplaceCommand]:
    """Yield what takes ``--break-system-packages`` away, which only a system's Python needs."""
    for layer, call in _calls_above(context):
        if _BREAK.search(call.text):
            command = _BREAK.sub("", call.text)
            yield ReplaceCommand(layer=layer, words=call.words, command=command)


def _calls_above(context: Context) -> Iterator[tuple[int, Call]]:
    """Yield the commands of all ``RUN``s above the base, with their layers."""
    for layer in context.runs(context.base):
        for call in calls(context.command(layer) or ""):
            yield layer, call


def _system_paths(context: Context) -> Iterator[str]:
    """Yield what names the system's Python by its path: commands, scripts of the application."""
    inventory = context.inventory
    config = inventory.image.config
    for word in (*config.entrypoint, *config.cmd):
        # /usr/bin/python3 is not there in an official image, whose Python is found by PATH.
        if _SYSTEM_PATH.search(word):
            yield "the image's command"
    for layer in context.runs(context.base):
        # The words, or all of a text that cannot be read.
        if any(map(_SYSTEM_PATH.search, programs(context.command(layer) or ""))):
            yield f"layer {layer}"
    for path, line in inventory.rootfs.scripts.items():
        if inventory.rootfs[path].layer < context.base or inventory.packages.owner(path):
            continue
        # Those that pip writes, it writes again.
        if _SYSTEM_PATH.search(line) and not re.search(r"/bin/[^/]+$", f"/{path}"):
            yield f"/{path}"
