"""Files of OS packages that a Python installer wrote over."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "os_files_overwritten"]

# An upgrade of pip over Alpine's py3-pip replaces several hundred; the counts are of all.
_MOST_PATHS = 50

RULE = Rule(
    id="os-files-overwritten",
    title="pip overwrote files of OS packages",
    severity="warning",
    policy="bindings",
    what="A distribution installed by pip or another Python installer has overwritten files of a"
    " system package, which the package manager still claims.",
    why="The package manager's database is now wrong: it reports the version that it installed,"
    " scanners believe it, and the next upgrade of the package overwrites pip's files. Programs"
    " of the operating system that rely on the package (dnf, apt's helpers,"
    " cloud-init) run with a version that they were not tested with. PEP 668's"
    " EXTERNALLY-MANAGED exists to prevent that; --break-system-packages and older pips do it"
    " all the same.",
    fix="Install into a virtual environment, or with the Python of an official image, which the"
    " package manager does not know.",
    example="""# at fault: replaces files of Alpine's py3-six
FROM alpine
RUN apk add python3 py3-pip py3-six && pip install --break-system-packages six==1.17

# better: an environment of its own
FROM alpine
RUN apk add python3 && python3 -m venv /venv && /venv/bin/pip install six==1.17
""",
)


def os_files_overwritten(inventory: Inventory) -> Iterator[Finding]:
    """Report distributions that list files of OS packages which did not install them."""
    by_metadata = {each.metadata: each for each in inventory.distributions}
    for metadata, paths in sorted(inventory.records.owned.items()):
        yield _finding(inventory, by_metadata[metadata], paths)


def _finding(inventory: Inventory, each: Distribution, paths: tuple[str, ...]) -> Finding:
    packages = inventory.packages
    keys = sorted({key for path in paths for key in packages.owner(path)})
    files = counted(len(paths), "file")
    by = each.installer or "an unknown installer"
    return RULE.finding(
        subject=f"{each.name} {' '.join(packages[key].name for key in keys)}",
        message=f"{each.name} {each.version} by {by} replaced {files} of {listed(keys)}",
        evidence=[
            Evidence(
                what=f"{each.name} {each.version}, installed by {by}, lists {files} of packages",
                path=each.metadata,
                layer=each.layer,
            ),
            *(
                Evidence(
                    what=f"{key} {packages[key].version} owns "
                    + listed([f"/{path}" for path in paths if key in packages.owner(path)], 3),
                    package=key,
                    layer=packages[key].layer,
                )
                for key in keys
            ),
        ],
        layers=(each.layer,),
        instruction=inventory.instruction(each.layer),
        paths=paths[:_MOST_PATHS],
        packages=keys,
    )


ANALYZER = Analyzer(rule=RULE, run=os_files_overwritten)
