"""Proves plans: builds, edits the Dockerfile, builds again, and compares the two images."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from pyimginspect import OpenedImage, Report, open_image
from pyimginspect.plan.from_history import from_history
from pyimginspect.plan.plan import Plan
from pyimginspect.plan.records import Level, Patch
from tests.cases.builds import Builder, Ended, StillRunsError, why
from tests.cases.format import CaseError
from tests.corpus.layout import Corpus
from tests.dockerfiles.completing import completed
from tests.dockerfiles.format import Proof
from tests.integration.engine import Engine, EngineError

__all__ = ["LEVELS", "TOLERANCE", "Mode", "Outcome", "Prover"]

Mode = Literal["safe", "review", "history"]
LEVELS: Final[tuple[Mode, ...]] = ("safe", "review")

TOLERANCE: Final = 0.02
"""How far a prediction may be off, as a part of the real size."""

_IMPORTS: Final = (Path(__file__).parent / "imports.py").read_text()
_NOTABLE: Final = ("error", "warning")


class State(Struct, frozen=True, kw_only=True):
    """An image: what its containers do and can import, and what is said of it.

    ``history`` is the Dockerfile that is made of its history, without any edit. ``size`` is in
    bytes of file content in all layers.
    """

    ended: Ended
    modules: frozenset[str]
    report: Report
    plan: Plan
    history: str
    size: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one Dockerfile with the edits of one level.

    ``failures`` say what is not as it must be. Sizes are in bytes of file content in all layers.
    ``mended``, ``new`` and ``left`` are findings: gone, not there before, and there still though
    an edit that names their rule was applied.
    """

    name: str
    mode: Mode
    edits: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    before: int = 0
    predicted: int = 0
    real: int = 0
    builds: bool = False
    starts: bool = False
    imports: bool = False
    repeated: bool = False
    mended: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    dockerfile: str = ""
    failures: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """How far the prediction is off, as a part of the real size."""
        return (self.predicted - self.real) / self.real if self.real else 0.0


class Prover:
    """Proves with a running engine; ``keep`` leaves the images: ``proof/NAME:MODE``."""

    def __init__(self, engine: Engine, corpus: Corpus, *, keep: bool = False) -> None:
        self._builder = Builder(engine, corpus)
        self._keep = keep

    def prove(self, proof: Proof, modes: tuple[Mode, ...] = LEVELS) -> Iterator[Outcome]:
        """Yield what becomes of a Dockerfile, an outcome a mode."""
        try:
            with ExitStack() as stack:
                tag = stack.enter_context(self._built(proof, proof.dockerfile, "before"))
                archive = stack.enter_context(self._builder.archive(tag))
                image = stack.enter_context(open_image(f"docker-archive:{archive}"))
                before = self._state(proof, tag, image)
                untrue = _untrue(proof, before.ended)
                # Two levels may make the same of a Dockerfile, or leave it as it is.
                states = {proof.dockerfile: before}
                for mode in modes:
                    if untrue:
                        yield Outcome(name=proof.name, mode=mode, failures=(untrue,))
                    else:
                        yield self._prove(proof, mode, archive, states)
        except EngineError as exc:
            failure = f"the Dockerfile itself does not build: {why(exc)}"
            yield from (Outcome(name=proof.name, mode=mode, failures=(failure,)) for mode in modes)

    def _prove(self, proof: Proof, mode: Mode, archive: Path, states: dict[str, State]) -> Outcome:
        before = states[proof.dockerfile]
        plan = before.plan
        level: Level = "safe" if mode == "safe" else "review"
        text = proof.dockerfile
        if mode == "history":
            text = completed(before.history, proof.dockerfile)
        patch = plan.patch(text, level=level)
        outcome = Outcome(
            name=proof.name,
            mode=mode,
            edits=tuple(edit.words for edit in patch.applied),
            skipped=tuple(f"{each.edit.words}: {each.reason}" for each in patch.skipped),
            before=before.size,
            predicted=before.size - plan.saved_by(patch.applied),
            dockerfile=patch.text,
        )
        failures = (
            [] if mode == "history" else [*_written(archive, proof.dockerfile, patch.text, level)]
        )
        try:
            after = states.get(patch.text) or self._rebuilt(proof, patch.text, mode)
        except EngineError as exc:
            return replace(outcome, failures=(*failures, f"does not build: {why(exc)}"))
        except CaseError as exc:  # another base, which nothing here looks like
            return replace(outcome, failures=(*failures, str(exc)))
        states[patch.text] = after
        return _compared(proof, outcome, patch, level, before, after, failures)

    def _rebuilt(self, proof: Proof, dockerfile: str, mode: Mode) -> State:
        with (
            self._built(proof, dockerfile, mode) as tag,
            self._builder.opened(tag) as image,
        ):
            return self._state(proof, tag, image)

    def _state(self, proof: Proof, tag: str, image: OpenedImage) -> State:
        try:
            ended = self._builder.run(tag, *proof.details.smoke.command)
        except StillRunsError as exc:
            ended = Ended(status=-1, output=str(exc))
        found = self._builder.run(tag, "-c", _IMPORTS, entrypoint=proof.details.python)
        return State(
            ended=ended,
            modules=frozenset(found.output.split()),
            report=image.report(plan=True),
            plan=image.plan,
            history=from_history(image.inventory),
            size=image.ledger.stored,
        )

    @contextmanager
    def _built(self, proof: Proof, dockerfile: str, kind: str) -> Iterator[str]:
        tag = f"proof/{proof.name}:{kind}"
        if not self._keep:
            tag += f"-{os.getpid()}"
        # A COPY of the context copies the index beside the Dockerfile too: all have the same one.
        with self._builder.built(
            proof.folder, dockerfile, tag, keep=self._keep, pins=proof.dockerfile
        ):
            yield tag


def _untrue(proof: Proof, ended: Ended) -> str:
    """What the containers of the image do in place of what ``proof.toml`` says."""
    if ended.status == 0 and ended.output.strip() == proof.details.smoke.prints.strip():
        return ""
    return f"untrue: exit status {ended.status}, and it prints {ended.output.strip()[-300:]!r}"


def _written(archive: Path, before: str, after: str, level: Level) -> Iterator[str]:
    """Have the command fix the Dockerfile; yield what it does that the library does not."""
    fix = "--fix" if level == "safe" else "--fix=review"
    with tempfile.TemporaryDirectory(prefix="pyimginspect-proof-") as folder:
        path = Path(folder, "Dockerfile")
        path.write_bytes(before.encode())
        command = [sys.executable, "-m", "pyimginspect", f"docker-archive:{archive}"]
        result = subprocess.run(
            [*command, "--dockerfile", str(path), fix],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if result.returncode not in (0, 1):
            yield f"{fix} ended with status {result.returncode}: {result.stderr.strip()[-300:]}"
        elif path.read_bytes().decode() != after:
            yield f"{fix} wrote another Dockerfile than Plan.patch"


def _findings(
    before: Report, after: Report, patch: Patch
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The findings that are new, those left though an edit names their rule, those mended."""
    old, now = _notable(before), _notable(after)
    applied = {rule for edit in patch.applied for rule in edit.rules}
    others = {rule for each in patch.skipped for rule in each.edit.rules}
    left = {name for name in now if name in old and name[0] in applied - others}
    # Two layers that become one have one finding, whose subject has the words of both.
    words = {word for _, subject in old for word in subject.split()}
    rules = {rule for rule, _ in old}
    new = {
        (rule, subject)
        for rule, subject in now - old
        if rule not in rules or not words.issuperset(subject.split())
    }
    return _names(new), _names(left), _names(old - now)


def _notable(report: Report) -> set[tuple[str, str]]:
    return {
        (finding.rule, finding.subject)
        for finding in report.findings
        if finding.severity in _NOTABLE
    }


def _names(findings: set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{rule}: {subject}" for rule, subject in sorted(findings))


def _compared(
    proof: Proof,
    outcome: Outcome,
    patch: Patch,
    level: Level,
    before: State,
    after: State,
    failures: list[str],
) -> Outcome:
    """Compare the image of the edited Dockerfile with the one before."""
    gone = {module for edit in patch.applied for module in edit.modules}
    lost = before.modules - after.modules - gone - set(proof.details.gone)
    new, left, mended = _findings(before.report, after.report, patch)
    again = after.plan.patch(patch.text, level=level).diff
    outcome = replace(
        outcome,
        real=after.size,
        builds=True,
        starts=after.ended == before.ended,
        imports=not lost,
        repeated=not again,
        mended=mended,
        new=new,
        left=left,
    )
    failures += _failures(outcome, after, lost, again)
    return replace(outcome, failures=tuple(failures))


def _failures(outcome: Outcome, after: State, lost: frozenset[str], again: str) -> Iterator[str]:
    if not outcome.starts:
        yield f"starts no more: {after.ended.status}, {after.ended.output.strip()[-300:]!r}"
    if lost or not after.modules:
        yield f"imports no more: {', '.join(sorted(lost)) or 'anything'}"
    if abs(outcome.difference) > TOLERANCE:
        yield f"predicted {outcome.predicted:,}, really {outcome.real:,} bytes"
    yield from (f"new finding: {name}" for name in outcome.new)
    yield from (f"finding left: {name}" for name in outcome.left)
    if again:
        yield f"another --diff is not empty:\n{again}"
