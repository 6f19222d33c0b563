"""Compiled Python packages for another processor."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import file_evidence, python_of, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.imports import unneeded
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="wrong-architecture",
    title="A package was compiled for another processor",
    severity="error",
    policy="soundness",
    what="The extension modules of a distribution are for another machine than the interpreter that"
    " imports them, by their ELF headers.",
    why="The import fails. It happens when site-packages is copied from the build machine, or from"
    " a stage of another platform, into the image.",
    fix="Install the distribution in a stage of the image's own platform"
    " (docker build --platform), or download wheels for it (pip download --platform).",
    example="""# at fault: the build machine's packages, whatever its processor is
COPY venv/lib/python3.13/site-packages /usr/local/lib/python3.13/site-packages

# better
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report distributions of which no extension module is for the interpreter's machine."""
    for wheel in inventory.wheels:
        if not wheel.foreign_machine or wheel.modules:
            continue  # a wheel may bring helpers for several machines
        there = inventory.rootfs.elf[wheel.foreign_machine[0]]
        here = inventory.rootfs.elf[wheel.python]
        python = python_of(inventory, wheel.python)
        layer = wheel.distribution.layer
        spared = unneeded(wheel, wheel.foreign_machine)
        yield RULE.finding(
            subject=f"{wheel.distribution.name} {wheel.python}",
            severity="note" if spared else None,
            message=f"{titled(wheel.distribution)} is compiled for {there.machine}"
            f" ({there.bits} bits), Python {python.version} for {here.machine} ({here.bits} bits)",
            evidence=[
                *file_evidence(inventory, wheel.foreign_machine, f"ELF machine {there.machine}"),
                Evidence(what=f"ELF machine {here.machine}", path=wheel.python, layer=python.layer),
                *([Evidence(what=spared.reason)] if spared else []),
            ],
            layers=(layer,),
            instruction=inventory.instruction(layer),
            paths=wheel.foreign_machine,
        )


ANALYZER = Analyzer(rule=RULE, run=run)
