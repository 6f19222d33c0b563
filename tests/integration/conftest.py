"""Fixtures of the integration suite: the corpus of real images, and a Docker Engine.

Whoever runs the suite without them sees the tests skipped, with the reason; on CI, where
``.ci/run`` has built them, a missing part is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.corpus.build import load_image
from tests.corpus.layout import Corpus
from tests.corpus.recipes import RECIPES
from tests.integration.engine import Engine, why_unavailable

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an integration test."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.integration)


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it on CI, because a part that it needs is not there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True)
class BuiltCorpus:
    """The corpus as tests see it: asking for an image that was not built ends the test."""

    layout: Corpus

    def require(self, name: str) -> None:
        """Skip the test (fail it on CI) unless image `name` is there in every form.

        An image made from a fixture is skipped on CI too where the fixture is absent.
        """
        if self.layout.stamp(name) is None:
            fixture = RECIPES[name].fixture
            if fixture is not None and not fixture.exists():
                pytest.skip(f"{name} is built from {fixture}, which is not there")
            missing(f"the corpus has no image {name}: scripts/build_corpus {name} builds it")

    def archive(self, name: str) -> Path:
        """What ``docker save`` wrote of image `name`."""
        self.require(name)
        return self.layout.archive(name)

    def oci(self, name: str, compression: str) -> Path:
        """The OCI layout directory of image `name`; `compression` is ``gzip`` or ``zstd``."""
        self.require(name)
        return self.layout.oci(name, compression)

    def export(self, name: str) -> Path:
        """What ``docker export`` wrote of a container of image `name`."""
        self.require(name)
        return self.layout.export(name)

    def load_into(self, engine: Engine, name: str) -> str:
        """The tag of image `name` in `engine`, which has the image from now on."""
        self.require(name)
        return load_image(self.layout, engine, name)


@pytest.fixture(scope="session")
def corpus() -> BuiltCorpus:
    return BuiltCorpus(Corpus.default())


@pytest.fixture(scope="session")
def engine(corpus: BuiltCorpus) -> Iterator[Engine]:
    """The engine that built the corpus, running. Images without a name go with the last test."""
    reason = why_unavailable()
    if reason is not None:
        missing(reason)
    with Engine(corpus.layout.engine) as running:
        yield running
        running.docker("image", "prune", "--force")
