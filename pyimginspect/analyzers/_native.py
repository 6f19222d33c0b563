"""What several analyzers say of compiled files and of loaders in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution, Interpreter
from pyimginspect.inventory.loader import Dependency
from pyimginspect.inventory.packages.commands import can_install, install_and_clean, tool_of
from pyimginspect.inventory.providers import advice, provider
from pyimginspect.inventory.wheels import Wheel
from pyimginspect.model import Evidence
from pyimginspect.text import counted, listed

__all__ = [
    "Owner",
    "Owners",
    "file_evidence",
    "fits",
    "install_line",
    "providers",
    "python_of",
    "remedies",
    "searched_in",
    "titled",
    "titles",
]

# Wheels such as SciPy's have a hundred compiled files, with one fault in common.
_MOST = 5


class Owner(NamedTuple):
    """Whom to tell of a compiled file: a distribution by its metadata, a package by its key.

    Files of neither go by their directory.
    """

    kind: Literal["distribution", "package", "directory"]
    name: str


class Owners:
    """Finds out who brought compiled files, and names them."""

    def __init__(self, inventory: Inventory) -> None:
        self._packages = inventory.packages
        self._in_wheels = {p: w.distribution.metadata for w in inventory.wheels for p in w.files}
        self._titles = titles(inventory)

    def of(self, path: str) -> Owner:
        """Return who brought the file at a real path."""
        metadata = self._in_wheels.get(path)
        if metadata is not None:
            return Owner("distribution", metadata)
        keys = self._packages.owner(path)
        return Owner("package", keys[0]) if keys else Owner("directory", path.rpartition("/")[0])

    def title(self, owner: Owner, paths: Sequence[str]) -> str:
        """Return what to call these files of one owner."""
        if owner.kind == "distribution":
            return self._titles[owner.name]
        names = listed(f"/{path}" for path in paths)
        return names if owner.kind == "directory" else f"{names} of {owner.name}"

    def subject(self, owner: Owner) -> str:
        """Return a name that survives another version."""
        # Waivers and baselines go by the subject: an upgrade must not make a new finding of it.
        return self._titles[owner.name].split()[0] if owner.kind == "distribution" else owner.name


def titled(distribution: Distribution) -> str:
    """Return ``numpy 2.1.0``; without a version ``numpy in /opt/python``."""
    return f"{distribution.name} {distribution.version or f'in /{distribution.location}'}"


def titles(inventory: Inventory) -> dict[str, str]:
    """Return what to call distributions, and compiled files without metadata, by metadata."""
    found = {each.distribution.metadata: titled(each.distribution) for each in inventory.wheels}
    # The right side wins: metadata has a name and a version, a lone file only its directory.
    return found | {each.metadata: titled(each) for each in inventory.distributions}


def python_of(inventory: Inventory, path: str) -> Interpreter:
    """Return the interpreter at a path."""
    return next(python for python in inventory.interpreters if python.path == path)


def file_evidence(inventory: Inventory, paths: Iterable[str], what: str) -> Iterator[Evidence]:
    """Yield one piece of evidence for each of the first files, and one for the rest."""
    every = list(paths)
    for path in every[:_MOST]:
        node = inventory.rootfs.get(path)
        yield Evidence(what=what, path=path, layer=node.layer if node else None)
    if len(every) > _MOST:
        yield Evidence(what=f"the same applies to {counted(len(every) - _MOST, 'more file')}")


def searched_in(dependency: Dependency) -> str:
    """Return where a library was looked for, in words."""
    return listed(dependency.searched, 8) or "no directory"


def providers(inventory: Inventory, sonames: Iterable[str]) -> list[str]:
    """Return the OS packages that would have libraries, each once, sorted."""
    found = {provider(soname, inventory.os) for soname in sonames}
    return sorted(found - {""})


def remedies(inventory: Inventory, sonames: Iterable[str]) -> list[str]:
    """Return what brings libraries into the image, as lines: what to install, or where it is.

    Only packages that are known to exist are named.
    """
    wanted = tuple(sonames)
    # One line for all: each further RUN would update the package lists again.
    line = install_line(inventory, providers(inventory, wanted))
    unknown = wanted if not line else [s for s in wanted if not provider(s, inventory.os)]
    return ([line] if line else []) + [advice(soname, inventory.os) for soname in unknown]


def install_line(inventory: Inventory, packages: Iterable[str]) -> str:
    """Return the instruction that installs OS packages here, or nothing.

    An image that cannot install packages gets their files by a COPY.
    """
    managers = {package.manager for package in inventory.packages.packages}
    names = [*packages]
    # With two databases (rpm installed on Debian, say) which one to ask is not known.
    if not names or len(managers) != 1:
        return ""
    (manager,) = managers
    if not can_install(inventory.rootfs, manager):
        its = "its" if len(names) == 1 else "their"
        return (
            f"Install {listed(names)} in a build stage, and COPY {its} files with those of {its}"
            " dependencies: this image has nothing to install packages with"
        )
    return f"RUN {' && '.join(install_and_clean(tool_of(inventory.rootfs, manager), names))}"


def fits(wheel: Wheel) -> bool:
    """Whether none of the files of a wheel is for something else than the interpreter."""
    return not (wheel.foreign_machine or wheel.foreign_libc or wheel.foreign_abi)
