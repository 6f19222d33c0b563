"""Files that a later layer deleted: they ship all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from pyimginspect.inventory.derived.losses import Lost
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="deleted-but-shipped",
    title="Files were deleted in a later layer",
    severity="warning",
    policy="size",
    what="A layer stores files that a later layer deletes.",
    why="A layer never changes once it is made. Deleting in a later one hides the files from the"
    " container; their bytes are stored, pushed and pulled for ever, and anyone who unpacks the"
    " layer can read them.",
    fix="Delete in the RUN that made the files, or make them in a stage of its own.",
    example="""# at fault
RUN apt-get update && apt-get install -y git && git clone https://example.org/app /app
RUN apt-get purge -y --auto-remove git

# better
RUN apt-get update && apt-get install -y --no-install-recommends git \\
    && git clone https://example.org/app /app \\
    && apt-get purge -y --auto-remove git && rm -rf /var/lib/apt/lists/*
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them: one finding for each layer that deletes, and each owner of what it deletes."""
    for cause in find_causes(inventory):
        if cause.kind == "deleted":
            yield _finding(inventory, cause)
        elif cause.kind == "base-deleted" and cause.size >= NOTABLE:
            yield RULE.finding(
                subject=f"base image: {cause.owner.name}",
                severity="note",
                message=f"{named(cause.owners)} of the base image: deleted by layer"
                f" {cause.removed_in}, and still shipped",
                evidence=_evidence(inventory, cause.losses),
                layers=[cause.removed_in],
                instruction=inventory.instructions[cause.removed_in],
                paths=covering(cause.losses),
                packages=owned_packages(cause),
                fix="Start from a base image without them; deleting them saves nothing.",
            )


def _finding(inventory: Inventory, cause: Cause) -> Finding:
    first = cause.makers[0]
    return RULE.finding(
        subject=cause.owner.name,
        severity=None if cause.size >= NOTABLE else "note",
        message=f"{named(cause.owners)}: deleted by layer {cause.removed_in}, and still shipped in"
        f" {makers_of(cause)}",
        evidence=_evidence(inventory, cause.losses),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.losses),
        packages=owned_packages(cause),
        frees=cause.freed,
        fix=_fix(first, inventory.instructions[first]),
    )


def _fix(layer: int, instruction: str) -> str:
    where = f"layer {layer}: {shortened(instruction)}" if instruction else f"layer {layer}"
    word = instruction.partition(" ")[0]
    if word in ("ADD", "COPY"):
        get = "fetch it and delete it again" if word == "ADD" else "take it by --mount=type=bind"
        return f"Do not {word} what only a RUN needs ({where}): that RUN can {get}."
    made = "RUN that made the files" if word == "RUN" else "step that made the files"
    return f"Delete in the {made} ({where}), or do not make them."


def _evidence(inventory: Inventory, losses: Sequence[Lost]) -> Iterator[Evidence]:
    yield from stored_in(inventory, losses, "deleted later")
    for lost in largest(losses):
        what = f"layer {lost.layer} stores {sized(lost.size)}, layer {lost.removed_in} deletes it"
        yield Evidence(what=what, path=lost.path, layer=lost.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
