"""Header files and static libraries that the application's layers brought and left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyimginspect.analyzers._leftovers import (
    asked_for,
    kept_of,
    left_by_layer,
    listed,
    proofs,
    removal_words,
    size_of_loose,
    size_of_packages,
    tool_evidence,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.leftovers import Leftovers, find_leftovers
from pyimginspect.inventory.tool_names import users_at_run_time
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="leftover-headers",
    title="Headers and static libraries are left in the image",
    severity="warning",
    policy="size",
    what="A layer above the base image installed development packages (-dev, -devel), headers or"
    " static libraries, and they are still there.",
    why="Only a compiler reads them. A program needs the shared library alone, which is a package"
    " of its own (libpq5 for libpq-dev): where some file in the image needs it, the finding names"
    " the file as proof.",
    fix="Install the development package where the build runs, in a stage of its own, and the"
    " runtime package in the final stage.",
    example="""# at fault
RUN apt-get update && apt-get install -y libpq-dev && pip install psycopg2

# better
FROM python:3.13-slim AS builder
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libpq-dev
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir psycopg2
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 \\
    && rm -rf /var/lib/apt/lists/*
COPY --from=builder /opt/venv /opt/venv
""",
)

_CATEGORIES = ("headers", "static-library")


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer that brought some."""
    leftovers = find_leftovers(inventory)
    contents = contents_of(inventory.rootfs)
    for layer, tools in left_by_layer(inventory, leftovers, _CATEGORIES).items():
        keys = leftovers.headers.get(layer, ())
        asked = asked_for(inventory, layer, tools)
        wanted = [tool.name for tool in tools if tool.package in {one.key for one in asked}]
        names = sorted(wanted) or [tool.name for tool in tools]
        users = users_at_run_time(tools, inventory.distributions)
        yield RULE.finding(
            subject=" ".join([one.name for one in asked][:3] or names[:3]),
            severity="note" if users else None,
            message=f"{listed(names)}: headers or static libraries are left in the image",
            evidence=[
                *tool_evidence(inventory, tools),
                *proofs(kept_of(inventory, leftovers, layer)),
                *(Evidence(what=f"{user} uses them at run time") for user in users),
            ],
            layers=[layer],
            instruction=inventory.instructions[layer],
            paths=[tool.path for tool in tools if tool.path],
            packages=keys,
            saving=size_of_packages(inventory, contents, keys)
            + size_of_loose(inventory, contents, tools),
            fix=_fix(inventory, leftovers, layer, asked),
        )


def _fix(inventory: Inventory, leftovers: Leftovers, layer: int, asked: Sequence[OsPackage]) -> str:
    if not asked:
        return ""
    edit = removal_words(inventory, asked, kept_of(inventory, leftovers, layer))
    return (
        "Install them in a build stage only; or, if no later RUN builds, end this one with"
        f" && {edit}"
    )


ANALYZER = Analyzer(rule=RULE, run=run)
