"""Editable installs whose sources are not in the image."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.editables import Editable, find_missing_editables
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER", "editable_install_missing"]

RULE = Rule(
    id="editable-install-missing",
    title="The sources of an editable install are not in the image",
    severity="error",
    policy="soundness",
    what="A distribution was installed editable (pip install -e, uv sync, poetry install, pdm"
    " install, setup.py develop), which leaves only a reference to its sources in site-packages,"
    " and that directory is not in the image, or does not contain the package. Where the working"
    " directory of the image has the package, the finding is a warning: python -m finds it there,"
    " console scripts do not.",
    why="The import fails with ModuleNotFoundError. The usual cause is a virtual environment that"
    " is copied from a build stage without the project beside it, or dependencies that were"
    " installed before the sources, which are then copied to another place.",
    fix="Install the project itself, not a reference to it: pip install . (without -e),"
    " uv sync --no-editable, pdm install --no-editable; or copy its sources to the same path.",
    example="""# at fault: the environment refers to /app/src, which stays in the build stage
FROM python:3.13-slim AS build
COPY . /app
RUN python -m venv /venv && /venv/bin/pip install -e /app
FROM python:3.13-slim
COPY --from=build /venv /venv

# better
FROM python:3.13-slim AS build
COPY . /app
RUN python -m venv /venv && /venv/bin/pip install /app
FROM python:3.13-slim
COPY --from=build /venv /venv
""",
)

# By INSTALLER's first word. Poetry has no option for it: it installs the project itself editable
# only, so a wheel is built.
_COMMANDS = {
    "pip": "pip install {} (without -e)",
    "uv": "uv sync --no-editable (or uv pip install {}, without -e)",
    "poetry": "poetry build, and pip install the wheel",
    "pdm": "pdm install --no-editable",
}


def editable_install_missing(inventory: Inventory) -> Iterator[Finding]:
    """Report editable installs above the base that cannot be imported."""
    for each in find_missing_editables(inventory):
        if each.layer >= inventory.base.layers:
            yield _finding(inventory, each)


def _finding(inventory: Inventory, each: Editable) -> Finding:
    title = f"{each.name} {each.version}".strip()
    where = listed(each.missing or each.targets)
    if each.missing:
        fault = f"{where}, which {'is' if len(each.missing) == 1 else 'are'} not in the image"
    else:
        fault = f"{where}, where there is no {listed(each.modules)}"
    effect = f"import {each.modules[0]} fails" if each.modules else "it cannot be imported"
    if each.elsewhere:
        effect = f"only programs that look into /{each.elsewhere} find it"
    evidence = [
        Evidence(what=f"it refers to {place}, which is not in the image", path=each.path,
                 layer=each.layer)
        for place in each.missing[:3]
    ]  # fmt: skip
    evidence += [
        Evidence(what=f"it refers to {place}, which does not have {listed(each.modules)}",
                 path=each.path, layer=each.layer)
        for place in each.targets[:3]
        if not each.missing
    ]  # fmt: skip
    if each.project:
        evidence.append(Evidence(what=f"{title} was installed editable from {each.project}"))
    if each.elsewhere:
        what = "the module is here, on the path of a program that is started from this directory"
        evidence.append(Evidence(what=what, path=each.elsewhere))
    source = each.project or (each.missing or each.targets)[0]
    # Poetry adds its version to its name ("Poetry 1.8.3": poetry/installation/wheel_installer.py).
    command = _COMMANDS.get(each.installer.partition(" ")[0], _COMMANDS["pip"]).format(source)
    return RULE.finding(
        subject=each.name,
        # `python -m` puts the working directory on sys.path, a console script its own directory.
        severity="warning" if each.elsewhere else None,
        message=f"{title} in /{each.location} is an editable install of {fault}, so that {effect}",
        evidence=evidence,
        layers=[each.layer],
        instruction=inventory.instruction(each.layer),
        paths=[each.path],
        fix=f"Install without a reference to the sources: {command};"
        f" or COPY the project to {source} in this stage too",
    )


ANALYZER = Analyzer(rule=RULE, run=editable_install_missing)
