"""Python packages that no Python of the image imports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.bindings import CODE
from pyimginspect.inventory.derived.runtime_python import started_in
from pyimginspect.inventory.distributions import SITES
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import listed

__all__ = ["ANALYZER", "unreachable_site_packages"]

# lib/python3.13t is of the free-threaded build. Debian's python3/dist-packages has no minor
# version, as all Pythons 3 of the system share it.
_SERIES = re.compile(r"/(?:python|pypy)(\d\.\d{1,2})t?/(?:site|dist)-packages$")
# The user site, which Python's site module adds for the user who runs it.
_USER = re.compile(r"(.*)/\.local/lib/[^/]+/site-packages")

RULE = Rule(
    id="unreachable-site-packages",
    title="No Python imports from a directory of installed packages",
    severity="warning",
    policy="soundness",
    what="A directory contains installed Python packages, and is on the sys.path of no"
    " interpreter or environment of the image: it is for another minor version, in another"
    " user's home, or was filled by pip install --target and is on no search path.",
    why="Either the application needs them and fails to import them, or nothing needs them, and"
    " they are bytes that every host pulls and every scanner reports on. The usual causes are"
    " a base image that moved on to the next Python while packages were copied from a stage"
    " with the previous one, pip install --user by root in an image that runs as another"
    " user, and a PYTHONPATH that was set in the build stage only.",
    fix="Install for the interpreter that runs, ideally into a virtual environment that is copied"
    " as a whole; or add the directory to PYTHONPATH; or delete it in the step that fills it.",
    example="""# at fault: python 3.13 does not look into python3.12
FROM python:3.12-slim AS builder
RUN pip install requests
FROM python:3.13-slim
COPY --from=builder /usr/local/lib/python3.12 /usr/local/lib/python3.12

# better: an environment of the same version
FROM python:3.13-slim AS builder
RUN python -m venv /venv && /venv/bin/pip install requests
FROM python:3.13-slim
COPY --from=builder /venv /venv
""",
)


def unreachable_site_packages(inventory: Inventory) -> Iterator[Finding]:
    """Report the directories above the base that hold packages out of every Python's sight."""
    unreachable: dict[str, list[Distribution]] = {}
    for each in inventory.distributions:
        if not each.interpreters:
            unreachable.setdefault(each.location, []).append(each)
    sights = [each.site_packages for each in inventory.interpreters]
    sights += [each.site_packages for each in inventory.environments]
    reached = {directory for sight in sights for directory in sight} | started_in(inventory)
    for path in sorted(unreachable.keys() | _directories(inventory, reached)):
        if path not in reached:
            yield from _finding(inventory, path, unreachable.get(path, []))


def _directories(inventory: Inventory, reached: set[str]) -> set[str]:
    """Return the directories that are named as those of packages, hold code, and are not reached.

    Those within others, caches of package managers and what OS packages own are left out.
    """
    rootfs = inventory.rootfs
    found = set()
    named = (rootfs.directories_by_name.get(site[1:], ()) for site in SITES)
    for path in chain.from_iterable(named):
        # One in the root is no Python's.
        if "/" not in path or path in reached:
            continue
        # A site-packages within another is vendored, and its own code's to find.
        inside = any(f"{site}/" in path for site in SITES) or in_cache(rootfs, path)
        if not inside and any(
            node.path.endswith(CODE) and not inventory.packages.owner(node.path)
            for node in rootfs.walk(path)
        ):
            found.add(path)
    return found


def _finding(inventory: Inventory, path: str, unreachable: list[Distribution]) -> Iterator[Finding]:
    rootfs = inventory.rootfs
    files = _files(inventory, path, unreachable)
    layers = stored_by_layer(rootfs, files)
    if not layers or max(layers) < inventory.base.layers:
        return
    layer = max(layers, key=lambda number: layers[number])
    contents = contents_of(rootfs)
    freed = contents.freed(
        # What the base image stores stays stored whatever a later layer does.
        wasted={each for each in contents.behind(files) if each[0] >= inventory.base.layers}
    )
    names = [f"{each.name} {each.version}".strip() for each in unreachable]
    holds = f"{len(names)} distributions" if len(names) > 1 else "".join(names) or "modules"
    yield RULE.finding(
        subject=path,
        message=f"/{path} contains {holds}, and no Python of the image imports from it",
        evidence=[
            Evidence(what=_why(inventory, path), path=path, layer=layer),
            *([Evidence(what=f"it contains {listed(names, 8)}", path=path)] if names else []),
            *_sights(inventory),
        ],
        layers=layers,
        instruction=inventory.instruction(layer),
        paths=[each.metadata for each in unreachable] or [path],
        frees=freed,
    )


def _files(inventory: Inventory, path: str, unreachable: list[Distribution]) -> list[str]:
    """Return the files that nothing imports: in a directory of packages, all that it contains."""
    rootfs = inventory.rootfs
    nodes = rootfs.walk(path)
    if unreachable and not path.endswith(SITES):
        # A directory of an application may hold much else.
        tops = (top for each in unreachable for top in _tops(inventory, each))
        nodes = (node for top in tops for node in (rootfs[top], *rootfs.walk(top)))
    return [node.path for node in nodes if node.kind == "file"]


def _tops(inventory: Inventory, each: Distribution) -> Iterator[str]:
    """Return the metadata of a distribution and what lies beside it under its name."""
    yield each.metadata
    for name in (each.name.replace("-", "_"), f"{each.name.replace('-', '_')}.py"):
        path = f"{each.location}/{name}"
        if path in inventory.rootfs:
            yield path


def _why(inventory: Inventory, path: str) -> str:
    match = _SERIES.search(path)
    versions: Mapping[str, None] = dict.fromkeys(
        ".".join(each.version.split(".")[:2]) for each in inventory.interpreters
    )
    user = _USER.fullmatch(path)
    if match and match[1] not in versions:
        there = listed(list(versions)) or "none"
        return f"it is for Python {match[1]}, and the image has {there}"
    if user:
        who = inventory.image.config.user or "root"
        return f"it is in the home /{user[1]}, and the image runs as {who}"
    return "it is on no interpreter's search path"


def _sights(inventory: Inventory) -> Iterator[Evidence]:
    for python in inventory.interpreters:
        where = listed([f"/{directory}" for directory in python.site_packages]) or "nowhere"
        yield Evidence(what=f"/{python.path} imports from {where}", path=python.path)


ANALYZER = Analyzer(rule=RULE, run=unreachable_site_packages)
