"""Virtual environments that no longer work."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Environment
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.shebangs import shebang_program
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "broken_venv"]

RULE = Rule(
    id="broken-venv",
    title="A virtual environment does not work",
    severity="error",
    policy="soundness",
    what="A virtual environment does not start, or its scripts start another Python: the"
    " interpreter that it was created with is not in the image or has another minor version,"
    " or the environment was moved and its scripts still name the old path.",
    why="A virtual environment is a link to an interpreter, a pyvenv.cfg with that interpreter's"
    " directory, a site-packages for one minor version, and scripts whose first lines contain"
    " the full path of the environment. It is created for one path on one system. Copied from a"
    " build stage to another path, or to a base image with another Python, it fails when the"
    " container starts, not when the image is built.",
    fix="Create the environment in the build stage at its final path, with the Python of the same"
    " base image, and copy it to that same path.",
    example="""# at fault: the scripts in /app/venv/bin start /build/venv/bin/python
FROM python:3.13-slim AS builder
RUN python -m venv /build/venv && /build/venv/bin/pip install gunicorn
FROM python:3.13-slim
COPY --from=builder /build/venv /app/venv

# better: one path, one base
FROM python:3.13-slim AS builder
RUN python -m venv /app/venv && /app/venv/bin/pip install gunicorn
FROM python:3.13-slim
COPY --from=builder /app/venv /app/venv
""",
)


def broken_venv(inventory: Inventory) -> Iterator[Finding]:
    """Report environments that do not start, and those whose scripts start another Python."""
    for environment in inventory.environments:
        if environment.broken:
            yield _finding(
                inventory,
                environment,
                message=f"/{environment.path} does not work: {environment.broken}",
                evidence=[
                    Evidence(
                        what=f"home = {environment.home or 'nothing'}",
                        path=f"{environment.path}/pyvenv.cfg",
                        layer=environment.layer,
                    )
                ],
            )
            continue
        strays = _strays(inventory, environment)
        for program in sorted(strays):
            scripts = strays[program]
            there = inventory.rootfs.resolve(program) is not None
            says = "another Python" if there else "which is not there"
            names = listed([script.rpartition("/")[2] for script in scripts], 3)
            yield _finding(
                inventory,
                environment,
                message=f"{names} in /{environment.path} would start {program}, {says}",
                evidence=[
                    Evidence(
                        what=f"the first line of {counted(len(scripts), 'script')} names {program}",
                        path=scripts[0],
                        layer=environment.layer,
                    )
                ],
                paths=scripts,
                subject=f"{environment.path} {program}",
            )


def _strays(inventory: Inventory, environment: Environment) -> dict[str, list[str]]:
    """Return the scripts of an environment by the Python that they name, unless it is its own."""
    rootfs = inventory.rootfs
    strays: dict[str, list[str]] = {}
    own = rootfs.resolve(f"{environment.path}/bin")
    for script in rootfs.children(f"{environment.path}/bin"):
        program = shebang_program(rootfs, script)
        # What env looks up on PATH may well be the right one; scripts for sh are bound to no
        # Python.
        if program is None or not program.startswith("/") or python_name(program) is None:
            continue
        # By directories: python, python3 and python3.13 of one environment are links to each other,
        # and all of them lead out of it to the base.
        if rootfs.resolve(program.rpartition("/")[0]) != own:
            strays.setdefault(program, []).append(script)
    return strays


def _finding(
    inventory: Inventory,
    environment: Environment,
    *,
    message: str,
    evidence: list[Evidence],
    paths: list[str] | None = None,
    subject: str = "",
) -> Finding:
    if environment.base is not None:
        evidence.append(Evidence(what=f"it is based on /{environment.base}", path=environment.base))
    return RULE.finding(
        subject=subject or environment.path,
        message=message,
        evidence=evidence,
        layers=(environment.layer,),
        instruction=inventory.instruction(environment.layer),
        paths=paths or [environment.path],
    )


ANALYZER = Analyzer(rule=RULE, run=broken_venv)
