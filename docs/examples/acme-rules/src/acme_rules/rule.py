"""A rule of one's own, judged by the facts of the probe beside it."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

MOST = 100

RULE = Rule(
    id="acme-long-script",
    title="A shell script is too long",
    severity="note",
    policy="soundness",
    what=f"A shell script above the base image has more than {MOST} lines.",
    why="Nobody tests them.",
    fix="Write it in Python, with tests.",
)


def long_scripts(inventory: Inventory) -> Iterator[Finding]:
    """Report shell scripts that are too long."""
    for path, lines in inventory.rootfs.facts("acme-shell").items():
        layer = inventory.rootfs[path].layer
        if not isinstance(lines, int) or lines <= MOST or layer < inventory.base.layers:
            continue
        yield RULE.finding(
            subject=path,
            message=f"/{path} is a shell script of {lines} lines",
            evidence=[Evidence(what=f"it has {lines} lines", path=path, layer=layer)],
            layers=[layer],
            instruction=inventory.instruction(layer),
            paths=[path],
        )


ANALYZER = Analyzer(rule=RULE, run=long_scripts)
