"""OS packages that ship importable Python, and what each of them is called on PyPI."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.runtime_python import runtime_python
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.tables import read_table

__all__ = [
    "CODE",
    "INSTALLERS",
    "Binding",
    "find_bindings",
    "twin_of",
]

INSTALLERS = frozenset({"pip", "pipx", "setuptools", "virtualenv", "wheel"})
"""Projects that install others: no application asks pip for them."""

_MARK = "-packages/"
CODE = (".py", ".so", ".pyc")
_NO_MODULE = frozenset({"__pycache__", "bin", "share"})


class _Table(Struct, frozen=True, kw_only=True):
    """``projects``: packages without metadata of their own; ``wheels``: projects that have none
    of their own, and the one that has them for the same module."""

    source: str
    date: str
    projects: dict[str, str]
    wheels: dict[str, str]


@cache
def _table() -> _Table:
    return read_table("pypi_names", _Table)


class Binding(Struct, frozen=True, kw_only=True):
    """An OS package with Python code in a directory that some Python may import from.

    ``package`` is its key, ``modules`` the names that can be imported, ``locations`` the
    directories that hold them, ``distributions`` those whose metadata the package owns.
    ``project`` is what to ask pip for, or empty where nothing tells; of a project without
    wheels it is the one that has them.
    """

    package: str
    modules: tuple[str, ...]
    locations: tuple[str, ...]
    distributions: tuple[Distribution, ...] = ()
    project: str = ""


@memoized
def find_bindings(inventory: Inventory) -> tuple[Binding, ...]:
    """Return the packages that ship importable Python, by key; interpreters' own are none."""
    packages = inventory.packages
    own = {key for interpreter in inventory.interpreters for key in interpreter.packages}
    metadata: dict[str, list[Distribution]] = {}
    for distribution in inventory.distributions:
        if distribution.package:
            metadata.setdefault(distribution.package, []).append(distribution)
    modules = _modules(packages)
    return tuple(
        Binding(
            package=key,
            modules=tuple(sorted({module for _, module in modules[key]})),
            locations=tuple(sorted({location for location, _ in modules[key]})),
            distributions=tuple(metadata.get(key, ())),
            project=_project(packages[key].name, metadata.get(key, ())),
        )
        for key in sorted(modules)
        if key not in own
    )


def _modules(packages: PackageDatabase) -> dict[str, set[tuple[str, str]]]:
    """Return the modules of each package, with the directories that they are imported from."""
    modules: dict[str, set[tuple[str, str]]] = {}
    for path, keys in packages.owners.items():
        if _MARK not in path or not path.endswith(CODE):
            continue
        head, mark, rest = path.partition(_MARK)
        module = rest.partition("/")[0].partition(".")[0]
        # The mark is the end of other names too, such as `my-packages/`.
        if head.endswith(("/site", "/dist")) and module and module not in _NO_MODULE:
            for key in keys:
                modules.setdefault(key, set()).add((head + mark[:-1], module))
    return modules


def _project(package: str, distributions: Iterable[Distribution]) -> str:
    table = _table()
    for distribution in distributions:
        return table.wheels.get(distribution.name, distribution.name)
    return table.projects.get(package, "")


def twin_of(inventory: Inventory, binding: Binding) -> Distribution | None:
    """Return what replaces a binding already: the same, installed without the OS's packages.

    Only what the started Python can import counts: what an environment beside it has is of no use
    to the program that the package was installed for.
    """
    sight = runtime_python(inventory)
    if sight is None:
        return None
    names = {each.name for each in binding.distributions} | {binding.project}
    for each in inventory.distributions:
        if each.name in names and not each.package and sight.owner in each.interpreters:
            return each
    return None
