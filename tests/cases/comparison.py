"""What a report says, held against what a case expects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from pyimginspect import Finding, Report
from tests.cases.format import Absent, Expectations, Expected

__all__ = ["above_note", "differences"]


def differences(expects: Expectations, report: Report, dockerfile: str = "") -> tuple[str, ...]:
    """Say in a line each what is missing, what is there and should not be, and what differs.

    ``dockerfile`` is the one that the plan for the image writes.
    """
    return (
        *_of_findings(expects, report),
        *_of_facts(expects, report),
        *_of_plan(expects, dockerfile),
    )


def above_note(report: Report, accept: Collection[str] = ()) -> tuple[str, ...]:
    """The findings that an image with nothing wrong does not have, in a line each."""
    return tuple(
        f"not clean: {_told(finding)}"
        for finding in report.findings
        if finding.severity != "note" and finding.rule not in accept
    )


def _of_findings(expects: Expectations, report: Report) -> Iterator[str]:
    for wanted in expects.finding:
        if not any(_is(finding, wanted) for finding in report.findings):
            yield _missing(wanted, report)
    for unwanted in expects.absent:
        for finding in report.findings:
            if _matches(finding, unwanted):
                yield f"should not be there: {_told(finding)}"
    if expects.clean:
        yield from above_note(report, expects.accept)
        return
    for finding in report.findings:
        if finding.severity == "error" and not _is_known(finding, expects):
            yield f"unexpected error: {_told(finding)}"


def _is_known(finding: Finding, expects: Expectations) -> bool:
    return any(_is(finding, wanted) for wanted in expects.finding) or any(
        _matches(finding, allowed) for allowed in expects.allowed
    )


def _of_facts(expects: Expectations, report: Report) -> Iterator[str]:
    facts = report.to_dict() if expects.report else {}
    for path, pattern in expects.report.items():
        value = _value(facts, path)
        if not re.search(pattern, value):
            yield f"report: {path} is {value!r}, not {pattern!r}"


def _of_plan(expects: Expectations, dockerfile: str) -> Iterator[str]:
    for pattern in expects.plan:
        if not re.search(pattern, dockerfile, re.MULTILINE):
            yield f"the plan's Dockerfile lacks {pattern!r}"
    for pattern in expects.no_plan:
        if found := re.search(pattern, dockerfile, re.MULTILINE):
            yield f"the plan's Dockerfile has {found[0]!r}"


def _is(finding: Finding, wanted: Expected) -> bool:
    return (
        _matches(finding, wanted)
        and wanted.bytes in (None, finding.saving)
        and _shown(finding, wanted.evidence)
    )


def _shown(finding: Finding, pattern: str) -> bool:
    lines = (f"{each.path}: {each.what}" for each in finding.evidence)
    return not pattern or any(re.search(pattern, line) for line in lines)


def _matches(finding: Finding, wanted: Expected | Absent) -> bool:
    return (
        wanted.rule in ("", finding.rule)
        and wanted.severity in ("", finding.severity)
        and bool(re.search(wanted.subject, finding.subject))
        and bool(re.search(wanted.message, finding.message))
        and bool(re.search(wanted.fix, finding.fix))
    )


def _missing(wanted: Expected, report: Report) -> str:
    """Name the finding that is missing, and the nearest that is there."""
    same = [finding for finding in report.findings if finding.rule == wanted.rule]
    words = [f"{name}={value!r}" for name, value in _given(wanted)]
    text = f"missing: {' '.join([wanted.rule, *words])}"
    if not same:
        return text
    near = "; ".join(f"{_told(f)} (saving {f.saving:,}; fix: {f.fix})" for f in same)
    return f"{text}; there is {near}"


def _given(wanted: Expected) -> Iterator[tuple[str, object]]:
    for name in ("severity", "subject", "message", "fix", "evidence", "bytes"):
        value = getattr(wanted, name)
        if value not in ("", None):
            yield name, value


def _told(finding: Finding) -> str:
    return f"{finding.severity} {finding.rule} {finding.subject}: {finding.message}"


def _value(facts: Any, path: str) -> str:
    """The value at a dotted path as text; empty where there is none.

    In a list, a number counts, and ``key=value`` picks the first item that has the value.
    """
    for name in path.split("."):
        if isinstance(facts, list):
            facts = _item(facts, name)
        else:
            facts = facts.get(name) if isinstance(facts, dict) else None
    return "" if facts is None else str(facts)


def _item(items: list[Any], name: str) -> Any:
    key, equals, value = name.partition("=")
    if equals:
        return next((item for item in items if str(item.get(key)) == value), None)
    return items[int(name)] if name.isdecimal() and int(name) < len(items) else None
