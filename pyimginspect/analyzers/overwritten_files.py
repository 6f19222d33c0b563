"""Files that a later layer stores again with other content, or with the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE
from pyimginspect.analyzers._lost import (
    covering,
    largest,
    layers_of,
    makers_of,
    named,
    owned_packages,
    shortened,
    stored_in,
)
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.differences import differing_paths
from pyimginspect.inventory.derived.losses import places_of
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="overwritten-files",
    title="Files are stored twice, by one layer after another",
    severity="note",
    policy="size",
    what="A layer stores files that a layer below stores already: just the same, as COPY"
    " --from=build /usr /usr does of all that both stages have of the base image; or in another"
    " version, as a later pip install or apt-get upgrade does. What package managers rewrite"
    " whenever they run is left out, and so is what had to be stored again because the base image"
    " has it in another version.",
    why="Only the last copy is seen by a container, all of them ship. Of two copies that are the"
    " same, the second need not be stored: leave it out and the container sees the first.",
    fix="Make the final version in one step: install all in one RUN, copy only what is new.",
    example="""# at fault: stores all of /usr again, that of the base image too
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir --target /usr/local/lib/app flask
FROM python:3.13-slim
COPY --from=build /usr /usr

# better
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir --target /usr/local/lib/app flask
FROM python:3.13-slim
COPY --from=build /usr/local/lib/app /usr/local/lib/app
""",
)

_LEAST = 65_536
_MOST_PLACES = 8


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them: one finding for each layer and each owner of what it stores again."""
    for cause in find_causes(inventory):
        if cause.size < _LEAST:
            continue
        if cause.kind == "again":
            yield _again(inventory, cause)
        elif cause.kind in ("replaced", "overwritten"):
            yield _replaced(inventory, cause)


# --- the same content -----------------------------------------------------------------------------
def _again(inventory: Inventory, cause: Cause) -> Finding:
    """Judge a layer that stores what the layers below have at the same paths."""
    tops = places_of(cause.losses)
    size = cause.freed.size
    whose = "the base image" if max(cause.makers) < inventory.base.layers else makers_of(cause)
    if min(cause.makers) < inventory.base.layers <= max(cause.makers):
        whose = f"the base image and {makers_of(cause)}"
    return RULE.finding(
        subject=tops[0],
        severity="warning" if size >= 10 * NOTABLE else None,
        message=f"{listed(tops)}: layer {cause.removed_in} stores {sized(size)} again that"
        f" {whose} already has, unchanged",
        evidence=_again_evidence(inventory, cause),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.losses),
        frees=cause.freed,
        fix=_again_fix(inventory, cause),
    )


def _again_evidence(inventory: Inventory, cause: Cause) -> Iterator[Evidence]:
    who = shortened(inventory.instructions[cause.removed_in]) or f"layer {cause.removed_in}"
    files = counted(len(cause.losses), "file")
    yield Evidence(
        what=f"{who} stores {files} of {sized(cause.size)} with the content that the layers"
        " below have at the same paths: the second copy can be left out",
        layer=cause.removed_in,
    )
    for lost in largest(cause.losses):
        same = "" if lost.account == "identical" else ", but for its time"
        what = f"{sized(lost.size)} are the same in layer {lost.layer} and in layer"
        yield Evidence(what=f"{what} {lost.removed_in}{same}", path=lost.path, layer=lost.layer)


def _again_fix(inventory: Inventory, cause: Cause) -> str:
    instruction, rootfs = inventory.instructions[cause.removed_in], inventory.rootfs
    word = instruction.partition(" ")[0]
    if word not in ("COPY", "ADD"):
        return (
            f"Do not touch in layer {cause.removed_in} what it leaves as it is: restrict chown,"
            " chmod or touch to the files that need it."
        )
    paths = differing_paths(inventory, cause)
    if not paths:
        return f"Drop {shortened(instruction)}: it brings nothing that is not there already."
    names = [shlex.quote(f"/{path}") for path in paths[:_MOST_PLACES]]
    more = len(paths) - _MOST_PLACES
    rest = f" and {more:,} more" if more > 0 else ""
    links = any(node is not None and node.kind == "symlink" for node in map(rootfs.get, paths))
    how = "; COPY follows the links among them, cp -a in a RUN --mount=from=… does not"
    return (
        f"{word} only what the layers below do not have, in place of"
        f" {shortened(instruction)}: {', '.join(names)}{rest}{how if links else ''}"
    )


# --- other content --------------------------------------------------------------------------------
def _replaced(inventory: Inventory, cause: Cause) -> Finding:
    size = cause.freed.size
    tops = places_of(cause.losses)
    owner = cause.owner
    if cause.kind == "replaced":
        subject = owner.name
        message = f"{_versions(cause)} by layer {cause.removed_in}, and still shipped in"
        message += f" {makers_of(cause)}"
    else:
        subject = tops[0] if owner.kind == "directory" else owner.name
        whom = listed(tops) if owner.kind == "directory" else named(cause.owners)
        message = f"{whom}: stored again by layer {cause.removed_in}, with other content"
    return RULE.finding(
        subject=subject,
        severity="warning" if size >= 10 * NOTABLE else None,
        message=message,
        evidence=_replaced_evidence(inventory, cause),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.losses),
        packages=owned_packages(cause),
        frees=cause.freed,
        fix=_replaced_fix(inventory, cause),
    )


def _versions(cause: Cause) -> str:
    """Return what was replaced by what: ``six: 1.16.0 replaced by 1.17.0``."""
    owner = cause.owner
    if len(cause.owners) > 1:
        return f"{named(cause.owners)}: replaced by other versions"
    if owner.before == owner.after:
        return f"{owner.name} {owner.before}: installed again"
    return f"{owner.name} {owner.before}: replaced by {owner.after}"


def _replaced_fix(inventory: Inventory, cause: Cause) -> str:
    if cause.kind != "replaced":
        return ""
    first, last = cause.makers[0], cause.removed_in
    what = "the version that stays" if cause.owner.before != cause.owner.after else "it once"
    steps = [shortened(inventory.instructions[layer]) for layer in (first, last)]
    where = f"layers {first} and {last}"
    if all(step.startswith("RUN") for step in steps):
        return (
            f"Install {what} in one RUN with all that needs it: {where} are {' and '.join(steps)}"
        )
    return f"Install {what} in one step: {where} both bring {named(cause.owners)}."


_HOW = {
    "identical": "the same again in",
    "metadata": "the same again but for its metadata in",
    "changed": "replaced by",
    "unknown": "replaced by as many bytes, which could not be compared, in",
    "deleted": "deleted by",
    "repeated": "stored twice by",
}


def _replaced_evidence(inventory: Inventory, cause: Cause) -> Iterator[Evidence]:
    then = "replaced later" if cause.kind == "replaced" else "stored again later"
    yield from stored_in(inventory, cause.losses, then)
    for lost in largest(cause.losses):
        what = f"{sized(lost.size)} of layer {lost.layer} are {_HOW[lost.account]} layer"
        yield Evidence(what=f"{what} {lost.removed_in}", path=lost.path, layer=lost.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
