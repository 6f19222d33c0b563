"""What the program that a container starts can import."""

from __future__ import annotations

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.interpreters.effective import find_start
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.once import once

__all__ = ["Sight", "effective_sight", "started_in"]


class Sight(Struct, frozen=True, kw_only=True):
    """An interpreter or environment that is started, and where it imports from.

    ``path`` is the program as it is started, ``owner`` the path of the interpreter or of the
    environment, as in :attr:`Distribution.interpreters`.
    """

    path: str
    owner: str
    directories: tuple[str, ...]


@once
def effective_sight(inventory: Inventory) -> Sight | None:
    """Return what a container starts: an environment's Python, or an interpreter itself."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for interpreter in inventory.interpreters:
        for path in (interpreter.path, *interpreter.aliases):
            found[path] = (interpreter.path, interpreter.site_packages)
    for environment in inventory.environments:
        if environment.base is not None:
            for path in inventory.rootfs.children(f"{environment.path}/bin"):
                if python_name(path) is not None:
                    found[path] = (environment.path, environment.site_packages)
    start = find_start(inventory.rootfs, inventory.image.config, found.__contains__)
    if start is None:
        return None
    owner, directories = found[start.path]
    return Sight(path=start.path, owner=owner, directories=directories)


@once
def started_in(inventory: Inventory) -> frozenset[str]:
    """Return the directories that Python puts on its path for the program that it is given."""
    config, rootfs = inventory.image.config, inventory.rootfs
    places = {config.working_dir}
    for word in (*config.entrypoint, *config.cmd):
        place = word if word.startswith("/") else f"{config.working_dir}/{word}"
        real = rootfs.resolve(place)
        if real is not None:
            places.add(real.rpartition("/")[0])
    return frozenset(real for real in map(rootfs.resolve, places) if real)
