"""Distributions that are in each other's way."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.facts import Distribution
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, listed

__all__ = ["ANALYZER", "conflicting_distributions"]

# opencv-python and its headless twin share some hundred; the counts are of all.
_MOST_PATHS = 50

RULE = Rule(
    id="conflicting-distributions",
    title="Distributions conflict with each other",
    severity="warning",
    policy="soundness",
    what="Two versions of one distribution are installed in one directory, or two distributions"
    " claim the same files, so that the one installed last has overwritten the other.",
    why="With two versions, imports get a mixture of both, and tools report whichever metadata"
    " they read first: a vulnerability may be fixed on paper only. Two"
    " distributions with the same modules (opencv-python and opencv-python-headless, psycopg2"
    " and psycopg2-binary) work only if they were installed in the right order, and removing one"
    " breaks the other.",
    fix="Keep one of them: pin it in the requirements, and find out who asks for the other with"
    ' pip\'s own "pip inspect", or by its Required-by in "pip show". Copying files over an'
    " installed tree leaves the old metadata behind: uninstall first, or copy into an empty"
    " directory.",
    example="""# at fault: both bring the module cv2
RUN pip install opencv-python opencv-python-headless

# better: one of them
RUN pip install opencv-python-headless
""",
)


def conflicting_distributions(inventory: Inventory) -> Iterator[Finding]:
    """Report several versions in one directory, and files that several distributions list."""
    places: dict[tuple[str, str], list[Distribution]] = {}
    for each in inventory.distributions:
        places.setdefault((each.name, each.location), []).append(each)
    for (name, location), versions in sorted(places.items()):
        if len(versions) > 1:
            yield _versions(inventory, name, location, versions)
    together: dict[tuple[str, ...], list[str]] = {}
    for path, claimants in inventory.records.shared.items():
        # One finding for each group of rivals: each file by itself would be hundreds.
        together.setdefault(claimants, []).append(path)
    by_metadata = {each.metadata: each for each in inventory.distributions}
    for claimants, paths in sorted(together.items()):
        rivals = [by_metadata[metadata] for metadata in claimants]
        # Versions of one distribution share their files, which the finding above is about.
        if len({each.name for each in rivals}) > 1:
            yield _files(inventory, rivals, paths)


def _versions(
    inventory: Inventory, name: str, location: str, versions: list[Distribution]
) -> Finding:
    layer = max(each.layer for each in versions)
    names = listed([each.version for each in versions])
    return RULE.finding(
        subject=f"{name} {location}",
        message=f"{name} is installed as {names} in /{location}",
        evidence=[
            Evidence(
                what=f"{each.name} {each.version}"
                + (f", by {each.installer}" if each.installer else ""),
                path=each.metadata,
                layer=each.layer,
            )
            for each in versions
        ],
        layers={each.layer for each in versions},
        instruction=inventory.instruction(layer),
        paths=[each.metadata for each in versions],
        fix=f"keep one version of {name}: pip install --force-reinstall in the step of layer"
        f" {layer}, after deleting {_stale(versions)}",
    )


def _stale(versions: list[Distribution]) -> str:
    """Return what a lower layer left, or all of it where one layer brought both."""
    last = max(each.layer for each in versions)
    # Layers have no order within: which of two in one layer came first is not known.
    stale = [each for each in versions if each.layer < last] or versions
    return listed([f"/{each.metadata}" for each in stale])


def _files(inventory: Inventory, rivals: list[Distribution], paths: list[str]) -> Finding:
    names = listed([f"{each.name} {each.version}" for each in rivals])
    layer = max(each.layer for each in rivals)
    changed = {
        change.path: each
        for each in rivals
        for change in inventory.records.changed.get(each.metadata, ())
    }
    # Of two that wrote one file only the last has it as its RECORD says.
    losers = {changed[path].name for path in paths if path in changed}
    evidence = [
        Evidence(what=f"{each.name} {each.version} lists it", path=paths[0], layer=each.layer)
        for each in rivals
    ]
    files = counted(len(paths), "file")
    both = "both" if len(rivals) == 2 else "all"
    evidence.append(Evidence(what=f"the RECORDs of {both} list {files}"))
    if losers:
        evidence.append(
            Evidence(what=f"their lengths are not those that {listed(sorted(losers))} recorded")
        )
    return RULE.finding(
        subject=" ".join(sorted({each.name for each in rivals})),
        message=f"{names} {both} claim {files} in /{rivals[0].location}",
        evidence=evidence,
        layers={each.layer for each in rivals},
        instruction=inventory.instruction(layer),
        paths=paths[:_MOST_PATHS],
        fix=f"keep one of {listed([each.name for each in rivals])} in the requirements",
    )


ANALYZER = Analyzer(rule=RULE, run=conflicting_distributions)
