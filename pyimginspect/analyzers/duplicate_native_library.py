"""One native library from two places."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._native import instruction, listed
from pyimginspect.analyzers._words import counted
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


_MOST = 8


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report what packages have as well, by who brought the second ones."""
    groups: dict[tuple[str, ...], list[Library]] = {}
    for libraries in _by_name(inventory).values():
        packaged = [each for each in libraries if each.origin == "package"]
        others = [each for each in libraries if each.origin != "package"]
        if packaged and others and _worth_it(inventory, packaged, others):
            brought = tuple(sorted({_whence(inventory, each) for each in others}))
            groups.setdefault(brought, []).extend((*packaged, *others))
    for brought, libraries in sorted(groups.items()):
        names = sorted({each.name for each in libraries})
        packages = sorted({each.owner for each in libraries if each.origin == "package"})
        layers = {each.layer for each in libraries}
        yield RULE.finding(
            subject=f"{' '.join(packages)} {' '.join(brought)}",
            message=f"{listed(names)} {'is' if len(names) == 1 else 'are'} there from"
            f" {listed(packages)} and {listed(brought)}",
            evidence=_evidence(libraries),
            layers=layers,
            instruction=instruction(inventory, max(layers)),
            paths=[each.path for each in libraries],
            packages=packages,
        )


def _by_name(inventory: Inventory) -> dict[str, list[Library]]:
    """Return the libraries by soname, in its order; the standard library's own are left out.

    One build is one library, whatever it was renamed to.
    """
    by_name: dict[str, list[Library]] = {}
    builds: dict[str, str] = {}
    for library in inventory.native.libraries:
        if library.origin != "python":
            name = library.name
            if library.build_id:
                name = builds.setdefault(library.build_id, name)
            by_name.setdefault(name, []).append(library)
    return dict(sorted(by_name.items()))


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


def _evidence(libraries: list[Library]) -> Iterator[Evidence]:
    for library in libraries[:_MOST]:
        users = [f"/{path}" for path in library.loaded_by]
        what = f"loaded for {listed(users)}" if users else "loaded by nothing that was looked at"
        if library.build_id:
            what += f"; build ID {library.build_id[:16]}"
        package = library.owner if library.origin == "package" else ""
        yield Evidence(what=what, path=library.path, layer=library.layer, package=package)
    if len(libraries) > _MOST:
        yield Evidence(what=f"and {counted(len(libraries) - _MOST, 'more file')}")


ANALYZER = Analyzer(rule=RULE, run=run)
