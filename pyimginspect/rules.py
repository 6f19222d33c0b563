"""What a rule is: the words that explain its findings, wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from pyimginspect.model import Evidence
from pyimginspect.report import Finding, Severity

if TYPE_CHECKING:
    from pyimginspect.inventory.contents import Content, Freed

__all__ = ["Claim", "Rule"]


class Claim(Finding, frozen=True, kw_only=True):
    """A finding as an analyzer makes it: ``frees`` are the contents that go with its fix.

    Its ``saving`` is theirs, as if there were no other finding. What several fixes free is
    counted once in a report: see :func:`pyimginspect.analyzers.count_once`.
    """

    frees: frozenset[Content] = frozenset()


class Rule(Struct, frozen=True, kw_only=True):
    """What a rule is about, for people: its page in ``docs/rules/`` begins with these words.

    ``id`` is lower case with hyphens and never changes. ``title`` is a phrase, ``what`` says
    what a finding means, ``why`` why it matters, ``fix`` what to do, ``example`` is a piece of a
    Dockerfile that has the fault, and one that has not. ``page`` is the address of its page.
    ``severity`` is what its findings have unless they say otherwise. ``policy`` is the part of
    the default policy that it serves.
    """

    id: str
    title: str
    severity: Severity
    policy: Literal["base", "bindings", "native", "size", "soundness"]
    what: str
    why: str
    fix: str
    example: str = ""
    page: str = ""

    def finding(
        self,
        *,
        subject: str,
        message: str,
        evidence: Iterable[Evidence],
        severity: Severity | None = None,
        layers: Iterable[int] = (),
        instruction: str = "",
        paths: Iterable[str] = (),
        packages: Iterable[str] = (),
        frees: Freed | None = None,
        fix: str = "",
    ) -> Claim:
        """Return a finding of this rule, of the rule's severity and with its fix unless given.

        ``frees`` is what the layers would not store with the fix.
        """
        savings = frees.layers if frees is not None else {}
        return Claim(
            rule=self.id,
            severity=severity or self.severity,
            subject=subject,
            message=message,
            evidence=tuple(evidence),
            layers=tuple(sorted(set(layers))),
            instruction=instruction,
            paths=tuple(paths),
            packages=tuple(packages),
            saving=sum(savings.values()),
            savings=savings,
            frees=frees.contents if frees is not None else frozenset(),
            fix=fix or self.fix,
        )
