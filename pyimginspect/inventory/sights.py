"""What the program that a container starts can import."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from pyimginspect.inventory.facts import Environment, Interpreter
from pyimginspect.inventory.interpreters.effective import find_start
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["Sight", "effective_sight"]


class Sight(Struct, frozen=True, kw_only=True):
    """An interpreter or environment that is started, and where it imports from.

    ``path`` is the program as it is started, ``owner`` the path of the interpreter or of the
    environment, as in :attr:`Distribution.interpreters`.
    """

    path: str
    owner: str
    directories: tuple[str, ...]


def effective_sight(
    rootfs: RootFS,
    config: ImageConfig,
    interpreters: Iterable[Interpreter],
    environments: Iterable[Environment],
) -> Sight | None:
    """Return what a container starts: an environment's Python, or an interpreter itself."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for interpreter in interpreters:
        for path in (interpreter.path, *interpreter.aliases):
            found[path] = (interpreter.path, interpreter.site_packages)
    for environment in environments:
        if environment.base is not None:
            for path in rootfs.children(f"{environment.path}/bin"):
                if python_name(path) is not None:
                    found[path] = (environment.path, environment.site_packages)
    start = find_start(rootfs, config, found.__contains__)
    if start is None:
        return None
    owner, directories = found[start.path]
    return Sight(path=start.path, owner=owner, directories=directories)
