"""What is written of the images that were inspected: reports, comparisons, plans, a baseline."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from pyimginspect import formats
from pyimginspect.analyzers import catalogue
from pyimginspect.cli.about import all_rules
from pyimginspect.cli.asides import put_asides
from pyimginspect.cli.exit_status import CLEAN, FAILED, FINDINGS
from pyimginspect.cli.fixing import change_dockerfile, changes
from pyimginspect.cli.outputs import (
    NEW_FINDINGS_FORMATS,
    add_job_summary,
    put,
    replace,
    style,
    wants_hyperlinks,
)
from pyimginspect.comparison import compare
from pyimginspect.policy import Baseline, Policy, apply_policy, remember, write_baseline
from pyimginspect.report import Failure, Report

if TYPE_CHECKING:
    from pyimginspect.plan import LayerBreakdown, Plan

__all__ = ["Request", "Result", "write_results"]


class Request(Struct, frozen=True, kw_only=True):
    """What a command line asks for, with the files read that it names."""

    args: argparse.Namespace
    outputs: list[tuple[Path | None, str]]
    policy: Policy
    baseline: Baseline | None
    dockerfile: formats.Dockerfile | None

    @property
    def documents(self) -> bool:
        """Whether all that is written are documents, which have the images that failed too."""
        args = self.args
        if args.against or args.layers or args.plan or changes(args):
            return False
        return {name for _, name in self.outputs} <= {*formats.MANY_FORMATS} - {"table"}

    @property
    def needs_areas(self) -> bool:
        """Whether a format is written that shows the areas of the image and the plan's edits."""
        named = {name for _, name in self.outputs}
        return "html" in named or ("sarif" in named and self.dockerfile is not None)


class Result(Struct, frozen=True, kw_only=True):
    """What is printed of one image: the report, and what else was asked for."""

    report: Report
    plan: Plan | None = None
    layers: tuple[LayerBreakdown, ...] | None = None
    dockerfile: str | None = None


def write_results(request: Request, results: Sequence[Result], failures: list[Failure]) -> int:
    """Judge the reports by the policy, write what was asked for, and return the exit status."""
    args, judged = request.args, _judged(results, request)
    if args.against:
        return _compare(judged, request)
    if changes(args):
        assert request.dockerfile is not None
        assert judged[0].plan is not None
        return change_dockerfile(judged[0].plan, request.dockerfile, args)
    for target, name in request.outputs:
        if args.layers or args.plan:
            asides = [(each.layers, each.plan, each.dockerfile) for each in judged]
            put_asides(asides, target, name, args)
        else:
            _write(judged, target, name, request, failures)
    reports = [result.report for result in judged]
    if args.write_baseline and reports:
        replace(Path(args.write_baseline), write_baseline(reports[0]))
        reports = []  # what there is now is accepted
    if failures:
        return FAILED
    return FINDINGS if any(map(_fails, reports)) else CLEAN


def _fails(report: Report) -> bool:
    return report.verdict is not None and not report.verdict.passed


def _judged(results: Sequence[Result], request: Request) -> list[Result]:
    """Return the results with the policy's verdicts on their reports."""
    today = datetime.datetime.now(datetime.UTC).date()
    rules = catalogue()

    def judge(report: Report) -> Report:
        return apply_policy(report, request.policy, rules, today=today, baseline=request.baseline)

    return [msgspec.structs.replace(each, report=judge(each.report)) for each in results]


def _compare(judged: list[Result], request: Request) -> int:
    """Write what changed; new findings that the policy fails make the status 1."""
    before, after = (result.report for result in judged)
    comparison = compare(before, after)
    new = _only_new(after, before)
    for target, name in request.outputs:
        if name in NEW_FINDINGS_FORMATS:
            _write([msgspec.structs.replace(judged[1], report=new)], target, name, request)
            continue
        text = formats.render_comparison(comparison, name, **style(target, request.args))
        put(text, target, exact=name != "table")
    verdict = after.verdict
    failed = verdict is not None and any(map(verdict.fails, comparison.new))
    return FINDINGS if failed else CLEAN


def _only_new(after: Report, before: Report) -> Report:
    """Return a report with the findings that another has as known ones, and those gone as gone."""
    verdict = after.verdict
    assert verdict is not None, "a report is judged before it is compared"
    comparison = compare(before, after)
    new = {finding.fingerprint for finding in comparison.new}
    known = tuple(f for f in after.findings if f.fingerprint not in new)
    return msgspec.structs.replace(
        after,
        findings=tuple(f for f in after.findings if f.fingerprint in new),
        verdict=msgspec.structs.replace(
            verdict,
            passed=not any(map(verdict.fails, comparison.new)),
            accepted=(*verdict.accepted, *known),
            fixed=(*verdict.fixed, *map(remember, comparison.fixed)),
        ),
    )


def _write(
    results: list[Result],
    target: Path | None,
    name: str,
    request: Request,
    failures: Sequence[Failure] = (),
) -> None:
    args = request.args
    terminal = target is None and sys.stdout is not None and sys.stdout.isatty()
    options = {
        **style(target, args),
        "hyperlinks": target is None and wants_hyperlinks(terminal=terminal),
        "rules": all_rules(),
        "dockerfile": request.dockerfile,
        "category": args.category,
        "detail": -1 if args.summary else args.verbose,
        "plan": results[0].plan if len(results) == 1 else None,
    }
    reports = [result.report for result in results]
    text = formats.render_many(reports, name, failures=failures, **options)
    # Documents have a place for each image's verdict; pages of text one after the other do not.
    if name == "table" and len(args.images) > 1:
        from pyimginspect.formats.table import summary_of_failures, verdicts

        if args.summary:
            text += summary_of_failures(failures)
        else:
            text += "\n" * bool(text) + verdicts(reports, failures, **style(target, args))
    put(text, target, exact=name != "table")
    # Annotations have room for ten findings of a kind; the summary of the step has all.
    if name == "github":
        add_job_summary(formats.render_many(reports, "markdown", failures=failures))
