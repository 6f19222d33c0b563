"""Files that a later layer deleted: they ship all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyimginspect.analyzers._leftovers import NOTABLE, listed
from pyimginspect.analyzers._words import counted, megabytes
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Loss
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.losses import what_was_lost
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

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

_MOST = 8


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer that deletes what layers above the base stored."""
    base = inventory.base.layers
    by_killer: dict[int, list[Loss]] = {}
    of_base: dict[int, list[Loss]] = {}
    for loss in inventory.ledger.losses:
        if loss.account == "deleted" and loss.killer != loss.layer and not is_journal(loss.path):
            if loss.layer >= base:
                by_killer.setdefault(loss.killer, []).append(loss)
            elif loss.killer >= base:
                of_base.setdefault(loss.killer, []).append(loss)
    for killer, losses in sorted(by_killer.items()):
        yield _finding(inventory, killer, losses)
    for killer, losses in sorted(of_base.items()):
        size = sum(loss.size for loss in losses)
        if size >= NOTABLE:
            names = what_was_lost(losses, inventory.packages, killer)
            yield RULE.finding(
                subject=f"base image: {names[0]}",
                severity="note",
                message=f"{listed(names)} of the base image were deleted: they ship all the same",
                evidence=_evidence(inventory, losses),
                layers=[killer],
                instruction=inventory.instructions[killer],
                paths=_largest(losses),
                fix="Start from a base image without them; deleting them saves nothing.",
            )


def _finding(inventory: Inventory, killer: int, losses: Sequence[Loss]) -> Finding:
    names = what_was_lost(losses, inventory.packages, killer)
    size = sum(loss.size for loss in losses)
    stored = sorted({loss.layer for loss in losses})
    makers = listed([f"layer {layer}" for layer in stored])
    return RULE.finding(
        subject=names[0],
        severity=None if size >= NOTABLE else "note",
        message=f"{listed(names)}: deleted by layer {killer}, and still shipped in {makers}",
        evidence=_evidence(inventory, losses),
        layers=[*stored, killer],
        instruction=inventory.instructions[killer],
        paths=_largest(losses),
        packages=[name for name in names if "/" not in name],
        saving=size,
        fix=_fix(stored[0], inventory.instructions[stored[0]]),
    )


def _fix(layer: int, instruction: str) -> str:
    where = f"layer {layer}: {_short(instruction)}" if instruction else f"layer {layer}"
    word = instruction.partition(" ")[0]
    if word in ("ADD", "COPY"):
        get = "fetch it and delete it again" if word == "ADD" else "take it by --mount=type=bind"
        return f"Do not {word} what only a RUN needs ({where}): that RUN can {get}."
    made = "RUN that made the files" if word == "RUN" else "step that made the files"
    return f"Delete in the {made} ({where}), or do not make them."


def _short(instruction: str) -> str:
    return instruction if len(instruction) <= 100 else f"{instruction[:99]}…"


def _largest(losses: Sequence[Loss]) -> list[str]:
    ordered = sorted(losses, key=lambda loss: (-loss.size, loss.path, loss.layer))
    return list(dict.fromkeys(loss.path for loss in ordered))[:_MOST]


def _evidence(inventory: Inventory, losses: Sequence[Loss]) -> Iterator[Evidence]:
    sums: dict[int, list[int]] = {}
    for loss in losses:
        sums.setdefault(loss.layer, []).append(loss.size)
    for layer, sizes in sorted(sums.items()):
        files, are = counted(len(sizes), "file"), "is" if len(sizes) == 1 else "are"
        who = _short(inventory.instructions[layer]) or "this layer"
        what = f"{who} stores {files} of {megabytes(sum(sizes))} that {are} deleted later"
        yield Evidence(what=what, layer=layer)
    for loss in sorted(losses, key=lambda loss: (-loss.size, loss.path, loss.layer))[:_MOST]:
        yield Evidence(what=megabytes(loss.size), path=loss.path, layer=loss.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
