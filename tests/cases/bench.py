"""Builds a case, runs it to see whether it is true, inspects it, and compares."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from pyimginspect import OpenedImage, Report, open_image
from tests.cases.bases import UnavailableError, provide
from tests.cases.comparison import above_note, differences
from tests.cases.dockerfile import INDEX, MOUNTED, bases, with_index
from tests.cases.format import Case, CaseError, Run
from tests.cases.wheels import collect
from tests.corpus.build import write_pip_settings
from tests.corpus.layout import Corpus
from tests.integration.engine import CLIENT, Engine, EngineError

__all__ = ["Bench", "Outcome"]

# What a container that has not ended by then is: a server, which a case must not start.
_SECONDS: Final = 120
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
        self._engine = engine
        self._corpus = corpus
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
            return Outcome(case=case, verdict="untrue", lines=(_why(exc),))
        except Exception:  # Whatever the inspection raises is a wrong verdict on this image.
            return Outcome(case=case, verdict="wrong", lines=(traceback.format_exc(),))
        return Outcome(case=case, verdict="wrong" if lines else "right", lines=lines, truth=truth)

    @contextmanager
    def image(self, case: Case) -> Iterator[tuple[str, OpenedImage]]:
        """The tag of a case's image, built for now, and the image opened."""
        with self._built(case, case.dockerfile, "case") as tag, self._opened(tag) as image:
            yield tag, image

    def _check(self, case: Case) -> tuple[str, tuple[str, ...]]:
        expects = case.expects
        with self._built(case, case.dockerfile, "case") as tag:
            truth = self._confirm(tag, expects.run)
            with self._opened(tag) as image:
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
            with self._opened(tag) as image:
                found = above_note(image.report(), expects.accept)
        yield from (f"fixed twin {line}" for line in found)

    def _rebuild(self, case: Case, dockerfile: str) -> Iterator[str]:
        """Build what the plan says, and see that it does the same."""
        try:
            with self._built(case, dockerfile, "plan") as tag:
                self._confirm(tag, case.expects.run, or_works=True)
        except EngineError as exc:
            yield f"the plan's Dockerfile does not build: {_why(exc)}"
        except CaseError as exc:
            yield f"the plan changes what the image does: {exc}"

    @contextmanager
    def _built(self, case: Case, dockerfile: str, kind: str) -> Iterator[str]:
        """Build a Dockerfile in the case's directory; the image's tag.

        The process's number keeps the images of two that check the same case apart.
        """
        for base in bases(dockerfile):
            provide(self._engine, self._corpus, base)
        tag = (
            f"cases/{case.name}:{kind}" if self._keep else f"cases/{case.name}:{kind}-{os.getpid()}"
        )
        with tempfile.TemporaryDirectory(prefix="pyimginspect-case-") as folder:
            context = Path(folder, "context")
            shutil.copytree(case.folder, context, symlinks=True)
            text = with_index(dockerfile)
            (context / "Dockerfile").write_text(text)
            if text != dockerfile:
                self._write_index(context, dockerfile)
            self._engine.build(context, tag)
        try:
            yield tag
        finally:
            if not self._keep:
                self._engine.docker("rmi", "--force", tag)

    def _write_index(self, context: Path, dockerfile: str) -> None:
        """How the build reaches an index, and the wheels that need none, beside the Dockerfile."""
        folder = context / INDEX
        settings = write_pip_settings(folder, MOUNTED)
        collect(self._corpus.root / "wheels", dockerfile, context, folder / "wheels")
        uv = ""
        if any((folder / "wheels").iterdir()):
            uv += f'find-links = ["{MOUNTED}/wheels"]\n'
            with (folder / "pip.conf").open("a") as stream:
                stream.write(f"find-links = {MOUNTED}/wheels\n")
        if "index-url" in settings:
            uv += f'index-url = "{settings["index-url"]}"\n'
        (folder / "uv.toml").write_text(uv)

    def _confirm(self, tag: str, run: Run, *, or_works: bool = False) -> str:
        """Run a container; what it did, in words. Raises :class:`CaseError` if not as expected."""
        name = f"{tag.replace('/', '-').replace(':', '-')}-{os.getpid()}"
        command = [str(CLIENT), "run", "--rm", "--network", "none", "--name", name, tag]
        try:
            result = subprocess.run(
                [*command, *run.command],
                env=self._engine.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._engine.docker("rm", "--force", name)
            raise CaseError(f"the container still runs after {_SECONDS} s") from None
        said = result.stdout[-_TAIL:].strip()
        if or_works and result.returncode == 0:
            return "0"
        if result.returncode != run.status:
            raise CaseError(f"exit status {result.returncode}, not {run.status}: {said}")
        if not re.search(run.output, result.stdout):
            raise CaseError(f"the output has no {run.output!r}: {said}")
        return f"{result.returncode}: {_telling(result.stdout, run.output)}"

    @contextmanager
    def _opened(self, tag: str) -> Iterator[OpenedImage]:
        with tempfile.TemporaryDirectory(prefix="pyimginspect-case-") as folder:
            archive = Path(folder, "image.tar")
            self._engine.save(tag, archive)
            with open_image(f"docker-archive:{archive}") as image:
                yield image


def _why(error: EngineError) -> str:
    """What a failed build says of its failed step; the end of it all where no step failed."""
    text = str(error)
    step = text.rpartition("\n------\n > ")[2] if "\n------\n > " in text else text
    return step[-_TAIL:]


def _telling(output: str, pattern: str) -> str:
    """The line of ``output`` that has the pattern, else the last one."""
    lines = output.strip().splitlines()
    found = (line for line in lines if pattern and re.search(pattern, line))
    return next(found, lines[-1] if lines else "")


def _check_traces(report: Report) -> None:
    """Raise :class:`CaseError` where the way to the index became a part of the image."""
    text = report.to_json()
    for trace in (f"{MOUNTED}/wheels", f'"{MOUNTED[1:]}'):
        if trace in text:
            raise CaseError(f"the way to the package index left a trace in the image: {trace}")
