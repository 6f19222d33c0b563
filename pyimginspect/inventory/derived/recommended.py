"""Packages that are in an image only because others recommend them, and those of them in use."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct

from pyimginspect.dockerfile.installs import Installation, Manager, installation_of, package_name
from pyimginspect.dockerfile.shell import commands
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.uses import Use, uses_of
from pyimginspect.inventory.facts import OsPackage, PackageManager
from pyimginspect.inventory.instructions import read_steps
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import Graph, dependency_graph
from pyimginspect.inventory.packages.apt_conf import installs_recommends
from pyimginspect.inventory.packages.recommends import RecommendedBy, recommended_by, required_by

__all__ = ["RecommendedInLayer", "find_recommended"]

# `in` is dnf's alias of `install`.
_INSTALLS = re.compile(
    r"\b(?:apt(?:-get)?|aptitude|dnf|microdnf|yum)\b[^;&|\n]*\s(?:install|in)\b([^;&|\n]*)"
)
# -R is aptitude's. The words for false are those of StringToBool in apt-pkg.
_APT_WITHOUT = re.compile(
    r"--no-install-recommends|--without-recommends|(?:^|\s)-R(?=\s|$)"
    r"|(?i:apt::install-recommends)\s*=\s*\W?(?i:0|no|false|without|off|disable)\b"
)
# dnf.conf(5), also by --setopt.
_DNF_WITHOUT = re.compile(r"install_weak_deps\s*=\s*(?i:0|no|false|off)\b")
_WITHOUT: dict[Manager, re.Pattern[str]] = {"apt": _APT_WITHOUT, "dnf": _DNF_WITHOUT}


class RecommendedInLayer(Struct, frozen=True, kw_only=True):
    """What one layer installed for no other reason than a recommendation.

    ``manager`` is the package manager that ``asked``, the names in the installations of the
    layer's ``RUN`` without the option against it, as far as they can be read, were given to;
    ``complete`` tells whether these are all. ``roots`` share the packages out; ``in_use`` are
    the recommended packages that something uses, and the proof. Neither those nor what they
    depend on are among the ``roots``'.
    """

    layer: int
    manager: PackageManager
    asked: tuple[str, ...]
    complete: bool
    roots: tuple[RecommendedBy, ...]
    in_use: tuple[Use, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """All that would not be there, by key, sorted."""
        return tuple(sorted({key for root in self.roots for key in root.packages}))


class _Asked(Struct, frozen=True, kw_only=True):
    """What a ``RUN`` asks for by name in installations that bring recommended packages too."""

    names: tuple[str, ...]
    complete: bool


@memoized
def find_recommended(inventory: Inventory) -> tuple[RecommendedInLayer, ...]:
    """Return the layers above the base that installed recommended packages, lowest first.

    A package counts where nobody asked for it, nothing that stays depends on it, and a package
    that the same ``RUN`` installed recommends it, directly or along the way. Where the package
    manager keeps no record of what was asked for (rpm without dnf5), the names in the ``RUN``
    tell, if all of them can be read.
    """
    new = _new_packages(inventory)
    asked = {layer: found for layer in new if (found := _asked(inventory, layer, new[layer]))}
    candidates = {
        package.key
        for layer, found in asked.items()
        for package in new[layer]
        if not package.essential and _is_automatic(package, found)
    }
    if not candidates:
        return ()
    graph = dependency_graph(inventory.packages)
    stay = [key for key in graph.nodes if key not in candidates]
    extra = candidates - required_by(graph, stay)
    if not extra:
        return ()
    in_use = tuple(uses_of(inventory, graph, extra))
    # What is in use keeps its own dependencies too.
    extra -= required_by(graph, (use.package for use in in_use))
    found_in = (
        _in_layer(graph, layer, new[layer], asked[layer], extra, in_use) for layer in sorted(asked)
    )
    return tuple(each for each in found_in if each.roots)


def _new_packages(inventory: Inventory) -> dict[int, list[OsPackage]]:
    """Return, by layer above the base, what it installed; apk knows no recommendations."""
    new: dict[int, list[OsPackage]] = {}
    for package in inventory.packages.packages:
        if package.manager != "apk" and package.installed_in >= inventory.base.layers:
            new.setdefault(package.installed_in, []).append(package)
    return new


def _is_automatic(package: OsPackage, asked: _Asked) -> bool:
    if package.automatic is not None:
        return package.automatic
    return asked.complete and package.name not in asked.names


def _in_layer(
    graph: Graph,
    layer: int,
    new: Collection[OsPackage],
    asked: _Asked,
    extra: Collection[str],
    in_use: tuple[Use, ...],
) -> RecommendedInLayer:
    keys = {package.key for package in new}
    roots = [
        package.key
        for package in new
        if not _is_automatic(package, asked) and (package.name in asked.names or not asked.complete)
    ]
    return RecommendedInLayer(
        layer=layer,
        manager=next(iter(new)).manager,
        asked=asked.names,
        complete=asked.complete,
        roots=recommended_by(graph, roots, keys, keys & {*extra}),
        in_use=tuple(use for use in in_use if use.package in keys),
    )


# --- the instruction ------------------------------------------------------------------------------
def _asked(inventory: Inventory, layer: int, new: Collection[OsPackage]) -> _Asked | None:
    """Return what the ``RUN`` of a layer asks for, ``None`` where recommendations do not count.

    Or where it is not known whether they do: no installation can be seen.
    """
    text = inventory.instruction(layer)
    if not text.startswith("RUN") or _INSTALLS.search(text) is None:
        return None
    manager: Manager = "apt" if next(iter(new)).manager == "dpkg" else "dnf"
    # APT::Install-Recommends of apt.conf(5) may be false for the whole image.
    if manager == "apt" and not installs_recommends(inventory.rootfs):
        return None
    without = _WITHOUT[manager]
    found = [*_installations(_text_of(inventory, layer), manager)]
    if not found:  # in a loop that cannot be read, or given to another shell
        plain = any(without.search(match[0]) is None for match in _INSTALLS.finditer(text))
        return _Asked(names=(), complete=False) if plain else None
    plainly = [each for each in found if without.search(_options(each)) is None]
    if not plainly:
        return None
    return _named(plainly, manager)


def _named(installations: Iterable[Installation], manager: Manager) -> _Asked:
    words = [word for each in installations for word in each.packages]
    literal = [word for word in words if word.literal]
    return _Asked(
        names=tuple(dict.fromkeys(package_name(word.text, manager) for word in literal)),
        # A variable among the names may stand for any number of them.
        complete=bool(words) and literal == words,
    )


def _installations(text: str, manager: Manager) -> Iterator[Installation]:
    """Yield what a ``RUN`` installs with one package manager."""
    for command in commands(text):
        installation = installation_of(command)
        if installation is not None and installation.manager == manager:
            yield installation


def _options(installation: Installation) -> str:
    return " ".join(word.text for word in installation.options)


def _text_of(inventory: Inventory, layer: int) -> str:
    steps = read_steps(inventory.image.config.history)
    return next((step.text for step in steps if step.layer == layer), "")
