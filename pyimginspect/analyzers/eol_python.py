"""A Python whose series gets no more security fixes."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.end_of_life import newest, python_end
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="eol-python",
    title="Python is past its end of life",
    severity="warning",
    policy="base",
    what="The python.org release team no longer fixes this series of CPython. Interpreters from a"
    " system package are judged too, although the distribution may still fix them.",
    why="Security bugs found from now on are not fixed. The official images of the series are no"
    " longer rebuilt either, so their Debian packages are not updated.",
    fix="Move to a supported series: docs.python.org/3/whatsnew lists the changes.",
    example="""# at fault
FROM python:3.8-slim

# better
FROM python:3.13-slim
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Judge every CPython by its series."""
    for python in inventory.interpreters:
        # The table is that of CPython; PyPy and GraalPy have releases, and support, of their own.
        if python.implementation != "cpython":
            continue
        end = python_end(python.version, inventory.image)
        if end is None or not end.over:
            continue
        series = ".".join(python.version.split(".")[:2])
        yield RULE.finding(
            subject=f"{series} {python.path}",
            # Debian and Red Hat fix the Python of a release for as long as they support the
            # release.
            severity="note" if python.packages and not python.effective else None,
            message=f"Python {python.version} is past its end of life: {end.date}",
            evidence=[
                *python.evidence,
                Evidence(what=f"end of life {end.date}: {end.source}"),
            ],
            layers=[python.layer],
            instruction=inventory.instructions[python.layer],
            paths=[python.path],
            packages=python.packages,
            fix=f"Move to a supported series, such as {newest('python')}:"
            " docs.python.org/3/whatsnew lists the changes.",
        )


ANALYZER = Analyzer(rule=RULE, run=run)
