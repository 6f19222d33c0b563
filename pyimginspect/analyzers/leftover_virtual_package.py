"""apk's virtual packages of build dependencies that nobody deleted."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import freed_packages
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.leftovers import find_leftovers
from pyimginspect.inventory.packages.commands import remove
from pyimginspect.inventory.tool_names import kind_of_package
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER"]

RULE = Rule(
    id="leftover-virtual-package",
    title="A virtual package of build dependencies is left",
    severity="warning",
    policy="size",
    what="apk add --virtual grouped build dependencies under one name, so that they could be"
    " removed by that name, and they were not.",
    why="A virtual package such as .build-deps exists only to be removed again, with the packages"
    " that were added under it.",
    fix="Remove the virtual package in the RUN that added it.",
    example="""# at fault
RUN apk add --virtual .build-deps gcc musl-dev && pip install cffi

# better
RUN apk add --no-cache --virtual .build-deps gcc musl-dev \\
    && pip install --no-cache-dir cffi \\
    && apk del --no-network .build-deps
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, each by its name."""
    virtual = [
        package
        for package in inventory.packages.packages
        # The official images' .python-rundeps is virtual too, and there to stay.
        if package.virtual and kind_of_package(package) == "meta"
    ]
    if not virtual:
        return
    leftovers = find_leftovers(inventory)
    for package in virtual:
        layer = package.installed_in
        keys = leftovers.virtual.get(layer, ())
        # apk's dependencies have no alternatives, so each tuple has one name.
        members = [name for names in package.depends for name in names[:1]]
        going = [key for key in keys if key != package.key]
        members_text = f"contains {listed(members, 12)}" if members else "contains no package"
        what = f"the virtual package {package.name} {members_text}"
        evidence = [Evidence(what=what, layer=layer, package=package.key)]
        if going:
            what = f"{listed(going, 12)} would be removed with it"
            evidence.append(Evidence(what=what, layer=layer))
        elif layer < inventory.base.layers:
            evidence.append(Evidence(what="it comes from the base image", layer=layer))
        else:
            what = "other packages require everything in it: nothing would be removed with it"
            evidence.append(Evidence(what=what, layer=layer))
        yield RULE.finding(
            subject=package.name,
            message=f"the virtual package {package.name} was never removed",
            evidence=evidence,
            layers=[layer],
            instruction=inventory.instructions[layer],
            packages=keys or (package.key,),
            frees=freed_packages(inventory, keys),
            fix=f"End the same RUN with && {remove('apk', [package.name])}",
        )


ANALYZER = Analyzer(rule=RULE, run=run)
