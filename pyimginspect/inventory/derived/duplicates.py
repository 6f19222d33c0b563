"""Native libraries that are in the image twice: from the operating system, and from elsewhere.

Wheels rename what they bundle (``libpq-a17e3caa.so.5.17``, by ``auditwheel repair``), so libraries
are compared by their name without that and by their major version. Those of CUDA are known by
:mod:`pyimginspect.inventory.derived.cuda`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.cuda import is_cuda
from pyimginspect.inventory.derived.leftovers import files_of_packages, free_packages
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.native import Library
from pyimginspect.inventory.packages import dependency_graph

__all__ = ["Duplicate", "find_duplicates", "library_key"]

# The first number is that of the interface; the others change from release to release.
_VERSIONED = re.compile(r"(lib.+?)\.so(?:\.(\d+))?(?:[.\d]*)")
_MOST = 20


class Duplicate(Struct, frozen=True, kw_only=True):
    """Libraries of OS packages, and copies of them that one distribution or directory has.

    ``metadata`` is the distribution's; empty for copies in ``directory``. ``packages`` are the
    keys of the packages, ``dropped`` those of them that could go, with what was installed for them
    ``freed``: no other package depends on them, and no file is linked to their libraries.
    ``needed_by`` says for the others by what: packages by key, or paths of files.
    ``unused`` are copies in ``directory`` that nothing loads. ``gone`` are the files that go
    with the packages or copies that can.
    """

    metadata: str = ""
    directory: str = ""
    packaged: tuple[Library, ...]
    copies: tuple[Library, ...]
    packages: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    freed: tuple[str, ...] = ()
    needed_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unused: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def library_key(name: str) -> tuple[str, str]:
    """Return a library's name and major version: ``("libpq", "5")`` of ``libpq.so.5.17``."""
    match = _VERSIONED.fullmatch(name)
    return (match[1], match[2] or "") if match else (name, "")


@memoized
def find_duplicates(inventory: Inventory) -> tuple[Duplicate, ...]:
    """Return what somebody chose to have twice, by who brought the copies.

    A copy beside a package always is; a wheel's own copy of what the base has is how wheels are
    made, unless the package was asked for by name in a layer above the base.
    """
    groups: dict[tuple[str, str], list[tuple[Library, Library]]] = {}
    for libraries in _same(inventory.native.libraries):
        for who, pair in _pairs(inventory, libraries):
            groups.setdefault(who, []).append(pair)
    return tuple(_duplicate(inventory, *who, groups[who]) for who in sorted(groups))


def _pairs(
    inventory: Inventory, libraries: Collection[Library]
) -> Iterator[tuple[tuple[str, str], tuple[Library, Library]]]:
    """Yield the distribution or else the directory of each copy, a package's library and the copy.

    Of a wheel's copies only those that count: of packages that were asked for.
    """
    packaged = [each for each in libraries if each.origin == "package"]
    chosen = [each for each in packaged if _is_chosen(inventory, each)]
    for copy in libraries:
        if copy.origin == "wheel":
            yield from (((copy.owner, ""), (each, copy)) for each in chosen)
        elif copy.origin == "copied" and copy.layer >= inventory.base.layers:
            directory = copy.path.rpartition("/")[0]
            yield from ((("", directory), (each, copy)) for each in packaged)


def _same(libraries: Iterable[Library]) -> Iterator[list[Library]]:
    """Yield the libraries that are one, by their name and version or by their build ID."""
    groups: dict[tuple[str, str], list[Library]] = {}
    builds: dict[str, tuple[str, str]] = {}
    for library in libraries:
        if is_cuda(library.name):
            continue
        key = library_key(library.name)
        if library.build_id:
            # A copy has the build ID of its original, under whatever name: ld(1), --build-id.
            key = builds.setdefault(library.build_id, key)
        groups.setdefault(key, []).append(library)
    yield from (groups[key] for key in sorted(groups))


def _is_chosen(inventory: Inventory, library: Library) -> bool:
    package = inventory.packages[library.owner]
    return package.automatic is False and package.installed_in >= inventory.base.layers


def _duplicate(
    inventory: Inventory, metadata: str, directory: str, pairs: list[tuple[Library, Library]]
) -> Duplicate:
    packaged = {library.path: library for library, _ in pairs}
    copies = {library.path: library for _, library in pairs}
    keys = sorted({library.owner for library in packaged.values()})
    dropped, freed = list[str](), frozenset[str]()
    if metadata:
        dropped, freed = _removable(inventory, keys, packaged.values())
    unused = [path for path, library in copies.items() if directory and not library.loaded_by]
    gone = files_of_packages(inventory.rootfs, inventory.packages, freed) if freed else unused
    return Duplicate(
        metadata=metadata,
        directory=directory,
        packaged=tuple(packaged[path] for path in sorted(packaged)),
        copies=tuple(copies[path] for path in sorted(copies)),
        packages=tuple(keys),
        dropped=tuple(dropped),
        freed=tuple(sorted(freed)),
        needed_by=tuple(
            (key, who) for key in keys if (who := _needed_by(inventory, key, packaged.values()))
        ),
        unused=tuple(sorted(unused)),
        gone=tuple(sorted(gone)),
    )


def _removable(
    inventory: Inventory, keys: list[str], libraries: Iterable[Library]
) -> tuple[list[str], frozenset[str]]:
    """Return the packages that nothing else in the image needs, and all that goes with them."""
    freed = free_packages(inventory, keys)
    loaded = {
        library.owner
        for library in libraries
        if any(not _is_of(inventory, user, keys) for user in library.loaded_by)
    }
    dropped = [key for key in keys if key in freed and key not in loaded]
    return dropped, freed if dropped == keys else free_packages(inventory, dropped)


def _is_of(inventory: Inventory, path: str, keys: Collection[str]) -> bool:
    return not set(inventory.packages.owner(path)).isdisjoint(keys)


def _needed_by(inventory: Inventory, key: str, libraries: Iterable[Library]) -> tuple[str, ...]:
    """Return what else leans on a package: others by their keys, or files that load its own."""
    graph = dependency_graph(inventory.packages)
    found = {f"the package {other}" for other in graph.required_by[key]}
    for library in libraries:
        if library.owner == key:
            found.update(
                f"/{user}" for user in library.loaded_by if not _is_of(inventory, user, [key])
            )
    # Packages before files: one of them says more.
    return tuple(sorted(found, key=lambda who: (who.startswith("/"), who))[:_MOST])
