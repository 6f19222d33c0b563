"""The rooms of the package: which module is in which, and what each imports."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pyimginspect"
NAME = PACKAGE.name

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

SHARED_ROOMS = {
    "arriving_layers": "rootfs",
    "changesets": "rootfs",
    "ledger": "rootfs",
    "path_resolution": "rootfs",
    "rules": "report",
    "comparison": "report",
    "judging": "api",
    "attestations": "model",
    "reporting": "api",
}


def room_of(module: str) -> str:
    parts = module.split(".")
    if parts[1:3] == ["formats", "fleet"]:
        return "formats.fleet"  # above the formats of one report, as the fleet is above the API
    if parts[1:3] == ["inventory", "derived"]:
        return "inventory.derived"  # takes the inventory that the rest of the room collects
    name = parts[1] if len(parts) > 1 else "__init__"
    return SHARED_ROOMS.get(name, name)


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of the syntax tree of a file, as `ast.walk` gives them."""
    return tuple(ast.walk(tree_of(path)))


@cache
def imports(path: Path) -> tuple[tuple[int, str], ...]:
    """Line and module of every import in a file, wherever it stands: in functions, under
    `if TYPE_CHECKING`, or by `import_module("…")`."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called.endswith(("import_module", "__import__")):
                yield node.lineno, str(node.args[0].value)
