"""What all unit tests share."""

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from pyimginspect.model import Evidence
from pyimginspect.rules import Claim, Rule
from tests.effort import examples
from tests.evidence import faults

_HERE = f"{Path(__file__).parent}{os.sep}"
_CACHE = "PYIMGINSPECT_CACHE_DIR"
_parent = tempfile.TemporaryDirectory(prefix="pyimginspect-caches-")
_directories = (f"{_parent.name}{os.sep}{number}" for number in itertools.count())
_of_the_user = os.environ.get(_CACHE)
_make = Rule.finding


def _finding(rule: Rule, *, evidence: Iterable[Evidence], **facts: Any) -> Claim:
    lines = tuple(evidence)
    assert faults(lines) == [], rule.id
    return _make(rule, evidence=lines, **facts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(nextitem: pytest.Item | None) -> Iterator[None]:
    """No test reads or fills the cache of whoever runs it, or of another test; and every finding
    that one makes has evidence that says what was seen.

    As fixtures these would cost each of thousands of tests 0.2 ms.
    """
    before = os.environ.get(_CACHE, "")
    if not before.startswith(_parent.name) or os.path.lexists(before):
        os.environ[_CACHE] = next(_directories)
    setattr(Rule, "finding", _finding)  # noqa: B010
    try:
        return (yield)
    finally:
        setattr(Rule, "finding", _make)  # noqa: B010
        if nextitem is None or not str(nextitem.path).startswith(_HERE):
            _restore()


def _restore() -> None:
    if _of_the_user is None:
        del os.environ[_CACHE]
    else:
        os.environ[_CACHE] = _of_the_user


settings.register_profile("pyimginspect", examples(100))
settings.load_profile("pyimginspect")
