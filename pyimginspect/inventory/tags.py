"""Which tags of wheels an interpreter accepts.

Sources: PEP 425 (tags), PEP 600 (manylinux), PEP 656 (musllinux), and :mod:`packaging.tags`,
whose rules are applied to the image's interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pyimginspect.inventory.facts import Libc
from pyimginspect.model import ElfFile

__all__ = ["MAJOR_MINOR", "cpython_tags", "other_tags", "platforms_of"]

MAJOR_MINOR = re.compile(r"(\d{1,4})\.(\d{1,4})")
# What wheels call a machine; for 32-bit ones uname(2) says what the processor could do.
_ARCHITECTURES = {"i386": "i686", "arm": "armv7l"}
# PEP 513: of these two there were wheels for glibc 2.5; others began with 2.17 (PEP 599).
_OLDEST_MANYLINUX = {"x86_64": 5, "i686": 5}
# The minor version of glibc 2 that each older tag stands for (PEP 600).
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# Kinds of Pythons in one run; each has hundreds of tags, which many images share.
_MOST_KEPT = 50


def platforms_of(elf: ElfFile, libc: Libc) -> tuple[str, ...]:
    """Return the platform tags of a machine with that C library, of pip's own order."""
    machine = _ARCHITECTURES.get(elf.machine, elf.machine)
    version = MAJOR_MINOR.match(libc.version or "")
    platforms = list(_manylinux(machine, libc, version)) if version else []
    return (*platforms, f"linux_{machine}")


def _manylinux(machine: str, libc: Libc, version: re.Match[str]) -> Iterator[str]:
    major, minor = int(version[1]), int(version[2])
    if libc.flavor == "musl":
        # PEP 656: wheels for any earlier minor version of musl work too.
        for older in range(minor, -1, -1):
            yield f"musllinux_{major}_{older}_{machine}"
    elif libc.flavor == "glibc" and major == 2:
        for older in range(minor, _OLDEST_MANYLINUX.get(machine, 17) - 1, -1):
            yield f"manylinux_2_{older}_{machine}"
            if older in _LEGACY:
                yield f"{_LEGACY[older]}_{machine}"


@lru_cache(_MOST_KEPT)
def cpython_tags(
    release: tuple[int, int], threaded: str, platforms: tuple[str, ...]
) -> frozenset[str]:
    """Return CPython's tags; ``threaded`` is ``t`` for a build without the global lock."""
    from packaging import tags

    interpreter = f"cp{release[0]}{release[1]}"
    # PEP 3149: `m` marked pymalloc, with which CPython was built by default; 3.8 dropped the mark.
    malloc = "m" if release < (3, 8) else ""
    abis = [f"{interpreter}{threaded or malloc}"]
    return frozenset(
        str(tag)
        for some in (
            tags.cpython_tags(release, abis, platforms),
            tags.compatible_tags(release, interpreter, platforms),
        )
        for tag in some
    )


@lru_cache(_MOST_KEPT)
def other_tags(
    release: tuple[int, int], implementation: str, suffix: str, platforms: tuple[str, ...]
) -> frozenset[str]:
    """Return the tags of PyPy and others: the ABI is the front of the suffix (PEP 425)."""
    from packaging import tags

    name = tags.INTERPRETER_SHORT_NAMES.get(implementation, implementation)
    interpreter = f"{name}{release[0]}{release[1]}"
    # packaging's sys_tags(): pure wheels for PyPy are for all of one major version.
    pure = f"{name}{release[0]}" if implementation == "pypy" else None
    abi = "_".join(suffix.strip(".").split("-")[:2])
    return frozenset(
        str(tag)
        for some in (
            tags.generic_tags(interpreter, [abi] if abi else [], platforms),
            tags.compatible_tags(release, pure, platforms),
        )
        for tag in some
    )
