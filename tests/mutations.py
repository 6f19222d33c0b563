"""What scripts/mutants changes in a module, one thing at a time, and the changes that mean nothing.

A change that no test can notice, because the program does the same with it, stands in
``equivalent_mutants.toml`` with the reason.
"""

from __future__ import annotations

import ast
import copy
import functools
import random
import tomllib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
}  # fmt: skip
NAMES = {"max": "min", "min": "max", "any": "all", "all": "any"}

Functions = ast.FunctionDef | ast.AsyncFunctionDef


class Mutant(NamedTuple):
    """One change of one module."""

    path: Path
    line: int
    text: str  # the line as it stands in the module
    change: str
    node: int  # the number of the node that is changed, as `ast.walk` counts them
    way: int  # which of its changes
    function: str | None  # whose body the node is in, by qualified name, if it can be replaced
    uses: frozenset[int]  # the lines whose tests may notice the change

    def source(self) -> str:
        """The whole module with this change."""
        tree = copy.deepcopy(parsed(self.path.read_text(encoding="utf-8")))
        target = next(node for number, node in enumerate(ast.walk(tree)) if number == self.node)
        new = list(changed(target))[self.way]
        return ast.unparse(ast.fix_missing_locations(_Replace(target, new).visit(tree)))

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.change}"


@functools.lru_cache(2)
def parsed(source: str) -> ast.Module:
    """The tree of a module; whoever changes it takes a copy."""
    return ast.parse(source)


def mutants(path: Path, of: Container[str] | None = None) -> Iterator[Mutant]:
    """Every change of a module, by line, or of the lines that read so."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    tree = parsed(source)
    without, inside, uses = _left_out(tree), dict(_inside(tree)), dict(_uses(tree))
    for number, node in enumerate(ast.walk(tree)):
        line = getattr(node, "lineno", 0)
        if not line or id(node) in without:
            continue
        text = lines[line - 1].strip()
        if of is not None and text not in of:
            continue
        for way, new in enumerate(changed(node)):
            after = _first_line(new) if new is not None else "(nothing)"
            change = f"{_first_line(node)}  ->  {after}"
            lines_of_uses = frozenset(uses.get(id(node), ())) or frozenset([line])
            yield Mutant(path, line, text, change, number, way, inside.get(id(node)), lines_of_uses)


_CHANGEABLE = (
    ast.Compare, ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Name, ast.Constant, ast.If, ast.IfExp,
    ast.While, ast.AugAssign, ast.Continue, ast.Break, ast.Expr,
)  # fmt: skip


def changed(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of a node; None to delete it."""
    if not isinstance(node, _CHANGEABLE):
        return
    new = copy.copy(node)
    if isinstance(new, ast.Compare) and type(new.ops[0]) in COMPARISONS:
        new.ops = [COMPARISONS[type(new.ops[0])](), *new.ops[1:]]
        yield new
    elif isinstance(new, ast.BinOp) and type(new.op) in OPERATORS:
        new.op = OPERATORS[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not):
        yield new.operand
    elif isinstance(new, ast.Name) and new.id in NAMES and isinstance(new.ctx, ast.Load):
        new.id = NAMES[new.id]
        yield new
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        new.value = not new.value
        yield new
    elif isinstance(new, ast.Constant) and isinstance(new.value, int):
        new.value += 1
        yield new
    elif isinstance(new, ast.If | ast.IfExp | ast.While):
        new.test = ast.UnaryOp(op=ast.Not(), operand=new.test)
        yield new
    elif isinstance(new, ast.AugAssign | ast.Continue | ast.Break) or (
        isinstance(new, ast.Expr) and isinstance(new.value, ast.Call | ast.Yield | ast.YieldFrom)
    ):
        yield None


def sample(paths: Iterable[Path], number: int | None, seed: str) -> list[Mutant]:
    """So many mutants of these modules, in no order, or all of them by module and line."""
    found = [mutant for path in paths for mutant in mutants(path)]
    if number is not None and number < len(found):
        return random.Random(seed).sample(found, number)
    return sorted(found, key=lambda mutant: (mutant.path, mutant.line, mutant.node))


def equivalent(listed: Path = EQUIVALENT) -> dict[tuple[str, str, str], str]:
    """Why a change cannot be noticed: by module, the line's text and the change."""
    modules = tomllib.loads(listed.read_text(encoding="utf-8"))
    return {
        (module, each["line"], each["change"]): each["why"]
        for module, changes in modules.items()
        for each in changes
    }


def key(mutant: Mutant) -> tuple[str, str, str]:
    """What :func:`equivalent` knows a mutant by."""
    return (mutant.path.relative_to(ROOT).as_posix(), mutant.text, mutant.change)


class _Replace(ast.NodeTransformer):
    """Puts ``new`` in the place of ``target``."""

    def __init__(self, target: ast.AST, new: ast.AST | None) -> None:
        self.target, self.new = target, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.target:
            return ast.copy_location(self.new if self.new is not None else ast.Pass(), node)
        result: ast.AST = self.generic_visit(node)
        return result


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


def _left_out(tree: ast.Module) -> set[int]:
    """The nodes whose change means nothing at run time: annotations, a class's options.

    Annotations are never evaluated (PEP 563), and that a record is immutable is mypy's affair.
    """
    without: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, Functions):
            parts = [node.returns]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.keywords]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts = [node]
        without |= {id(each) for part in parts if part for each in ast.walk(part)}
    return without


def _inside(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every node in the body of a function, with the function: of a module, or of its classes.

    Left out are a name that is defined twice (a property and its setter), and functions that make
    others, which may exist before the change is made.
    """
    bodies: dict[str, list[ast.stmt]] = {}
    todo: list[tuple[str, ast.stmt]] = [("", statement) for statement in tree.body]
    while todo:
        prefix, statement = todo.pop()
        if isinstance(statement, Functions):
            name = prefix + statement.name
            makes = any(isinstance(n, Functions) for each in statement.body for n in ast.walk(each))
            bodies[name] = [] if name in bodies or makes else statement.body
        elif isinstance(statement, ast.ClassDef):
            todo.extend((f"{prefix}{statement.name}.", each) for each in statement.body)
    for name, body in bodies.items():
        yield from ((id(node), name) for each in body for node in ast.walk(each))


def _uses(tree: ast.Module) -> Iterator[tuple[int, list[int]]]:
    """For nodes that run as the module is imported: the lines that use what they make.

    Of a constant those that name it, of a function's arguments and decorators its body.
    """
    named: dict[str, list[int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            named.setdefault(node.id, []).append(node.lineno)
    for statement in ast.walk(tree):
        if isinstance(statement, Functions):
            lines = [each.lineno for each in statement.body]
            for part in (*statement.decorator_list, statement.args):
                yield from ((id(node), lines) for node in ast.walk(part))
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name)]
            lines = [line for name in targets[:1] for line in named.get(name, ())]
            yield from ((id(node), lines) for node in ast.walk(statement))
