"""Parsers under mutated inputs, briefly, and under all that one of them once did not stand."""

from pathlib import Path

import pytest

from pyimginspect.dockerfile.document import parse
from tests.effort import much
from tests.fuzzing import LEAST, TARGETS, Failed, attempt, fuzz

CORPUS = Path(__file__).resolve().parents[1] / "fuzz"
SECONDS = much(2.0, share=40)


@pytest.mark.sampled
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs(name: str) -> None:
    corpus = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    try:
        assert sum(1 for _ in fuzz(TARGETS[name], SECONDS, 0, corpus)) > LEAST
    except Failed as exc:
        pytest.fail(f"{exc}: {exc.data!r}")


def test_every_kept_input_has_its_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= TARGETS.keys()


def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the rest of this file would hold nothing."""
    broken = TARGETS["tar"]._replace(run=lambda data: 1 // (len(data) % 97 != 5))
    with pytest.raises(Failed, match="ZeroDivisionError"):
        for _ in fuzz(broken, 20, 1, []):
            pass
    monkeypatch.setattr("tests.fuzzing.SLOW", 0.1)
    slow = TARGETS["tar"]._replace(run=lambda _: sum(range(10**9 // 80)))
    with pytest.raises(Failed, match="of CPU"):
        attempt(slow, b"")


def test_json_of_a_dockerfile_that_is_no_utf8() -> None:
    (_, command) = parse('FROM x\nCMD ["a\udcff"]\n').instructions
    assert command.words == ("a\ufffd",)
