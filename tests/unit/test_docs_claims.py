"""What the pages say of the code is so: paths exist, names resolve, members and sizes are real."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.analyzers import BUILTIN
from pyimginspect.layers import cache_settings
from pyimginspect.layers.limits import DEFAULT_LIMITS
from tests.rooms import ROOT

PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md" and "rules" not in path.parts  # of the past; of the catalogue
)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LANGUAGE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
OURS = ("scripts/", "tests/", "docs/", "pyimginspect/", ".ci/", "ci/", "templates/")
# A configuration file, and a group of entry points.
NO_NAMES = ("pyimginspect.toml", "pyimginspect.probes")
PLACEHOLDER = re.compile(r"[A-Z]{4}|your|[*<{]")


def spans(path: Path) -> list[str]:
    return CODE.findall(LANGUAGE_BLOCK.sub("", path.read_text(encoding="utf-8")))


def identifier(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_paths_exist(page: Path) -> None:
    words = [word.removeprefix("./") for span in spans(page) for word in span.split()]
    named = {word.strip(",;") for word in words if word.startswith(OURS)}
    wanted = {word for word in named if not PLACEHOLDER.search(word)}
    assert sorted(word for word in wanted if not (ROOT / word).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_names_resolve(page: Path) -> None:
    for span in spans(page):
        match = re.fullmatch(r"(pyimginspect(?:\.\w+)+)(?:\(.*\))?", span)
        if match and match[1] not in NO_NAMES:
            assert resolved(match[1]) is not None, span


def resolved(name: str) -> object:
    """The module or the attribute of a dotted name, or nothing."""
    module, _, last = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ImportError:
        above = resolved(module) if module else None
        return getattr(above, last, None)


def test_the_architecture_page_names_what_there_is() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for room, first in re.findall(r"^\| `([\w/.]+)` \|[^|]*\| `([\w.]+)` \|", text, re.MULTILINE):
        folder = ROOT / "pyimginspect" / (room if room.endswith("/") else "")
        assert (folder / first).is_file(), room
    steps = text.partition("## The way")[2].partition("\n## ")[0]
    names = [span for span in CODE.findall(steps) if re.fullmatch(r"[a-z_]+(\.\w+)+", span)]
    assert len(names) > 10
    for name in set(names) - {"app.tar"}:
        assert resolved(f"pyimginspect.{name}") is not None, name


@pytest.mark.parametrize("rule", [analyzer.rule.id for analyzer in BUILTIN])
def test_every_rule_has_a_page_and_a_test(rule: str) -> None:
    module = rule.replace("-", "_")
    for path in (
        f"docs/rules/{rule}.md",
        f"pyimginspect/analyzers/{module}.py",
        f"tests/unit/rules/test_{module}.py",
    ):
        assert (ROOT / path).is_file(), path


def test_the_members_of_an_opened_image_are_listed() -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `OpenedImage` \|(.*)\|$", text, re.MULTILINE)
    listed = [name.removesuffix("()") for name in CODE.findall(row)]
    members = [name for name in vars(pyimginspect.OpenedImage) if not name.startswith("_")]
    assert sorted(listed) == sorted(members)


@pytest.mark.parametrize("function", ["inspect", "open_image", "judge", "inspect_fleet"])
def test_the_parameters_of_a_function_are_listed(function: str) -> None:
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    (listed,) = re.findall(rf"^\| `{function}\((.*?)\)` \|", text, re.MULTILINE)
    parameters = inspect.signature(getattr(pyimginspect, function)).parameters
    assert [name for name in listed.split(", ") if name != "*"] == [*parameters]


def test_the_limits_of_an_image_are_those_that_are_said() -> None:
    text = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
    table = text.partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+)(?: bytes, or (\d+) times)?", table, re.MULTILINE)
    said = [int(number.replace(",", "")) for _, *numbers in rows for number in numbers if number]
    limits = DEFAULT_LIMITS
    assert said == [
        *(limits.entries, limits.path, limits.header, limits.expansion_floor, limits.expansion),
        *(limits.text, limits.texts, limits.content, limits.script, limits.scripts),
    ]


def test_the_size_of_the_cache_is_the_one_that_is_said() -> None:
    text = (ROOT / "docs/cache.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"else (\d+) MiB", text)
    assert int(said) << 20 == cache_settings.DEFAULT_SIZE
