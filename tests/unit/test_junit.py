"""JUnit XML: a literal document, and a consumer that reads it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import junitparser
import pytest

from pyimginspect.formats import render
from pyimginspect.report import Report
from tests.reports import RULES, bad_report, clean_report, finding, judged_report, with_strings

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "judged.junit.xml"

# What Jenkins' xUnit plugin lets each element have (its junit-10.xsd, in short): attributes that
# must be there, others that may, and children.
DIALECT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped"},
        {"testcase"},
    ),
    "testcase": ({"name"}, {"time", "classname"}, {"skipped", "failure", "system-out"}),
    "failure": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}


def test_a_judged_image() -> None:
    assert render(judged_report(), "junit") == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("report", [clean_report(), bad_report(), judged_report()])
def test_the_dialect_is_kept(report: Report) -> None:
    root = ET.fromstring(render(report, "junit", rules=RULES))
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, optional, children = DIALECT[element.tag]
        assert needed <= {*element.keys()} <= needed | optional
        assert {child.tag for child in element} <= children


@pytest.mark.parametrize(
    ("report", "tests", "failures", "skipped"),
    [
        (clean_report(), len(RULES), 0, 0),
        (bad_report(), 4, 3, 0),
        (judged_report(), 4, 1, 2),
        (bad_report(findings=(finding("a", "x"), finding("a", "y"))), 2 + len(RULES), 2, 0),
        (with_strings(bad_report(), "\x00\x1b\uffff\udcff]]><&\"'"), 4, 3, 0),
    ],
)
def test_a_consumer_counts_the_same(
    report: Report, tests: int, failures: int, skipped: int
) -> None:
    text = render(report, "junit", rules=RULES)
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
        tests,
        failures,
        0,
        skipped,
    )
    results = [type(result) for case in suite for result in case.result]
    assert len(list(suite)) == tests
    assert results.count(junitparser.Failure) == failures
    assert results.count(junitparser.Skipped) == skipped
    names = [(case.classname, case.name) for case in suite]
    assert len(names) == len(set(names))
    assert all(classname and name for classname, name in names)
