"""What all tests share."""

import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import pytest

# Where bytecode is not kept, as in many containers, each of the programs that tests start would
# compile the whole package again (0.6 s of CPU instead of 0.2), and every run all modules of tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_IRIS = "rfc3987_syntax"


@cache
def _iris() -> ModuleType:
    """The real module, which works out a grammar of 200 rules: 2 s of CPU."""
    del sys.modules[_IRIS]
    return importlib.import_module(_IRIS)


if importlib.util.find_spec(_IRIS) is not None:
    # jsonschema loads it for the formats of IRIs, which few documents here have.
    sys.modules[_IRIS] = ModuleType(_IRIS)
    vars(sys.modules[_IRIS])["is_valid_syntax"] = lambda *each: _iris().is_valid_syntax(*each)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: no garbage in it to look for, then or later.

    Tests leave little garbage, and looking for it as often as usual is 3 % of their time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect the last garbage, so that what it warns of is told; then pytest looks for more, five
    times, and what is alive is not to be walked through each time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what forks this process first, before any test leaves a thread in it."""
    items.sort(key=lambda item: item.get_closest_marker("forks") is None)
