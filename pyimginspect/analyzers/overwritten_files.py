"""Files that a later layer stores again with other content, or with the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE
from pyimginspect.analyzers._waste import (
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
from pyimginspect.inventory.derived.differences import changed_directories, differing_paths
from pyimginspect.inventory.derived.wasted_files import places_of
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed, sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="overwritten-files",
    title="Files are stored in two layers",
    severity="note",
    policy="size",
    what="A layer stores files that a layer below already stores: unchanged, as COPY --from=build"
    " /usr /usr does with everything that both stages have from the base image; or in another"
    " version, as a later pip install or apt-get upgrade does. Files that package managers"
    " rewrite whenever they run are not reported, nor are files of the base image that had to"
    " be replaced by another version.",
    why="A container sees only the last copy, but all copies are stored, pushed and pulled. Of"
    " two identical copies the second is not needed: without it, the container sees the first.",
    fix="Create the final version in one step: install everything in one RUN, and copy only new"
    " files.",
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

# ld.so.cache, /etc/passwd and logs are written again by many a RUN; that is no fault.
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
    tops = places_of(cause.wasted_files)
    size = cause.freed.size
    whose = "the base image" if max(cause.makers) < inventory.base.layers else makers_of(cause)
    if min(cause.makers) < inventory.base.layers <= max(cause.makers):
        whose = f"the base image and {makers_of(cause)}"
    return RULE.finding(
        subject=tops[0],
        severity="warning" if size >= 10 * NOTABLE else None,
        message=f"{listed(tops)} ({sized(size)}): stored again by layer {cause.removed_in},"
        f" identical to the files in {whose}",
        evidence=_again_evidence(inventory, cause),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.wasted_files),
        frees=cause.freed,
        fix=_again_fix(inventory, cause),
    )


def _again_evidence(inventory: Inventory, cause: Cause) -> Iterator[Evidence]:
    who = shortened(inventory.instructions[cause.removed_in]) or f"layer {cause.removed_in}"
    files = counted(len(cause.wasted_files), "file")
    yield Evidence(
        what=f"{who} stores {files} ({sized(cause.size)}) that the layers below already store"
        " at the same paths with the same content; the second copy is not needed",
        layer=cause.removed_in,
    )
    for wasted in largest(cause.wasted_files):
        same = "" if wasted.account == "unchanged" else "; only the modification time differs"
        what = f"layer {wasted.layer} stores {sized(wasted.size)}, identical in layer"
        yield Evidence(
            what=f"{what} {wasted.removed_in}{same}", path=wasted.path, layer=wasted.layer
        )


def _again_fix(inventory: Inventory, cause: Cause) -> str:
    instruction, rootfs = inventory.instructions[cause.removed_in], inventory.rootfs
    word = instruction.partition(" ")[0]
    # In a RUN it is chown, chmod or touch: overlayfs copies the whole file up for each of them.
    if word not in ("COPY", "ADD"):
        return (
            f"Restrict chown, chmod or touch in layer {cause.removed_in} to the files that need it."
        )
    if changed := changed_directories(inventory, cause):
        return (
            f"Set the owner and mode of /{changed[0]} where it is made, and {word} only what the"
            f" layers below do not have, in place of {shortened(instruction)}."
        )
    paths = differing_paths(inventory, cause)
    if not paths:
        return f"Drop {shortened(instruction)}: the layers below already have all of its files."
    names = [shlex.quote(f"/{path}") for path in paths[:_MOST_PLACES]]
    more = len(paths) - _MOST_PLACES
    rest = f" and {more:,} more" if more > 0 else ""
    links = any(node is not None and node.kind == "symlink" for node in map(rootfs.get, paths))
    # COPY takes what a link in its source leads to, so copies of links need the other way.
    how = "; COPY follows the links among them, cp -a in a RUN --mount=from=… does not"
    return (
        f"{word} only the files that the layers below do not have, in place of"
        f" {shortened(instruction)}: {', '.join(names)}{rest}{how if links else ''}"
    )


# --- other content --------------------------------------------------------------------------------
def _replaced(inventory: Inventory, cause: Cause) -> Finding:
    size = cause.freed.size
    tops = places_of(cause.wasted_files)
    owner = cause.owner
    if cause.kind == "replaced":
        subject = owner.name
        message = f"{_versions(cause)} by layer {cause.removed_in}, still stored in"
        message += f" {makers_of(cause)}"
    else:
        subject = tops[0] if owner.kind == "directory" else owner.name
        whom = listed(tops) if owner.kind == "directory" else named(cause.owners)
        message = (
            f"{whom} ({sized(cause.size)}): overwritten by layer {cause.removed_in},"
            f" still stored in {makers_of(cause)}"
        )
    return RULE.finding(
        subject=subject,
        # An upgrade in a later layer is often wanted, and a small one costs little.
        severity="warning" if size >= 10 * NOTABLE else None,
        message=message,
        evidence=_replaced_evidence(inventory, cause),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.wasted_files),
        packages=owned_packages(cause),
        frees=cause.freed,
        fix=_replaced_fix(inventory, cause),
    )


def _versions(cause: Cause) -> str:
    """Return what was replaced by what: ``six: 1.16.0 replaced by 1.17.0``."""
    owner = cause.owner
    if len(cause.owners) > 1:
        return f"{named(cause.owners)} ({sized(cause.size)}): replaced by other versions"
    if owner.before == owner.after:
        return f"{owner.name} {owner.before} ({sized(cause.size)}): installed again"
    return f"{owner.name} {owner.before} ({sized(cause.size)}): replaced by {owner.after}"


def _replaced_fix(inventory: Inventory, cause: Cause) -> str:
    if cause.kind != "replaced":
        return ""
    first, last = cause.makers[0], cause.removed_in
    what = "the final version" if cause.owner.before != cause.owner.after else "it once"
    steps = [shortened(inventory.instructions[layer]) for layer in (first, last)]
    where = f"layers {first} and {last}"
    if all(step.startswith("RUN") for step in steps):
        return (
            f"Install {what} in one RUN with all that needs it: {where} are {' and '.join(steps)}"
        )
    return f"Install {what} in one step: {where} both install {named(cause.owners)}."


_HOW = {
    "unchanged": "stores it again unchanged",
    "metadata_changed": "stores it again with changed metadata",
    "content_changed": "replaces it",
    "not_compared": "stores as many bytes again, which could not be compared",
    "removed": "removes it",
    "repeated": "stores it twice",
}


def _replaced_evidence(inventory: Inventory, cause: Cause) -> Iterator[Evidence]:
    then = "replaces" if cause.kind == "replaced" else "stores again"
    yield from stored_in(inventory, cause.wasted_files, then)
    for wasted in largest(cause.wasted_files):
        what = f"layer {wasted.layer} stores {sized(wasted.size)}, layer {wasted.removed_in}"
        yield Evidence(what=f"{what} {_HOW[wasted.account]}", path=wasted.path, layer=wasted.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
