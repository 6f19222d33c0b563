"""The findings as SARIF 2.1.0, for code-scanning pages.

The rules are those of OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0";
section numbers below are of that document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import printable
from pyimginspect.formats._fixes import fixes_by_edit, is_about
from pyimginspect.formats._sarif import log_of
from pyimginspect.plan import Plan
from pyimginspect.report import Finding, Report, instruction_of
from pyimginspect.rules import Rule
from pyimginspect.text import sized
from pyimginspect.version import HOME

__all__ = ["render"]


# GitHub refuses a log with more results in a run, and stores 100 locations of a result
# (https://docs.github.com/en/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit).
_MOST_RESULTS = 25_000
_MOST_RELATED = 99


def render(
    report: Report,
    *,
    rules: Mapping[str, Rule] | None = None,
    dockerfile: Dockerfile | None = None,
    category: str = "",
    plan: Plan | None = None,
) -> str:
    """Return the findings as a SARIF log of one run.

    ``rules`` is the catalogue, for the help of each rule. A finding is placed at the line of
    ``dockerfile`` that brought it, or at the path in the image that shows it; what the edits of
    ``plan`` that fix it replace there is its fix. ``category`` names
    the analysis where the image's repository is no good name for it: consumers close the alerts
    of one category that its next upload no longer has.
    """
    judged = list(islice(_judged(report), _MOST_RESULTS))
    catalogue = _rules([finding for finding, _ in judged], rules or {})
    numbers = {rule["id"]: number for number, rule in enumerate(catalogue)}
    fixes = fixes_by_edit(plan, dockerfile) if plan is not None and dockerfile is not None else ()
    results = []
    for finding, judgement in judged:
        result = _result(report, finding, dockerfile)
        mending = [fix for edit, fix in fixes if is_about(edit, finding)]
        if mending:
            result["fixes"] = mending
        results.append({**result, "ruleIndex": numbers[finding.rule], **judgement})
    run = {
        "tool": {
            "driver": {
                "name": "pyimginspect",
                "version": report.tool_version,
                "informationUri": HOME,
                "rules": catalogue,
            }
        },
        # What stands before the last slash is the category (§3.17.3): the same for every tag and
        # digest of an image, lest the alerts of each tag stay open for ever.
        "automationDetails": {"id": f"pyimginspect/{category or _repository(report)}/"},
        # Python counts code points; the other choice is UTF-16 code units.
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps(log_of([run]), indent=2, ensure_ascii=False) + "\n"


def _judged(report: Report) -> Iterator[tuple[Finding, dict[str, Any]]]:
    """Yield every finding with what the verdict adds to its result, those set aside last."""
    verdict = report.verdict
    if verdict is None:
        yield from ((finding, {}) for finding in report.findings)
        return
    compared = bool(verdict.accepted or verdict.fixed)
    new = {"baselineState": "new"} if compared else {}
    yield from ((finding, new) for finding in report.findings)
    yield from ((finding, {"baselineState": "unchanged"}) for finding in verdict.accepted)
    for item in verdict.waived:
        # §3.35: what was decided outside the file that is scanned.
        reason = printable(item.reason)
        suppression = {"kind": "external", "status": "accepted", "justification": reason}
        yield item.finding, {**new, "suppressions": [suppression]}


def _image(report: Report) -> str:
    names = report.image.names
    return printable(names[0] if names else report.image.reference)


def _repository(report: Report) -> str:
    """Return the image's name without tag and digest, or the name of the file that holds it."""
    if not report.image.names:
        return printable(report.image.reference.rstrip("/").rpartition("/")[2])
    name = _image(report).partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _rules(findings: Iterable[Finding], rules: Mapping[str, Rule]) -> list[dict[str, Any]]:
    described = {rule.id: _rule(rule) for rule in rules.values()}
    for finding in findings:
        # A third party's analyzer may bring a rule that no catalogue has.
        described.setdefault(finding.rule, {"id": finding.rule})
    return [described[name] for name in sorted(described)]


def _rule(rule: Rule) -> dict[str, Any]:
    example = f"\n\n```dockerfile\n{rule.example.strip()}\n```" if rule.example else ""
    return {
        "id": rule.id,
        # A name is for people and has no hyphens: the Microsoft SARIF validator asks for Pascal
        # case.
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.what},
        "help": {
            "text": f"{rule.what}\n\n{rule.why}\n\n{rule.fix}",
            "markdown": f"{rule.what}\n\n**Why.** {rule.why}\n\n**Fix.** {rule.fix}{example}",
        },
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [rule.policy]},
        **({"helpUri": rule.page} if rule.page else {}),
    }


def _result(report: Report, finding: Finding, dockerfile: Dockerfile | None) -> dict[str, Any]:
    text = printable(finding.message)
    if finding.saving:
        text += f" (saves {sized(finding.saving)})"
    if finding.fix:
        text += "\n" + "\n".join(map(printable, finding.fix.splitlines()))
    return {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [_location(report, finding, dockerfile)],
        **_related(finding),
        # GitHub tells alerts apart by the first, others by whatever they know (§3.27.17).
        "partialFingerprints": {
            "primaryLocationLineHash": finding.fingerprint,
            "pyimginspect/v1": finding.fingerprint,
        },
        "properties": {
            "subject": printable(finding.subject),
            "saving": finding.saving,
            "layers": list(finding.layers),
            "instruction": printable(instruction_of(report, finding)),
            "evidence": [printable(evidence.what) for evidence in finding.evidence],
        },
    }


def _location(report: Report, finding: Finding, dockerfile: Dockerfile | None) -> dict[str, Any]:
    paths = [*finding.paths, *(e.path for e in finding.evidence if e.path)]
    logical = [
        {
            "name": printable(path),
            "kind": "resource",
            "fullyQualifiedName": _qualified(report, path),
        }
        for path in paths[:1]
    ]
    # GitHub takes no result without a location, though a path in an image is no file of the
    # repository.
    uri, region = _uri(paths[0] if paths else _image(report)), {"startLine": 1}
    if dockerfile is not None:
        uri = _uri(dockerfile.path)
        lines = dockerfile.lines_of(instruction_of(report, finding))
        if lines is not None:
            region = {"startLine": lines[0], "endLine": lines[1]}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}
    }
    if logical:
        location["logicalLocations"] = logical
    return location


def _related(finding: Finding) -> dict[str, list[dict[str, Any]]]:
    """Return the paths in the image that the evidence names (§3.27.22)."""
    shown = [evidence for evidence in finding.evidence if evidence.path]
    locations = [
        {
            "id": number,
            "message": {"text": printable(evidence.what)},
            "physicalLocation": {"artifactLocation": {"uri": _uri(evidence.path)}},
        }
        for number, evidence in enumerate(shown[:_MOST_RELATED], 1)
    ]
    return {"relatedLocations": locations} if locations else {}


def _qualified(report: Report, path: str) -> str:
    return f"{_image(report)}:/{printable(path)}"


def _uri(path: str) -> str:
    """Return a path as a relative URI (RFC 3986); a colon in its first part is no scheme."""
    return quote(path.replace("\\", "/"), safe="/", errors="surrogateescape")
