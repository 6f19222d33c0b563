"""Libraries that a loader would not find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pyimginspect.analyzers._native import (
    Bearer,
    Bearers,
    install_line,
    instruction,
    listed,
    providers,
    searched_in,
    titled,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Loss
from pyimginspect.inventory.loader import Dependency, Resolution, configured_directories
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
    fix="Install the package of the operating system that has the library, or copy the library"
    " with what needs it and run ldconfig.",
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
_MOST = 8


class _Want(NamedTuple):
    """A library that one file needs in vain, and who does not load for that."""

    dependency: Dependency
    users: set[str]


def run(inventory: Inventory) -> Iterator[Finding]:
    """Report the libraries that the files of one distribution, package or directory miss."""
    bearers = Bearers(inventory)
    groups: dict[tuple[Bearer, tuple[str, ...]], list[_Want]] = {}
    for path, wants in _wants(inventory).items():
        bearer = bearers.of(path)
        # What lies in one directory has its cause in common only if it misses the same.
        names = sorted({w.dependency.name for w in wants}) if bearer.kind == "directory" else []
        groups.setdefault((bearer, tuple(names)), []).extend(wants)
    for (bearer, _), wants in sorted(groups.items(), key=lambda group: group[0]):
        yield _finding(inventory, bearers, bearer, wants)


def _wants(inventory: Inventory) -> dict[str, list[_Want]]:
    """Return what each file needs in vain."""
    wants: dict[tuple[str, str], _Want] = {}
    for user, resolution in _asked(inventory):
        for each in resolution.failures:
            want = wants.setdefault((each.needed_by, each.name), _Want(each, set()))
            want.users.add(user)
    by_file: dict[str, list[_Want]] = {}
    for (needed_by, _), want in sorted(wants.items()):
        by_file.setdefault(needed_by, []).append(want)
    return by_file


def _asked(inventory: Inventory) -> Iterator[tuple[str, Resolution]]:
    """Yield what was loaded in thought, and for whom."""
    names = {each.metadata: titled(each) for each in inventory.distributions}
    for module in inventory.native.modules:
        if not module.path.rpartition("/")[2].startswith(_WITHOUT_TK):
            yield names.get(module.distribution, f"/{module.path}"), module.resolution
    for resolution in inventory.native.programs:
        yield f"/{resolution.path}", resolution


def _finding(inventory: Inventory, bearers: Bearers, bearer: Bearer, wants: list[_Want]) -> Finding:
    every = [want.dependency for want in wants]
    missing = sorted({each.name for each in every})
    paths = sorted({each.needed_by for each in every})
    title = bearers.title(bearer, paths)
    others = sorted({user for want in wants for user in want.users})
    others = [each for each in others if each != title and each[1:] not in paths]
    layers = {inventory.rootfs[path].layer for path in paths}
    deleted = _deleted(inventory, missing)
    elsewhere = {
        soname: path
        for soname in missing
        if soname not in deleted and (path := _elsewhere(inventory, soname)) is not None
    }
    line = install_line(
        inventory,
        providers(inventory, [s for s in missing if s not in elsewhere and s not in deleted]),
    )
    fixes = [_keep(inventory, loss) for _, loss in sorted(deleted.items())]
    fixes += [_found_elsewhere(inventory, s, path) for s, path in sorted(elsewhere.items())]
    alone = bearer.kind == "distribution" or len(paths) == 1
    return RULE.finding(
        subject=f"{bearers.subject(bearer)} {' '.join(missing)}",
        message=f"{title} need{'s' * alone} {listed(missing)}, which {_trouble(every)}"
        + (f", so {listed(others)} cannot be loaded" if others else ""),
        evidence=[*_evidence(inventory, every), *_losses(deleted)],
        layers=layers | {loss.killer for loss in deleted.values()},
        instruction=instruction(inventory, max(layers)),
        paths=paths,
        packages=providers(inventory, [s for s in missing if s not in elsewhere]),
        fix="\n".join([*([line] if line else []), *fixes]),
    )


def _trouble(failures: Iterable[Dependency]) -> str:
    broken = {bool(each.broken) for each in failures}
    if broken == {True}:
        return "cannot be loaded"
    return "the loader does not find" + " or cannot load" * (True in broken)


def _evidence(inventory: Inventory, failures: list[Dependency]) -> Iterator[Evidence]:
    for each in failures[:_MOST]:
        layer = inventory.rootfs[each.needed_by].layer
        if each.broken:
            what = f"needs {each.name}, and /{each.path} cannot be loaded: {each.broken}"
        else:
            what = f"needs {each.name}; searched {searched_in(each)}"
        yield Evidence(what=what, path=each.needed_by, layer=layer)
        for path in sorted(set(each.passed_over)):
            yield Evidence(what="is for another machine", path=path)
    if len(failures) > _MOST:
        yield Evidence(what=f"and {len(failures) - _MOST:,} more of the kind")


def _deleted(inventory: Inventory, sonames: Iterable[str]) -> dict[str, Loss]:
    """Return, by soname, the libraries that a later layer deleted."""
    wanted = tuple(sonames)
    found = {}
    for loss in inventory.ledger.losses:
        if loss.account == "deleted":
            name = loss.path.rpartition("/")[2]
            for soname in wanted:
                if name == soname or name.startswith(f"{soname}."):
                    found[soname] = loss
    return found


def _losses(deleted: dict[str, Loss]) -> Iterator[Evidence]:
    for _, loss in sorted(deleted.items()):
        what = f"was there, and was deleted by layer {loss.killer}"
        yield Evidence(what=what, path=loss.path, layer=loss.layer)


def _keep(inventory: Inventory, loss: Loss) -> str:
    step = instruction(inventory, loss.killer)
    return f"Do not delete /{loss.path} in layer {loss.killer}" + (f" ({step})" if step else "")


def _elsewhere(inventory: Inventory, soname: str) -> str | None:
    """Return a library of that very name where no loader looks."""
    for library in inventory.native.libraries:
        if library.path.rpartition("/")[2] == soname:
            return library.path
    return None


def _found_elsewhere(inventory: Inventory, soname: str, path: str) -> str:
    directory = f"/{path.rpartition('/')[0]}"
    if directory in configured_directories(inventory.rootfs):
        return f"RUN ldconfig: {soname} is in {directory}, and not in /etc/ld.so.cache"
    return f"ENV LD_LIBRARY_PATH={directory}: {soname} is there, where no loader looks by itself"


ANALYZER = Analyzer(rule=RULE, run=run)
