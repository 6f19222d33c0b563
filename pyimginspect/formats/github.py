"""The findings as workflow commands, which GitHub Actions turns into annotations."""

from __future__ import annotations

from pyimginspect.errors import printable
from pyimginspect.formats._dockerfile import Dockerfile, instruction_of
from pyimginspect.formats._text import severity_words, size, verdict_words
from pyimginspect.report import Report

__all__ = ["render"]

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report, *, dockerfile: Dockerfile | None = None) -> str:
    """Return one command a finding, at the line of ``dockerfile`` that brought it.

    Escapes as the toolkit of GitHub Actions does (``@actions/core``, ``command.ts``): what an
    image is named cannot end a command or begin another.
    """
    lines = []
    for finding in report.findings:
        properties = {}
        if dockerfile is not None:
            properties["file"] = dockerfile.path
            found = dockerfile.lines_of(instruction_of(report, finding))
            if found is not None:
                properties["line"], properties["endLine"] = map(str, found)
        properties["title"] = finding.rule
        text = printable(finding.message)
        if finding.saving:
            text += f" (saves {size(finding.saving)})"
        for line in finding.fix.splitlines():
            text += f"\n{printable(line)}"
        lines.append(_command(_COMMANDS[finding.severity], properties, text))
    name = report.image.names[0] if report.image.names else report.image.reference
    words = verdict_words(report) or f"has findings: {severity_words(report.findings)}"
    failed = report.verdict is not None and not report.verdict.passed
    lines.append(
        _command(
            "error" if failed else "notice",
            {"title": "pyimginspect"},
            f"{printable(name)} {words}",
        )
    )
    return "\n".join(lines) + "\n"


def _command(name: str, properties: dict[str, str], text: str) -> str:
    words = ",".join(
        f"{key}={_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    return f"::{name} {words}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
