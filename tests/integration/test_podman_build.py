"""Images that `podman build` makes: their steps are read back as the Dockerfile has them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.inventory.instructions import read_steps
from tests.integration.conftest import BuiltCorpus, missing
from tests.integration.engine import EngineError
from tests.integration.layer_engines import PODMAN, run

DOCKERFILE = """
FROM docker.io/corpus/alpine
ARG WHO=me
ENV A=b
COPY one /app/
COPY --chown=1:1 one two /app/more/
ADD two /two
RUN echo "$WHO" > /who && rm /two
RUN --mount=type=bind,source=one,target=/mounted cat /mounted > /copied
WORKDIR /app
EXPOSE 8080
VOLUME /data
USER 1000
CMD ["cat", "one"]
"""
STEPS = [
    ("ARG", "WHO"),
    ("ENV", "A=b"),
    ("COPY", "file: /app/"),
    ("COPY", "multi: /app/more/"),
    ("ADD", "file: /two"),
    ("RUN", 'echo "$WHO" > /who && rm /two'),
    ("RUN", "cat /mounted > /copied"),
    ("WORKDIR", "/app"),
    ("EXPOSE", "8080"),
    ("VOLUME", "/data"),
    ("USER", "1000"),
    ("CMD", '["cat", "one"]'),
]
OPTIONS = {
    "layers": ["--layers"],
    "timestamp": ["--layers", "--timestamp=1700000000"],
    "annotations": ["--layers", "--timestamp=0", "--annotation=a=b", "--annotation=c.d/e=f g"],
    "no layers": ["--layers=false", "--timestamp=0"],
    "squashed": ["--squash", "--timestamp=0", "--annotation=org.opencontainers.image.title=x"],
}


@pytest.fixture(scope="module")
def podman(corpus: BuiltCorpus) -> Iterator[list[str]]:
    """A podman with a store of its own, which has the corpus's Alpine."""
    if not PODMAN.exists():
        missing(f"{PODMAN} is not installed (scripts/install_system_packages installs it)")
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as store:
        where = ["--root", f"{store}/store", "--runroot", f"{store}/run"]
        command = [str(PODMAN), *where, "--storage-driver=overlay", "--cgroup-manager=cgroupfs"]
        loaded = run(*command, "load", "--quiet", "--input", corpus.archive("alpine"))
        name = loaded.strip().rpartition(" ")[2]
        run(*command, "tag", name, "docker.io/corpus/alpine")
        try:
            yield command
        finally:
            run(*command, "image", "rm", "--all", "--force")
            with suppress(EngineError):
                run("umount", f"{store}/store/overlay")


@pytest.mark.parametrize("how", OPTIONS)
def test_the_steps_of_podman(podman: list[str], how: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    build = ["build", "--quiet", "--isolation=chroot", "--network=host", "--tag=built:1"]
    run(*podman, *build, *OPTIONS[how], tmp_path)
    archive = tmp_path / "built.tar"
    run(*podman, "save", "--quiet", "--output", archive, "localhost/built:1")
    with pyimginspect.open_image(str(archive)) as opened:
        steps = read_steps(opened.image.config.history)[-len(STEPS) :]
    said = [(step.word, _without_hash(step.text)) for step in steps]
    assert said == STEPS
    assert all(step.shell == "sh" for step in steps if step.word == "RUN")
    assert [step.arguments for step in steps if step.word == "RUN"] == ["WHO=me", "WHO=me"]


def _without_hash(text: str) -> str:
    kind, colon, rest = text.partition(":")
    if colon and kind in ("file", "dir", "multi"):
        return f"{kind}: {rest.partition(' ')[2]}"
    return text
