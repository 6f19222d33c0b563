"""The baseline: what was there is accepted, what is new fails, what has gone is told."""

import datetime

import msgspec
import pytest

from pyimginspect.errors import PolicyError
from pyimginspect.policy import (
    BUILTIN,
    Baseline,
    apply_policy,
    parse_policy,
    read_baseline,
    write_baseline,
)
from pyimginspect.report import Report
from tests.reports import RULES, bad_report, clean_report, finding, with_strings

TODAY = datetime.date(2026, 6, 15)


def judge(report: Report, baseline: Baseline) -> Report:
    return apply_policy(report, BUILTIN["python-slim"], RULES, today=TODAY, baseline=baseline)


def test_a_baseline_is_literal_and_sorted() -> None:
    report = clean_report(findings=(finding("b", "y"), finding("a", "z"), finding("a", "x")))
    assert (
        write_baseline(report)
        == """\
{
  "baseline_version": 1,
  "tool_version": "0.1.0",
  "findings": [
    {
      "fingerprint": "8b86bced10290476",
      "rule": "a",
      "subject": "x",
      "message": "x of a"
    },
    {
      "fingerprint": "27d3fe95f306b964",
      "rule": "a",
      "subject": "z",
      "message": "z of a"
    },
    {
      "fingerprint": "54fae302d8321aeb",
      "rule": "b",
      "subject": "y",
      "message": "y of b"
    }
  ]
}
"""
    )


@pytest.mark.parametrize(
    ("before", "now", "passed", "new", "accepted", "gone"),
    [
        ("", "", True, "", "", ""),
        ("ab", "ab", True, "", "ab", ""),
        ("ab", "abc", False, "c", "ab", ""),
        ("ab", "b", True, "", "b", "a"),
        ("", "a", False, "a", "", ""),
        ("ab", "cd", False, "cd", "", "ab"),
    ],
)
def test_only_what_is_new_fails(
    before: str, now: str, passed: bool, new: str, accepted: str, gone: str
) -> None:
    def report(subjects: str) -> Report:
        return clean_report(findings=tuple(finding("rule", s) for s in subjects))

    judged = judge(report(now), read_baseline(write_baseline(report(before))))
    assert judged.verdict is not None
    assert judged.verdict.passed is passed
    assert "".join(f.subject for f in judged.findings) == new
    assert "".join(f.subject for f in judged.verdict.accepted) == accepted
    assert "".join(g.subject for g in judged.verdict.fixed) == gone


def test_a_rebuild_in_other_layers_is_still_known() -> None:
    baseline = read_baseline(write_baseline(bad_report()))
    moved = tuple(
        msgspec.structs.replace(f, layers=(9,), saving=f.saving + 1, message="else", evidence=())
        for f in bad_report().findings
    )
    judged = judge(bad_report(findings=moved), baseline)
    assert judged.verdict is not None
    assert judged.verdict.passed
    assert judged.findings == ()
    assert judged.verdict.fixed == ()


def test_a_baseline_written_on_top_of_one_knows_both_and_no_waived() -> None:
    first = read_baseline(write_baseline(clean_report(findings=(finding("r", "a"),))))
    policy = parse_policy("[[waivers]]\nrule='waived*'\nreason='x'", RULES)
    report = clean_report(findings=(finding("r", "a"), finding("r", "b"), finding("waived", "c")))
    judged = apply_policy(report, policy, RULES, today=TODAY, baseline=first)
    second = read_baseline(write_baseline(judged))
    assert [known.subject for known in second.findings] == ["a", "b"]


def test_what_a_waiver_hides_has_not_gone() -> None:
    baseline = read_baseline(write_baseline(bad_report()))
    policy = parse_policy("[[waivers]]\nrule='*'\nreason='x'", RULES)
    judged = apply_policy(bad_report(), policy, RULES, today=TODAY, baseline=baseline)
    assert judged.verdict is not None
    assert judged.verdict.fixed == ()


def test_names_that_are_no_utf8_are_known_again() -> None:
    report = with_strings(bad_report(), "\udcff")
    judged = judge(report, read_baseline(write_baseline(report)))
    assert judged.findings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "b.json is no baseline"),
        ("[1", "b.json is no baseline"),
        ("[" * 100_000, "b.json is no baseline"),
        ("{}", "b.json is no baseline: .*baseline_version"),
        (b"\xff", "b.json is no baseline"),
        ('{"baseline_version": 2}', "has version 2, this release reads 1 .*--write-baseline"),
        ('{"baseline_version": 1, "findings": [{}]}', "b.json is no baseline: .*fingerprint"),
        ('{"schema_version": 1}', "b.json is no baseline"),
    ],
)
def test_what_is_no_baseline_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        read_baseline(text, "b.json")
