"""Python versions that disagree with each other."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._pythons import described
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.interpreters.executables import environment_of, python_name
from pyimginspect.inventory.shebangs import shebang_program
from pyimginspect.model import DEFAULT_PATH, Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER", "python_version_mismatch"]


RULE = Rule(
    id="python-version-mismatch",
    title="Python versions disagree",
    severity="warning",
    policy="soundness",
    what="The image declares one version of Python and would run another: PYTHON_VERSION is not"
    " that of the interpreter that starts; an interpreter's headers or package have another"
    " version than its library; or scripts name a Python that is not in the image, as after"
    " COPY from a stage with another one.",
    why="Scanners, update bots and people read PYTHON_VERSION, and conclude that the image has"
    " the security fixes of that release. Headers of another version make extension modules"
    " that do not fit. Scripts that pip installed carry the path of the interpreter that they"
    ' were installed for: copied without it they fail with "no such file or directory".',
    fix="Let one base image bring Python for all stages, start that one by its full path, and"
    " install packages where they are used or copy them together with their environment.",
    example="""# at fault: the scripts in /usr/local/bin begin with #!/usr/local/bin/python3.12
FROM python:3.12-slim AS builder
RUN pip install gunicorn
FROM python:3.13-slim
COPY --from=builder /usr/local/bin/gunicorn /usr/local/bin/

# better: one version in all stages
FROM python:3.13-slim AS builder
RUN python -m venv /app/venv && /app/venv/bin/pip install gunicorn
FROM python:3.13-slim
COPY --from=builder /app/venv /app/venv
""",
)


def python_version_mismatch(inventory: Inventory) -> Iterator[Finding]:
    """Report what the image says of its Python's version where that does not hold."""
    for python in inventory.interpreters:
        if python.effective:
            yield from _environment(inventory, python)
        yield from _library(inventory, python)
    yield from _scripts(inventory)


def _environment(inventory: Inventory, python: Interpreter) -> Iterator[Finding]:
    said = inventory.image.config.environment().get("PYTHON_VERSION", "")
    # Red Hat's images give major and minor version; a version may not be known to the end.
    if (
        not said
        or f"{python.version}.".startswith(f"{said}.")
        or f"{said}.".startswith(f"{python.version}.")
    ):
        return
    layer = python.layer
    yield RULE.finding(
        subject="PYTHON_VERSION",
        message=f"PYTHON_VERSION is {said}, and {described(python)} starts",
        evidence=[
            Evidence(what=f"the image sets PYTHON_VERSION={said}"),
            Evidence(what=python.effective_reason, path=python.path, layer=layer),
            *python.evidence[:1],
        ],
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=(python.path,),
    )


def _library(inventory: Inventory, python: Interpreter) -> Iterator[Finding]:
    path = python.libpython or python.path
    inside = inventory.rootfs.strings.get(path)
    series = ".".join(python.version.split(".")[:2])
    if inside is None or inside == python.version or not inside.startswith(f"{series}."):
        return  # not known, the same, or a version of PyPy's own
    layer = inventory.rootfs[path].layer
    yield RULE.finding(
        subject=python.path,
        message=f"/{path} is Python {inside}, and what belongs to it says {python.version}",
        evidence=[
            Evidence(what=f"the program's text has {inside}", path=path, layer=layer),
            *python.evidence[:1],
        ],
        layers=(layer,),
        instruction=inventory.instruction(layer),
        paths=(path,),
    )


def _program_directories(inventory: Inventory) -> frozenset[str]:
    """Return the directories whose files are programs: those on PATH, and of interpreters."""
    resolve = inventory.rootfs.resolve
    path = inventory.image.config.environment().get("PATH", "")
    names = [*path.split(":"), *DEFAULT_PATH.split(":")]
    names += [each.path.rpartition("/")[0] for each in inventory.interpreters]
    return frozenset(real for name in names if name and (real := resolve(name)))


def _absent_python(inventory: Inventory, script: str) -> str | None:
    """Return the Python that the first line of a script names, where the image does not have it.

    Scripts of packages and environments are left out: other rules are about those.
    """
    rootfs = inventory.rootfs
    if inventory.packages.owner(script):
        return None  # a dependency answers for its interpreter
    program = shebang_program(rootfs, script)
    if program is None or not program.startswith("/") or python_name(program) is None:
        return None
    there = rootfs.resolve(program) is not None
    # broken-venv judges environments.
    if there or environment_of(rootfs, script) is not None:
        return None
    return program


def _scripts(inventory: Inventory) -> Iterator[Finding]:
    """Report scripts outside of environments, and of packages, that name an absent Python."""
    rootfs = inventory.rootfs
    absent: dict[str, list[str]] = {}
    # Templates and test data begin with such lines too; only what can be called by name counts.
    places = _program_directories(inventory)
    for script in rootfs.scripts:
        # PROGRAM-gdb.py is what gdb loads with a program, wherever its directories are mirrored.
        if script.rpartition("/")[0] in places and not script.endswith("-gdb.py"):
            program = _absent_python(inventory, script)
            if program is not None:
                absent.setdefault(program, []).append(script)
    problem = inventory.startup.problem
    for program, scripts in sorted(absent.items()):
        if problem is not None and scripts == [problem.path]:
            continue  # that the image's command cannot start says all of it
        layer = rootfs[scripts[0]].layer
        names = listed([script.rpartition("/")[2] for script in scripts], 3)
        verb = "asks" if len(scripts) == 1 else "ask"
        yield RULE.finding(
            subject=program,
            severity="error",
            message=f"{names} {verb} for {program}, which is not there",
            evidence=[
                Evidence(
                    what=f"the first line of {script} names {program}",
                    path=script,
                    layer=rootfs[script].layer,
                )
                for script in scripts[:3]
            ],
            layers={rootfs[script].layer for script in scripts},
            instruction=inventory.instruction(layer),
            paths=scripts,
        )


ANALYZER = Analyzer(rule=RULE, run=python_version_mismatch)
