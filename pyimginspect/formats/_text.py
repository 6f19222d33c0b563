"""Words and numbers as people read them, shared by the formats for terminals and for pages."""

from __future__ import annotations

from collections.abc import Iterable

import humanize

from pyimginspect.errors import printable
from pyimginspect.report import SEVERITIES, Finding, Report
from pyimginspect.text import counted

__all__ = [
    "base_words",
    "instruction_and_others",
    "listing",
    "ranges",
    "runs_word",
    "severity_words",
    "start_words",
    "verdict_words",
]


def listing(items: Iterable[str], most: int = 5) -> str:
    """Return names as a list of at most ``most``, and how many more there are."""
    names = list(items)
    rest = len(names) - most
    if rest <= 0:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {rest:,} more"


def ranges(numbers: Iterable[int], most: int = 6) -> str:
    """Return numbers with runs of them as ranges, of at most so many: ``6 to 9, 12``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = ", ".join(
        # A range of two is longer than the two.
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run))
        for run in runs[:most]
    )
    rest = sum(map(len, runs[most:]))
    return f"{words} and {rest:,} more" if rest else words


def instruction_and_others(finding: Finding, report: Report) -> tuple[str, str, str]:
    """Return number and instruction of the layer a finding is about, and words for all others.

    The instruction is that of one layer; where it is none of theirs, all numbers come first.
    """
    instructions = {layer.number: layer.instruction for layer in report.layers}
    text = finding.instruction or instructions.get(finding.layers[0], "")
    own = next((n for n in finding.layers if text and instructions.get(n) == text), None)
    if own is None:
        return ranges(finding.layers), text, ""
    others = [n for n in finding.layers if n != own]
    noun = "layer" if len(others) == 1 else "layers"
    return str(own), text, f"and {noun} {ranges(others)}" if others else ""


def severity_words(findings: Iterable[Finding]) -> str:
    """Return how many findings of each severity there are, worst first: ``1 error, 2 notes``."""
    found = [finding.severity for finding in findings]
    words = [counted(found.count(level), level) for level in SEVERITIES if level in found]
    return ", ".join(words) or "none"


def base_words(report: Report) -> str:
    """Return the base image in a phrase: ``python 3.13 slim on debian 12 (official, certain)``."""
    base = report.base
    words = " ".join(word for word in (base.family, base.version, base.variant) if word)
    if base.distribution and base.distribution.split()[0] != base.family:
        words += f" on {base.distribution}"
    official = "official, " if base.official else ""
    return printable(f"{words} ({official}{base.confidence})")


def verdict_words(report: Report) -> str:
    """Return the verdict of the policy in a phrase, or nothing where none was asked for."""
    verdict = report.verdict
    if verdict is None:
        return ""
    policy = printable(verdict.policy)
    if verdict.fail_on is None and report.findings:
        return f"has findings, and none can fail it (policy {policy}, fail-on never)"
    words = f"{'passes' if verdict.passed else 'fails'} the policy {policy}"
    asides = [
        f"{humanize.intcomma(number)} {word}"
        for number, word in (
            (sum(rule.failing for rule in verdict.rules), "failing"),
            (len(verdict.waived), "waived"),
            (len(verdict.accepted), "known before"),
            (len(verdict.fixed), "fixed"),
        )
        if number
    ]
    return f"{words} ({', '.join(asides)})" if asides else words


def start_words(report: Report) -> str:
    """Return what a container of the image starts, in a phrase; nothing where it starts nothing."""
    startup = report.startup
    if startup.status == "unknown":
        return f"not known: {startup.reason}"
    if startup.problem is not None:
        verb = "fails at once" if startup.python else "cannot start"
        return f"{verb}: {startup.problem.what}"
    if startup.status == "none":
        return ""
    if startup.python or startup.shell:
        return startup.reason
    return f"{startup.reason}, which is no Python"


def toc_words(report: Report) -> str:
    """Return which layers were read by their tables of contents; nothing where none was."""
    numbers = [layer.number for layer in report.layers if layer.toc_digest]
    if not numbers:
        return ""
    many = len(numbers) > 1
    return (
        f"{'layers' if many else 'layer'} {ranges(numbers)}: content taken from "
        f"{'their tables' if many else 'its table'} of contents, not verified by "
        f"{'their diff IDs' if many else 'its diff ID'}; --verify reads all of "
        f"{'them' if many else 'it'}"
    )


def runs_word(report: Report) -> str:
    """Return what the effective Python does: it runs, or is the first that PATH leads to."""
    return "on PATH" if report.startup.on_path else "runs"
