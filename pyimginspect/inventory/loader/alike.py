"""Programs that are the same to a loader: most of a system's need the C library and no more.

What a loader does depends on what a program needs and where it looks for that, and only by
``$ORIGIN`` on where the program lies.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from msgspec.structs import replace

from pyimginspect.inventory.libc import wanted_libc
from pyimginspect.inventory.loader.types import Resolution, VersionMismatch
from pyimginspect.model import ElfFile

__all__ = ["Likeness", "as_of", "likeness_of"]

Likeness = Hashable


def likeness_of(elf: ElfFile) -> Likeness | None:
    """Return what programs have in common that load alike; ``None`` for one like no other.

    Versions of symbols are not part of it: a loader compares them when all is loaded.
    """
    paths = (*elf.rpath, *elf.runpath, *elf.needed)
    # A dependency may lead back to a file with a DT_SONAME by that name, and $ORIGIN stands for a
    # directory of its own.
    if elf.error or elf.soname or any("$" in path for path in paths):
        return None
    form = (elf.kind, elf.bits, elf.machine, elf.endian, elf.interpreter, elf.dynamic)
    return form, wanted_libc(elf)[0], elf.needed, elf.rpath, elf.runpath, elf.flags_1


def as_of(resolution: Resolution, path: str, own: Iterable[VersionMismatch]) -> Resolution:
    """Return what loading one program does as what loading another like it, at ``path``, does.

    ``own`` are the mismatches of that other one itself: versions do not tell what is loaded.
    """
    first = resolution.path
    others = (each for each in resolution.mismatches if each.needed_by != first)
    return replace(
        resolution,
        path=path,
        dependencies=tuple(
            replace(each, needed_by=path) if each.needed_by == first else each
            for each in resolution.dependencies
        ),
        mismatches=(*own, *others),
    )
