"""Libraries that a loader would not find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyimginspect.analyzers._native import (
    install_line,
    instruction,
    listed,
    providers,
    searched_in,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.loader import Dependency, configured_directories
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="missing-library",
    title="A native library is missing",
    severity="error",
    policy="soundness",
    what="A compiled file needs a shared library (DT_NEEDED) that the loader finds nowhere: not by"
    " run path, LD_LIBRARY_PATH, ld.so.cache or default directory, nor among what the interpreter"
    " has loaded already. The page on loaders tells how that is decided.",
    why="The import, or the program, fails when it is used. A build stage often has what the image"
    " has not: the library came along with a -dev package.",
    fix="Install the package of the operating system that has the library.",
    example="""# at fault: psycopg2 was linked to libpq in another stage
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install -y gcc libpq-dev && pip install --target /deps psycopg2
FROM python:3.13-slim
COPY --from=build /deps /usr/local/lib/python3.13/site-packages

# better: and the library itself
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 \\
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /deps /usr/local/lib/python3.13/site-packages
""",
)

# The official images build tkinter and leave Tk out on purpose (their recipe says so).
_WITHOUT_TK = "_tkinter."


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report the modules of each distribution, and the programs, that miss a library."""
    by_owner: dict[tuple[str, str], list[Dependency]] = {}
    for module in inventory.native.modules:
        if not module.path.rpartition("/")[2].startswith(_WITHOUT_TK):
            owner = (module.distribution, "" if module.distribution else module.path)
            by_owner.setdefault(owner, []).extend(module.resolution.failures)
    names = {each.metadata: f"{each.name} {each.version}" for each in inventory.distributions}
    for (metadata, path), failures in sorted(by_owner.items()):
        if failures:
            subject = names[metadata].split()[0] if metadata else path
            yield _finding(inventory, subject, names.get(metadata, f"/{path}"), failures)
    for resolution in inventory.native.programs:
        if resolution.failures:
            path = resolution.path
            yield _finding(inventory, path, f"/{path}", resolution.failures)


def _finding(
    inventory: Inventory, subject: str, name: str, failures: Iterable[Dependency]
) -> Finding:
    unique = {(each.name, each.needed_by): each for each in failures}
    every = [unique[key] for key in sorted(unique)]
    missing = sorted({each.name for each in every})
    elsewhere = {
        soname: paths for soname in missing if (paths := _elsewhere(inventory, soname)) is not None
    }
    layers = {inventory.rootfs[each.needed_by].layer for each in every}
    packages = providers(inventory, [s for s in missing if s not in elsewhere])
    line = install_line(inventory, packages)
    fixes = [_found_elsewhere(inventory, s, path) for s, path in sorted(elsewhere.items())]
    return RULE.finding(
        subject=f"{subject} {' '.join(missing)}",
        message=f"{name} needs {listed(missing)}, which the loader does not find",
        evidence=list(_evidence(inventory, every)),
        layers=layers,
        instruction=instruction(inventory, max(layers)),
        paths=sorted({each.needed_by for each in every}),
        packages=packages,
        fix="; ".join([*([line] if line else []), *fixes]),
    )


def _evidence(inventory: Inventory, failures: list[Dependency]) -> Iterator[Evidence]:
    for each in failures[:8]:
        layer = inventory.rootfs[each.needed_by].layer
        if each.broken:
            what = f"needs {each.name}, and /{each.path} cannot be loaded: {each.broken}"
        else:
            what = f"needs {each.name}; searched {searched_in(each)}"
        yield Evidence(what=what, path=each.needed_by, layer=layer)
        for path in sorted(set(each.passed_over)):
            yield Evidence(what="is for another machine", path=path)
    if len(failures) > 8:
        yield Evidence(what=f"and {len(failures) - 8} more needs")


def _elsewhere(inventory: Inventory, soname: str) -> str | None:
    """Return a library of that very name where no loader looks."""
    for library in inventory.native.libraries:
        if library.path.rpartition("/")[2] == soname:
            return library.path
    return None


def _found_elsewhere(inventory: Inventory, soname: str, path: str) -> str:
    directory = f"/{path.rpartition('/')[0]}"
    if directory in configured_directories(inventory.rootfs):
        return f"run ldconfig: {soname} is in {directory}, and not in /etc/ld.so.cache"
    return f"{soname} is in {directory}, where no loader looks"


ANALYZER = Analyzer(rule=RULE, run=run)
