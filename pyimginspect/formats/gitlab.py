"""The findings as GitLab's Code Quality report, which merge requests show beside the lines.

The fields are those of https://docs.gitlab.com/ci/testing/code_quality/ ("Code Quality report
format"): a list of issues, each with a description, a check's name, a fingerprint, a location and
a severity.
"""

from __future__ import annotations

import json

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import printable
from pyimginspect.report import Finding, Report, instruction_of
from pyimginspect.text import sized

__all__ = ["render"]

# Code Quality has info, minor, major, critical and blocker.
_SEVERITIES = {"error": "critical", "warning": "major", "note": "info"}


def render(report: Report, *, dockerfile: Dockerfile | None = None) -> str:
    """Return the findings as a JSON array, each at its line of ``dockerfile``.

    Without a Dockerfile a finding stands at the path in the image that shows it, which GitLab
    lists and cannot link.
    """
    issues = [_issue(report, finding, dockerfile) for finding in report.findings]
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _issue(report: Report, finding: Finding, dockerfile: Dockerfile | None) -> dict[str, object]:
    text = printable(finding.message)
    if finding.saving:
        text += f" (saves {sized(finding.saving)})"
    # The format has no issue without a path and a line.
    path, line = next(iter(finding.paths), report.image.reference), 1
    if dockerfile is not None:
        path = dockerfile.path
        lines = dockerfile.lines_of(instruction_of(report, finding))
        line = lines[0] if lines is not None else 1
    return {
        "description": text,
        "check_name": printable(finding.rule),
        "fingerprint": finding.fingerprint,
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": printable(path), "lines": {"begin": line}},
    }
