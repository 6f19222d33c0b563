"""All facts of one image, gathered once for the analyzers and the report."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from pyimginspect.inventory.base import find_base
from pyimginspect.inventory.build_tools import find_build_tools
from pyimginspect.inventory.caches import find_caches
from pyimginspect.inventory.distributions import read_distributions
from pyimginspect.inventory.environments import find_environments
from pyimginspect.inventory.facts import (
    BaseImage,
    BuildTool,
    Cache,
    Distribution,
    Environment,
    Interpreter,
    Libc,
    OperatingSystem,
    Startup,
)
from pyimginspect.inventory.instructions import instruction_of
from pyimginspect.inventory.interpreters import find_interpreters
from pyimginspect.inventory.libc import find_libc
from pyimginspect.inventory.native import Native, find_native
from pyimginspect.inventory.os_release import find_os
from pyimginspect.inventory.packages import PackageDatabase, find_os_packages
from pyimginspect.inventory.record_checks import RecordChecks
from pyimginspect.inventory.search_path import script_directories
from pyimginspect.inventory.startup import effective_interpreters, find_startup
from pyimginspect.inventory.wheels import Wheel, find_wheels
from pyimginspect.ledger import Ledger
from pyimginspect.model import Image
from pyimginspect.rootfs import RootFS

__all__ = ["Inventory", "take_inventory"]


class Inventory(Struct, frozen=True, kw_only=True, dict=True):
    """What an analyzer may know: the image, its final file system, its ledger, and all facts.

    ``instructions`` are the layers' steps of the Dockerfile, by layer number, cleaned.
    """

    image: Image
    rootfs: RootFS
    ledger: Ledger
    instructions: tuple[str, ...]
    os: OperatingSystem
    libc: Libc
    base: BaseImage
    startup: Startup
    packages: PackageDatabase
    interpreters: tuple[Interpreter, ...]
    environments: tuple[Environment, ...]
    distributions: tuple[Distribution, ...]
    records: RecordChecks
    build_tools: tuple[BuildTool, ...]
    caches: tuple[Cache, ...]
    wheels: tuple[Wheel, ...]
    native: Native

    def instruction(self, layer: int) -> str:
        """Return the step of the Dockerfile behind a layer, empty where it is not known."""
        return self.instructions[layer] if layer < len(self.instructions) else ""


def take_inventory(
    image: Image,
    rootfs: RootFS,
    ledger: Ledger,
    dlopen: Mapping[str, tuple[str, ...]] | None = None,
    *,
    base_layers: int | None = None,
    base_name: str = "",
) -> Inventory:
    """Find everything that is installed in an image.

    ``dlopen`` are the sonames that distributions open at run time, by normalised name, beside
    those that are known already. ``base_layers`` and ``base_name`` say outright how many of the
    lowest layers are the base image's, and what it is called. Raises
    :class:`~pyimginspect.errors.InvalidReferenceError` where there are fewer layers.
    """
    packages = find_os_packages(rootfs)
    interpreters = find_interpreters(rootfs, image.config, packages)
    environments = find_environments(rootfs, interpreters, image.config)
    startup = find_startup(image, rootfs, interpreters, environments)
    # Only now: what starts may be an environment's Python, and those are found by the interpreters.
    interpreters = effective_interpreters(rootfs, interpreters, startup)
    base = find_base(image, rootfs, base_layers, base_name)
    distributions, records = read_distributions(rootfs, packages, interpreters, environments)
    scripts = script_directories(rootfs, image.config)
    wheels = find_wheels(rootfs, interpreters, environments, distributions, packages, scripts)
    return Inventory(
        image=image,
        rootfs=rootfs,
        ledger=ledger,
        instructions=tuple(instruction_of(layer.history) for layer in image.layers),
        os=find_os(rootfs),
        libc=find_libc(
            rootfs,
            # The Python that runs decides: another one may be linked to another C library.
            [python.path for python in sorted(interpreters, key=lambda p: not p.effective)],
            packages.packages,
        ),
        base=base,
        startup=startup,
        packages=packages,
        interpreters=interpreters,
        environments=environments,
        distributions=distributions,
        records=records,
        build_tools=find_build_tools(rootfs, packages, base, image.config, distributions),
        caches=find_caches(rootfs),
        wheels=wheels,
        native=find_native(
            rootfs,
            image.config.environment(),
            packages,
            interpreters,
            distributions,
            wheels,
            dlopen,
        ),
    )
