"""What all unit tests share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No test reads or fills the cache of whoever runs it."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PYIMGINSPECT_CACHE_DIR", str(directory))
    return directory
