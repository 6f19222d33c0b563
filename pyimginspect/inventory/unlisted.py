"""Compiled files that Python code can import and that no distribution's metadata lists.

Vendored and copied packages, modules compiled in place, and bundles whose ``.dist-info`` was
deleted to save space, as is customary for AWS Lambda: they load, or do not, like any others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pyimginspect.inventory.facts import Distribution
from pyimginspect.rootfs import RootFS

__all__ = ["find_unlisted"]

_MOST_PARTS = 40
"""Directories between a file and the one that is imported from; deeper files are left out."""


def find_unlisted(
    rootfs: RootFS,
    sights: Mapping[str, Iterable[str]],
    listed: Mapping[str, Distribution],
    owner: Callable[[str], tuple[str, ...]],
) -> Iterator[tuple[Distribution, tuple[str, ...]]]:
    """Yield what stands in for a distribution, and its ELF files, sorted by place.

    ``sights`` are the directories that each interpreter or environment imports from; of those
    that contain each other the innermost counts. ``listed`` has the distributions of the files
    that metadata lists, ``owner`` the packages of a file: theirs is theirs. The distribution has
    no version, the path of its directory or module for ``metadata``, and that one's name.
    """
    users: dict[str, list[str]] = {}
    for user, places in sights.items():
        for place in places:
            users.setdefault(place, []).append(user)
    groups: dict[tuple[str, str], list[str]] = {}
    known: dict[str, str | None] = {}
    for path, elf in rootfs.elf.items():
        if path in listed or elf.error or elf.kind != "shared" or elf.interpreter:
            continue
        directory = path.rpartition("/")[0]
        if directory not in known:
            known[directory] = _place(directory, users)
        where = known[directory]
        if where is None or owner(path):
            continue
        top = _importable(path[len(where) + 1 :])
        if top:
            groups.setdefault((where, top), []).append(path)
    for (where, top), files in sorted(groups.items()):
        yield _stand_in(rootfs, where, top, users[where]), tuple(sorted(files))


def _place(directory: str, places: Mapping[str, object]) -> str | None:
    """Return the innermost of ``places`` that a directory is, or is in."""
    for _ in range(_MOST_PARTS):
        if not directory:
            return None
        if directory in places:
            return directory
        directory = directory.rpartition("/")[0]
    return None


def _importable(path: str) -> str:
    """Return the package or module that an import of the file begins with, or nothing.

    Every directory on the way must have a name that an import statement can have (PEP 420).
    """
    *directories, name = path.split("/")
    stem = name.partition(".")[0]
    if not all(each.isidentifier() for each in directories):
        return ""
    if directories:
        return directories[0]
    # `libx.so` beside Python code is there to be linked to, or for ctypes.
    return stem if stem.isidentifier() and ".so" in name and not stem.startswith("lib") else ""


def _stand_in(rootfs: RootFS, place: str, top: str, users: Iterable[str]) -> Distribution:
    package = f"{place}/{top}"
    node = rootfs.get(package)
    return Distribution(
        name=top,
        version="",
        location=place,
        metadata=package,
        interpreters=tuple(users),
        layer=node.layer if node is not None else rootfs[place].layer,
    )
