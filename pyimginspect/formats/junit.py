"""The verdict as JUnit XML: a test case a finding, and one for each rule that found nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from pyimginspect.errors import printable
from pyimginspect.report import Finding, Report, Verdict
from pyimginspect.rules import Rule
from pyimginspect.text import sized

__all__ = ["render"]


def render(report: Report, *, rules: Mapping[str, Rule] | None = None) -> str:
    """Return a test suite for the image, in the dialect of Jenkins' xUnit plugin.

    What the policy fails is a failure; without a policy, errors and warnings are. What a waiver
    or the baseline lets pass is skipped.
    """
    name = report.image.names[0] if report.image.names else report.image.reference
    suite = ElementTree.Element("testsuite", name=printable(name))
    verdict = report.verdict
    failures = 0
    for finding in report.findings:
        # By rule and subject, which stay the same: readers follow a test case over its runs.
        case = _case(suite, finding.rule, finding.subject)
        if verdict.fails(finding) if verdict is not None else finding.severity != "note":
            failures += 1
            failure = ElementTree.SubElement(
                case, "failure", message=printable(finding.message), type=finding.severity
            )
            failure.text = _details(finding)
        else:
            ElementTree.SubElement(case, "system-out").text = _details(finding)
    aside = list(_set_aside(verdict)) if verdict is not None else []
    for finding, why in aside:
        case = _case(suite, finding.rule, finding.subject)
        ElementTree.SubElement(case, "skipped", message=printable(why))
    names = {rule.rule for rule in verdict.rules} if verdict is not None else {*(rules or {})}
    names -= {finding.rule for finding in report.findings}
    names -= {finding.rule for finding, _ in aside}
    for rule in sorted(names):
        _case(suite, rule, "")
    counts = {"tests": len(suite), "failures": failures, "errors": 0, "skipped": len(aside)}
    suite.attrib.update({key: str(value) for key, value in counts.items()})
    # Readers expect a time; a real one would make each run's document another one.
    suite.set("time", "0")
    suites = ElementTree.Element("testsuites", name="pyimginspect")
    suites.attrib.update({key: str(counts[key]) for key in ("tests", "failures", "errors")})
    suites.append(suite)
    ElementTree.indent(suites)
    text = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _set_aside(verdict: Verdict) -> Iterator[tuple[Finding, str]]:
    """Yield the findings that a waiver or the baseline lets pass, and why."""
    for item in verdict.waived:
        yield item.finding, item.reason
    for finding in verdict.accepted:
        yield finding, "known to the baseline"


def _case(suite: ElementTree.Element, rule: str, subject: str) -> ElementTree.Element:
    name = printable(f"{rule}: {subject}" if subject else rule)
    return ElementTree.SubElement(
        suite, "testcase", classname=f"pyimginspect.{printable(rule)}", name=name, time="0"
    )


def _details(finding: Finding) -> str:
    lines = [finding.message, *(f"- {evidence.what}" for evidence in finding.evidence)]
    if finding.layers:
        numbers = ", ".join(map(str, finding.layers))
        lines.append(f"layer {numbers}: {finding.instruction}".removesuffix(": "))
    if finding.saving:
        lines.append(f"saves {sized(finding.saving)}")
    return "\n".join(map(printable, [*lines, *finding.fix.splitlines()]))
