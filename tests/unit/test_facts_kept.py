"""No format loses facts: what each must say of every finding, counted."""

import html
import json
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from pyimginspect.formats import render, render_many
from pyimginspect.report import Finding, Report
from tests.reports import RULES, bad_report, judged_report

Facts = Callable[[Finding], list[str]]


def everything(finding: Finding) -> list[str]:
    evidence = [each.what for each in finding.evidence]
    return [finding.message, finding.rule, *finding.fix.splitlines(), *evidence]


def in_short(finding: Finding) -> list[str]:
    return [finding.message, *finding.fix.splitlines()]


# The fewest facts that each format has of a finding: more is welcome, less is a loss.
FORMATS: dict[str, Facts] = {
    "json": everything,
    "html": everything,
    "markdown": everything,
    "sarif": everything,
    "junit": everything,
    "github": lambda finding: [finding.message, finding.rule, *finding.fix.splitlines()],
    "gitlab": lambda finding: [finding.message, finding.rule],
}


def squeezed(text: str) -> str:
    """Return text without blanks and marks, as wrapping and tables put them anywhere."""
    return "".join(character for character in text if character.isalnum())


def plain(name: str, text: str) -> str:
    if name == "html":
        return html.unescape(text)
    if name in ("sarif", "gitlab", "json"):
        return json.dumps(json.loads(text), ensure_ascii=False)
    if name == "junit":
        suites = ElementTree.fromstring(text)
        return " ".join(
            [*suites.itertext(), *(v for e in suites.iter() for v in e.attrib.values())]
        )
    return text


@pytest.mark.parametrize("report", [bad_report(), judged_report()], ids=["bad", "judged"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_fact_of_a_finding_is_there(name: str, report: Report) -> None:
    text = squeezed(plain(name, render(report, name, rules=RULES)))
    for finding in report.findings:
        for fact in FORMATS[name](finding):
            assert squeezed(fact) in text, fact


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize(("detail", "facts"), [(0, in_short), (1, everything)])
def test_the_screen_has_them_at_any_width(width: int, detail: int, facts: Facts) -> None:
    report = bad_report()
    text = squeezed(render(report, "table", width=width, detail=detail))
    for finding in report.findings:
        for fact in facts(finding):
            # The saving stands at the end of the first row, amid the message's words.
            assert all(squeezed(word) in text for word in fact.split()), fact


@pytest.mark.parametrize("name", FORMATS)
def test_many_images_lose_nothing_of_one(name: str) -> None:
    if name == "html":
        pytest.skip("a page is of one image")
    one = plain(name, render_many([bad_report()], name))
    both = squeezed(plain(name, render_many([bad_report(), judged_report()], name)))
    for finding in bad_report().findings:
        for fact in FORMATS[name](finding):
            assert (squeezed(fact) in squeezed(one)) <= (squeezed(fact) in both)
