"""What all unit tests share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from pyimginspect.model import Evidence
from pyimginspect.rules import Claim, Rule
from tests.evidence import faults


@pytest.fixture(autouse=True)
def cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """No test reads or fills the cache of whoever runs it."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PYIMGINSPECT_CACHE_DIR", str(directory))
    return directory


@pytest.fixture(autouse=True)
def evidence_in_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finding that any unit test makes has evidence that says what was seen."""
    make = Rule.finding

    def finding(rule: Rule, *, evidence: Iterable[Evidence], **facts: Any) -> Claim:
        lines = tuple(evidence)
        assert faults(lines) == [], rule.id
        return make(rule, evidence=lines, **facts)

    monkeypatch.setattr(Rule, "finding", finding)


# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("pyimginspect", deadline=None)
settings.load_profile("pyimginspect")
