"""An official ``python`` image below the application: its steps, its layers, its variant.

The marks are those of docker-library/python's Dockerfiles, of its templates and of all that it
had before them (``scripts/check_official_images``): the build of ``Python-$PYTHON_VERSION.tar.xz``,
the links made ``for src in idle3 …``, and ``CMD ["python3"]``, which ends the base. Until 2024-09
pip was installed in a step of its own, before that ``CMD``; in 2014 ``make`` was one too. Windows'
run the installer of python.org. Full images are built on buildpack-deps, which has compilers and
git; slim ones on Debian, until 2017 without the mark of its own slim variant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from pyimginspect.inventory.base_system import System
from pyimginspect.inventory.instructions import Step
from pyimginspect.model import Evidence, Image
from pyimginspect.rootfs import Node, RootFS

__all__ = ["OfficialPython", "find_official_python"]

# A history has the step as it was written: the shell expands the variable, no builder does.
_BUILD = re.compile(r"Python-\$(?:PYTHON_VERSION|\{PYTHON_VERSION\})\.t(?:ar\.xz|gz)|python-\$url")
# The first ones, of 2014, had the version in the step alone.
_FIRST_BUILD = re.compile(r"python\.org/ftp/python/([\d.]+)/Python-([23][\d.]+)\.tar\.xz")
# The gap has a bound so that no history, however long, takes the square of its length.
_WINDOWS_BUILD = re.compile(r"python\.org/ftp/python/.{0,200}[-.]amd64\.(?:exe|msi)")
_LINKS = ("for src in idle3", "ln -s idle3 idle")
_PIP = ("get-pip.py", "pip install --upgrade pip==", "ensurepip")
_VIRTUALENV = re.compile(r"pip install (?:--no-cache-dir )?virtualenv")
_MAKE = "make install"
_END = ('["python3"]', '["python2"]', '["python"]')
# Three parts: Red Hat's s2i images set a PYTHON_VERSION too, of two (`3.11`).
_VERSION = re.compile(r"[23]\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?")
# Systems that no official image was ever built on, whatever their steps look like.
_OTHER_SYSTEMS = frozenset(("ubi", "ubuntu", "wolfi", "distroless", "unknown"))


class OfficialPython(Struct, frozen=True, kw_only=True):
    """What the history and the contents say of an official image.

    ``recorded`` is true where the history has the build's steps, ``confirmed`` where the contents
    agree.
    """

    version: str
    variant: str
    layers: int
    recorded: bool
    confirmed: bool
    evidence: tuple[Evidence, ...]


def find_official_python(
    image: Image, rootfs: RootFS, steps: Sequence[Step], system: System
) -> OfficialPython | None:
    """Find the steps of an official build on ``system``, or, without any history, its contents."""
    version = image.config.environment().get("PYTHON_VERSION") or _first_version(steps)
    if not _VERSION.fullmatch(version) or system.family in _OTHER_SYSTEMS:
        return None
    series = ".".join(version.split(".")[:2])
    windows = image.platform.os == "windows"
    path = "Files/Python/python.exe" if windows else f"usr/local/bin/python{series}"
    executable = rootfs.get(path)
    made = _built(steps)
    if made is not None:
        layers, build = made
        evidence = [Evidence(what="history: the official build's steps", layer=build.layer)]
        made_in = range(build.layer or 0, layers)
        confirmed = executable is not None and executable.content.layer in made_in
        if executable is not None and confirmed:
            what = "the interpreter is in that layer"
            layer = executable.content.layer
            evidence.append(Evidence(what=what, path=executable.path, layer=layer))
        return OfficialPython(
            version=version,
            variant=_variant(build, rootfs, build.layer or 0, system),
            layers=layers,
            recorded=True,
            confirmed=confirmed,
            evidence=tuple(evidence),
        )
    if executable is None or any(step.word for step in steps):
        return None  # a history that does not have the official steps is an answer too
    return _without_history(image, rootfs, version, executable, system)


def _without_history(
    image: Image, rootfs: RootFS, version: str, executable: Node, system: System
) -> OfficialPython | None:
    """Tell an official build by what its Dockerfile leaves in the environment."""
    names = image.config.environment().keys()
    # PYTHON_VERSION alone proves nothing. Official images had GPG_KEY up to Python 3.13, and have
    # PYTHON_SHA256 since 2024-10.
    if not names & {"PYTHON_SHA256", "GPG_KEY"}:
        return None
    link = rootfs.get("usr/local/bin/python")
    top = max(executable.content.layer, link.layer if link is not None else 0) + 1
    # With nothing above it the layers were merged: no number of them is the base's.
    layers = top if top < len(image.layers) else 0
    what = f"PYTHON_VERSION={version} and its checksum in the environment, and no history"
    return OfficialPython(
        version=version,
        variant=_variant(None, rootfs, top, system),
        layers=layers,
        recorded=False,
        confirmed=True,
        evidence=(Evidence(what=what, path=executable.path, layer=executable.content.layer),),
    )


def _built(steps: Sequence[Step]) -> tuple[int, Step] | None:
    """Return how many layers end with the official build, and the step that compiled."""
    number = next((n for n, step in enumerate(steps) if _compiles(step)), None)
    if number is None:
        return None
    for last in range(number + 1, len(steps)):
        after = steps[last]
        if after.word == "CMD" and after.text in _END:
            layers = sum(step.layer is not None for step in steps[: last + 1])
            return layers, steps[number]
        if not _belongs(after):
            break
    return None  # whoever wrote these steps has only seen the official ones


def _first_version(steps: Sequence[Step]) -> str:
    """Return the version that a step names where no variable does; empty for none."""
    builds = (_FIRST_BUILD.search(step.text) for step in steps if step.word == "RUN")
    return next((found[2] for found in builds if found and found[1] == found[2]), "")


def _compiles(step: Step) -> bool:
    marks = (_BUILD, _FIRST_BUILD, _WINDOWS_BUILD)
    return step.word == "RUN" and any(mark.search(step.text) for mark in marks)


def _belongs(step: Step) -> bool:
    if step.word == "ENV":
        return step.text.startswith("PYTHON")
    if step.word != "RUN":
        return False
    return any(mark in step.text for mark in (*_LINKS, *_PIP, _MAKE)) or bool(
        _VIRTUALENV.search(step.text)
    )


def _variant(build: Step | None, rootfs: RootFS, below: int, system: System) -> str:
    """Tell the variant; the layers ``below`` are those that the build began with."""
    if system.family == "windows":
        return "windowsservercore"
    if system.variant == "slim":
        return "slim"
    # What the layers store: those above may have removed what the variants are recognized by.
    stored = _stored(rootfs, below)
    if "etc/alpine-release" in stored:
        return "alpine"
    if "usr/bin/gcc" in stored and "usr/bin/git" in stored:
        return "full"
    if build is not None:
        # Alpine's Dockerfile names the packages to build with `.build-deps`; that of slim, which
        # uses apt, has no such name.
        return "alpine" if ".build-deps" in build.text else "slim"
    return ""


def _stored(rootfs: RootFS, below: int) -> set[str]:
    """Return the paths that the lowest layers store, of those that tell the variants apart."""
    telling = ("etc/alpine-release", "usr/bin/gcc", "usr/bin/git")
    lowest = rootfs.layers[:below]
    return {e.path for layer in lowest for e in layer.index.entries if e.path in telling}
