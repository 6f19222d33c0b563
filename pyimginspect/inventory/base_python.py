"""An official ``python`` image below the application: its steps, its layers, its variant.

The marks are those of docker-library/python's ``Dockerfile-linux.template``: the build of
``Python-$PYTHON_VERSION.tar.xz``, the links made ``for src in idle3 …``, and ``CMD ["python3"]``,
which ends the base. Until 2024-09 pip was installed in a step of its own, before that ``CMD``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from pyimginspect.inventory.instructions import Step
from pyimginspect.model import Evidence, Image
from pyimginspect.rootfs import RootFS

__all__ = ["OfficialPython", "find_official_python"]

_BUILD = re.compile(r"Python-\$(?:PYTHON_VERSION|\{PYTHON_VERSION\})\.t(?:ar\.xz|gz)|python-\$url")
_WINDOWS_BUILD = re.compile(r"python\.org/ftp/python/.{0,200}-amd64\.exe")
_LINKS = ("for src in idle3", "ln -s idle3 idle")
_PIP = ("get-pip.py", "pip install --upgrade pip==", "ensurepip")
_END = ('["python3"]', '["python"]')
_VERSION = re.compile(r"3\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?")


class OfficialPython(Struct, frozen=True, kw_only=True):
    """What the history and the contents say of an official image.

    ``told`` is true where the history has the build's steps, ``held`` where the contents agree.
    """

    version: str
    variant: str
    layers: int
    told: bool
    held: bool
    evidence: tuple[Evidence, ...]


def find_official_python(
    image: Image, rootfs: RootFS, steps: Sequence[Step], *, slim: bool
) -> OfficialPython | None:
    """Find the steps of an official build, or, without any history, its contents.

    ``slim`` is true where the system below is Debian's slim variant.
    """
    version = image.config.environment().get("PYTHON_VERSION", "")
    if not _VERSION.fullmatch(version):
        return None
    series = ".".join(version.split(".")[:2])
    windows = image.platform.os == "windows"
    path = "Files/Python/python.exe" if windows else f"usr/local/bin/python{series}"
    executable = rootfs.get(path)
    made = _built(steps)
    if made is not None:
        layers, build = made
        evidence = [Evidence(what="history: the official build's steps", layer=build.layer)]
        held = executable is not None and executable.content.layer == build.layer
        if executable is not None and held:
            what = "the interpreter is in that layer"
            evidence.append(Evidence(what=what, path=executable.path, layer=build.layer))
        return OfficialPython(
            version=version,
            variant=_variant(build, rootfs, layers, slim=slim),
            layers=layers,
            told=True,
            held=held,
            evidence=tuple(evidence),
        )
    if executable is None or any(step.word for step in steps):
        return None  # a history that does not have the official steps is an answer too
    names = image.config.environment().keys()
    if not names & {"PYTHON_SHA256", "GPG_KEY"}:
        return None
    link = rootfs.get("usr/local/bin/python")
    top = max(executable.content.layer, link.layer if link is not None else 0) + 1
    layers = top if top < len(image.layers) else 0
    what = f"PYTHON_VERSION={version} and its checksum in the environment, and no history"
    return OfficialPython(
        version=version,
        variant=_variant(None, rootfs, top, slim=slim),
        layers=layers,
        told=False,
        held=True,
        evidence=(Evidence(what=what, path=executable.path, layer=executable.content.layer),),
    )


def _built(steps: Sequence[Step]) -> tuple[int, Step] | None:
    """Return how many layers end with the official build, and the step that compiled."""
    number = next((n for n, step in enumerate(steps) if _compiles(step)), None)
    if number is None:
        return None
    end = number
    for last in range(number + 1, len(steps)):
        after = steps[last]
        if after.word == "CMD" and after.text in _END:
            end = last
            break
        if not _belongs(after):
            break
        end = last
    layers = sum(step.layer is not None for step in steps[: end + 1])
    return layers, steps[number]


def _compiles(step: Step) -> bool:
    marks = (_BUILD, _WINDOWS_BUILD)
    return step.word == "RUN" and any(mark.search(step.text) for mark in marks)


def _belongs(step: Step) -> bool:
    if step.word == "ENV":
        return step.text.startswith("PYTHON")
    return step.word == "RUN" and any(mark in step.text for mark in (*_LINKS, *_PIP))


def _variant(build: Step | None, rootfs: RootFS, layers: int, *, slim: bool) -> str:
    if "Files/Windows" in rootfs or (build is not None and _WINDOWS_BUILD.search(build.text)):
        return "windowsservercore"
    if _has(rootfs, layers, "etc/alpine-release"):
        return "alpine"
    if slim:
        return "slim"
    if _has(rootfs, layers, "usr/bin/gcc") and _has(rootfs, layers, "usr/bin/git"):
        return "full"
    if build is not None:
        # The image's layers above may have removed what the contents are judged by.
        if "apt-mark showmanual" in build.text:
            return "slim"
        return "alpine" if ".build-deps" in build.text else "full"
    return ""


def _has(rootfs: RootFS, layers: int, path: str) -> bool:
    node = rootfs.get(path)
    return node is not None and node.layer < layers
