"""What the program that a container starts can import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.primary_python import application_of, primary_python
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.memoize import memoized

__all__ = ["RuntimePython", "runtime_python", "started_in"]


class RuntimePython(Struct, frozen=True, kw_only=True):
    """An interpreter or environment that is started, and where it imports from.

    ``path`` is the program as it is started, ``owner`` the path of the interpreter or of the
    environment, as in :attr:`Distribution.interpreters`.
    """

    path: str
    owner: str
    directories: tuple[str, ...]


@memoized
def runtime_python(inventory: Inventory) -> RuntimePython | None:
    """Return what the application imports with: an environment's Python, or an interpreter itself.

    That is what a container starts, unless a program of the system is started, or it is not
    known: then it is the Python that the image is about.
    """
    found: dict[str, RuntimePython] = {}
    bases: dict[str, str | None] = {}
    for each, base in _pythons(inventory):
        found[each.path] = each
        bases[each.path] = base
    startup, primary = inventory.startup, primary_python(inventory)
    # Of an image that starts a shell, what a person gets who types `python`.
    path = startup.on_path or (startup.program if startup.program in found else startup.python)
    if primary is None or bases.get(path) == primary.python.path:
        return found.get(path)
    if not primary.certain:
        return None
    # An application may be in an environment of that Python: the one with most of it is meant.
    owners = Counter(
        owner for each in application_of(inventory, primary.python) for owner in each.interpreters
    )
    mine = [path for path, base in bases.items() if base == primary.python.path]
    best = max(mine, key=lambda path: (owners[found[path].owner], path == primary.python.path))
    return found[best]


def _pythons(inventory: Inventory) -> Iterator[tuple[RuntimePython, str | None]]:
    """Yield every name that a Python may be started by, with the interpreter behind it."""
    for interpreter in inventory.interpreters:
        for path in (interpreter.path, *interpreter.aliases):
            python = RuntimePython(
                path=path, owner=interpreter.path, directories=interpreter.site_packages
            )
            yield python, interpreter.path
    for environment in inventory.environments:
        for path in inventory.rootfs.children(f"{environment.path}/bin"):
            if python_name(path) is not None:
                python = RuntimePython(
                    path=path, owner=environment.path, directories=environment.site_packages
                )
                yield python, environment.base


@memoized
def started_in(inventory: Inventory) -> frozenset[str]:
    """Return the directories that Python puts on its path for the program that it is given."""
    config, rootfs = inventory.image.config, inventory.rootfs
    # `python -m` and `python -c` put the working directory first, a script its own.
    places = {config.working_dir}
    for word in (*config.entrypoint, *config.cmd):
        place = word if word.startswith("/") else f"{config.working_dir}/{word}"
        real = rootfs.resolve(place)
        if real is not None:
            places.add(real.rpartition("/")[0])
    return frozenset(real for real in map(rootfs.resolve, places) if real)
