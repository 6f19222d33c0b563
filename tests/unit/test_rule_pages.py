"""docs/rules/ and the catalogue say the same."""

from pathlib import Path

import pytest

from pyimginspect import analyzers
from pyimginspect.analyzers import BUILTIN
from pyimginspect.rules import Rule
from tests.rule_pages import PLACE, pages

RULES = {analyzer.rule.id: analyzer.rule for analyzer in BUILTIN}


def test_the_pages_are_those_of_the_catalogue() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.md")}
    assert there == pages(), "run scripts/make_rule_pages"


def test_rules_have_names_of_their_own() -> None:
    assert len(RULES) == len(BUILTIN)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_explains_itself(name: str) -> None:
    rule: Rule = RULES[name]
    assert rule.id == rule.id.lower().replace("_", "-")
    for words in (rule.title, rule.what, rule.why, rule.fix, rule.example):
        assert words.strip()
    assert "\t" not in rule.what + rule.why + rule.fix + rule.example


def test_every_analyzer_is_in_the_tuple() -> None:
    place = Path(analyzers.__file__).parent
    modules = {path.stem for path in place.glob("[!_]*.py")} - {"rule"}
    assert {analyzer.run.__module__.rpartition(".")[2] for analyzer in BUILTIN} == modules
