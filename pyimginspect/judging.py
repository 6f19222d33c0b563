"""A report and whatever names a policy, for programs: the verdict."""

from __future__ import annotations

import datetime
from pathlib import Path

from pyimginspect.analyzers import catalogue
from pyimginspect.errors import PolicyError
from pyimginspect.policy import BUILTIN, Baseline, Policy, apply_policy, load_policy
from pyimginspect.report import Report
from pyimginspect.text import nearest

__all__ = ["judge"]


def judge(
    report: Report,
    policy: Policy | str | Path = "python-slim",
    *,
    baseline: Baseline | None = None,
    today: datetime.date | None = None,
) -> Report:
    """Return the report with its ``verdict``, and with the findings that count by a policy.

    ``policy`` is one, the name of a built-in one (``python-slim``, ``strict``, …), or the path of
    a policy file. ``baseline`` are findings that are known and do not fail; ``today`` (in UTC
    unless given) decides which waivers have expired. A report that was judged already cannot be
    judged again: what was waived is no longer among its findings.
    Raises :class:`~pyimginspect.errors.PolicyError` for a policy that there is not, or a file
    that is none, and :class:`ValueError` for a report that has a verdict.
    """
    if report.verdict is not None:
        raise ValueError("the report has a verdict already: judge the one that inspect() returned")
    # Before a file of that name: what `strict` means does not depend on the working directory.
    if isinstance(policy, str) and policy in BUILTIN:
        policy = BUILTIN[policy]
    elif not isinstance(policy, Policy):
        path = Path(policy)
        if isinstance(policy, str) and not path.exists():
            raise PolicyError(f"there is no policy '{policy}'", hint=nearest(policy, BUILTIN))
        policy = load_policy(path, catalogue())
    day = today or datetime.datetime.now(datetime.UTC).date()
    return apply_policy(report, policy, catalogue(), today=day, baseline=baseline)
