"""Mirrors, other locations and blocked registries: containers-registries.conf(5), version 2.

Sources: that page and containers-registries.conf.d(5) of containers/image. What they say of names
without a registry is not for us: such a name is Docker Hub's.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_builtins
from pyimginspect.errors import InvalidReferenceError, RegistryError
from pyimginspect.sources.reference import Name, parse_name
from pyimginspect.sources.resolved import RegistryCarrier

__all__ = ["Place", "find_places"]

_SYSTEM = Path("/etc/containers")
_LARGEST = 1 << 20  # bytes of a file

# The manual's values of pull-from-mirror; left out it is "all".
Pulls = Literal["", "all", "digest-only", "tag-only"]


class _Mirror(Struct, frozen=True, kw_only=True, rename="kebab"):
    location: str = ""
    insecure: bool = False
    pull_from_mirror: Pulls = ""


class _Registry(Struct, frozen=True, kw_only=True, rename="kebab"):
    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirror: tuple[_Mirror, ...] = ()

    @property
    def key(self) -> str:
        """The names that it is for begin with this."""
        return (self.prefix or self.location).rstrip("/")


class _File(Struct, frozen=True, kw_only=True):
    registry: tuple[_Registry, ...] = ()


class Place(Struct, frozen=True, kw_only=True):
    """Where an image may be fetched: ``wanted`` is its name, ``name`` what it is called there."""

    wanted: Name
    name: Name
    plain: bool = False
    insecure: bool = False

    @property
    def carrier(self) -> RegistryCarrier:
        """The place as one that layers are read from."""
        return RegistryCarrier(
            registry=self.name.registry,
            repository=self.name.repository,
            plain=self.plain,
            insecure=self.insecure,
        )


def find_places(name: Name, *, plain: bool = False) -> list[Place]:
    """Return where to look for an image, in this order; the last is the registry itself.

    ``plain`` allows HTTP without TLS at the registry itself, if that is where the name leads.
    Raises :class:`RegistryError` for a name that is blocked, or a file that cannot be used.
    """
    chosen = _chosen(name, _registries())
    if chosen is None:
        return [Place(wanted=name, name=name, plain=plain)]
    path, registry = chosen
    if registry.blocked:
        raise RegistryError(f"{registry.key} is blocked by {path}")
    places = [
        Place(
            wanted=name,
            name=_moved(name, registry, mirror.location, path),
            insecure=mirror.insecure,
        )
        for mirror in registry.mirror
        if _serves(mirror, registry, name)
    ]
    itself = _moved(name, registry, registry.location, path)
    same = itself.registry == name.registry
    last = Place(wanted=name, name=itself, plain=plain and same, insecure=registry.insecure)
    return [*places, last]


def _serves(mirror: _Mirror, registry: _Registry, name: Name) -> bool:
    pulls = mirror.pull_from_mirror
    # The older switch, which holds for all mirrors of the table.
    if registry.mirror_by_digest_only:
        pulls = "digest-only"
    if name.digest is not None:
        return pulls != "tag-only"
    return pulls != "digest-only"


def _chosen(
    name: Name, known: Mapping[str, tuple[Path, _Registry]]
) -> tuple[Path, _Registry] | None:
    """Return the table with the longest prefix of a name; a wildcard counts for its host alone."""
    full = str(name)
    best: tuple[int, str] | None = None
    for prefix in known:
        matched = _matched(full, prefix, name.registry)
        # Of two that cover as much, a name is preferred to a wildcard: "*" sorts before letters.
        if matched and (best is None or (matched, prefix) > best):
            best = (matched, prefix)
    return known[best[1]] if best is not None else None


def _matched(full: str, prefix: str, host: str) -> int:
    """Return how much of a name a prefix covers; 0 where it is for others."""
    if prefix.startswith("*."):
        # "*.example.com" is for subdomains alone, not for example.com itself.
        return len(prefix) if host.partition(":")[0].endswith(prefix[1:]) else 0
    # A prefix ends where a part of the name does: "host/foo" is not for "host/foobar".
    covers = full.startswith(prefix) and full[len(prefix) : len(prefix) + 1] in ("", "/", ":", "@")
    return len(prefix) if covers else 0


def _moved(name: Name, registry: _Registry, location: str, path: Path) -> Name:
    """Return what an image is called at a location: that takes the place of the prefix."""
    location = location.rstrip("/")
    if not location:
        return name
    full = str(name)
    prefix = registry.key
    # A wildcard has no path of its own, so a location takes the place of the host alone.
    rest = full[len(name.registry) :] if prefix.startswith("*.") else full[len(prefix) :]
    try:
        return parse_name(location + rest)
    except InvalidReferenceError as exc:
        raise RegistryError(f"{path}: '{location}' is no location: {exc.message}") from exc


def _registries() -> dict[str, tuple[Path, _Registry]]:
    """Return all tables by their prefix; one of a later file takes the place of an earlier one."""
    found: dict[str, tuple[Path, _Registry]] = {}
    for path in _paths():
        for table in _read(path).registry:
            if not table.key:
                raise RegistryError(f"{path}: a [[registry]] has neither prefix nor location")
            found[table.key] = (path, table)
    return found


def _paths() -> list[Path]:
    """Return the files that count, the one that is overruled first.

    Of the two main files the user's own is the only one that counts, where there is one, and
    then of the two directories as well. One that the environment names takes the place of both,
    and both directories count (newConfigWrapper in containers/image).
    """
    config = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    # The second name is the one that older releases of Buildah and Podman know.
    named = os.environ.get("CONTAINERS_REGISTRIES_CONF") or os.environ.get("REGISTRIES_CONFIG_PATH")
    own = config / "containers"
    alone = not named and (own / "registries.conf").is_file()
    folders = [own] if alone else [_SYSTEM, own]
    main = Path(named) if named else folders[0] / "registries.conf"
    dropped_in = [path for each in folders for path in _dropped_in(each / "registries.conf.d")]
    # One that is named has to be there.
    return [*([main] if named or main.is_file() else []), *dropped_in]


def _dropped_in(folder: Path) -> Iterable[Path]:
    try:
        # In the order of their names, other suffixes left out (containers-registries.conf.d(5)).
        return sorted(path for path in folder.iterdir() if path.suffix == ".conf")
    except OSError:
        return ()


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise RegistryError(f"{path} has too many bytes for a configuration")
        return _parsed(data.decode())
    except OSError as exc:
        raise RegistryError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError, msgspec.ValidationError) as exc:
        raise RegistryError(f"{path} is no registries.conf: {exc}") from exc


@lru_cache(8)
def _parsed(text: str) -> _File:
    """Return what a file says; Debian's list of short names alone takes 1.4 ms for every image."""
    return from_builtins(tomllib.loads(text), _File)
