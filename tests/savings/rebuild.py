"""Builds an image, plans, builds again as the plan says, and compares the sizes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyimginspect.api import open_image
from pyimginspect.dockerfile import parse
from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import Patch, make_plan
from tests.corpus.build import load_image, write_context
from tests.corpus.layout import Corpus
from tests.corpus.recipes import RECIPES
from tests.integration.engine import Engine
from tests.savings.cases import ALPINE, SLIM, Case

__all__ = ["Outcome", "bases", "rebuild"]

_MOUNT = "--mount=type=bind,source=pip,target=/dev/shm/pip"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Sizes in bytes of file content in all layers: before, and really after.

    ``patch`` has the edits that were carried out and the Dockerfile with them, ``saving`` is what
    they were to save, and ``again`` is the difference that the plan of the new image makes.
    """

    case: Case
    before: int
    patch: Patch
    saving: int
    real: int
    again: str

    @property
    def predicted(self) -> int:
        return self.before - self.saving

    @property
    def difference(self) -> float:
        """How far the prediction is off, as a part of the real size."""
        return (self.predicted - self.real) / self.real

    @property
    def miss(self) -> float:
        """How far the predicted saving is off, as a part of the real saving; 0 if none is real."""
        real = self.before - self.real
        return (self.saving - real) / real if abs(real) > 100_000 else 0.0


@contextmanager
def bases(engine: Engine, corpus: Corpus) -> Iterator[None]:
    """Have the corpus's bases in the engine under the names that plans give them."""
    engine.docker("tag", load_image(corpus, engine, "slim"), SLIM)
    fixture = RECIPES["alpine"].fixture
    with tempfile.TemporaryDirectory() as folder:
        if fixture is not None and fixture.exists():
            name = "alpine-minirootfs-3.20.3-x86_64.tar.gz"
            shutil.copy(fixture, Path(folder, name))
            text = f'FROM scratch\nADD {name} /\nCMD ["/bin/sh"]\n'
            Path(folder, "Dockerfile").write_text(text)
            engine.build(Path(folder), ALPINE)
    try:
        yield
    finally:
        engine.docker("rmi", "--force", SLIM, ALPINE)


def rebuild(engine: Engine, corpus: Corpus, case: Case) -> Outcome:
    """Build ``case``, edit its Dockerfile as the plan says, build again, and try what comes out.

    Raises :class:`~tests.integration.engine.EngineError` for a plan that cannot be carried out,
    and for an image that does not work any more.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder, "context")
        context.mkdir()
        if case.corpus:
            write_context(RECIPES[case.corpus], [], context)
            with open_image(f"docker-archive:{corpus.archive(case.corpus)}") as image:
                before = image.inventory
        else:
            _write(case, context)
            before = _built(engine, context, case.dockerfile)
        plan = make_plan(before)
        patch = plan.patch((context / "Dockerfile").read_text())
        after = _built(engine, context, _with_pip_settings(patch.text), case.works)
        return Outcome(
            case=case,
            before=before.ledger.stored,
            patch=patch,
            saving=plan.saved_by(patch.applied),
            real=after.ledger.stored,
            again=make_plan(after).patch(patch.text).diff,
        )


def _with_pip_settings(dockerfile: str) -> str:
    """Give every ``RUN`` that asks an index for packages the settings that the corpus mounts."""
    if _MOUNT not in dockerfile:
        return dockerfile
    text, position = "", 0
    for each in parse(dockerfile).instructions:
        words = dockerfile[each.keyword_end : each.end]
        if each.keyword == "RUN" and "pip install" in words and _MOUNT not in words:
            text += f"{dockerfile[position : each.keyword_end]} {_MOUNT}"
            position = each.keyword_end
    return text + dockerfile[position:]


def _write(case: Case, context: Path) -> None:
    for name, data in case.files.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)


def _built(engine: Engine, context: Path, dockerfile: str, works: str = "") -> Inventory:
    """Return the inventory of what a Dockerfile makes of a context."""
    (context / "Dockerfile").write_text(dockerfile)
    tag = "pyimginspect-savings:latest"
    engine.build(context, tag)
    archive = context.parent / "image.tar"
    engine.save(tag, archive)
    try:
        with open_image(f"docker-archive:{archive}") as image:
            return image.inventory
    finally:
        archive.unlink()
        if works:
            engine.run(tag, "python3", "-c", works)
        engine.docker("rmi", "--force", tag)
