"""What an interpreter of the image can import: tags of wheels, names of extension modules.

Sources: PEP 425 (tags), PEP 3149 and PEP 803 (names of extension modules).
"""

from __future__ import annotations

import re
from collections import Counter

from msgspec import Struct

from pyimginspect.inventory.facts import Interpreter, Libc
from pyimginspect.inventory.libc import libc_of_program
from pyimginspect.inventory.tags import MAJOR_MINOR, cpython_tags, other_tags, platforms_of
from pyimginspect.rootfs import RootFS

__all__ = ["Target", "extension_suffix", "target_of"]

# _sysconfigdata_*.py, which CPython's build writes.
_EXT_SUFFIX = re.compile(rb"'EXT_SUFFIX': '([^'\n]{1,100})'")


class Target(Struct, frozen=True, kw_only=True):
    """What one interpreter can import: tags of wheels, and endings of extension modules.

    ``own_suffix`` is the ending of its own modules, empty where that is not known.
    """

    path: str
    version: tuple[int, int]
    implementation: str
    machine: str
    bits: int
    libc: Libc
    tags: frozenset[str]
    suffixes: tuple[str, ...]
    own_suffix: str


def target_of(rootfs: RootFS, python: Interpreter) -> Target | None:
    """Return what an interpreter can import; ``None`` where its version or file is not known."""
    version = MAJOR_MINOR.match(python.version)
    elf = rootfs.elf.get(python.path)
    if version is None or elf is None:
        return None
    release = (int(version[1]), int(version[2]))
    libc = libc_of_program(rootfs, python.path)
    # Nothing but the names of the library and the program shows that here: libpython3.13t.so.
    threaded = "t" * bool(re.search(r"\d\.\d+t(?:\.so|$)", f"{python.libpython}\n{python.path}"))
    platforms = platforms_of(elf, libc)
    suffix = extension_suffix(rootfs, python)
    suffixes = [suffix] if suffix else []
    if python.implementation == "cpython":
        tags = cpython_tags(release, threaded, platforms)
        # Free-threaded builds import no abi3 modules.
        if not threaded:
            suffixes.append(".abi3.so")
        elif release >= (3, 15):  # PEP 803
            suffixes.append(".abi3t.so")
    else:
        tags = other_tags(release, python.implementation, suffix, platforms)
    return Target(
        path=python.path,
        version=release,
        implementation=python.implementation,
        machine=elf.machine,
        bits=elf.bits,
        libc=libc,
        tags=tags,
        suffixes=(*suffixes, ".so"),
        own_suffix=suffix,
    )


def extension_suffix(rootfs: RootFS, python: Interpreter) -> str:
    """Return the ending of this interpreter's own extension modules (``EXT_SUFFIX``).

    Those in ``lib-dynload`` have it; without any, ``_sysconfigdata`` says it.
    """
    names = [path.rpartition("/")[2] for path in rootfs.children(f"{python.stdlib}/lib-dynload")]
    endings = Counter(name[name.index(".") :] for name in names if name.endswith(".so"))
    if endings:
        # The most common, as somebody may have put another module there; sorted, for the same one
        # each time.
        return max(sorted(endings), key=lambda ending: endings[ending])
    for path in rootfs.children(python.stdlib) if python.stdlib else ():
        if "/_sysconfigdata_" in path:
            found = _EXT_SUFFIX.search(rootfs.texts.get(path, b""))
            if found:
                return found[1].decode("utf-8", "replace")
    return ""
