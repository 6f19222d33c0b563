"""Builds an image, plans, builds again as the plan says, and compares the sizes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyimginspect.api import open_image
from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import Plan, make_plan, reconstruct
from tests.corpus.build import load_image, write_context
from tests.corpus.layout import Corpus
from tests.corpus.recipes import RECIPES
from tests.integration.engine import Engine
from tests.savings.cases import ALPINE, SLIM, Case

__all__ = ["Outcome", "bases", "rebuild"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Sizes in bytes of file content in all layers: before, and really after.

    ``after`` is the plan for the image that carrying out ``plan`` made.
    """

    case: Case
    before: int
    plan: Plan
    dockerfile: str
    real: int
    after: Plan

    @property
    def predicted(self) -> int:
        return self.plan.after

    @property
    def difference(self) -> float:
        """How far the prediction is off, as a part of the real size."""
        return (self.predicted - self.real) / self.real

    @property
    def miss(self) -> float:
        """How far the predicted saving is off, as a part of the real saving; 0 if none is real."""
        real = self.before - self.real
        return (self.plan.saving - real) / real if abs(real) > 100_000 else 0.0


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
    """Build ``case``, plan, build what the plan says, look at both, and try the second.

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
        if case.edit is not None:
            dockerfile = case.edit(case.dockerfile, plan)
        else:
            dockerfile = reconstruct(before, plan)
        if case.complete is not None:
            dockerfile = case.complete(dockerfile)
        after = _built(engine, context, dockerfile, case.works)
        return Outcome(
            case=case,
            before=before.ledger.stored,
            plan=plan,
            dockerfile=dockerfile,
            real=after.ledger.stored,
            after=make_plan(after),
        )


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
