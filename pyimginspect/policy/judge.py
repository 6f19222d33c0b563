"""A report and a policy make a verdict."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from pyimginspect.model import Evidence
from pyimginspect.policy.baseline import Baseline
from pyimginspect.policy.settings import ALL, OWN_RULES, Policy, RuleSettings, Waiver
from pyimginspect.report import Finding, Report, RuleVerdict, Verdict, Waived, instruction_of
from pyimginspect.rules import Rule

__all__ = ["apply_policy"]

# Rules that judge the base without knowing what the policy allows.
_BASE_RULES = frozenset({"base-not-official-slim", "unknown-base"})


def apply_policy(
    report: Report,
    policy: Policy,
    rules: Mapping[str, Rule],
    *,
    today: datetime.date,
    baseline: Baseline | None = None,
) -> Report:
    """Return the report with the findings that count, and the verdict.

    ``rules`` is the catalogue. A waiver holds to the end of the day that it names; ``today``
    decides. Fails whatever is at least as severe as the policy's ``fail_on`` and is neither
    waived nor in the ``baseline``.
    """
    catalogue = {**rules, **OWN_RULES}
    found = [*report.findings, *_own_findings(report, policy, today)]
    seen = (_under(policy, catalogue, finding, report) for finding in found)
    counting = [finding for finding in seen if finding is not None]
    known = baseline.findings if baseline is not None else ()
    accepted = frozenset(old.fingerprint for old in known)
    present = frozenset(finding.fingerprint for finding in counting)
    judged = _judged(report, counting, _holding(policy, today), accepted)
    verdict = Verdict(
        policy=policy.name,
        passed=True,
        fail_on=policy.fail_on,
        waived=tuple(judged.waived),
        accepted=tuple(judged.accepted),
        fixed=tuple(old for old in known if old.fingerprint not in present),
    )
    verdict = _by_rule(verdict, policy, catalogue, judged.left)
    return msgspec.structs.replace(report, findings=tuple(judged.left), verdict=verdict)


class _Judged(NamedTuple):
    """Findings: what is left to judge by, what a waiver sets aside, what a baseline accepts."""

    left: list[Finding]
    waived: list[Waived]
    accepted: list[Finding]


def _judged(
    report: Report,
    findings: Iterable[Finding],
    waivers: Collection[Waiver],
    accepted: Collection[str],
) -> _Judged:
    """Return findings in their order; ``accepted`` are the fingerprints of the baseline."""
    found = _Judged([], [], [])
    # The policy's severities may be others than the analyzers'; the order goes by them.
    for finding in sorted(findings, key=lambda finding: finding.order):
        waiver = next((each for each in waivers if _covers(each, finding, report)), None)
        # A waiver before the baseline: its reason says more than that a finding was known.
        if waiver is not None:
            expires = waiver.expires.isoformat() if waiver.expires else ""
            found.waived.append(Waived(finding=finding, reason=waiver.reason, expires=expires))
        elif finding.fingerprint in accepted:
            found.accepted.append(finding)
        else:
            found.left.append(finding)
    return found


def _holding(policy: Policy, today: datetime.date) -> list[Waiver]:
    """Return the waivers that have not expired."""
    return [each for each in policy.waivers if each.expires is None or each.expires >= today]


def _by_rule(
    verdict: Verdict, policy: Policy, catalogue: Mapping[str, Rule], left: Iterable[Finding]
) -> Verdict:
    """Complete a verdict: every rule that holds, those that found nothing included."""
    left = list(left)
    aside = [item.finding for item in verdict.waived]
    # Analyzers of third parties may find what no catalogue knows.
    names = {rule.id for rule in catalogue.values() if _enabled(policy, rule.id, rule)}
    names |= {finding.rule for finding in (*left, *aside, *verdict.accepted)}
    rules = []
    for name in sorted(names):
        mine = [finding for finding in left if finding.rule == name]
        failing = sum(map(verdict.fails, mine))
        rules.append(
            RuleVerdict(
                rule=name,
                passed=not failing,
                findings=len(mine),
                failing=failing,
                waived=sum(finding.rule == name for finding in aside),
                accepted=sum(finding.rule == name for finding in verdict.accepted),
            )
        )
    return msgspec.structs.replace(
        verdict, rules=tuple(rules), passed=all(rule.passed for rule in rules)
    )


def _enabled(policy: Policy, name: str, rule: Rule | None) -> bool:
    """Whether a rule holds: by its own name, else by its group, else as all do.

    What is both selected and ignored by names of one kind is ignored, as in ruff. A rule of a
    third party may be in no catalogue, and has no group then.
    """
    group = rule.policy if rule is not None else ""
    selected = (*policy.select, *policy.extend_select)
    for level in (name, group, ALL):
        if level in policy.ignore:
            return False
        if level in selected:
            return True
        enabled = policy.rules.get(name, RuleSettings()).enabled
        if level == name and enabled is not None:
            return enabled
    # As in ruff, naming some leaves out all others.
    if policy.select:
        return False
    return policy.groups is None or rule is None or group in policy.groups or name in OWN_RULES


def _under(
    policy: Policy, catalogue: Mapping[str, Rule], finding: Finding, report: Report
) -> Finding | None:
    """Return a finding as the policy sees it, ``None`` where it does not count."""
    settings = policy.rules.get(finding.rule, RuleSettings())
    enabled = _enabled(policy, finding.rule, catalogue.get(finding.rule))
    too_small = settings.min_saving is not None and (
        # What it saves by itself: that another finding counts the same bytes hides nothing.
        finding.saving + finding.shared < settings.min_saving.of(report.size)
    )
    allowed = finding.packages and _all_match(finding.packages, policy.allowed_packages)
    if not enabled or too_small or allowed:
        return None
    if policy.allowed_bases and finding.rule in _BASE_RULES:
        return None  # base-not-allowed judges instead
    if settings.severity is not None:
        return msgspec.structs.replace(finding, severity=settings.severity)
    return finding


def _is_of(instruction: str, report: Report, finding: Finding) -> bool:
    from pyimginspect.dockerfile import same_instruction  # few waive by an instruction

    return same_instruction(instruction, instruction_of(report, finding))


def _covers(waiver: Waiver, finding: Finding, report: Report) -> bool:
    # fnmatchcase and not fnmatch, which ignores case on Windows.
    if not fnmatchcase(finding.rule, waiver.rule):
        return False
    if waiver.instruction and not _is_of(waiver.instruction, report, finding):
        return False
    # Some rules have paths as evidence only; without any, no pattern of paths covers a finding.
    paths = finding.paths or tuple(e.path for e in finding.evidence if e.path)
    packages = finding.packages or tuple(e.package for e in finding.evidence if e.package)
    return all(
        bool(names) and _all_match(names, patterns)
        for names, patterns in (
            # A directory is covered by a pattern for all that is in it.
            (paths, (*waiver.paths, *(p.removesuffix("/*") for p in waiver.paths))),
            (packages, waiver.packages),
        )
        if patterns
    )


def _all_match(names: Iterable[str], patterns: Iterable[str]) -> bool:
    return all(any(fnmatchcase(name, pattern) for pattern in patterns) for name in names)


def _own_findings(report: Report, policy: Policy, today: datetime.date) -> Iterator[Finding]:
    """Yield what only this policy finds fault with."""
    for waiver in policy.waivers:
        if waiver.expires is not None and waiver.expires < today:
            yield OWN_RULES["expired-waiver"].finding(
                subject=waiver.words,
                message=f"the waiver of {waiver.words} expired on {waiver.expires}",
                evidence=[Evidence(what=f"its reason was: {waiver.reason}")],
            )
    names = _base_names(report)
    if policy.allowed_bases and not any(_all_match([n], policy.allowed_bases) for n in names):
        yield OWN_RULES["base-not-allowed"].finding(
            subject=names[-1],
            message=f"the base {names[-1]} is not allowed",
            evidence=[
                *report.base.evidence,
                Evidence(what=f"the policy allows {', '.join(policy.allowed_bases)}"),
            ],
        )
    libc = report.libc.flavor
    if policy.expected_libc is not None and libc != policy.expected_libc:
        yield OWN_RULES["unexpected-libc"].finding(
            subject=libc,
            message=f"the C library is {libc}, and the policy expects {policy.expected_libc}",
            evidence=report.libc.evidence,
        )
    yield from _too_large(report, policy)


def _too_large(report: Report, policy: Policy) -> Iterator[Finding]:
    rule = OWN_RULES["image-too-large"]
    if policy.max_size is not None and report.size > policy.max_size:
        yield rule.finding(
            subject="size",
            message=f"the layers store {report.size:,} bytes, over {policy.max_size:,}",
            evidence=[Evidence(what=f"max-size is {policy.max_size:,} bytes")],
        )
    if policy.max_waste is not None:
        most = policy.max_waste.of(report.size)
        if report.waste.size > most:
            yield rule.finding(
                subject="waste",
                message=f"{report.waste.size:,} bytes are wasted, over {most:,}",
                evidence=[Evidence(what=f"max-waste is {most:,} bytes for this image")],
            )


def _base_names(report: Report) -> list[str]:
    """Return what the base may be called, the shortest that tells it apart last."""
    base = report.base
    tag = "-".join(part for part in (base.version, base.variant) if part)
    names = [base.name, base.family, f"{base.family}:{tag}" if tag else base.family]
    return [name for name in names if name]
