"""Where an interpreter comes from: an OS package, a build from source, or another manager."""

from __future__ import annotations

import re

from msgspec import Struct

from pyimginspect.inventory.interpreters.bundles import is_frozen
from pyimginspect.inventory.interpreters.executables import Executable
from pyimginspect.inventory.interpreters.layout import joined
from pyimginspect.inventory.os_release import find_os
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.model import Evidence
from pyimginspect.rootfs import RootFS

__all__ = ["Origin", "find_origin", "is_externally_managed"]

# python-3.11.9-h955ad1f_0.json, and not python-dateutil-2.9.0-….json.
_CONDA = re.compile(r"(?:python|pypy)-\d.*\.json")
# Versions of PPAs end in the series that they were built for: 3.13.1-1+jammy1 of deadsnakes.
_PPA_VERSION = re.compile(r"\+[a-z]{4,12}\d{1,2}$")

# A piece of the executable's path, and the tool that lays Pythons out like that.
_PLACES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:.*/)?\.?pyenv/versions/[^/]+/bin/[^/]+"), "pyenv"),
    (re.compile(r"(?:.*/)?uv/python/(?:cpython|pypy)-[^/]+/(?:.*/)?[^/]+"), "uv"),
    (re.compile(r"nix/store/[^/]*python[^/]*/bin/[^/]+"), "nix"),
    (re.compile(r"(?:.*/)?Cellar/python(?:@[^/]+)?/[^/]+/.*"), "homebrew"),
    (re.compile(r"var/lang/bin/[^/]+"), "lambda"),
)
# Cloud Native Buildpacks' platform specification: `<layers>/<buildpack>/<layer>/`, `<layers>` being
# /layers unless CNB_LAYERS_DIR says otherwise, and the lifecycle's launcher in /cnb.
_BUILDPACK = re.compile(r"(?:.*/)?(layers)/[^/]+/[^/]+/(?:.*/)?bin/[^/]+")
_LAUNCHER = "cnb/lifecycle/launcher"


class Origin(Struct, frozen=True, kw_only=True):
    """A name for where an interpreter comes from, and what shows it.

    ``source`` for a build from source, the ID of ``os-release`` (``debian``, ``alpine``) for a
    package of the distribution, else ``deadsnakes``, ``conda``, ``pyenv``, ``uv``, ``pypy``,
    ``lambda``, ``nix``, ``homebrew``, ``buildpack`` (a layer of Cloud Native Buildpacks) or
    ``pyinstaller``.
    """

    name: str
    evidence: tuple[Evidence, ...] = ()


def find_origin(rootfs: RootFS, executable: Executable, packages: PackageDatabase) -> Origin:
    """Tell where an interpreter comes from: its owner, or the marks of other tools."""
    if is_frozen(executable):  # whoever packaged the application
        place = executable.layout.stdlib or executable.path
        return _shown("pyinstaller", "a frozen application", place)
    owners = packages.owner(executable.path)
    if owners:
        return _packaged(rootfs, owners[0], packages)
    prefix = executable.layout.prefix
    # Before the places: conda makes an environment in any directory that it is given.
    record = _conda_record(rootfs, prefix)
    if record is not None:
        return _shown("conda", "conda installed it", record)
    for pattern, name in _PLACES:
        if pattern.fullmatch(executable.path):
            return _shown(name, f"where {name} puts interpreters", executable.path)
    if _is_of_buildpack(rootfs, executable.path):
        return _shown("buildpack", "a layer that a buildpack made", executable.path)
    marker = f"{executable.layout.stdlib}/EXTERNALLY-MANAGED"
    # The message of PEP 668's file begins: "This Python installation is managed by uv".
    if b"managed by uv" in rootfs.texts.get(marker, b""):
        return _shown("uv", "says that uv manages it", marker)
    # PYENV_ROOT may be any directory: what it holds is versions/3.12.4/ and shims/.
    root, _, versions = prefix.rpartition("/")[0].rpartition("/")
    shims = joined(root, "shims")
    if versions == "versions" and shims in rootfs:
        return _shown("pyenv", "pyenv's shims", shims)
    if executable.implementation == "pypy":
        return _shown("pypy", "no package owns it", executable.path)
    return _shown("source", "no package owns it", executable.path)


def _conda_record(rootfs: RootFS, prefix: str) -> str | None:
    """Return conda's record of the Python in a prefix."""
    records = rootfs.children(joined(prefix, "conda-meta"))
    return next((path for path in records if _CONDA.match(path.rpartition("/")[2])), None)


def _is_of_buildpack(rootfs: RootFS, path: str) -> bool:
    layers = _BUILDPACK.fullmatch(path)
    if layers is None:
        return False
    return _LAUNCHER in rootfs or f"{path[: layers.end(1)]}/config/metadata.toml" in rootfs


def _shown(name: str, what: str, path: str) -> Origin:
    return Origin(name=name, evidence=(Evidence(what=what, path=path),))


def _packaged(rootfs: RootFS, key: str, packages: PackageDatabase) -> Origin:
    package = packages[key]
    evidence = (Evidence(what=f"package {key} owns it", package=key, layer=package.layer),)
    # The maintainer of a PPA's package may be a person: then the list of sources has to name it.
    if "deadsnakes" in package.maintainer.lower() or (
        _PPA_VERSION.search(package.version)
        and any(
            b"deadsnakes" in text
            for path, text in rootfs.texts.items()
            if path.startswith("etc/apt/sources.list.d/")
        )
    ):
        return Origin(name="deadsnakes", evidence=evidence)
    return Origin(name=find_os(rootfs).id or package.manager, evidence=evidence)


def is_externally_managed(rootfs: RootFS, executable: Executable) -> bool:
    """Whether the standard library carries the mark of PEP 668 that keeps pip out."""
    return f"{executable.layout.stdlib}/EXTERNALLY-MANAGED" in rootfs
