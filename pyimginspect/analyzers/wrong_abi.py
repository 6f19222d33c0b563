"""Extension modules of another Python."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import file_evidence, instruction, python_of, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.wheels import extension_suffix
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="wrong-abi",
    title="Extension modules are for another Python",
    severity="error",
    policy="soundness",
    what="All extension modules of a distribution carry the mark of another Python in their names"
    " (cpython-311 where the interpreter is 3.12, or another C library's).",
    why="An interpreter looks for its own mark, for abi3 or for none (PEP 3149): the import says"
    " that there is no such module, though the file is there.",
    fix="Install the distribution with the interpreter that imports it; build and run stages need"
    " the same Python.",
    example="""# at fault
FROM python:3.11-slim AS build
RUN pip install --target /deps lxml
FROM python:3.12-slim
COPY --from=build /deps /usr/local/lib/python3.12/site-packages
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report distributions of which no extension module has a name that can be imported."""
    for wheel in inventory.wheels:
        if not wheel.foreign_abi or wheel.foreign_machine or wheel.foreign_libc:
            continue
        python = python_of(inventory, wheel.python)
        if wheel.distribution.package and python.packages:
            continue  # Debian's PyPy and CPython share a directory: their packages' own affair
        name = wheel.foreign_abi[0].rpartition("/")[2]
        ending = extension_suffix(inventory.rootfs, python)
        layer = wheel.distribution.layer
        yield RULE.finding(
            subject=f"{wheel.distribution.name} {wheel.python}",
            message=f"{titled(wheel.distribution)} cannot be imported by Python {python.version}"
            f" in /{wheel.python}: its modules are named {name[name.index('.') :]}",
            evidence=[
                *file_evidence(inventory, wheel.foreign_abi, "its name is for another Python"),
                Evidence(what=f"it imports modules whose names end in {ending}", path=wheel.python),
            ],
            layers=(layer,),
            instruction=instruction(inventory, layer),
            paths=wheel.foreign_abi,
        )


ANALYZER = Analyzer(rule=RULE, run=run)
