"""Builds plain Dockerfiles with a running engine, and runs containers of the result."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from pyimginspect import OpenedImage, Report, open_image
from tests.cases.bases import provide
from tests.cases.dockerfile import INDEX, MOUNTED, bases, buildable, with_index
from tests.cases.wheels import collect
from tests.corpus.build import write_pip_settings
from tests.corpus.layout import Corpus
from tests.integration.engine import CLIENT, Engine, EngineError

__all__ = ["Builder", "Ended", "StillRunsError", "trace_of_the_index", "why"]

# What a container that has not ended by then is: a server, which nobody waits for.
_SECONDS: Final = 120
_TAIL: Final = 1500


class StillRunsError(Exception):
    """A container that did not end by itself."""


class Ended(Struct, frozen=True, kw_only=True):
    """What a container did: its exit status, and what it said on both streams, as one."""

    status: int
    output: str


class Builder:
    """Builds and runs with ``engine``, on bases made from ``corpus``."""

    def __init__(self, engine: Engine, corpus: Corpus) -> None:
        self.engine = engine
        self._corpus = corpus

    @contextmanager
    def built(
        self, folder: Path, dockerfile: str, tag: str, *, keep: bool = False, pins: str = ""
    ) -> Iterator[str]:
        """Build ``dockerfile`` with the files of ``folder``; ``tag``, which is removed afterwards.

        What ``pins`` pins is in its index too.

        Raises :class:`~tests.integration.engine.EngineError`,
        :class:`~tests.cases.format.CaseError` and :class:`~tests.cases.bases.UnavailableError`.
        """
        for base in bases(dockerfile):
            provide(self.engine, self._corpus, base)
        with tempfile.TemporaryDirectory(prefix="pyimginspect-build-") as scratch:
            context = Path(scratch, "context")
            shutil.copytree(folder, context, symlinks=True)
            plain, files = buildable(dockerfile)
            for name, content in files.items():
                (context / name).write_text(content)
            text = with_index(plain)
            (context / "Dockerfile").write_text(text)
            if text != plain:
                self._write_index(context, f"{dockerfile}\n{pins}")
            self.engine.build(context, tag)
        try:
            yield tag
        finally:
            if not keep:
                self.engine.docker("rmi", "--force", tag)

    def run(self, tag: str, *command: str, entrypoint: str = "", user: str = "") -> Ended:
        """Run a container without a network, until it ends. Raises :class:`StillRunsError`."""
        name = f"{tag.replace('/', '-').replace(':', '-')}-{os.getpid()}"
        options = ["--rm", "--network", "none", "--name", name]
        options += ["--entrypoint", entrypoint] if entrypoint else []
        options += ["--user", user] if user else []
        try:
            result = subprocess.run(
                [str(CLIENT), "run", *options, tag, *command],
                env=self.engine.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.engine.docker("rm", "--force", name)
            raise StillRunsError(f"the container still runs after {_SECONDS} s") from None
        return Ended(status=result.returncode, output=result.stdout)

    @contextmanager
    def archive(self, tag: str) -> Iterator[Path]:
        """What ``docker save`` writes of ``tag``, as long as it is needed."""
        with tempfile.TemporaryDirectory(prefix="pyimginspect-build-") as folder:
            archive = Path(folder, "image.tar")
            self.engine.save(tag, archive)
            yield archive

    @contextmanager
    def opened(self, tag: str) -> Iterator[OpenedImage]:
        """The image, opened."""
        with self.archive(tag) as archive, open_image(f"docker-archive:{archive}") as image:
            yield image

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


def why(error: EngineError) -> str:
    """What a failed build says of its failed step; the end of it all where no step failed."""
    text = str(error)
    step = text.rpartition("\n------\n > ")[2] if "\n------\n > " in text else text
    return step[-_TAIL:]


def trace_of_the_index(report: Report) -> str | None:
    """What of the way to the index became a part of the image; it must be nothing."""
    text = report.to_json()
    traces = (f"{MOUNTED}/wheels", f'"{MOUNTED[1:]}')
    return next((trace for trace in traces if trace in text), None)
