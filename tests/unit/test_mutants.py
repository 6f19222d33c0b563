"""scripts/mutants changes what it should, one thing at a time."""

import runpy
from pathlib import Path

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


def test_the_tests_of_a_module_are_those_that_import_it() -> None:
    names = {Path(path).name for path in SCRIPT["tests_of"]("pyimginspect.inventory.wheels")}
    assert "test_wheels.py" in names
    assert "test_mutants.py" not in names
