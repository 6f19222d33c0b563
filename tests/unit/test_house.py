"""The house of the project: which room may import from which, and what the front door shows."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.cli import main
from tests.complexity import HIGHEST, measure
from tests.images import image, oci_archive
from tests.rooms import MODULES, NAME, ROOT, imports, nodes_of, room_of, tree_of
from tests.rooms_drawing import PICTURE, arrows, picture, ranks, reduced

LONGEST_MODULE = 380

# Who may import from whom. A room may always import from itself, but for those in APART.
# The public API and the commands compose everything; no one composes the commands.
NOUNS = {"errors", "lazy", "mappings", "model", "decoding", "text"}
BELOW_REPORT = NOUNS | {
    "plugins",
    "version",
    "layers",
    "sources",
    "rootfs",
    "dockerfile",
    "inventory",
    "inventory.derived",
}
ABOVE_REPORT = {
    "analyzers",
    "plan",
    "policy",
    "formats",
    "compare",
    "progress",
}
LIBRARY = BELOW_REPORT | {"report"} | ABOVE_REPORT
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "lazy": set(),
    "mappings": set(),
    "text": set(),
    "decoding": set(),
    "model": {"errors", "mappings"},
    "plugins": {"errors"},
    "version": set(),
    "layers": NOUNS | {"plugins"},
    "sources": NOUNS | {"layers"},
    "rootfs": NOUNS,
    "dockerfile": NOUNS,
    "inventory": NOUNS | {"rootfs", "dockerfile"},
    "inventory.derived": NOUNS | {"rootfs", "inventory", "dockerfile"},
    "report": NOUNS | {"inventory"},
    "analyzers": NOUNS | {"inventory", "inventory.derived", "report", "plugins", "dockerfile"},
    "plan": NOUNS | {"rootfs", "inventory", "inventory.derived", "report", "dockerfile"},
    "policy": NOUNS | {"report", "dockerfile"},
    "formats": NOUNS | {"report", "plan", "dockerfile", "version"},
    "compare": NOUNS | {"report"},
    "progress": NOUNS | {"sources"},
    "report_cache": NOUNS | {"layers", "sources", "report"},
    "api": LIBRARY | {"report_cache"},
    "fleet": LIBRARY | {"report_cache", "api"},
    "formats.fleet": NOUNS | {"report", "fleet", "formats"},
    "__init__": LIBRARY | {"api", "fleet"},
    "tui": NOUNS | {"rootfs", "inventory", "report"},
    "cli": LIBRARY | {"api", "fleet", "formats.fleet", "tui", "__init__"},
    "__main__": {"cli"},
}

# One file a subject: these import no file of their own room but what they are made of (`rule.py`)
# and private ones (`_text.py`).
APART = {"analyzers", "formats"}
COMPOSERS = {"__init__.py", "builtin.py"}

# The distribution in setup.cfg that brings a module of another name.
DISTRIBUTIONS = {
    "backports": "backports.zstd",
    "cyclonedx": "cyclonedx-python-lib",
    "license_expression": "license-expression",
    "packageurl": "packageurl-python",
    "spdx_python_model": "spdx-python-model",
    "tree_sitter": "tree-sitter",
    "tree_sitter_bash": "tree-sitter-bash",
}
_OWN_EXTRAS = ("sbom", "fleet", "parquet", "tui")
STANDARD = {*sys.stdlib_module_names, "compression"}  # the last from 3.14


def violations(module: str, path: Path) -> list[str]:
    room = room_of(module)
    found = []
    for line, target in imports(path):
        if target.split(".")[0] != NAME:
            continue
        other = room_of(target)
        if other == room:
            private = target.rpartition(".")[2].startswith("_") or target.endswith(".rule")
            allowed = room not in APART or path.name in COMPOSERS or private
        else:
            allowed = other in ROOMS[room]
        if not allowed:
            found.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    return found


def test_every_module_has_a_room() -> None:
    assert {room_of(module) for module in MODULES} <= set(ROOMS)


def test_imports_go_one_way() -> None:
    assert [each for module, path in MODULES.items() for each in violations(module, path)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rootfs", "from pyimginspect.sources import archive"),
        ("model", "import pyimginspect.layers.tar"),
        ("layers.tar", "def f():\n    from pyimginspect.rootfs import RootFS"),
        ("report", "if TYPE_CHECKING:\n    from pyimginspect import analyzers"),
        ("formats.table", "import_module('pyimginspect.cli')"),
        ("formats.table", "from pyimginspect.formats import json"),
        ("analyzers.libc", "from pyimginspect.analyzers.caches import CACHES"),
        ("api", "from pyimginspect.cli import main"),
        ("api", "from pyimginspect import fleet"),
        ("formats.html", "from pyimginspect.formats.fleet import render_fleet"),
        ("fleet.run", "from pyimginspect.formats.fleet import render_fleet"),
        ("layers.tar", "import pyimginspect"),
        ("inventory.collect", "from pyimginspect.inventory.derived import leftovers"),
    ],
)
def test_the_check_sees_what_it_should(module: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / f"{module.rpartition('.')[2]}.py"
    path.write_text(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "ROOT", tmp_path)
        for name in ("sources", "analyzers", "formats.json"):
            patch.setitem(MODULES, f"{NAME}.{name}", path)
        assert len(violations(f"{NAME}.{module}", path)) == 1


def test_the_rooms_have_an_order() -> None:
    """No circle in the table itself: following it always ends."""
    above = dict(ROOMS)
    while above:
        free = {room for room, allowed in above.items() if not allowed & above.keys()}
        assert free, f"a circle among {sorted(above)}"
        above = {room: allowed for room, allowed in above.items() if room not in free}


def test_modules_import_each_other_in_no_circle() -> None:
    """Within a room too, and wherever the import stands: in a function or for types alone."""
    graph = {
        module: {target for _, target in imports(path) if target in MODULES} - {module}
        for module, path in MODULES.items()
    }
    assert tuple(TopologicalSorter(graph).static_order())  # raises CycleError


# --- the picture (docs/architecture.md) ----------------------------------------------------------
def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(arrows()), "run scripts/draw_rooms"


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(?:pyimginspect/)?([\w/]+?)(?:\.py|/)?` \|", page, flags=re.MULTILINE)
    assert sorted(rows) == sorted(room.replace(".", "/") for room in arrows())


def test_arrows_that_others_imply_are_left_out() -> None:
    drawn = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set[str](), "e": {"d"}}
    assert reduced(drawn) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set(), "e": {"d"}}
    assert ranks(drawn) == {"a": 3, "b": 2, "c": 1, "d": 0, "e": 1}


def test_every_room_and_arrow_is_in_the_picture() -> None:
    drawn = {"top": {"middle", "left"}, "middle": {"floor"}, "left": {"floor"}, "floor": set[str]()}
    text = picture(drawn)
    assert [text.count(f">{room}</text>") for room in drawn] == [1, 1, 1, 1]
    assert text.count("<path class=") == 4
    assert picture(dict(reversed(drawn.items()))) == text


# --- msgspec and threads (docs/decisions/msgspec-threads.md) --------------------------------------
_DECODERS = ("convert", "Decoder", "decode")


def typed_decodings(nodes: Iterable[ast.AST]) -> list[str]:
    """Calls of msgspec that work out how a type is decoded, which one module alone may do."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module in ("msgspec.json", "msgspec.msgpack"):
            found.append(f"from {node.module}")
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        named = isinstance(function, ast.Attribute) and function.attr in _DECODERS
        called = ast.unparse(function) if named else ""
        typed = len(node.args) > 1 or any(word.arg == "type" for word in node.keywords)
        if re.fullmatch(r"(msgspec|json|msgpack)(\..*)?\.(convert|Decoder)", called) or (
            re.fullmatch(r"msgspec\.(json|msgpack|toml|yaml)\.decode", called) and typed
        ):
            found.append(called)
    return found


def test_types_are_decoded_in_one_place() -> None:
    found = {
        module: typed_decodings(nodes_of(path))
        for module, path in MODULES.items()
        if module != f"{NAME}.decoding"
    }
    assert {module: calls for module, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source",
    [
        "x = msgspec.json.decode(data, type=Report)",
        "msgspec.msgpack.decode(data, type=Report, strict=False)",
        "decoder = msgspec.json.Decoder(Report)",
        "msgspec.convert(value, Report)",
        "from msgspec.json import decode",
    ],
)
def test_the_check_sees_typed_decoding(source: str) -> None:
    assert len(typed_decodings(ast.walk(ast.parse(source)))) == 1
    untyped = ast.parse("msgspec.json.decode(data)\nmsgspec.json.encode(x)")
    assert typed_decodings(ast.walk(untyped)) == []


def test_modules_are_short() -> None:
    lines = {module: path.read_bytes().count(b"\n") for module, path in MODULES.items()}
    long = {module: count for module, count in lines.items() if count > LONGEST_MODULE}
    assert long == {}, "look for the seam"


# --- the front door -------------------------------------------------------------------------------
def documented_names() -> list[str]:
    """The names of the first table of `docs/api.md`, from rows like ``| `name(…)` | …``."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)[(`]", text, flags=re.MULTILINE)


def test_functions_are_simple() -> None:
    assert [each for each in measure() if each.complexity > HIGHEST] == []


def test_complexity_counts_methods_once_and_boolean_operators(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "class A:\n"
        "    def simple(self): return 1\n"
        "    def both(self, a, b): return a and b\n"
        "def branches(a):\n"
        "    if a: return [each for each in a if each]\n"
    )
    assert [(each.name, each.complexity) for each in measure(tmp_path)] == [
        ("branches", 4),
        ("A.both", 2),
        ("A.simple", 1),
    ]


def test_the_public_names_are_the_documented_ones() -> None:
    assert sorted(pyimginspect.__all__) == sorted(documented_names())


def test_every_public_name_resolves() -> None:
    for name in pyimginspect.__all__:
        assert getattr(pyimginspect, name) is not None, name
    assert set(pyimginspect.__all__) <= set(dir(pyimginspect))
    with pytest.raises(AttributeError, match="no_such_name"):
        pyimginspect.no_such_name  # noqa: B018


def test_all_names_of_a_module_exist() -> None:
    loaded = {module: importlib.import_module(module) for module in MODULES}
    names = [
        (module, name) for module in MODULES for name in getattr(loaded[module], "__all__", ())
    ]
    assert [f"{module}.{name}" for module, name in names if not hasattr(loaded[module], name)] == []


def loaded_by(statement: str, *options: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_the_package_loads_nothing_but_itself() -> None:
    """Without `site`, whose own imports depend on what is installed in editable mode."""
    extra = loaded_by("import pyimginspect", "-S") - loaded_by("pass", "-S")
    assert extra == {NAME, "__future__"}


def test_the_command_loads_only_what_every_image_needs() -> None:
    """What a registry, an engine, a policy or a page needs is loaded for that one alone."""
    rare = {"docker", "jinja2", "oras", "requests", "ssl", "tarfile", "tomllib", "tqdm", "urllib3"}
    rare |= {"distributed", "multiprocessing", "sqlite3", "logging", "difflib", "lzma", "bz2"}
    loaded = loaded_by("import pyimginspect.cli, pyimginspect.sources.resolve")
    assert NAME in loaded
    assert loaded & rare == set()


def test_a_second_look_loads_nothing_that_works_an_image_out(tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(oci_archive(image([{"etc/os-release": "ID=debian\n"}])))
    cache, page = tmp_path / "cache", tmp_path / "report.txt"
    look = ["--cache-dir", str(cache), "-o", str(page), "-f", "table", str(archive)]
    assert main(look) == 0
    first = page.read_text()
    program = (
        "import sys\n"
        "from pyimginspect.cli import main\n"
        f"assert main({look!r}) == 0\n"
        "print(*sys.modules, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    loaded = done.stdout.split()
    ours = [name.removeprefix(f"{NAME}.") for name in loaded if name.startswith(f"{NAME}.")]
    assert page.read_text() == first
    assert {"api", "report_cache", "formats.table"} <= {*ours}
    for room in ("plan", "changesets", "reporting", "layers.index", "inventory.collect"):
        assert room not in ours
    assert [name for name in ours if name.startswith("analyzers.")] == ["analyzers.rule"]
    assert not {"tabulate", "wcwidth", "asyncio", "concurrent.futures"} & {*loaded}


def test_third_parties_are_declared() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    used_by = [setup["options"]["install_requires"], *(extras[n] for n in _OWN_EXTRAS)]
    lines = "\n".join(used_by)
    declared = {re.split(r"[\[<>=;! ]", line)[0] for line in lines.split("\n") if line}
    used = {
        target.partition(".")[0] for path in MODULES.values() for _, target in imports(path)
    } - {NAME, *STANDARD}
    assert {DISTRIBUTIONS.get(name, name) for name in used} == declared


def texts_of(tree: ast.Module) -> dict[str, str]:
    """The constants of a module that are texts, patterns, or collections of texts, by value."""
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        value = node.value
        pattern = isinstance(value, ast.Call) and ast.unparse(value.func) == "re.compile"
        collection = isinstance(value, ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict)
        texts = [
            each.value
            for each in ast.walk(value)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if name not in ("__all__", "_RULES") and (pattern or collection) and any(texts):
            found[ast.unparse(value)] = name
    return found


def test_a_constant_is_written_in_one_module() -> None:
    """A path, a name or a pattern that two modules need is imported by one of them."""
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for value, name in texts_of(tree_of(path)).items():
            places.setdefault(value, []).append(f"{module}.{name}")
    twice = {value: where for value, where in places.items() if len(where) > 1}
    assert {value: where for value, where in twice.items() if len(value) > 7} == {}
