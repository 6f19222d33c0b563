"""Installed files that are not as RECORD says."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.record_checks import Changed
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "record_mismatch"]

# A package whose data was deleted may miss thousands; the counts are of all.
_MOST_PATHS = 50
_MOST_NAMES = 8
# Their packagers edit files after they were recorded, prefixes for one.
_EDITED_BY_PACKAGERS = frozenset({"conda"})

RULE = Rule(
    id="record-mismatch",
    title="Installed files are not as recorded",
    severity="warning",
    policy="soundness",
    what="Files of a distribution are missing, or their size differs from that in its RECORD."
    " Files that are often deleted to slim an image (bytecode, tests, documentation, type"
    " stubs) do not count as missing; contents are compared by size. Missing files alone are"
    " a note, one for"
    " all distributions of a directory, unless compiled files are among them: no application fails"
    " for most of them, and where a distribution cannot be imported any more,"
    " incomplete-distribution says so. Packages of the operating system and of conda are left out:"
    " their packagers change files and keep the RECORD.",
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
    incomplete: dict[str, list[Distribution]] = {}
    for each in inventory.distributions:
        changed = [
            change
            for change in records.changed.get(each.metadata, ())
            # Another distribution wrote these: conflicting-distributions reports them.
            if change.path not in records.shared
        ]
        # dpkg --verify and rpm -V are for these: packagers edit files after RECORD was written.
        if each.package or each.installer in _EDITED_BY_PACKAGERS:
            continue
        # A base may have installed what a later layer edits: the layer of the change decides.
        layers = {inventory.rootfs[change.path].layer for change in changed} | {each.layer}
        if max(layers) < inventory.base.layers:
            continue
        if changed:
            yield _changed(inventory, each, changed, layers)
        elif each.metadata in records.missing_modules:
            continue
        elif any(path.endswith(".so") for path in records.missing.get(each.metadata, ())):
            yield _incomplete(inventory, each.location, [each])
        elif _missing(inventory, each):
            incomplete.setdefault(each.location, []).append(each)
    for location, distributions in sorted(incomplete.items()):
        yield _incomplete(inventory, location, distributions)


def _missing(inventory: Inventory, each: Distribution) -> tuple[str, ...]:
    records = inventory.records
    return records.missing.get(each.metadata, ()) + records.outside.get(each.metadata, ())


def _changed(
    inventory: Inventory, each: Distribution, changed: list[Changed], layers: set[int]
) -> Finding:
    missing = inventory.records.missing.get(each.metadata, ())
    evidence = [
        Evidence(
            what=f"its size is {change.size:,}, and RECORD says {change.recorded:,}",
            path=change.path,
            layer=inventory.rootfs[change.path].layer,
        )
        for change in changed[:3]
    ]
    evidence += [
        Evidence(what="RECORD lists it, but it is missing", path=path) for path in missing[:3]
    ]
    numbers = [f"{counted(len(changed), 'file')} changed"]
    numbers += [f"{counted(len(missing), 'file')} missing"] if missing else []
    return RULE.finding(
        subject=each.metadata,
        message=f"{each.name} {each.version} in /{each.location}: {listed(numbers)}",
        evidence=evidence,
        layers=layers,
        instruction=inventory.instruction(max(layers)),
        paths=[*(change.path for change in changed), *missing][:_MOST_PATHS],
    )


def _incomplete(inventory: Inventory, location: str, distributions: list[Distribution]) -> Finding:
    """Return one finding for all that miss files: what removed them has often done so to all."""
    paths = [path for each in distributions for path in _missing(inventory, each)]
    names = [f"{each.name} {each.version}" for each in distributions]
    compiled = [path for path in paths if path.endswith(".so")]
    layers = {each.layer for each in distributions}
    alone = distributions[0].metadata if len(distributions) == 1 else location
    return RULE.finding(
        subject=alone,
        severity=None if compiled else "note",
        message=f"{listed(names)} in /{location}: {counted(len(paths), 'file')} missing",
        evidence=_evidence(inventory, location, distributions, compiled),
        layers=layers,
        instruction=inventory.instruction(max(layers)),
        paths=paths[:_MOST_PATHS],
    )


def _evidence(
    inventory: Inventory, location: str, distributions: list[Distribution], compiled: list[str]
) -> Iterator[Evidence]:
    """Yield one missing file of each distribution, and what kinds of files are among them."""
    for each in distributions[:_MOST_NAMES]:
        first, *others = _missing(inventory, each)
        what = f"RECORD of {each.name} {each.version} lists it, and it is not there"
        more = f", nor are {counted(len(others), 'more file')}" if others else ""
        yield Evidence(what=f"{what}{more}", path=first)
    outside = sum(len(inventory.records.outside.get(each.metadata, ())) for each in distributions)
    if outside:
        what = f"{counted(outside, 'file')} of these would be outside of /{location}"
        yield Evidence(what=f"{what}: programs, manual pages or configuration")
    if compiled:
        what = f"{counted(len(compiled), 'file')} of these are compiled"
        yield Evidence(what=what, path=compiled[0])


ANALYZER = Analyzer(rule=RULE, run=record_mismatch)
