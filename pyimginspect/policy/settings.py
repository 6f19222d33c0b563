"""What a policy may say, the built-in policies, and the rules that only a policy can break."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from pyimginspect.mappings import freeze
from pyimginspect.report import Severity
from pyimginspect.rules import Rule

__all__ = ["ALL", "BUILTIN", "GROUPS", "OWN_RULES", "Amount", "Policy", "RuleSettings", "Waiver"]


GROUPS = ("base", "bindings", "native", "size", "soundness")
"""The parts of the catalogue, each of which stands for all of its rules."""

ALL = "ALL"
"""Every rule there is."""


class Amount(Struct, frozen=True, kw_only=True):
    """So many bytes, or so many hundredths of the image's size."""

    bytes: int = 0
    percent: float = 0.0

    def of(self, whole: int) -> int:
        """Return the amount in bytes, for an image of ``whole`` bytes."""
        # Rounded down, so that a limit is never higher than was written.
        return self.bytes + int(whole * self.percent / 100)


class RuleSettings(Struct, frozen=True, kw_only=True):
    """What a policy says of one rule; ``None`` leaves things as they are.

    Findings that would save less than ``min_saving`` do not count.
    """

    enabled: bool | None = None
    severity: Severity | None = None
    min_saving: Amount | None = None


class Waiver(Struct, frozen=True, kw_only=True):
    """A finding that is let pass on purpose.

    ``rule`` is a pattern of rules; ``paths`` and ``packages`` are patterns that must cover every
    path or package that the finding names: a waiver never hides more than it says. The last day
    on which it holds is ``expires``. One with an ``instruction`` stands in the Dockerfile, at
    ``place``, and covers what that instruction brought.
    """

    rule: str
    reason: str
    paths: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    expires: datetime.date | None = None
    instruction: str = ""
    place: str = ""

    @property
    def words(self) -> str:
        """The waiver in a phrase that stays the same as long as it covers the same."""
        scope = [*self.paths, *self.packages, *([self.place] if self.place else [])]
        return f"{self.rule} ({', '.join(scope)})" if scope else self.rule


class Policy(Struct, frozen=True, kw_only=True):
    """Which rules hold, how severe they are, what is let pass, and what fails an image.

    ``groups`` are the parts of the catalogue that hold at all (see :class:`Rule`), ``None``: all.
    ``select`` are rules and groups that hold and no others (``ALL`` is every one), where any are
    named; ``extend_select`` hold beside those, ``ignore`` do not. The more exact name wins.
    ``fail_on`` is the least severity that fails an image; ``None``: nothing does.
    ``allowed_bases`` and ``allowed_packages`` are patterns, as of file names. ``dlopen`` names
    the libraries that distributions load without saying so, by normalised distribution name.
    """

    name: str
    groups: frozenset[str] | None = None
    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: Severity | None = "warning"
    rules: Mapping[str, RuleSettings] = {}
    allowed_bases: tuple[str, ...] = ()
    allowed_packages: tuple[str, ...] = ()
    expected_libc: Literal["glibc", "musl"] | None = None
    max_size: int | None = None
    max_waste: Amount | None = None
    dlopen: Mapping[str, tuple[str, ...]] = {}
    waivers: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "rules", "dlopen")


BUILTIN: dict[str, Policy] = {
    # The three rules of packaging, and that the image works at all.
    "python-slim": Policy(name="python-slim"),
    # Only what keeps a program from running.
    "minimal": Policy(name="minimal", groups=frozenset({"native", "soundness"}), fail_on="error"),
    # Everything that is worth a word.
    "strict": Policy(name="strict", fail_on="note"),
}

_OWN = (
    Rule(
        id="expired-waiver",
        title="A waiver has expired",
        severity="warning",
        policy="soundness",
        what="The policy waives a finding until a date that has passed.",
        why="A waiver with a date is a promise to fix something by then.",
        fix="Fix what it covered and delete the waiver, or agree on a new date.",
    ),
    Rule(
        id="base-not-allowed",
        title="The policy does not allow the base image",
        severity="warning",
        policy="base",
        what="The image was built on another base than the policy's allowed-bases name.",
        why="A team that agrees on few bases updates them in one place.",
        fix="Start FROM an allowed base, or add this one to allowed-bases.",
    ),
    Rule(
        id="unexpected-libc",
        title="The C library is another than the policy expects",
        severity="error",
        policy="native",
        what="The policy's expected-libc names another C library than this image has.",
        why="Wheels and libraries that were built for one C library do not load on another.",
        fix="Start from a base with the expected C library, or change expected-libc.",
    ),
    Rule(
        id="image-too-large",
        title="The image is larger than the policy allows",
        severity="warning",
        policy="size",
        what="The layers store more bytes than max-size, or more wasted space than max-waste.",
        why="Every pull transfers these bytes, and every node stores them.",
        fix="Fix the findings that save most; --plan lists the edits.",
    ),
)

OWN_RULES: dict[str, Rule] = {rule.id: rule for rule in _OWN}
"""Rules that the policy itself judges by, for the catalogue."""
