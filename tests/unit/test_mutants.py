"""scripts/mutants changes what it should, one thing at a time."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "mutants"))

SOURCE = '''\
def f(a, b):
    """A text: 1 < 2."""
    if a < b and not a:
        total = max(a, 1) + b
        return [total, True]
    b += 1
    print(b)
    return None  # 3 is nothing
    return a == 2  # mutants: equal
'''


def test_every_kind_of_change() -> None:
    found = [(line, what) for line, what, _ in SCRIPT["mutants"](SOURCE)]
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


def test_each_differs_from_the_source_and_is_valid() -> None:
    sources = [source for _, _, source in SCRIPT["mutants"](SOURCE)]
    assert len(set(sources)) == len(sources)
    for source in sources:
        compile(source, "mutant", "exec")
        assert '"""A text: 1 < 2."""' in source


def test_annotations_and_options_of_classes_are_left_alone() -> None:
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    limit = 5
class A(Struct, frozen=True):
    size: int | None = 1
def f(a: int | None, *, b: bool = True) -> str | None: ...
"""
    found = [what for _, what, _ in SCRIPT["mutants"](source)]
    assert found == ["1  ->  2", "True  ->  False"]


def test_a_test_of_many_rows_is_one() -> None:
    contexts = [
        "",
        "tests/a.py::test_x[1|2]|run",
        "tests/a.py::test_x[3]|setup",
        "tests/b.py::test_y|run",
    ]
    assert SCRIPT["functions"](contexts) == {"tests/a.py::test_x", "tests/b.py::test_y"}


@pytest.mark.parametrize(("change", "survives"), [("", True), ("raise ValueError", False)])
def test_a_mutant_is_noticed_by_a_test_that_runs_it(change: str, survives: bool) -> None:
    program = f"""
import runpy
script = runpy.run_path({SCRIPT["__file__"]!r})
path = script["ROOT"] / "pyimginspect/layers/strings.py"
print(script["survives"](path, {change!r} or path.read_text(), ["tests/unit/test_strings.py"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout == f"{survives}\n"
