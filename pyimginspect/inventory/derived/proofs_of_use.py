"""Proofs that an image uses a package: by what starts, by scripts, and by what loads libraries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec
from msgspec import Struct

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.loading import loaded_elsewhere, loads_without
from pyimginspect.inventory.derived.primary_python import needed_packages
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import Graph
from pyimginspect.inventory.packages.graph import dependency_closure
from pyimginspect.inventory.runtimes import called_programs, callers, interpreted_programs
from pyimginspect.model import DEFAULT_PATH

__all__ = ["Kept", "program_on_path", "proofs_of_use", "scripts_on_path", "used_by_files"]


class Kept(Struct, frozen=True, kw_only=True):
    """A runtime package that came with build tools and that must stay: the proof.

    The ELF file or the script at ``path``, which is no package's, or the distribution whose
    metadata that is, needs ``library``, a library or a program that ``package`` holds; without a
    path, ``by`` does, an instruction. Without a library it is what starts, or a Python that is in
    use, and ``path`` is its own.
    """

    package: str
    library: str = ""
    path: str = ""
    by: str = ""

    @property
    def need(self) -> str:
        """Who needs what, as a clause; empty where it is what starts."""
        who = self.by or f"/{self.path}"
        return f"{who} needs {self.library}" if self.library else ""


def proofs_of_use(
    inventory: Inventory, graph: Graph, free: Collection[str], dropped: Collection[str] = ()
) -> Iterator[Kept]:
    """Yield the proofs for those of the packages ``free`` that something in the image uses."""
    yield from _used_to_start(inventory, graph, free, dropped)
    yield from used_by_files(inventory, free)


def _used_to_start(
    inventory: Inventory, graph: Graph, free: Collection[str], dropped: Collection[str]
) -> Iterator[Kept]:
    """Yield the packages of ``free`` that hold what starts, or a Python that is in use.

    One that brings them all (``python3``) stands for them; else those that no other depends on.
    """
    needed = needed_packages(inventory).intersection(free)
    if not needed:
        return
    others = {*free} - {*dropped}
    whole = {key: dependency_closure(graph, [key], recommended=False) for key in others}
    able = [key for key, found in whole.items() if needed <= found]
    # The one that brings least besides: python3, and not python3-venv.
    keys = [min(able, key=lambda key: (len(whole[key]), key))] if able else sorted(needed)
    for key in keys:
        if able or needed.isdisjoint(graph.required_by[key]):
            files = inventory.packages.files_by_key.get(key, ())
            path = next((path for path in files if "bin/" in path), next(iter(files), ""))
            yield Kept(package=key, path=path)


def used_by_files(
    inventory: Inventory,
    free: Collection[str],
    *,
    since: int = 0,
    ignored: Collection[str] = (),
) -> Iterator[Kept]:
    """Yield one proof for each of ``free`` whose library a file that no package owns needs.

    Or that a Python distribution opens by name when it runs, which no ELF header tells. Only files
    count that layer ``since`` or one above it stores; of what needs libraries, none of ``ignored``.
    """
    packages = inventory.packages
    yield from _called(inventory, free)
    yield from _programs(inventory, free, since)
    libraries = {
        path.rpartition("/")[2]: key
        # Of packages with a library of one name the last counts: sorted, that is the same one each
        # time.
        for key in sorted(free)
        for path in packages.files_by_key.get(key, ())
        if ".so" in path
    }
    if not libraries:
        return
    opened = _opened(inventory, free, since)
    yield from opened.values()
    unproven = {library: key for library, key in libraries.items() if key not in opened}
    yield from _linked(inventory, unproven, since, ignored)


def program_on_path(inventory: Inventory, name: str) -> str | None:
    """Return the real path of the program that a name, or a path from the root, leads to."""
    rootfs = inventory.rootfs
    if name.startswith("/"):
        return rootfs.resolve(name)
    if name not in _names_on_path(inventory):
        return None
    found = (rootfs.resolve(f"{each}/{name}") for each in _directories(inventory))
    return next(filter(None, found), None)


@memoized
def _directories(inventory: Inventory) -> tuple[str, ...]:
    """Return the directories of PATH, without those that depend on where a program is called."""
    directories = inventory.image.config.environment().get("PATH", DEFAULT_PATH).split(":")
    return tuple(each for each in directories if each.startswith("/"))


@memoized
def _names_on_path(inventory: Inventory) -> frozenset[str]:
    """Return the names of all that is on PATH: of the words of a Dockerfile few are among them."""
    rootfs = inventory.rootfs
    places = {rootfs.resolve(each) for each in _directories(inventory)} - {None}
    paths = (path for place in places for path in rootfs.children(place or ""))
    return frozenset(path.rpartition("/")[2] for path in paths)


def _called(inventory: Inventory, free: Collection[str]) -> Iterator[Kept]:
    """Yield one proof for each of ``free`` whose program is called as a container runs.

    By the health check, by a shell script that starts, or by a distribution that is known for it.
    """
    proven: set[str] = set()
    for proof in _calls(inventory):
        if proof.package in free and proof.package not in proven:
            proven.add(proof.package)
            yield proof


@memoized
def _calls(inventory: Inventory) -> tuple[Kept, ...]:
    """Return a proof for each package of a program, and each call of it as a container runs."""
    calls = [
        (name, Kept(package="", path=who[1:]) if who[0] == "/" else Kept(package="", by=who))
        for name, who in called_programs(inventory.rootfs, inventory.image.config)
    ]
    calls += [
        (caller.program, Kept(package="", path=each.metadata))
        for each in inventory.distributions
        for caller in callers().get(each.name, ())
    ]
    return tuple(
        msgspec.structs.replace(proof, package=owner, library=name.rpartition("/")[2])
        for name, proof in calls
        for owner in inventory.packages.owner(program_on_path(inventory, name) or "")
    )


def _opened(inventory: Inventory, free: Collection[str], since: int) -> dict[str, Kept]:
    """Return one proof for each of ``free`` whose library a distribution opens by its name."""
    proofs: dict[str, Kept] = {}
    for each in inventory.native.dlopens:
        if each.distribution.layer < since:
            continue
        library = each.found.rpartition("/")[2]
        for owner in inventory.packages.owner(each.found):
            if owner in free and owner not in proofs:
                path = each.distribution.metadata
                proofs[owner] = Kept(package=owner, library=library, path=path)
    return proofs


def _linked(
    inventory: Inventory, libraries: Mapping[str, str], since: int, ignored: Collection[str]
) -> Iterator[Kept]:
    """Yield one proof for each package that has one of ``libraries`` which a file is linked to."""
    proven: set[str] = set()
    nodes = inventory.rootfs.nodes
    for path, library in _needs_of_files(inventory):
        key = libraries.get(library)
        if key is None or key in proven or nodes[path].layer < since or path in ignored:
            continue
        if loads_without(inventory, path, library, inventory.packages[key].installed_in):
            continue
        proven.add(key)
        yield Kept(package=key, library=library, path=path)


@memoized
def _needs_of_files(inventory: Inventory) -> tuple[tuple[str, str], ...]:
    """Return file and library where no package owns the file, and one may have the library.

    What packages need is in their dependencies: only other files prove anything. Left out is what
    is loaded from elsewhere, a wheel's own for instance.
    """
    owners, elsewhere = inventory.packages.owners, loaded_elsewhere(inventory)
    return tuple(
        (path, library)
        for path, elf in inventory.rootfs.elf.items()
        if not owners.get(path)
        for library in elf.needed
        if (path, library) not in elsewhere
    )


def _programs(inventory: Inventory, free: Collection[str], since: int) -> Iterator[Kept]:
    """Yield one proof for each of ``free`` whose program a script on PATH is written for.

    Of perl, a script may use any module, and Debian keeps most of those in another package.
    """
    rootfs, packages = inventory.rootfs, inventory.packages
    proven, chosen = set[str](), {*free}
    for path, program, started in scripts_on_path(inventory):
        if rootfs[path].layer < since:
            continue
        owners = {*packages.owner(started)}
        if owners or not started:  # else it is a program that no package brought
            # The package that is named after the program: `perl` has modules, perl-base the
            # program.
            owners.add(program)
        for owner in sorted(owners & chosen - proven):
            proven.add(owner)
            yield Kept(package=owner, library=program, path=path)


@memoized
def scripts_on_path(inventory: Inventory) -> tuple[tuple[str, str, str], ...]:
    """Return the ``interpreted_programs`` of an image: several questions begin with them."""
    rootfs, packages, config = inventory.rootfs, inventory.packages, inventory.image.config
    return tuple(interpreted_programs(rootfs, config, packages))
