"""Which Python an image is about, and which packages what it starts cannot do without.

One decision for findings, plan and map (docs/startup.md): the Python that holds the application,
then the one that runs it. A program of the system that is written in Python, such as supervisor,
does not make the system's Python the application's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution, Interpreter
from pyimginspect.inventory.memoize import memoized

__all__ = [
    "Primary",
    "application_of",
    "marked_interpreters",
    "needed_packages",
    "primary_python",
    "running_python",
    "starting_packages",
]

_SEEDS = frozenset({"pip", "setuptools", "wheel", "virtualenv", "pipx", "uv"})
"""What installs: that they are there says nothing of an application."""


class Primary(Struct, frozen=True, kw_only=True):
    """The Python that an image is about, and why.

    ``certain`` is false where nothing but the order on PATH, or of layers, decides.
    """

    python: Interpreter
    reason: str
    certain: bool = True


def running_python(inventory: Inventory) -> Interpreter | None:
    """Return the Python that ENTRYPOINT and CMD start, where that is known."""
    path = inventory.startup.python
    return next((each for each in inventory.interpreters if path and each.path == path), None)


@memoized
def primary_python(inventory: Inventory) -> Primary | None:
    """Return the Python that the image is about; ``None`` for an image without one."""
    pythons = sorted(inventory.interpreters, key=lambda python: (python.layer, python.path))
    if not pythons:
        return None
    running = running_python(inventory)
    official = next((each for each in pythons if _is_official(inventory, each)), None)
    if official is not None and (names := application_of(inventory, official)):
        # Before what runs: that may be supervisor, with the system's Python.
        reason = f"the base image's, which has {_some(names)}"
        return Primary(python=official, reason=reason)
    if running is not None and _runs_application(inventory, running, official):
        return Primary(python=running, reason=running.effective_reason)
    if official is not None:
        return Primary(python=official, reason="the base image's")
    holder = max(pythons, key=lambda each: len(application_of(inventory, each)))
    if names := application_of(inventory, holder):
        return Primary(python=holder, reason=f"it has {_some(names)}")
    effective = next((each for each in pythons if each.effective), None)
    if effective is not None:
        return Primary(python=effective, reason=effective.effective_reason)
    return Primary(
        python=pythons[0], reason="nothing says which one starts", certain=len(pythons) == 1
    )


def _runs_application(
    inventory: Inventory, running: Interpreter, official: Interpreter | None
) -> bool:
    """Whether the Python that starts is the application's, not that of a program of the system."""
    if not _is_system_program(inventory):
        return True
    holders = [each for each in inventory.interpreters if application_of(inventory, each)]
    return official is None and (running in holders or not holders)


def marked_interpreters(inventory: Inventory) -> tuple[Interpreter, ...]:
    """Return the interpreters with the one marked that the image is about."""
    primary = primary_python(inventory)
    return tuple(
        msgspec.structs.replace(each, primary=True)
        if primary is not None and each.path == primary.python.path
        else each
        for each in inventory.interpreters
    )


def application_of(inventory: Inventory, python: Interpreter) -> tuple[Distribution, ...]:
    """Return what was installed for an interpreter, or an environment of its, above the base.

    What packages of the OS own, and what installs others, is left out.
    """
    return _applications(inventory).get(python.path, ())


@memoized
def _applications(inventory: Inventory) -> dict[str, tuple[Distribution, ...]]:
    bases = {each.path: each.base for each in inventory.environments}
    found: dict[str, list[Distribution]] = {}
    for each in inventory.distributions:
        if each.package or each.name in _SEEDS or each.layer < inventory.base.layers:
            continue
        # A set: an interpreter and its environment may both see a distribution.
        for path in {bases.get(path) or path for path in each.interpreters}:
            found.setdefault(path, []).append(each)
    return {path: tuple(each) for path, each in found.items()}


def _is_official(inventory: Inventory, python: Interpreter) -> bool:
    """Whether an official base image brought the interpreter, built from source."""
    return (
        python.origin == "source"
        and python.prefix == "usr/local"
        and (
            inventory.base.family == "python"
            # Squashing drops the history and leaves the environment as it was.
            or "PYTHON_VERSION" in inventory.image.config.environment()
        )
    )


def _is_system_program(inventory: Inventory) -> bool:
    """Whether what starts is a script that a package of the OS brought.

    The interpreter itself may be a package's: that is somebody's choice.
    """
    own = {path for each in inventory.interpreters for path in (each.path, *each.aliases)}
    scripts = (step.program for step in inventory.startup.steps if step.program not in own)
    return any(inventory.packages.owner(path) for path in _scripts(inventory, scripts))


def _scripts(inventory: Inventory, paths: Iterable[str]) -> Iterable[str]:
    """Return those of ``paths`` that are scripts, by real path: wrappers such as tini are none."""
    scripts = inventory.rootfs.scripts
    reals = (inventory.rootfs.resolve(path) for path in paths)
    return [real for real in reals if real is not None and "python" in scripts.get(real, "")]


def _some(distributions: tuple[Distribution, ...]) -> str:
    first, *others = sorted(each.name for each in distributions)
    return f"{first} and {len(others)} more" if others else first


@memoized
def _named_files(inventory: Inventory) -> tuple[str, ...]:
    """Return the files that the commands of what starts name, and those of a module (``-m``)."""
    rootfs, running = inventory.rootfs, running_python(inventory)
    steps = inventory.startup.steps
    paths = [word for step in steps for word in step.words if word.startswith("/")]
    found = [real for path in paths if (real := rootfs.resolve(path)) is not None]
    # The last step is the Python itself; before it may stand a shell, tini or `env`.
    words = steps[-1].words if steps else ()
    if running is not None and "-m" in words[:-1]:
        package = words[words.index("-m") + 1].partition(".")[0]
        for site in running.site_packages:
            found += [f"{site}/{package}.py", f"{site}/{package}/__init__.py"]
    return tuple(found)


def starting_packages(inventory: Inventory) -> frozenset[str]:
    """Return the packages of what starts: programs, files that they are given, ``-m``'s module."""
    rootfs = inventory.rootfs
    paths = [step.program for step in inventory.startup.steps if step.program]
    paths += [rootfs.resolve(path) or "" for path in paths]
    paths += _named_files(inventory)
    return frozenset(key for path in paths for key in inventory.packages.owner(path))


@memoized
def needed_packages(inventory: Inventory) -> frozenset[str]:
    """Return the packages of what starts, of the primary Python, and of those in use.

    A Python is in use where something is installed for it. Where it is not known what starts,
    every Python may be the one.
    """
    needed = set(starting_packages(inventory))
    for python in {each.path: each for each in _pythons_in_use(inventory)}.values():
        needed.update(python.packages, _packages_of_stdlib(inventory, python))
    return frozenset(needed)


def _pythons_in_use(inventory: Inventory) -> list[Interpreter]:
    """Return the Pythons that the application may run with, some perhaps twice."""
    if inventory.startup.status == "unknown":
        return [*inventory.interpreters]
    pythons = [each for each in inventory.interpreters if application_of(inventory, each)]
    primary, running = primary_python(inventory), running_python(inventory)
    if primary is not None:
        pythons.append(primary.python)
    if running is not None:
        pythons.append(running)
    return pythons


def _packages_of_stdlib(inventory: Inventory, python: Interpreter) -> Iterator[str]:
    """Yield who owns the standard library: Debian has json in another package than os."""
    if python.stdlib:
        for path in inventory.rootfs.children(python.stdlib):
            inside = f"{path}/__init__.py"
            yield from inventory.packages.owner(inside if inside in inventory.rootfs else path)
