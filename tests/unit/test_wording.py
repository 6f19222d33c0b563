"""Sentences of findings and reports: one of a thing is not "1 things"."""

import ast
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.analyzers import deleted_but_shipped, leftover_build_tool
from pyimginspect.formats._text import base_words, instruction_and_others, ranges
from pyimginspect.inventory.facts import BaseImage
from pyimginspect.text import counted, listed, nearest, pronoun, sized
from tests.images import Content, File, Package, elf
from tests.inventories import apt, on_slim, taken
from tests.reports import clean_report, finding, layer
from tests.rooms import nodes_of


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(0, "file", "0 files"), (1, "more file", "1 more file"), (2014, "file", "2,014 files")],
)
def test_numbers_with_their_nouns(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


def test_a_noun_with_a_plural_of_its_own() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


def test_one_lost_file() -> None:
    layers: list[dict[str, Content]] = [{"a/x": File("x" * 9000)}, {"a/.wh.x": ""}]
    found = taken(on_slim(*layers, history=["RUN make", "RUN more"]))
    (finding,) = deleted_but_shipped.ANALYZER.run(found)
    assert finding.evidence[0].what == "RUN make stores 1 file (9.0 kB) that a later layer removes"


def test_what_must_stay_is_in_the_command_of_every_finding() -> None:
    packages: dict[str, Package] = {
        "gcc": {"Depends": "libx1", "files": {"usr/bin/gcc": File("x" * 9000, mode=0o755)}},
        "libx1": {"files": {"usr/lib/libx.so.1": elf(soname="libx.so.1")}},
    }
    user: dict[str, Content] = {"app/ext.so": elf(needed=["libx.so.1"])}
    found = taken(on_slim(apt(packages, manual=["gcc"]), user, history=["RUN a", "COPY . /app"]))
    (finding,) = leftover_build_tool.ANALYZER.run(found)
    assert finding.evidence[-1].what == "/app/ext.so needs libx.so.1: libx1 must stay"
    assert finding.fix.endswith(
        "&& apt-mark manual libx1"
        " && apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false gcc"
    )


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (36_249_999, "36.2 MB"),
        (1_499_999_999, "1.5 GB"),
        (12_345_678_901_234, "12.3 TB"),
    ],
)
def test_sizes(number: int, words: str) -> None:
    assert sized(number) == words


@pytest.mark.parametrize(
    ("number", "most", "words"),
    [
        (0, 4, ""),
        (1, 4, "n1"),
        (2, 4, "n1 and n2"),
        (4, 4, "n1, n2, n3 and n4"),
        (5, 4, "n1, n2, n3 and 2 more"),
        (2002, 3, "n1, n2 and 2,000 more"),
        (3, 1, "3 more"),
    ],
)
def test_lists_of_names(number: int, most: int, words: str) -> None:
    assert listed((f"n{n}" for n in range(1, number + 1)), most) == words


def test_what_stands_for_names() -> None:
    assert [pronoun("a"), pronoun(["a", "b"])] == ["it", "them"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sise", "did you mean 'size'?"),
        ("x", "there are: count, size"),
        ("", "there are: count, size"),
    ],
)
def test_near_names(name: str, words: str) -> None:
    assert nearest(name, {"size", "count"}) == words


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((), ""),
        ((3,), "3"),
        ((3, 4), "3, 4"),
        ((4, 2, 3), "2 to 4"),
        ((0, 2, 3, 4, 6, 7), "0, 2 to 4, 6, 7"),
        (range(1_000), "0 to 999"),
        (range(0, 20, 2), "0, 2, 4, 6, 8, 10 and 4 more"),
    ],
)
def test_numbers_of_layers(numbers: Sequence[int], words: str) -> None:
    assert ranges(numbers) == words


def test_a_base_that_is_its_distribution_is_named_once() -> None:
    base = BaseImage(
        family="alpine", version="3.20.3", distribution="alpine 3.20.3", confidence="certain"
    )
    assert base_words(clean_report(base=base)) == "alpine 3.20.3 (certain)"


@pytest.mark.parametrize(
    ("layers", "instruction", "words"),
    [
        ((1,), "RUN b", ("1", "RUN b", "")),
        ((0, 1), "RUN b", ("1", "RUN b", "and layer 0")),
        ((0, 1, 2), "RUN b", ("1", "RUN b", "and layers 0, 2")),
        ((0, 1), "", ("0", "RUN a", "and layer 1")),
        ((0, 2), "RUN b", ("0, 2", "RUN b", "")),
    ],
)
def test_an_instruction_stands_beside_the_number_of_its_own_layer(
    layers: tuple[int, ...], instruction: str, words: tuple[str, str, str]
) -> None:
    told = clean_report(layers=tuple(layer(n, f"RUN {name}", 1) for n, name in enumerate("abc")))
    assert instruction_and_others(finding(layers=layers, instruction=instruction), told) == words


# Words that are of our own making, or that the field has a term for (docs/glossary.md).
_NOT_AGAIN = (
    r"\btold\b",
    r"\bheld (?:against|by)\b",
    r"\blost\b.",  # alone it is a state of dask's futures
    r"\bin thought\b",
    r"\bcomes? along\b",
    r"\bcame along\b",
    r"\bbrings? along\b",
    r"\bfor its own sake\b",
    r"\bdead (?:bytes|files|space)\b",
    r"\bkiller\b|\bkilled by\b",
    r"\bbyte code\b",
    r"\bhangs on\b",
    r"\bmend(?:s|ed|ing)?\b",
    r"\brests on\b",
    r"\bstill shipped\b",
    r"\bnobody'?s?\b",
    r"\blooked at\b",
    r"^because\b",
    r"\banew\b",
    r"\bin vain\b",
    r"\bwould go\b",
)
_FORBIDDEN = re.compile("|".join(_NOT_AGAIN), re.IGNORECASE)
# Identifiers, and so the names in JSON, that are not to come back either.
_NAMES = re.compile(r"(?:^|_)(?:told|dead|losses|killer|because|sake)(?:_|$)")
_NAMES_THAT_STAY = {"_dead_end", "_dead_link"}  # of links

_ROOT = Path(pyimginspect.__file__).parent
_DOCUMENTS = [*_ROOT.parent.glob("docs/**/*.md"), _ROOT.parent / "README.md"]


@cache
def _words_of(path: Path) -> tuple[list[tuple[int, str]], set[str]]:
    """The strings of a module that are no documentation of its code, with their lines, and the
    names in it."""
    texts: dict[int, tuple[int, str]] = {}
    documentation = set()  # of modules, classes, functions and attributes
    names = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                texts[id(node)] = node.lineno, node.value
        elif isinstance(node, ast.Expr):
            documentation.add(id(node.value))
        else:
            names |= {getattr(node, each, None) for each in ("id", "attr", "arg", "name")}
    kept = [text for key, text in texts.items() if key not in documentation]
    return kept, {name for name in names if isinstance(name, str)}


def _modules() -> list[Path]:
    return sorted(path for path in _ROOT.rglob("*.py") if "plan" not in path.parts)


def test_strings_that_people_read_use_the_terms_of_the_field() -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{line}: {match[0]} in {text!r}"
        for path in _modules()
        for line, text in _words_of(path)[0]
        if (match := _FORBIDDEN.search(text))
    ]
    assert found == []


# What documentation of the code and comments are not to fall back to either.
_NOT_IN_CODE = re.compile(
    r"\btold (?:apart|by)\b|\bheld against\b|\bin thought\b|\bcame along\b|\banew\b|\bin vain\b"
    r"|\bis told in\b|\blooked at\b",
    re.IGNORECASE,
)


def test_documentation_of_the_code_uses_the_terms_of_the_field() -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{number}: {match[0]}"
        for path in _ROOT.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := _NOT_IN_CODE.search(line))
    ]
    assert found == []


def test_pages_use_the_terms_of_the_field() -> None:
    pages = [path for suffix in ("html", "js") for path in _ROOT.rglob(f"*.{suffix}")]
    found = [
        f"{path.name}:{number}: {match[0]}"
        for path in [*pages, *_DOCUMENTS]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := _FORBIDDEN.search(line))
    ]
    assert found == []


def test_identifiers_use_the_terms_of_the_field() -> None:
    found = {
        f"{path.relative_to(_ROOT)}: {name}"
        for path in _modules()
        for name in _words_of(path)[1] - _NAMES_THAT_STAY
        if _NAMES.search(name)
    }
    assert found == set()
