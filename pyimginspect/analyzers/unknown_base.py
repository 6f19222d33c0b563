"""Nobody can tell what the image was built from."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="unknown-base",
    title="The base image is not known",
    severity="note",
    policy="base",
    what="Neither the history nor the contents identify the image this one was built from, or"
    " they only allow a guess: a squashed or imported image, or a base that few people use.",
    why="The files of the base cannot be distinguished from those of the application, so findings"
    " about leftovers are less certain, and the policy on base images cannot be checked.",
    fix="Name the base image with --base IMAGE, or give the number of its layers with --base N;"
    " keep the history when squashing.",
    example="""# at fault: the history is gone
docker export app | docker import - acme/app

# better: build it, or name what it was built from
docker build --tag acme/app .
pyimginspect acme/app --base python:3.13-slim
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report a base that is unknown, or no more than a guess."""
    base = inventory.base
    if base.family != "unknown" and base.confidence != "guess":
        return
    what = base.name or base.distribution or base.family
    # FROM scratch has no name that the image may have been built from.
    known = base.family not in ("unknown", "scratch")
    yield RULE.finding(
        subject="base image",
        message=f"the base image is not known; it may be {what}"
        if known
        else f"the base image is not known: {base.distribution or base.family}",
        evidence=base.evidence,
        layers=range(base.layers),
    )


ANALYZER = Analyzer(rule=RULE, run=run)
