"""The exact version of an interpreter, and what says so: the most trustworthy witness first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pyimginspect.inventory.interpreters.executables import Executable
from pyimginspect.inventory.interpreters.layout import joined
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.model import Evidence
from pyimginspect.rootfs import RootFS

__all__ = ["upstream_version", "version_of"]

# #define PY_VERSION "3.13.1+" in Include/patchlevel.h: a plus is of a build between two releases.
_PATCHLEVEL = re.compile(rb'^#\s*define\s+PY_VERSION\s+"([^"\n]{1,40})"', re.MULTILINE)
# Packages of pre-releases: 3.13.0~rc1 of dpkg and rpm, 3.13.0_rc1 of apk; an epoch comes first.
_VERSION = re.compile(r"(?:\d{1,9}:)?(\d{1,3}\.\d{1,3}\.\d{1,3})(?:[~_]?((?:a|b|rc)\d{1,3}))?(\+)?")
# sys.version_info.releaselevel; "final" adds nothing.
_LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}


def version_of(
    rootfs: RootFS,
    executable: Executable,
    packages: PackageDatabase,
    environment: Mapping[str, str],
) -> tuple[str, tuple[Evidence, ...]]:
    """Return the version and all that speaks for one, in the order of how far it is trusted.

    A witness for another minor version than the executable's name tells of is not believed: it
    may be that of PyPy, which has one of its own.
    Where nothing tells the exact version it is the minor version alone, or empty.
    """
    series = executable.series
    witnesses = []
    for version, evidence in _witnesses(rootfs, executable, packages, environment):
        if not series or version == series or version.startswith(f"{series}."):
            witnesses.append((version, evidence))
    if not witnesses:
        return series, ()
    return witnesses[0][0], tuple(evidence for _, evidence in witnesses)


def _witnesses(
    rootfs: RootFS,
    executable: Executable,
    packages: PackageDatabase,
    environment: Mapping[str, str],
) -> Iterator[tuple[str, Evidence]]:
    yield from _headers(rootfs, executable)
    yield from _build_details(rootfs, executable)
    yield from _owners(executable, packages)
    yield from _strings(rootfs, executable)
    yield from _environment(executable, environment)
    yield from _paths(rootfs, executable)


def _headers(rootfs: RootFS, executable: Executable) -> Iterator[tuple[str, Evidence]]:
    name = "pypy" if executable.implementation == "pypy" else "python"
    include = joined(executable.layout.prefix, "include")
    # include/python3.13t of free-threaded builds; include/python3.7m, since up to 3.7 builds with
    # pymalloc, which nearly all are, had that letter (PEP 3149).
    suffixes = dict.fromkeys((executable.abi, "t" if "t" in executable.abi else "", "m"))
    for suffix in suffixes:
        path = f"{include}/{name}{executable.series}{suffix}/patchlevel.h"
        match = _PATCHLEVEL.search(rootfs.texts.get(rootfs.resolve(path) or "", b""))
        if match:
            version = match[1].decode("ascii", "replace")
            yield version, _evidence(rootfs, f'PY_VERSION is "{version}"', path)
            return


def _build_details(rootfs: RootFS, executable: Executable) -> Iterator[tuple[str, Evidence]]:
    """Read ``build-details.json`` of PEP 739, which Python 3.14 and newer install."""
    path = f"{executable.layout.stdlib}/build-details.json"
    try:
        details = msgspec.json.decode(rootfs.texts.get(path, b""))
        info: dict[str, Any] = details["implementation"]["version"]
        # The format refuses what is no number: ValueError.
        version = f"{info['major']:d}.{info['minor']:d}.{info['micro']:d}"
        if info["releaselevel"] in _LEVELS:
            version += f"{_LEVELS[info['releaselevel']]}{info['serial']:d}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    except (KeyError, TypeError, ValueError):
        return
    yield version, _evidence(rootfs, f"the build's details say {version}", path)


def _owners(executable: Executable, packages: PackageDatabase) -> Iterator[tuple[str, Evidence]]:
    for key in packages.owner(executable.path):
        version = upstream_version(packages[key].version)
        if version is not None:
            package = packages[key]
            yield (
                version,
                Evidence(
                    what=f"package {key} has version {package.version}",
                    package=key,
                    layer=package.layer,
                ),
            )


def _strings(rootfs: RootFS, executable: Executable) -> Iterator[tuple[str, Evidence]]:
    for path in dict.fromkeys((executable.layout.libpython, executable.path, *executable.aliases)):
        version = rootfs.strings.get(path)
        if version is not None:
            yield version, _evidence(rootfs, f"the program's text has {version}", path)
            return


def _environment(
    executable: Executable, environment: Mapping[str, str]
) -> Iterator[tuple[str, Evidence]]:
    # Official images build into /usr/local; Red Hat's name only major and minor version.
    version = environment.get("PYTHON_VERSION", "")
    if executable.path.startswith("usr/local/bin/") and version:
        yield version, Evidence(what=f"the image sets PYTHON_VERSION={version}")


def _paths(rootfs: RootFS, executable: Executable) -> Iterator[tuple[str, Evidence]]:
    """Read what installers of whole Pythons write into paths: ``versions/3.12.4/bin``."""
    if not executable.series:
        return
    match = re.search(
        # Not within a longer number: 3.1.2 is no part of 13.1.2 or 3.1.24.
        rf"(?<![\d.]){re.escape(executable.series)}\.\d{{1,3}}(?:(?:a|b|rc)\d{{1,3}})?(?![\d.])",
        executable.path,
    )
    if match:
        yield match[0], _evidence(rootfs, f"the path says {match[0]}", executable.path)


def _evidence(rootfs: RootFS, what: str, path: str) -> Evidence:
    real = rootfs.resolve(path) or path
    return Evidence(what=what, path=real, layer=rootfs[real].layer)


def upstream_version(text: str) -> str | None:
    """Return Python's own version from that of a package (``1:3.12.0~rc1-1`` → ``3.12.0rc1``)."""
    match = _VERSION.match(text)
    if match is None:
        return None
    return f"{match[1]}{match[2] or ''}{match[3] or ''}".removesuffix("+")
