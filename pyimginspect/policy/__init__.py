"""Which findings count: a policy file, its waivers, a baseline, and the verdict."""

from __future__ import annotations

from pyimginspect.policy.baseline import Baseline, read_baseline, remember, write_baseline
from pyimginspect.policy.file import (
    check_names,
    find_policy,
    load_policy,
    parse_policy,
    user_policy,
)
from pyimginspect.policy.judge import apply_policy
from pyimginspect.policy.settings import BUILTIN, OWN_RULES, Policy, Waiver

__all__ = [
    "BUILTIN",
    "OWN_RULES",
    "Baseline",
    "Policy",
    "Waiver",
    "apply_policy",
    "check_names",
    "find_policy",
    "load_policy",
    "parse_policy",
    "read_baseline",
    "remember",
    "user_policy",
    "write_baseline",
]
