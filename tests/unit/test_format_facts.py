"""No format loses a fact: how many of a report's words each of them has, against what it had."""

import html
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pytest

from pyimginspect.formats import FORMATS, render
from pyimginspect.report import Report
from tests.reports import RULES, bad_report


def facts(report: Report) -> dict[str, set[str]]:
    """The words of a report that a reader may look for, by kind."""
    found, packages = report.findings, report.os_packages
    return {
        "messages": _each(found, "message"),
        "fixes": {line for each in found for line in each.fix.splitlines()},
        "rules": _each(found, "rule"),
        "evidence": _each(chain.from_iterable(each.evidence for each in found), "what"),
        "paths": set(chain.from_iterable(each.paths for each in found)),
        "owners": set(chain.from_iterable(each.packages for each in found)),
        "pythons": _each(report.pythons, "version") | _each(report.pythons, "path"),
        "environments": _each(report.environments, "path"),
        "packages": _each(packages, "name"),
        "package versions": _each(packages, "version"),
        "distributions": _each(report.distributions, "name"),
        "tools": _each(report.build_tools, "name"),
        "caches": _each(report.caches, "path"),
        "instructions": _each(report.layers, "instruction") - {""},
        "wasted files": _each(report.waste.largest, "path"),
    }


def _each(records: Iterable[object], name: str) -> set[str]:
    return {getattr(each, name) for each in records}


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list):
            stack += value


def words(text: str, format_name: str) -> str:
    """What a reader sees of a document: unescaped, in one line."""
    if text.startswith(("{", "[")):
        text = " ".join(_strings(json.loads(text)))
    elif format_name in ("html", "junit", "markdown"):
        text = re.sub(r"<style>.*?</style>|</?[a-z][^>]*>", " ", text, flags=re.DOTALL)
        text = html.unescape(text)
    elif format_name == "github":
        text = text.replace("%25", "%").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",")
    text = text.replace("\\", "").replace("`", "")
    return " ".join(text.split())


def counted(format_name: str, **options: Any) -> dict[str, int]:
    """How many facts of each kind a format has, but for those of which it has none."""
    report = bad_report()
    text = words(render(report, format_name, **options), format_name)
    found = {
        kind: sum(" ".join(each.replace("`", "").split()) in text for each in each_kind)
        for kind, each_kind in facts(report).items()
    }
    return {kind: number for kind, number in found.items() if number}


# Counted by this very code before the terminal's one screen and the new page (2026-11-27).
_SEEN = {
    "messages": 4, "fixes": 5, "rules": 4, "evidence": 4, "paths": 4, "owners": 7, "pythons": 4,
    "packages": 5, "distributions": 2, "tools": 2, "caches": 1, "instructions": 7,
    "wasted files": 1,
}  # fmt: skip
_WHOLE = {**_SEEN, "environments": 1, "packages": 6, "package versions": 5}
BEFORE: dict[str, dict[str, int]] = {
    "table": {**_SEEN, "environments": 1},
    "json": _WHOLE,
    "markdown": _SEEN,
    "html": _WHOLE,
    "sarif": {
        **_SEEN, "paths": 3, "pythons": 3, "distributions": 1, "instructions": 2,
    },
    "junit": {
        "messages": 4, "fixes": 5, "evidence": 4, "paths": 2, "owners": 7, "pythons": 2,
        "packages": 5, "distributions": 1, "tools": 2, "caches": 1, "instructions": 1,
        "wasted files": 1,
    },
    "github": {
        "messages": 4, "fixes": 5, "rules": 4, "paths": 2, "owners": 5, "pythons": 2,
        "packages": 3, "distributions": 1, "tools": 2, "caches": 1, "wasted files": 1,
    },
    "gitlab": {
        "messages": 4, "rules": 4, "paths": 3, "owners": 4, "pythons": 3, "packages": 3,
        "tools": 2, "caches": 1, "wasted files": 1,
    },
    "cyclonedx": {
        "paths": 1, "owners": 5, "pythons": 4, "packages": 6, "package versions": 5,
        "distributions": 2, "tools": 1,
    },
}  # fmt: skip
BEFORE |= dict.fromkeys(("spdx", "spdx3"), BEFORE["cyclonedx"])


def test_every_format_is_counted() -> None:
    assert set(BEFORE) == set(FORMATS)


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_format_lost_a_fact(format_name: str) -> None:
    options: dict[str, Any] = {"rules": RULES}
    if format_name == "table":
        options |= {"width": 100, "detail": 2}  # all tables, which were once the only page
    now = counted(format_name, **options)
    assert {kind: now.get(kind, 0) for kind in BEFORE[format_name]} == BEFORE[format_name]


def test_the_screen_has_every_finding_with_its_fix() -> None:
    now = counted("table", width=100)
    assert (now["messages"], now["fixes"]) == (4, 5)
