"""Files that a later layer stores again with other content, or with the same."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE, listed
from pyimginspect.analyzers._words import counted, megabytes
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Loss
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.losses import top_directories
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER"]

RULE = Rule(
    id="overwritten-files",
    title="Files are stored twice, by one layer after another",
    severity="note",
    policy="size",
    what="A layer stores files that a later layer stores again, changed or just the same. What"
    " package managers rewrite whenever they run is left out.",
    why="Only the last copy is seen by a container, all of them ship.",
    fix="Make the final version in one step: upgrade in the RUN that installs, copy only once.",
    example="""# at fault
COPY . /app
RUN pip install -r /app/requirements.txt
COPY . /app

# better
COPY requirements.txt /app/
RUN pip install --no-cache-dir -r /app/requirements.txt
COPY . /app
""",
)

_LEAST = 65_536
_MOST = 8


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each layer that overwrites what layers above the base stored."""
    caches = tuple(f"{c.path}/" for c in inventory.caches if c.kind not in INFORMATION)
    found: dict[int, list[Loss]] = {}
    for loss in inventory.ledger.losses:
        if loss.account not in ("identical", "changed", "unknown", "repeated"):
            continue
        if loss.layer < inventory.base.layers or is_journal(loss.path):
            continue
        if not loss.path.startswith(caches):
            found.setdefault(loss.killer, []).append(loss)
    for killer, losses in sorted(found.items()):
        size = sum(loss.size for loss in losses)
        if size < _LEAST:
            continue
        same = sum(loss.size for loss in losses if loss.account == "identical")
        tops = top_directories(losses)
        how = "unchanged" if same == size else "with other content"
        yield RULE.finding(
            subject=tops[0],
            severity="warning" if size >= 10 * NOTABLE else None,
            message=f"{listed(tops)}: stored again by layer {killer}, {how}",
            evidence=_evidence(losses),
            layers=[killer, *(loss.layer for loss in losses)],
            instruction=inventory.instructions[killer],
            paths=list(dict.fromkeys(loss.path for loss in _ordered(losses)))[:_MOST],
            saving=size,
        )


_HOW = {
    "identical": "the same again",
    "changed": "replaced",
    "unknown": "replaced by as many bytes, which could not be compared,",
    "repeated": "stored twice",
}


def _ordered(losses: list[Loss]) -> list[Loss]:
    return sorted(losses, key=lambda loss: (-loss.size, loss.path, loss.layer))


def _evidence(losses: list[Loss]) -> Iterator[Evidence]:
    files = counted(len(losses), "file")
    yield Evidence(what=f"{files} of {megabytes(sum(loss.size for loss in losses))}")
    for loss in _ordered(losses)[:_MOST]:
        what = f"{megabytes(loss.size)}, {_HOW[loss.account]} by layer {loss.killer}"
        yield Evidence(what=what, path=loss.path, layer=loss.layer)


ANALYZER = Analyzer(rule=RULE, run=run)
