"""Cyclomatic complexity of the package's functions, as radon counts it (Boolean operators and
comprehensions too, which ruff's C901 leaves out)."""

from pathlib import Path
from typing import NamedTuple

from radon.complexity import cc_visit_ast
from radon.visitors import Class, Function

from tests.rooms import ROOT, tree_of

PACKAGE = ROOT / "pyimginspect"

HIGHEST = 15


class Measured(NamedTuple):
    """A function and its complexity."""

    complexity: int
    place: str  # path from the repository's root, with the line
    name: str


def measure(package: Path = PACKAGE) -> list[Measured]:
    """Every function and method below `package`, the most complex first."""
    return sorted(
        (each for path in package.rglob("*.py") for each in _of_module(path)),
        key=lambda each: (-each.complexity, each.place),
    )


def _of_module(path: Path) -> list[Measured]:
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    functions = {}  # radon gives methods twice: by themselves, and in their class
    for block in cc_visit_ast(tree_of(path)):
        for each in block.methods if isinstance(block, Class) else [block]:
            assert isinstance(each, Function)
            functions[each.lineno] = Measured(
                each.complexity, f"{place}:{each.lineno}", each.fullname
            )
    return list(functions.values())
