"""Which image is built from what, and the inputs that are made once and kept."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

from tests.corpus import apt, cpython, debian, musl

FOLDER: Final = Path(__file__).parent / "images"
FIXTURES: Final = Path(
    os.environ.get("PYIMGINSPECT_FIXTURES")
    or Path(__file__).resolve().parents[3] / "shared" / "fixtures"
)
# Raised when everything must be built again though no file that it is built from has changed.
FORMAT: Final = 1


@dataclass(frozen=True)
class Input:
    """Files that images are built from: `make` writes them into a directory, once.

    `make` is given that directory and those of the inputs that it `needs`.
    """

    name: str
    make: Callable[..., None]
    modules: tuple[ModuleType, ...]
    needs: tuple[Input, ...] = ()

    @property
    def key(self) -> str:
        """Changes when the files may: a hash of the code that makes them, comments apart."""
        code = (ast.dump(ast.parse(inspect.getsource(module))) for module in self.modules)
        return _hash(str(FORMAT), *code, *(needed.key for needed in self.needs))


@dataclass(frozen=True)
class Recipe:
    """One image: its Dockerfile is ``images/NAME/Dockerfile``.

    The build context is that folder, with the files of `inputs` in ``inputs/`` and, with `pip`, the
    machine's pip settings in ``pip/``. `fixture`, a root file system from elsewhere, is there as
    ``NAME-…``, the way that Alpine's own build names it. `preload` is an archive among the files of
    `inputs` that the engine must hold, `base` an image of the corpus that it must hold, `python`
    the release of CPython that is compiled in it.
    """

    name: str
    inputs: tuple[Input, ...] = ()
    fixture: Path | None = None
    preload: str | None = None
    base: str | None = None
    pip: bool = False
    python: cpython.Release = cpython.PYTHON_311

    @property
    def folder(self) -> Path:
        """What is committed of the build context."""
        return FOLDER / self.name

    @property
    def key(self) -> str:
        """Changes when the image would, as far as what is committed can tell."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        texts = (f"{path.relative_to(self.folder)}\n{path.read_text()}" for path in files)
        base = (RECIPES[self.base].key,) if self.base else ()
        fixture = (self.fixture.name,) if self.fixture else ()
        return _hash(str(FORMAT), *texts, *(used.key for used in self.inputs), *base, *fixture)


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()[:16]


DEBIAN: Final = Input("debian", debian.make, (debian,))
SOURCE: Final = Input("cpython-source", cpython.make, (cpython,))
TRIXIE: Final = Input("debian-trixie", partial(debian.make, suite=apt.TRIXIE), (debian,))
SOURCE_313: Final = Input(
    "cpython-source-3.13", partial(cpython.make, release=cpython.PYTHON_313), (cpython,)
)
MUSL: Final = Input("cpython-musl", musl.make, (musl,), needs=(SOURCE,))

RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe("slim", inputs=(DEBIAN, SOURCE), preload="debian-slim.tar"),
        Recipe(
            "slim13",
            inputs=(TRIXIE, SOURCE_313),
            preload="debian-slim.tar",
            python=cpython.PYTHON_313,
        ),
        Recipe("bad", base="slim", pip=True),
        Recipe("good", base="slim", pip=True),
        Recipe("full", inputs=(DEBIAN, SOURCE), preload="debian.tar"),
        Recipe(
            "alpine",
            inputs=(MUSL,),
            fixture=FIXTURES / "alpine" / "minirootfs-3.20.3-x86_64.tar.gz",
        ),
    )
}
IMAGES: Final = tuple(RECIPES)
