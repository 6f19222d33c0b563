"""One native library from two places."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import instruction, listed
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.native import Library
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="duplicate-native-library",
    title="A native library is there twice",
    severity="note",
    policy="native",
    what="A library is in the image from a package of the operating system, and again bundled in a"
    " wheel or copied by hand: the same soname, or the same build ID.",
    why="Two copies are two versions to keep safe, and which one runs depends on who asks: the"
    " evidence says. Where a wheel brings its own copy, the package may not be needed.",
    fix="Drop the package that the wheel makes superfluous, or the copy.",
    example="""# psycopg2-binary has a libpq of its own
RUN apt-get update && apt-get install -y libpq5 && pip install psycopg2-binary
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report libraries of which the layers above the base brought a second one."""
    groups: dict[str, list[Library]] = {}
    for library in inventory.native.libraries:
        if library.origin != "python":
            groups.setdefault(library.name, []).append(library)
    for name, libraries in sorted(groups.items()):
        packaged = [each for each in libraries if each.origin == "package"]
        others = [each for each in libraries if each.origin != "package"]
        if not packaged or not others or not _worth_it(inventory, packaged, others):
            continue
        layers = {each.layer for each in others} | {each.layer for each in packaged}
        newest = max(layers)
        yield RULE.finding(
            subject=name,
            message=f"{name} is there from {packaged[0].owner} and {_whence(inventory, others[0])}",
            evidence=[_evidence(each) for each in (*packaged, *others)],
            layers=layers,
            instruction=instruction(inventory, newest),
            paths=[each.path for each in (*packaged, *others)],
            packages=sorted({each.owner for each in packaged}),
        )


def _worth_it(inventory: Inventory, packaged: list[Library], others: list[Library]) -> bool:
    """Whether somebody chose to have both.

    A copy beside the package always is; a wheel's own copy of what the base has is how wheels
    are made, unless the package was asked for by name in a layer above the base.
    """
    if any(each.origin == "copied" and each.layer >= inventory.base.layers for each in others):
        return True
    keys = {each.owner for each in packaged}
    chosen = [inventory.packages[key] for key in sorted(keys)]
    return any(p.automatic is False and p.layer >= inventory.base.layers for p in chosen)


def _whence(inventory: Inventory, library: Library) -> str:
    if library.origin == "copied":
        return f"copied to /{library.path.rpartition('/')[0]}"
    names = {each.metadata: each.name for each in inventory.distributions}
    return f"bundled in {names.get(library.owner, 'a wheel')}"


def _evidence(library: Library) -> Evidence:
    users = [f"/{path}" for path in library.loaded_by]
    what = f"loaded for {listed(users)}" if users else "loaded by nothing that was looked at"
    if library.build_id:
        what += f"; build ID {library.build_id[:16]}"
    package = library.owner if library.origin == "package" else ""
    return Evidence(what=what, path=library.path, layer=library.layer, package=package)


ANALYZER = Analyzer(rule=RULE, run=run)
