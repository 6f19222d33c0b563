"""Edits of the base image: slim for full, and an official Python for the system's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from pyimginspect.inventory.derived.leftovers import kept_of_full, not_in_slim
from pyimginspect.inventory.derived.primary_python import application_of
from pyimginspect.inventory.facts import Interpreter, OsPackage
from pyimginspect.inventory.official_images import slim_image
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.packages.graph import members
from pyimginspect.plan.bytecode import compiled_again
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.lists import CLEAN, fetch_again
from pyimginspect.plan.operations import (
    DropPackages,
    InsertCommand,
    Operation,
    ReplaceBase,
    ReplaceCommand,
)
from pyimginspect.plan.runs import calls, installs, names_of
from pyimginspect.text import counted, listed

__all__ = ["edits_of_base"]

_RULES = ("base-not-official-slim",)
_OF_PYTHON = re.compile(
    r"python3(?:\.\d+)?(?:-(?:pip|venv|dev|full|setuptools|wheel|distutils|minimal|virtualenv))?"
    r"|python-is-python3|virtualenv"
)
"""Packages that are Python itself and what installs for it: the official image has all that."""
_SYSTEM_PATH = re.compile(r"/usr/bin/(?:python|pip)[\d.]*|/usr/lib/python3.*")
_BREAK = re.compile(r"\s+--break-system-packages?\b")
_OFFICIAL = {9: 50, 10: 53, 11: 55, 12: 46, 13: 40, 14: 42}
"""Megabytes that an official slim image stores above Debian's, by the minor version of Python 3:
those of 3.11 and 3.13 were measured, and the others are estimated from their sources' sizes."""
_BYTECODE = {"pip": 5_400_000, "library": 5_300_000, "other": 0}
"""What the first ``RUN`` that calls pip stores beside them, measured with 3.11: bytecode of pip
and of what it imports of the standard library. Debian compiles its own as it installs it."""
_WITH_SYMBOLS = 15_000_000
"""Bytes of a libpython from which on it is not stripped: 21 MB were measured, and 5.5 without."""
_STRIPPED = 0.31
"""What is left of such files in a slim image, whose build passes ``--strip-all`` to the linker."""
_SETUPTOOLS = frozenset({"_distutils_hack", "pkg_resources", "setuptools"})
_WITHOUT_SETUPTOOLS = 12
"""The first minor version whose official images have no setuptools."""
_OF_DEBIAN = re.compile(r"_distutils_system_mod|sitecustomize|test|_sysconfigdata_.*")
"""Modules in Debian's standard library that a Python built from source does not have there."""


def edits_of_base(context: Context) -> Iterator[Proposal]:
    """Propose the official slim image where something else brings Python."""
    yield from _slim_for_full(context)
    yield from _official_for_system(context)


# --- full -----------------------------------------------------------------------------------------
def _slim_for_full(context: Context) -> Iterator[Proposal]:
    """Propose the slim variant in place of the full one; what that saves is an estimate."""
    base = context.inventory.base
    if base.family != "python" or base.variant != "full" or not base.layers:
        return
    keys, files = not_in_slim(context.inventory)
    full = base.name or "the full one"
    image = slim_image(base.version, base.distribution)
    unstripped = context.contents.behind(_unstripped(context))
    edit = context.edit(
        "base",
        0,
        f"begin with the slim variant; {full} brings {counted(len(keys), 'package')} more",
        command=f"FROM {image}",
        rules=_RULES,
        estimated=True,
        adds=round(context.contents.size(unstripped) * _STRIPPED),
        operations=_slim_operations(context, image),
        reason="another base image: look whether anything needs what it does not have",
    )
    yield Proposal(edit, context.contents.behind(files) | unstripped, context.behind(keys))


def _unstripped(context: Context) -> Iterator[str]:
    """Yield the ELF files of a full image's Python that have the symbols for debugging."""
    rootfs = context.inventory.rootfs
    for python in context.inventory.interpreters:
        library = rootfs.get(python.libpython) if python.libpython else None
        if library is None or library.layer >= context.base or library.entry.size < _WITH_SYMBOLS:
            continue
        yield python.libpython
        for path in rootfs.children(f"{python.stdlib}/lib-dynload"):
            if path.endswith(".so") and rootfs[path].kind == "file":
                yield path


def _slim_operations(context: Context, image: str) -> list[Operation]:
    """Return the operations for the slim variant, with the libraries of the full one in use."""
    operations: list[Operation] = [ReplaceBase(image=image)]
    keep = kept_of_full(context.inventory)
    if keep:
        layer = next(iter(context.runs(context.base, len(context.inventory.image.layers) - 1)), -1)
        if layer < 0 or context.user(layer):
            return []
        named = shlex.join(keep)
        install = f"apt-get install -y --no-install-recommends {named}"
        command = f"apt-get update && {install} && {CLEAN}"
        operations.append(InsertCommand(layer=layer, after=(), command=command))
    return operations


# --- the system's Python --------------------------------------------------------------------------
def _official_for_system(context: Context) -> Iterator[Proposal]:
    """Propose an official image where the only Python is Debian's, and pip installs for it."""
    inventory = context.inventory
    python = _only_python(context)
    if python is None:
        return
    image = slim_image(python.version, f"{inventory.os.id} {inventory.os.version_id}")
    asked = [
        package
        for package in inventory.packages.packages
        if package.installed_in >= context.base
        and package.automatic is False
        and _OF_PYTHON.fullmatch(package.name)
    ]
    minor = int(python.version.split(".")[1])
    if not image.count("-") > 1 or not asked or minor not in _OFFICIAL:
        return
    gone = _without(context, asked)
    stays = next((key for key in python.packages if key not in gone), "")
    operations, why = _official_operations(context, image, asked)
    if stays and operations:
        operations, why = [], f"{stays} stays: another package needs it"
    names = [package.name for package in asked]
    behind = context.behind(gone)
    modules = [*_modules(python, behind, minor)]
    if modules and operations:
        named = [each for each in modules if each[0] != "_" and not _OF_DEBIAN.fullmatch(each)]
        why += f"; it does not have Debian's {listed(named)}" if named else ""
    compiled = sum(_BYTECODE[each] for each in compiled_again(context, context.base))
    contents = context.behind_packages(gone)
    for layer in {package.installed_in for package in asked}:
        here = [package.name for package in asked if package.installed_in == layer]
        contents |= context.emptied(layer, here, ())
    edit = context.edit(
        "base" if operations else "advice",
        min(package.installed_in for package in asked),
        f"begin with {image}, without {' '.join(names)}: it has a Python of its own, which pip"
        " installs for",
        command=f"FROM {image}",
        packages=names,
        modules=modules,
        rules=_RULES,
        estimated=True,
        adds=_OFFICIAL[minor] * 1_000_000 + compiled,
        operations=operations,
        reason=why,
    )
    yield Proposal(edit, contents, behind)


def _only_python(context: Context) -> Interpreter | None:
    """Return the Python that Debian's packages brought, if there is no other, and pip is used."""
    inventory = context.inventory
    pythons = inventory.interpreters
    if len(pythons) != 1 or not pythons[0].packages or inventory.os.id != "debian":
        return None
    python = pythons[0]
    above = all(inventory.packages[key].installed_in >= context.base for key in python.packages)
    return python if above and application_of(inventory, python) else None


def _modules(python: Interpreter, gone: Iterable[str], minor: int) -> list[str]:
    """Return the modules that go with Debian's Python and that an official image does not have."""
    there = {"pip", *(_SETUPTOOLS if minor < _WITHOUT_SETUPTOOLS else ())}
    found = set()
    for path in gone:
        directory, _, name = path.removesuffix("/__init__.py").rpartition("/")
        if not path.endswith(".py") or name == "__init__.py":
            continue
        module = name.removesuffix(".py")
        of_packages = directory in python.site_packages and module not in there
        if of_packages or (directory == python.stdlib and _OF_DEBIAN.fullmatch(module)):
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
            or package.automatic is not True
        )
    ]
    while todo:
        key = todo.pop()
        if key not in needed:
            needed.add(key)
            todo.extend(members(graph.nodes[key].requires))
    return frozenset(graph.nodes.keys() - needed)


def _official_operations(
    context: Context, image: str, asked: Sequence[OsPackage]
) -> tuple[list[Operation], str]:
    """Return what to do, and why it needs a review; or no operations, and why not."""
    inventory = context.inventory
    others = [
        package.name
        for package in inventory.packages.packages
        if package.installed_in >= context.base
        and package.automatic is False
        and package.name.startswith("python3-")
        and not _OF_PYTHON.fullmatch(package.name)
    ]
    if others:
        return [], f"{', '.join(others)} would have to come from PyPI first"
    named = next(_system_paths(context), None)
    if named is not None:
        return [], f"{named} names the system's Python, which would not be there"
    operations: list[Operation] = [ReplaceBase(image=image)]
    layers = sorted({package.installed_in for package in asked})
    for layer in layers:
        names = tuple(package.name for package in asked if package.installed_in == layer)
        command = context.command(layer) or ""
        if not {name for each in installs(command, "apt") for name in names_of(each)} >= {*names}:
            return [], f"layer {layer} does not name {' '.join(names)}"
        operations.append(DropPackages(layer=layer, manager="apt", names=names))
        if context.emptied(layer, names, ()):
            operations += fetch_again(context, layer, layers)
    for layer in context.runs(context.base, len(inventory.image.layers) - 1):
        for call in calls(context.command(layer) or ""):
            if _BREAK.search(call.text):
                command = _BREAK.sub("", call.text)
                operations.append(ReplaceCommand(layer=layer, words=call.words, command=command))
    return operations, "another base image, with a Python that is built from source in /usr/local"


def _system_paths(context: Context) -> Iterator[str]:
    """Yield what names the system's Python by its path: commands, scripts of the application."""
    inventory = context.inventory
    config = inventory.image.config
    for word in (*config.entrypoint, *config.cmd):
        if _SYSTEM_PATH.search(word):
            yield "the image's command"
    for layer in context.runs(context.base, len(inventory.image.layers) - 1):
        if any(
            _SYSTEM_PATH.search(w) for c in calls(context.command(layer) or "") for w in c.words
        ):
            yield f"layer {layer}"
    for path, line in inventory.rootfs.scripts.items():
        if inventory.rootfs[path].layer < context.base or inventory.packages.owner(path):
            continue
        # Those that pip writes, it writes again.
        if _SYSTEM_PATH.search(line) and not re.search(r"/bin/[^/]+$", f"/{path}"):
            yield f"/{path}"
