"""Cases from public bug reports: the report says what the container does, and nothing false."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.cases.bench import Bench, Outcome
from tests.cases.format import Case, find_cases
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

CASES = find_cases()


@pytest.fixture(scope="session")
def outcomes(
    engine: Engine, corpus: BuiltCorpus, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Outcome]]]:
    """The cases that this session asks for, being checked; whoever needs one waits for it."""
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    params = [call.params.get("case") for call in calls if call is not None]
    corpus.require("slim")
    with Bench(engine, corpus.layout) as bench:
        yield {case.name: bench.start(case) for case in params if isinstance(case, Case)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(outcomes: dict[str, Future[Outcome]], case: Case) -> None:
    outcome = outcomes[case.name].result()
    if outcome.verdict == "left out":
        pytest.skip(outcome.lines[0])
    assert outcome.verdict == "right", "\n".join(outcome.lines)
