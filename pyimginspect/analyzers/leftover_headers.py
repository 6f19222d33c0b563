"""Header files and static libraries that the application's layers brought and left."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import asked_for, left_by_layer, left_in_layer
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.leftovers import find_leftovers
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="leftover-headers",
    title="Headers and static libraries are left in the image",
    severity="warning",
    policy="size",
    what="A layer above the base image installed development packages (-dev, -devel), headers or"
    " static libraries, and they are still in the image.",
    why="Only a compiler reads them. A program needs only the shared library, which is a separate"
    " package (libpq5 for libpq-dev); where a file in the image needs it, the finding names"
    " the file.",
    fix="Install the development package in a separate build stage, and the runtime package in"
    " the final stage.",
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
    for layer, tools in left_by_layer(inventory, leftovers, _CATEGORIES).items():
        asked = asked_for(inventory, layer, tools)
        wanted = [tool.name for tool in tools if tool.package in {one.key for one in asked}]
        # What no one asked for by name came with something; then all of them are named.
        names = sorted(wanted) or [tool.name for tool in tools]
        yield left_in_layer(
            RULE,
            inventory,
            layer,
            tools,
            leftovers.headers.get(layer, ()),
            subject=" ".join([one.name for one in asked][:3] or names[:3]),
            message=f"{listed(names)}: headers or static libraries are left in the image",
            instead="Install them in a build stage only",
        )


ANALYZER = Analyzer(rule=RULE, run=run)
