"""Extension modules of another Python."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import file_evidence, python_of, titled
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.imports import unneeded
from pyimginspect.inventory.targets import extension_suffix
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="wrong-abi",
    title="Extension modules are for another Python",
    severity="error",
    policy="soundness",
    what="All extension modules of a distribution have the ABI tag of another Python in their names"
    " (cpython-311 where the interpreter is 3.12, or that of another C library, of macOS or of"
    " Windows). Packages without metadata count as well. It is a note where a table says that the"
    " package works without those modules. Modules with Python source beside them are not"
    " reported: the source is imported.",
    why="An interpreter looks for its own ABI tag, for abi3 or for none (PEP 3149): the import"
    " fails with ModuleNotFoundError although the file exists.",
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
    fit = {wheel.distribution.metadata for wheel in inventory.wheels if wheel.modules}
    for wheel in inventory.wheels:
        # What is for another machine or C library fails sooner, and has findings about that.
        if not wheel.foreign_abi or wheel.foreign_machine or wheel.foreign_libc:
            continue
        python = python_of(inventory, wheel.python)
        if wheel.distribution.metadata in fit and not python.effective:
            continue  # PYTHONPATH is for all Pythons, and this is for another of them
        if wheel.distribution.package and python.packages:
            continue  # Debian's PyPy and CPython share a directory: their packages' own affair
        # The file's name has it all: "_x.cpython-311-x86_64-linux-gnu.so" (PEP 3149).
        name = wheel.foreign_abi[0].rpartition("/")[2]
        ending = extension_suffix(inventory.rootfs, python)
        layer = wheel.distribution.layer
        spared = unneeded(wheel, wheel.foreign_abi)
        what = "does without its compiled modules in" if spared else "cannot be imported by"
        yield RULE.finding(
            subject=f"{wheel.distribution.name} {wheel.python}",
            severity="note" if spared else None,
            message=f"{titled(wheel.distribution)} {what} Python {python.version}"
            f" in /{wheel.python}: its modules are named {name[name.index('.') :]}",
            evidence=[
                *file_evidence(inventory, wheel.foreign_abi, "its name is for another Python"),
                Evidence(what=f"it imports modules whose names end in {ending}", path=wheel.python),
                *([Evidence(what=spared.reason)] if spared else []),
            ],
            layers=(layer,),
            instruction=inventory.instruction(layer),
            paths=wheel.foreign_abi,
        )


ANALYZER = Analyzer(rule=RULE, run=run)
