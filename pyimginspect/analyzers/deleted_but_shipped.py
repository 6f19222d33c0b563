"""Files that a later layer deleted: they ship all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from pyimginspect.inventory.derived.wasted_files import WastedContent
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="deleted-but-shipped",
    title="Files removed by a later layer are still stored",
    severity="warning",
    policy="size",
    what="A layer stores files that a later layer removes.",
    why="A layer never changes once it is built. Removing files in a later layer hides them from"
    " the container (a whiteout); their bytes are still stored, pushed and pulled, and anyone"
    " who unpacks the layer can read them.",
    fix="Remove the files in the RUN that creates them, or create them in a separate build stage.",
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
        # Nothing frees these: the layers of the base are not the user's to change.
        elif cause.kind == "base-deleted" and cause.size >= NOTABLE:
            yield RULE.finding(
                subject=f"base image: {cause.owner.name}",
                severity="note",
                message=f"{named(cause.owners)} ({sized(cause.size)}) of the base image:"
                f" removed by layer {cause.removed_in}, still stored in {makers_of(cause)}",
                evidence=_evidence(inventory, cause.wasted_files),
                layers=[cause.removed_in],
                instruction=inventory.instructions[cause.removed_in],
                paths=covering(cause.wasted_files),
                packages=owned_packages(cause),
                fix="Start from a base image without them; removing them in a later layer saves"
                " nothing.",
            )


def _finding(inventory: Inventory, cause: Cause) -> Finding:
    first = cause.makers[0]
    return RULE.finding(
        subject=cause.owner.name,
        severity=None if cause.size >= NOTABLE else "note",
        message=f"{named(cause.owners)} ({sized(cause.size)}): removed by layer"
        f" {cause.removed_in}, still stored in {makers_of(cause)}",
        evidence=_evidence(inventory, cause.wasted_files),
        layers=layers_of(cause),
        instruction=inventory.instructions[cause.removed_in],
        paths=covering(cause.wasted_files),
        packages=owned_packages(cause),
        frees=cause.freed,
        fix=_fix(first, inventory.instructions[first]),
    )


def _fix(layer: int, instruction: str) -> str:
    where = f"layer {layer}: {shortened(instruction)}" if instruction else f"layer {layer}"
    word = instruction.partition(" ")[0]
    if word in ("ADD", "COPY"):
        # The bind mount of a build stage or the context leaves no bytes in a layer (Dockerfile
        # reference, RUN --mount).
        get = "download it and remove it" if word == "ADD" else "read it through --mount=type=bind"
        return f"Do not {word} what only a RUN needs ({where}); that RUN can {get}."
    made = "RUN that creates them" if word == "RUN" else "step that creates them"
    return f"Remove the files in the {made} ({where}), or do not create them."


def _evidence(inventory: Inventory, wasted_files: Sequence[WastedContent]) -> Iterator[Evidence]:
    yield from stored_in(inventory, wasted_files, "removes")
    for wasted in largest(wasted_files):
        what = (
            f"layer {wasted.layer} stores {sized(wasted.size)}, layer {wasted.removed_in}"
            " removes it"
        )
        yield Evidence(what=what, path=wasted.path, layer=wasted.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
