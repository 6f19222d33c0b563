"""A dynamic loader, simulated: which file would each needed library be, without running anything.

Two loaders are known: ``ld.so`` of the GNU C library (:mod:`.glibc`) and musl's (:mod:`.musl`).
"""

from pyimginspect.inventory.loader.configuration import configured_directories
from pyimginspect.inventory.loader.process import Loader, Process
from pyimginspect.inventory.loader.types import (
    TOO_MUCH,
    Dependency,
    How,
    Resolution,
    VersionMismatch,
)

__all__ = [
    "TOO_MUCH",
    "Dependency",
    "How",
    "Loader",
    "Process",
    "Resolution",
    "VersionMismatch",
    "configured_directories",
]
