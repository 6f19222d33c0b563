"""The images that cases build on, in the engine under the names that people write."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tests.cases.format import CaseError
from tests.corpus.build import load_image, made
from tests.corpus.command import run
from tests.corpus.layout import Corpus
from tests.corpus.recipes import DEBIAN, RECIPES, TRIXIE
from tests.integration.engine import Engine

__all__ = ["UnavailableError", "provide"]

UV_VERSION: Final = "0.13.9"

# Patterns of image names, and the images of the corpus that look like them. A plan names the
# base with the full version.
_OF_THE_CORPUS: Final = {
    r"python:3\.11(\.2)?-slim(-bookworm)?": "slim",
    r"python:3\.11(\.2)?(-bookworm)?": "full",
    r"python:3\.11(\.2)?-alpine(3\.20)?": "alpine",
    r"python:3\.13(\.5)?-slim(-trixie)?": "slim13",
}
# Likewise, and where among the corpus's inputs they are; the engine has them as `corpus/…`.
_DEBIAN: Final = {
    "debian:bookworm-slim": (DEBIAN, "debian-slim.tar"),
    "debian:bookworm": (DEBIAN, "debian.tar"),
    "debian:trixie-slim": (TRIXIE, "debian-slim.tar"),
    "debian:trixie": (TRIXIE, "debian.tar"),
}
_ALPINE: Final = "alpine:3.20"
_UV: Final = "ghcr.io/astral-sh/uv:latest"


class UnavailableError(Exception):
    """A base that this machine cannot make: the case is left out."""


def provide(engine: Engine, corpus: Corpus, name: str) -> None:
    """Have the image ``name`` in ``engine``.

    Raises :class:`~tests.cases.format.CaseError` for a name that nobody knows, and
    :class:`UnavailableError`.
    """
    made_of = next(
        (image for like, image in _OF_THE_CORPUS.items() if re.fullmatch(like, name)), ""
    )
    if made_of:
        if corpus.stamp(made_of) is None:
            raise UnavailableError(f"{name} is not built: scripts/build_corpus {made_of}")
        _tag(engine, load_image(corpus, engine, made_of), name)
    elif name in _DEBIAN:
        wanted, archive = _DEBIAN[name]
        tag = f"corpus/{name}"
        if engine.image_id(tag) is None:
            engine.load(made(corpus, wanted) / archive)
        _tag(engine, tag, name)
    elif name == _ALPINE:
        _provide_alpine(engine)
    elif name == _UV:
        _provide_uv(engine)
    else:
        raise CaseError(f"no base is named {name}; tests/cases/README.md lists them")


def _tag(engine: Engine, tag: str, name: str) -> None:
    if engine.image_id(tag) != engine.image_id(name):
        engine.docker("tag", tag, name)


def _provide_alpine(engine: Engine) -> None:
    fixture = RECIPES["alpine"].fixture
    if engine.image_id(_ALPINE) is not None:
        return
    if fixture is None or not fixture.exists():
        raise UnavailableError(f"{_ALPINE} is made from {fixture}, which is not there")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(fixture, Path(folder, "alpine-minirootfs-3.20.3-x86_64.tar.gz"))
        text = 'FROM scratch\nADD alpine-minirootfs-3.20.3-x86_64.tar.gz /\nCMD ["/bin/sh"]\n'
        Path(folder, "Dockerfile").write_text(text)
        engine.build(Path(folder), _ALPINE)


def _provide_uv(engine: Engine) -> None:
    """An image with ``/uv`` and ``/uvx`` alone, as the published one; from the wheel."""
    if engine.image_id(_UV) is not None:
        return
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run([*download, "--only-binary=:all:", f"--dest={folder}", f"uv=={UV_VERSION}"])
        (wheel,) = Path(folder).glob("uv-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in ("uv", "uvx"):
                inside = f"uv-{UV_VERSION}.data/scripts/{name}"
                Path(folder, name).write_bytes(archive.read(inside))
                Path(folder, name).chmod(0o755)
        wheel.unlink()
        text = 'FROM scratch\nCOPY uv uvx /\nENTRYPOINT ["/uv"]\n'
        Path(folder, "Dockerfile").write_text(text)
        engine.build(Path(folder), _UV)
