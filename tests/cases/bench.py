"""Builds a case, runs it to see whether it is true, inspects it, and compares."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Literal

from msgspec import Struct

from pyimginspect import OpenedImage, Report
from tests.cases.bases import UnavailableError
from tests.cases.builds import Builder, StillRunsError, trace_of_the_index, why
from tests.cases.comparison import above_note, differences
from tests.cases.format import Case, CaseError, Run
from tests.corpus.layout import Corpus
from tests.integration.engine import Engine, EngineError

__all__ = ["Bench", "Outcome"]

_TAIL: Final = 1500


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a case.

    ``wrong``: the report differs, as ``lines`` say; ``untrue``: an error of the case itself (it
    does not build, or its container does something else); ``left out``: a base is not there.
    """

    case: Case
    verdict: Literal["right", "wrong", "untrue", "left out"]
    lines: tuple[str, ...] = ()
    truth: str = ""

    @property
    def failed(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.verdict in ("wrong", "untrue")


class Bench:
    """Checks cases with a running engine, two at a time; use it as a context manager."""

    def __init__(self, engine: Engine, corpus: Corpus, *, keep: bool = False) -> None:
        self._builder = Builder(engine, corpus)
        self._keep = keep
        self._workers = ThreadPoolExecutor(max_workers=2)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)

    def start(self, case: Case) -> Future[Outcome]:
        """Check ``case`` when its turn comes."""
        return self._workers.submit(self.check, case)

    def check(self, case: Case) -> Outcome:
        """Check ``case`` now; errors of the case are a part of the outcome."""
        try:
            truth, lines = self._check(case)
        except UnavailableError as exc:
            return Outcome(case=case, verdict="left out", lines=(str(exc),))
        except CaseError as exc:
            return Outcome(case=case, verdict="untrue", lines=(str(exc),))
        except EngineError as exc:
            return Outcome(case=case, verdict="untrue", lines=(why(exc),))
        except Exception:  # Whatever the inspection raises is a wrong verdict on this image.
            return Outcome(case=case, verdict="wrong", lines=(traceback.format_exc(),))
        return Outcome(case=case, verdict="wrong" if lines else "right", lines=lines, truth=truth)

    @contextmanager
    def image(self, case: Case) -> Iterator[tuple[str, OpenedImage]]:
        """The tag of a case's image, built for now, and the image opened."""
        with self._built(case, case.dockerfile, "case") as tag, self._builder.opened(tag) as image:
            yield tag, image

    def _check(self, case: Case) -> tuple[str, tuple[str, ...]]:
        expects = case.expects
        with self._built(case, case.dockerfile, "case") as tag:
            truth = self._confirm(tag, expects.run)
            with self._builder.opened(tag) as image:
                report = image.report(plan=True)
                dockerfile = image.dockerfile
        _check_traces(report)
        lines = list(differences(expects, report, dockerfile))
        if expects.rebuild:
            lines += self._rebuild(case, dockerfile)
        if case.fixed is not None:
            lines += self._check_twin(case, case.fixed)
        return truth, tuple(lines)

    def _check_twin(self, case: Case, dockerfile: str) -> Iterator[str]:
        """Build the twin with nothing wrong, see that it works, and yield what the report finds."""
        expects = case.expects
        with self._built(case, dockerfile, "fixed") as tag:
            self._confirm(tag, Run(command=expects.run.command))
            with self._builder.opened(tag) as image:
                found = above_note(image.report(), expects.accept)
        yield from (f"fixed twin {line}" for line in found)

    def _rebuild(self, case: Case, dockerfile: str) -> Iterator[str]:
        """Build what the plan says, and see that it does the same."""
        try:
            with self._built(case, dockerfile, "plan") as tag:
                self._confirm(tag, case.expects.run, or_works=True)
        except EngineError as exc:
            yield f"the plan's Dockerfile does not build: {why(exc)}"
        except CaseError as exc:
            yield f"the plan changes what the image does: {exc}"

    @contextmanager
    def _built(self, case: Case, dockerfile: str, kind: str) -> Iterator[str]:
        """Build a Dockerfile in the case's directory; the image's tag.

        The process's number keeps the images of two that check the same case apart.
        """
        tag = f"cases/{case.name}:{kind}"
        if not self._keep:
            tag += f"-{os.getpid()}"
        with self._builder.built(case.folder, dockerfile, tag, keep=self._keep):
            yield tag

    def _confirm(self, tag: str, run: Run, *, or_works: bool = False) -> str:
        """Run a container; what it did, in words. Raises :class:`CaseError` if not as expected."""
        try:
            result = self._builder.run(tag, *run.command)
        except StillRunsError as exc:
            raise CaseError(str(exc)) from None
        said = result.output[-_TAIL:].strip()
        if or_works and result.status == 0:
            return "0"
        if result.status != run.status:
            raise CaseError(f"exit status {result.status}, not {run.status}: {said}")
        if not re.search(run.output, result.output):
            raise CaseError(f"the output has no {run.output!r}: {said}")
        return f"{result.status}: {_telling(result.output, run.output)}"


def _telling(output: str, pattern: str) -> str:
    """The line of ``output`` that has the pattern, else the last one."""
    lines = output.strip().splitlines()
    found = (line for line in lines if pattern and re.search(pattern, line))
    return next(found, lines[-1] if lines else "")


def _check_traces(report: Report) -> None:
    """Raise :class:`CaseError` where the way to the index became a part of the image."""
    trace = trace_of_the_index(report)
    if trace is not None:
        raise CaseError(f"the way to the package index left a trace in the image: {trace}")
