"""What the analyzers of wasted space share: names of owners, and evidence in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.causes import Cause
from pyimginspect.inventory.derived.owners import Owner
from pyimginspect.inventory.derived.wasted_files import WastedContent
from pyimginspect.model import Evidence
from pyimginspect.text import counted, listed, sized

__all__ = [
    "covering",
    "largest",
    "layers_of",
    "makers_of",
    "named",
    "owned_packages",
    "shortened",
    "stored_in",
]

# Enough to see what kind of files they are; the counts and sums are of all.
MOST = 8
# A waiver has to name them one by one.
_MOST_PLACES = 20


def largest(wasted_files: Sequence[WastedContent]) -> list[WastedContent]:
    """Return the largest losses, each path once."""
    ordered = sorted(wasted_files, key=lambda wasted: (-wasted.size, wasted.path, wasted.layer))
    # A dict keeps the last value of a key: reversed, that is the largest of its path.
    return list({wasted.path: wasted for wasted in ordered[::-1]}.values())[::-1][:MOST]


def covering(wasted_files: Sequence[WastedContent]) -> list[str]:
    """Return paths that all of the losses are at or below, so that a waiver can name them all.

    These are the files, of few; else their directories, of very many those above them.
    """
    if len({wasted.path for wasted in wasted_files}) <= MOST:
        return [wasted.path for wasted in largest(wasted_files)]
    # A file of the root has no directory, and an empty path would cover the whole image.
    places = {wasted.path.rpartition("/")[0] or wasted.path for wasted in wasted_files}
    depth = max(place.count("/") for place in places)
    while len(places) > _MOST_PLACES and depth:
        # None is deeper than this.
        places = {
            place.rpartition("/")[0] if place.count("/") == depth else place for place in places
        }
        depth -= 1
    return sorted(places)


def named(owners: Sequence[Owner]) -> str:
    """Return owners in a phrase: ``git, git-man, libgdbm6 and 3 more``."""
    names = [name for owner in owners for name in owner.names or (owner.name,)]
    return listed(names)


def owned_packages(cause: Cause) -> list[str]:
    """Return the names that a policy may allow: of packages and of distributions."""
    names = [
        name
        for owner in cause.owners
        if owner.kind != "directory"
        for name in owner.names or (owner.name,)
    ]
    # To allow the packages alone would let the files of the directories pass with them.
    complete = all(owner.kind != "directory" for owner in cause.owners)
    return list(dict.fromkeys(names)) if complete else []


def shortened(instruction: str) -> str:
    """Return an instruction as a sentence can have it."""
    # RUN lines of official images have some thousand characters; the beginning tells which.
    return instruction if len(instruction) <= 100 else f"{instruction[:99]}…"


def layers_of(cause: Cause) -> tuple[int, ...]:
    """Return the layers that stored the files first, and the one that took them away."""
    return (*cause.makers, cause.removed_in)


def makers_of(cause: Cause) -> str:
    """Return ``layer 4``, or ``layer 4 and layer 6``."""
    return listed([f"layer {layer}" for layer in cause.makers])


def stored_in(
    inventory: Inventory, wasted_files: Sequence[WastedContent], then: str
) -> Iterator[Evidence]:
    """Yield how much of the wasted files each layer stores; ``then`` is what becomes of them."""
    sums: dict[int, list[int]] = {}
    for wasted in wasted_files:
        sums.setdefault(wasted.layer, []).append(wasted.size)
    for layer, sizes in sorted(sums.items()):
        who = shortened(inventory.instructions[layer]) or f"layer {layer}"
        files = counted(len(sizes), "file")
        what = f"{who} stores {files} ({sized(sum(sizes))}) that a later layer {then}"
        yield Evidence(what=what, layer=layer)
