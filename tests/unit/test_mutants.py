"""scripts/mutants changes what it should, one thing at a time, and tells what tests notice."""

import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutations import EQUIVALENT, ROOT, Mutant, equivalent, key, mutants, sample

SCRIPT = ROOT / "scripts" / "mutants"

SOURCE = '''\
def f(a, b):
    """A text: 1 < 2."""
    if a < b and not a:
        total = max(a, 1) + b
        return [total, True]
    b += 1
    print(b)
    return None  # 3 is nothing
'''


def mutants_of(source: str, tmp_path: Path) -> list[Mutant]:
    path = tmp_path / "module.py"
    path.write_text(source)
    return list(mutants(path))


def test_every_kind_of_change(tmp_path: Path) -> None:
    found = [(mutant.line, mutant.change) for mutant in mutants_of(SOURCE, tmp_path)]
    assert sorted(found) == [
        (3, "a < b  ->  a <= b"),
        (3, "a < b and (not a)  ->  a < b or not a"),
        (3, "if a < b and (not a):  ->  if not (a < b and (not a)):"),
        (3, "not a  ->  a"),
        (4, "1  ->  2"),
        (4, "max  ->  min"),
        (4, "max(a, 1) + b  ->  max(a, 1) - b"),
        (5, "True  ->  False"),
        (6, "1  ->  2"),
        (6, "b += 1  ->  (nothing)"),
        (7, "print(b)  ->  (nothing)"),
    ]


def test_each_differs_from_the_source_and_is_valid(tmp_path: Path) -> None:
    sources = [mutant.source() for mutant in mutants_of(SOURCE, tmp_path)]
    assert len(set(sources)) == len(sources)
    for source in sources:
        compile(source, "mutant", "exec")
        assert '"""A text: 1 < 2."""' in source


def test_annotations_and_options_of_classes_are_left_alone(tmp_path: Path) -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    limit = 5
class A(Struct, frozen=True):
    size: int | None = 1
def f(a: int | None, *, b: bool = True) -> str | None: ...
"""
    found = [mutant.change for mutant in mutants_of(source, tmp_path)]
    assert found == ["1  ->  2", "True  ->  False"]


PLACES = """\
LIMIT: int = 5

def f(a=1):
    return a < LIMIT

class A:
    size = 2

    @cached(3)
    def g(self):
        return 4

    @property
    def twice(self):
        return 6

    @twice.setter
    def twice(self, to):
        self.x = 7

def made():
    def inner():
        return 8
    return inner
"""


@pytest.mark.parametrize(
    ("change", "function", "uses"),
    [
        ("5  ->  6", None, {4}),  # the lines that name a constant
        ("1  ->  2", None, {4}),  # the body of a function's argument
        ("a < LIMIT  ->  a <= LIMIT", "f", {4}),
        ("2  ->  3", None, {7}),
        ("3  ->  4", None, {11}),  # and of its decorator
        ("4  ->  5", "A.g", {11}),
        ("6  ->  7", None, {15}),  # two functions of one name
        ("7  ->  8", None, {19}),
        ("8  ->  9", None, {23}),  # may have been made before the change
    ],
)
def test_where_a_change_is(
    change: str, function: str | None, uses: set[int], tmp_path: Path
) -> None:
    (mutant,) = [each for each in mutants_of(PLACES, tmp_path) if each.change == change]
    assert (mutant.function, set(mutant.uses)) == (function, uses)


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    first = sample([path], 5, "a")
    assert len(first) == 5
    assert sample([path], 5, "a") == first
    assert sample([path], 5, "b") != first
    assert len(sample([path], None, "a")) == len(sample([path], 100, "a")) == 11


def test_equivalent_changes_are_of_modules_that_exist_and_have_reasons() -> None:
    assert EQUIVALENT.exists()
    reasons = equivalent()
    lines: dict[str, set[str]] = {}
    for module, line, _ in reasons:
        lines.setdefault(module, set()).add(line)
    named = Counter(key(each) for module in lines for each in mutants(ROOT / module, lines[module]))
    for (module, line, change), why in reasons.items():
        assert named[module, line, change] == 1, "which change is meant, and is it still one?"
        assert (ROOT / module).exists()
        assert line
        assert "  ->  " in change
        assert len(why) > 10


@pytest.mark.parametrize(
    ("noticed", "tried", "likely"),
    [(50, 50, True), (31, 50, True), (30, 50, False), (11, 20, True)],
)
def test_few_of_a_sample_may_be_noticed_by_chance(noticed: int, tried: int, likely: bool) -> None:
    program = runpy.run_path(str(SCRIPT))
    assert (program["chance"](noticed, tried, 0.8) >= program["LEAST_CHANCE"]) is likely


STRINGS = ("pyimginspect/layers/strings.py", "tests/unit/test_strings.py::")
LINKS = ("pyimginspect/path_resolution.py", "tests/unit/test_links.py::")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "test", "change", "noticed"),
    [
        # of a function, in the place of the one that is loaded
        (
            STRINGS,
            "test_debugging_information_is_not_looked_at",
            "offset < stop  ->  offset <= stop",
            False,
        ),
        (
            STRINGS,
            "test_interpreters[bin/python3.6m-3.6.15\\x00-3.6.15]",
            "start + len(prefix)  ->  start - len(prefix)",
            True,
        ),
        # of a module, in its place
        (STRINGS, "test_c_libraries", "4  ->  5", False),
        (STRINGS, "test_debugging_information_is_not_looked_at", "512  ->  513", False),
        (LINKS, "test_links_upon_links", "40  ->  41", True),
    ],
)
def test_tests_notice_a_mutant_or_not(
    places: tuple[str, str], test: str, change: str, noticed: bool, tmp_path: Path
) -> None:
    module, tests = places
    program = f"""
import runpy, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
script = runpy.run_path({str(SCRIPT)!r})
(mutant,) = [
    each for each in script["sample"]([script["ROOT"] / {module!r}], None, "0")
    if each.change == {change!r}
]
class Covering:
    def tests(self, mutant):
        return [{tests + test!r}]
trial = script["Trial"](Covering(), Path({str(tmp_path)!r}), None)
trial.run([mutant])
print(trial.tried[mutant])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == str(noticed)


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("pyimginspect/a.py:12: a < b  ->  a <= b", True),
        ("pyimginspect/a.py:3: a < b  ->  a <= b", True),  # lines above it have gone since
        ("pyimginspect/b.py:12: a < b  ->  a <= b", False),
        ("pyimginspect/a.py:12: a > b  ->  a >= b", False),
    ],
)
def test_a_mutant_is_tried_again_by_its_module_and_change(printed: str, same: bool) -> None:
    without_line = runpy.run_path(str(SCRIPT))["without_line"]
    assert (without_line(printed) == without_line("pyimginspect/a.py:7: a < b  ->  a <= b")) is same


def test_of_a_module_that_no_test_runs_those_are_tried_that_import_it() -> None:
    """Its constants are made as the tests are loaded."""
    naming = runpy.run_path(str(SCRIPT))["naming"]
    tests = naming(ROOT / "pyimginspect" / "layers" / "limits.py")
    assert "tests/unit/test_docs_claims.py" in tests
    assert "tests/unit/test_mutants.py" not in tests


def test_the_tests_in_files_that_import_a_module_come_first(tmp_path: Path) -> None:
    path, line = ROOT / "pyimginspect" / "layers" / "strings.py", 47
    data = CoverageData(basename=str(tmp_path / "contexts"))
    tests = [
        "tests/unit/a.py::test_least",
        *(f"tests/unit/test_strings.py::test_{n}" for n in "xy"),
    ]
    for number, test in enumerate(tests):
        data.set_context(f"{test}|call")
        data.add_lines({str(path): range(line - (number > 0), line + 1)})
    data.write()
    mutant = Mutant(path, line, "", "", 0, 0, None, frozenset([line]))
    found = runpy.run_path(str(SCRIPT))["Covering"](tmp_path / "contexts").tests(mutant)
    assert found == [tests[1], tests[2], tests[0]]
