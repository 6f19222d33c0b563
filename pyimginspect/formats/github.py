"""The findings as workflow commands, which GitHub Actions turns into annotations."""

from __future__ import annotations

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import printable
from pyimginspect.formats._github import workflow_command
from pyimginspect.formats._text import severity_words, verdict_words
from pyimginspect.report import Finding, Report, instruction_of
from pyimginspect.text import counted, sized

__all__ = ["render"]

# GitHub shows ten annotations of a kind for each step and drops the others in silence
# (actions/toolkit, docs/problem-matchers.md, "Limitations").
_MOST_OF_A_KIND = 10

# Workflow commands have debug, notice, warning and error.
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, *, dockerfile: Dockerfile | None = None) -> str:
    """Return the verdict, then one command a finding, at the line of ``dockerfile`` it is about.

    No more than GitHub shows of each kind; the verdict says how many findings are left out.
    Escapes as the toolkit of GitHub Actions does (``@actions/core``, ``command.ts``): what an
    image is named cannot end a command or begin another.
    """
    failed = report.verdict is not None and not report.verdict.passed
    verdict = "error" if failed else "notice"
    # The verdict is an annotation too, and takes one of the ten of its kind.
    room = {command: _MOST_OF_A_KIND - (command == verdict) for command in _COMMANDS.values()}
    lines = []
    for finding in report.findings:
        command = _COMMANDS[finding.severity]
        if room[command]:
            room[command] -= 1
            lines.append(_annotation(command, report, finding, dockerfile))
    name = report.image.names[0] if report.image.names else report.image.reference
    words = verdict_words(report) or f"has findings: {severity_words(report.findings)}"
    left_out = len(report.findings) - len(lines)
    if left_out:
        words += f"; {counted(left_out, 'more finding')} in the job summary"
    first = workflow_command(verdict, {"title": "pyimginspect"}, f"{printable(name)} {words}")
    return "\n".join([first, *lines]) + "\n"


def _annotation(
    command: str, report: Report, finding: Finding, dockerfile: Dockerfile | None
) -> str:
    properties = {}
    if dockerfile is not None:
        properties["file"] = dockerfile.path
        found = dockerfile.lines_of(instruction_of(report, finding))
        if found is not None:
            properties["line"], properties["endLine"] = map(str, found)
    properties["title"] = finding.rule
    text = printable(finding.message)
    if finding.saving:
        text += f" (saves {sized(finding.saving)})"
    for line in finding.fix.splitlines():
        text += f"\n{printable(line)}"
    return workflow_command(command, properties, text)
