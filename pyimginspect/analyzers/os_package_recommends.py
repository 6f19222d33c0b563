"""Packages that nobody asked for and nothing depends on: others recommend them."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.leftovers import files_of_packages
from pyimginspect.inventory.derived.recommended import RecommendedInLayer, find_recommended
from pyimginspect.inventory.packages.commands import install, tool_of, without_recommended
from pyimginspect.inventory.packages.recommends import Recommendation, RecommendedBy
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER"]

_MOST = 8

RULE = Rule(
    id="os-package-recommends",
    title="Recommended packages were installed along",
    severity="warning",
    policy="size",
    what="A package that was asked for by name brought others that it merely recommends, with all"
    " that those depend on and recommend in turn. They were not asked for, no other package"
    " depends on them, and nothing in the image was found to use them. The finding names"
    " the recommendations, what came with each and its bytes. Recommended packages that are in"
    " use (a library that a wheel loads, a program that the image's command or a RUN calls) are"
    " named as those to ask for by name.",
    why="apt, and dnf with its weak dependencies, install what is useful on a machine that people"
    " work at: a mail server beside cron, a compiler beside python3-pip. In an image it is"
    " bytes that every host pulls, and programs that have to be patched. The official images"
    " install everything without recommended packages.",
    fix="Give the installation the option --no-install-recommends (apt-get) or"
    " --setopt=install_weak_deps=False (dnf, microdnf), and ask by name for the recommended"
    " packages that the application uses.",
    example="""# at fault: recommends build-essential and python3-dev
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y python3-pip

# better
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip \\
    && rm -rf /var/lib/apt/lists/*
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each package that brought some."""
    for found in find_recommended(inventory):
        for root in found.roots:
            yield _finding(inventory, found, root)


def _finding(inventory: Inventory, found: RecommendedInLayer, root: RecommendedBy) -> Finding:
    package, keys = inventory.packages[root.root], root.packages
    freed = contents_of(inventory.rootfs).freed(
        files_of_packages(inventory.rootfs, inventory.packages, keys)
    )
    them = counted(len(keys), "package")
    return RULE.finding(
        subject=package.name,
        severity=None if sum(freed.layers.values()) >= NOTABLE else "note",
        message=f"{package.name} brought {them} that it only recommends: {_named(inventory, root)}",
        evidence=_evidence(inventory, found, root),
        layers=[found.layer],
        instruction=inventory.instruction(found.layer),
        packages=keys,
        frees=freed,
        fix=_fix(inventory, found),
    )


def _named(inventory: Inventory, root: RecommendedBy) -> str:
    return listed([inventory.packages[each.lower].name for each in _by_size(inventory, root)])


def _by_size(inventory: Inventory, root: RecommendedBy) -> list[Recommendation]:
    """Return the recommendations, those that brought most bytes first."""
    return sorted(
        root.recommendations,
        key=lambda each: (-_size(inventory, each), each.lower),
    )


def _size(inventory: Inventory, each: Recommendation) -> int:
    return sum(inventory.packages[key].size for key in each.packages)


def _evidence(
    inventory: Inventory, found: RecommendedInLayer, root: RecommendedBy
) -> Iterator[Evidence]:
    packages = inventory.packages
    name = packages[root.root].name
    yield Evidence(
        what=f"{name} was asked for by name, without {_option(inventory, found)}",
        layer=found.layer,
        package=root.root,
    )
    ordered = _by_size(inventory, root)
    for each in ordered[:_MOST]:
        upper, lower = packages[each.upper].name, packages[each.lower].name
        what, others = f"{upper} recommends {lower}", len(each.packages) - 1
        if others:
            what += f", which brought {counted(others, 'more package')}"
        what += f": {sized(_size(inventory, each))}"
        yield Evidence(what=what, layer=found.layer, package=each.lower)
    if len(ordered) > _MOST:
        yield Evidence(what=counted(len(ordered) - _MOST, "smaller recommendation"))
    yield Evidence(
        what=f"{counted(len(root.packages), 'package')} would not be here with the option:"
        f" {', '.join(root.packages)}"
    )
    for use in found.in_use:
        what = f"{packages[use.package].name} is recommended and in use: {use.what}"
        yield Evidence(what=what, path=use.path, package=use.package)


def _option(inventory: Inventory, found: RecommendedInLayer) -> str:
    return without_recommended(tool_of(inventory.rootfs, found.manager))


def _fix(inventory: Inventory, found: RecommendedInLayer) -> str:
    kept = [inventory.packages[use.package].name for use in found.in_use]
    tool = tool_of(inventory.rootfs, found.manager)
    option = without_recommended(tool)
    # The words of the RUN are known in part only (variables, files): no whole line to offer.
    if not found.complete:
        also = f", and ask for {listed(kept, 8)} by name" if kept else ""
        return f"Add {option} to the {tool} install of layer {found.layer}{also}"
    # In the Dockerfile's own order, each once: the line is to be compared with the old one.
    names = list(dict.fromkeys([*found.asked, *kept]))
    return f"In the RUN of layer {found.layer}: {install(tool, names)}"


ANALYZER = Analyzer(rule=RULE, run=run)
