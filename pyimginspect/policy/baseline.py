"""What was there when a team adopted the tool: known findings, which a later run may have."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json
from pyimginspect.errors import PolicyError
from pyimginspect.report import BaselineEntry, Finding, Report

__all__ = ["BASELINE_VERSION", "Baseline", "read_baseline", "remember", "write_baseline"]

BASELINE_VERSION = 1


class Baseline(Struct, frozen=True, kw_only=True):
    """The findings of an earlier run, by fingerprints that do not change with a rebuild."""

    baseline_version: int = BASELINE_VERSION
    tool_version: str = ""
    findings: tuple[BaselineEntry, ...] = ()


class _Versioned(Struct):
    baseline_version: int


def write_baseline(report: Report) -> str:
    """Return a baseline, as JSON, that knows all findings of a report but those waived."""
    # Those of the old baseline are still there, and a new one must not lose them.
    known = report.verdict.accepted if report.verdict is not None else ()
    findings = {finding.fingerprint: remember(finding) for finding in (*report.findings, *known)}
    baseline = Baseline(
        tool_version=report.tool_version,
        # Sorted, so that a baseline under version control changes only where findings do.
        findings=tuple(sorted(findings.values(), key=lambda known: (known.rule, known.subject))),
    )
    data = msgspec.json.encode(baseline)
    return msgspec.json.format(data, indent=2).decode() + "\n"


def read_baseline(text: str | bytes, source: str = "baseline") -> Baseline:
    """Read what :func:`write_baseline` wrote.

    Raises :class:`PolicyError` for anything else, a baseline of another version among it.
    """
    try:
        # First the version alone: a later one may have fields that this release calls wrong.
        version = from_json(text, _Versioned).baseline_version
        if version != BASELINE_VERSION:
            raise PolicyError(
                f"{source} has version {version}, this release reads {BASELINE_VERSION}",
                hint="rewrite it with --write-baseline",
            )
        return from_json(text, Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise PolicyError(f"{source} is no baseline: {exc}") from exc


def remember(finding: Finding) -> BaselineEntry:
    """Return what is kept of a finding, to say later that it is not there any more."""

    # A name that is no UTF-8 cannot be in JSON; its fingerprint has been taken of it as it is.
    def spell(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode()

    return BaselineEntry(
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        subject=spell(finding.subject),
        message=spell(finding.message),
    )
