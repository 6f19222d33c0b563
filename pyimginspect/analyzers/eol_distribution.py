"""An operating system that gets no more security fixes."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.end_of_life import newest, system_end
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="eol-distribution",
    title="The distribution is past its end of life",
    severity="warning",
    policy="base",
    what="The distribution's release gets no security fixes any more without a paid contract. For"
    " Debian"
    " that is the end of long-term support, for Ubuntu that of standard support.",
    why="apt-get upgrade finds nothing any more, whatever vulnerabilities are found in OpenSSL or"
    " the C library. Sooner or later the packages are removed from the mirrors, and the build"
    " fails.",
    fix="Move to a supported release, with the base image's next tag.",
    example="""# at fault
FROM python:3.11-slim-buster

# better
FROM python:3.11-slim-bookworm
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Judge the release that ``os-release`` names."""
    system = inventory.os
    end = system_end(system.id, system.version_id, inventory.image)
    if end is None or not end.over:
        return
    supported = newest(system.id)
    name = system.pretty_name or f"{system.id} {system.version_id}"
    yield RULE.finding(
        subject=f"{system.id} {system.version_id}",
        message=f"{name} is past its end of life: {end.date}",
        evidence=[
            *system.evidence,
            Evidence(what=f"end of life {end.date}: {end.source}"),
        ],
        # os-release may be rewritten by an upgrade; the release comes with the lowest layer.
        layers=[0] if inventory.image.layers else [],
        fix=f"Move to a base image on a supported release, such as {system.id} {supported}."
        if supported
        else "",
    )


ANALYZER = Analyzer(rule=RULE, run=run)
