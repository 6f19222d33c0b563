"""docs/rules/ and the catalogue say the same."""

import ast
import re
from pathlib import Path

import pytest

from pyimginspect import analyzers
from pyimginspect.analyzers import BUILTIN
from pyimginspect.policy import OWN_RULES
from pyimginspect.rules import Rule
from tests.rule_pages import PLACE, TABLE, pages, table

RULES = {analyzer.rule.id: analyzer.rule for analyzer in BUILTIN}


def test_the_pages_are_those_of_the_catalogue() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in PLACE.glob("*.md")}
    assert there == pages(), "run scripts/make_rule_pages"


def test_the_table_is_that_of_the_analyzers() -> None:
    assert TABLE.read_bytes() == table(), "run scripts/make_rule_pages"
    assert analyzers.builtin_rules() == tuple(analyzer.rule for analyzer in BUILTIN)


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
    modules = {path.stem for path in place.glob("[!_]*.py")} - {"builtin", "rule"}
    assert {analyzer.run.__module__.rpartition(".")[2] for analyzer in BUILTIN} == modules


# --- every rule that is named is one --------------------------------------------------------------
ROOT = PLACE.parents[1]
KNOWN = {*RULES, *OWN_RULES}
# Where documents name rules: links to their pages, policies, comments and options.
NAMED = re.compile(
    r"""rules/([a-z][a-z-]+)\.md"""
    r"""|\brule\s*=\s*["']([a-z-]+)["']"""
    r"""|pyimginspect: ignore=([a-z,-]+)"""
    r"""|--(?:explain|select|extend-select|ignore)[ =]([a-z][a-z,-]+)"""
)
EXAMPLES = {"acme-labels"}  # of a third party's analyzer


def of_edits(source: str) -> set[str]:
    """The rules that a module's edits cite: `rules=(…)`, and constants that are called so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        values: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg in ("rules", "rule"):
            values = [node.value]
        elif isinstance(node, ast.Assign) and "RULES" in ast.unparse(node.targets[0]):
            values = [*node.value.values] if isinstance(node.value, ast.Dict) else [node.value]
        found.update(
            part.value
            for value in values
            for part in ast.walk(value)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        )
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "pyimginspect" / "plan").glob("*.py")), ids=str)
def test_edits_cite_rules_that_exist(path: Path) -> None:
    assert of_edits(path.read_text(encoding="utf-8")) <= KNOWN


def test_the_check_sees_what_edits_cite() -> None:
    source = "_RULES = {'a': 'b'}\nf(rules=('c',) if x else ('d',), command='e')\n_A_RULES = ('f',)"
    assert of_edits(source) == {"b", "c", "d", "f"}


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted(ROOT.glob("tests/cases/*/case.toml")),
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)  # fmt: skip
def test_documents_name_rules_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = {name for match in NAMED.findall(text) for part in match for name in part.split(",")}
    assert {name for name in named if "-" in name} - EXAMPLES <= KNOWN


def test_every_rule_has_a_file_of_tests() -> None:
    names = {path.stem for path in (Path(__file__).parent / "rules").glob("test_*.py")}
    rules = {f"test_{analyzer.rule.id.replace('-', '_')}" for analyzer in BUILTIN}
    assert names - {"test_clean_images"} == rules
