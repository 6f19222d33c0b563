"""What all unit tests share."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from pyimginspect.model import Evidence
from pyimginspect.rules import Claim, Rule
from tests.effort import examples
from tests.evidence import faults

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No test reads or fills the cache of whoever runs it, or of another test."""
    directory = tmp_path_factory.getbasetemp() / f"cache-{next(_numbers)}"
    monkeypatch.setenv("PYIMGINSPECT_CACHE_DIR", str(directory))
    return directory


@pytest.fixture(autouse=True, scope="package")
def evidence_in_sentences() -> Iterator[None]:
    """Every finding that any unit test makes has evidence that says what was seen."""
    make = Rule.finding

    def finding(rule: Rule, *, evidence: Iterable[Evidence], **facts: Any) -> Claim:
        lines = tuple(evidence)
        assert faults(lines) == [], rule.id
        return make(rule, evidence=lines, **facts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "finding", finding)
        yield


settings.register_profile("pyimginspect", examples(100))
settings.load_profile("pyimginspect")
