"""Installed files that are not as RECORD says."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._pythons import instruction, listed
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution
from pyimginspect.model import Evidence
from pyimginspect.report import Finding

__all__ = ["ANALYZER", "record_mismatch"]

_MOST_PATHS = 50

RULE = Rule(
    id="record-mismatch",
    title="Installed files are not as recorded",
    severity="warning",
    policy="soundness",
    what="Files of a distribution are missing, or have not the length that its RECORD gives them."
    " What images are often slimmed by (byte code, tests, documentation, type stubs) is not"
    " counted as missing; contents are compared by length. Packages of the operating system"
    " are left out: their packagers change files and keep the RECORD.",
    why="RECORD is what pip uninstalls by, and what tools verify an installation with. A file of"
    " another length was edited after it was installed, overwritten by another distribution,"
    " or cut short; a missing module fails when something imports it at last.",
    fix="Install the distribution again, unchanged: pip install --force-reinstall NAME; or build"
    " a wheel of the changed sources, with a version of its own, and install that.",
    example="""# at fault: the change is in no wheel, and the next install takes it back
RUN pip install requests && sed -i s/30/60/ /usr/local/lib/python3.13/site-packages/requests/api.py

# better: a version of its own
RUN pip install https://example.org/requests-2.32.0+timeout-py3-none-any.whl
""",
)


def record_mismatch(inventory: Inventory) -> Iterator[Finding]:
    """Report distributions above the base whose files are not as they were installed."""
    records = inventory.records
    for each in inventory.distributions:
        missing = records.missing.get(each.metadata, ())
        changed = [
            change
            for change in records.changed.get(each.metadata, ())
            if change.path not in records.shared
        ]
        if each.package or not (missing or changed):
            continue
        layers = {inventory.rootfs[change.path].layer for change in changed} | {each.layer}
        if max(layers) >= inventory.base.layers:
            evidence = [
                *(
                    Evidence(
                        what=f"its size is {change.size:,}, and RECORD says {change.recorded:,}",
                        path=change.path,
                        layer=inventory.rootfs[change.path].layer,
                    )
                    for change in changed[:3]
                ),
                *(
                    Evidence(what="RECORD lists it, and it is not there", path=p)
                    for p in missing[:3]
                ),
            ]
            paths = [*(change.path for change in changed), *missing]
            yield _finding(
                inventory, each, evidence, paths, layers, counts=(len(changed), len(missing))
            )


def _finding(
    inventory: Inventory,
    each: Distribution,
    evidence: list[Evidence],
    paths: list[str],
    layers: set[int],
    *,
    counts: tuple[int, int],
) -> Finding:
    changed, missing = counts
    told = [
        f"{number} {'file' if number == 1 else 'files'} {word}"
        for number, word in ((changed, "changed"), (missing, "missing"))
        if number
    ]
    return RULE.finding(
        subject=each.metadata,
        severity=None if changed else "note",
        message=f"{each.name} {each.version} in /{each.location}: {listed(told)}",
        evidence=evidence,
        layers=layers,
        instruction=instruction(inventory, max(layers)),
        paths=paths[:_MOST_PATHS],
    )


ANALYZER = Analyzer(rule=RULE, run=record_mismatch)
