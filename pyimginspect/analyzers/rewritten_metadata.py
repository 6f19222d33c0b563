"""Files stored again only because their owner, mode or time changed."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE, listed
from pyimginspect.analyzers._words import counted, megabytes
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Loss
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.losses import top_directories
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="rewritten-metadata",
    title="Files are stored twice because their owner or mode changed",
    severity="warning",
    policy="size",
    what="A layer changes owner, mode, extended attributes or time of files below, such as"
    " chown -R does, and leaves their content alone.",
    why="A layer stores whole files: to change one bit of the metadata stores all bytes again.",
    fix="Give the files their owner when they are made: COPY --chown, or chown in the same RUN.",
    example="""# at fault
COPY app /app
RUN chown -R app:app /app

# better
COPY --chown=app:app app /app
""",
)

_LEAST = 65_536
_MOST = 8


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer above the base that does so."""
    found: dict[int, list[Loss]] = {}
    for loss in inventory.ledger.losses:
        if loss.account != "metadata" or loss.killer < inventory.base.layers:
            continue
        if not is_journal(loss.path):
            found.setdefault(loss.killer, []).append(loss)
    for killer, losses in sorted(found.items()):
        size = sum(loss.size for loss in losses)
        if size < _LEAST:
            continue
        ordered = sorted(losses, key=lambda loss: (-loss.size, loss.path, loss.layer))
        tops = top_directories(losses)
        files = counted(len(losses), "file")
        evidence = [Evidence(what=f"{files} of {megabytes(size)}", layer=killer)]
        evidence += [
            Evidence(what=_difference(inventory, loss), path=loss.path, layer=loss.layer)
            for loss in ordered[:_MOST]
        ]
        yield RULE.finding(
            subject=tops[0],
            severity=None if size >= NOTABLE else "note",
            message=f"{listed(tops)}: stored again by layer {killer} for other metadata alone",
            evidence=evidence,
            layers=[killer, *(loss.layer for loss in losses)],
            instruction=inventory.instructions[killer],
            paths=list(dict.fromkeys(loss.path for loss in ordered))[:_MOST],
            saving=size,
        )


def _difference(inventory: Inventory, loss: Loss) -> str:
    """Say what became of the file, where it is still what the later layer made of it."""
    node = inventory.rootfs.get(loss.path)
    if node is None or node.content.layer != loss.killer:
        return megabytes(loss.size)
    entry = node.content.entry
    return f"{megabytes(loss.size)}, now {entry.uid}:{entry.gid} {entry.mode:04o}"


ANALYZER = Analyzer(rule=RULE, run=run)
