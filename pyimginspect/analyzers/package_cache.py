"""Caches of package managers that nobody will read in a container."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.analyzers._leftovers import NOTABLE
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.caches import INFORMATION, edit_of, links_into_caches
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.contents import contents_of
from pyimginspect.inventory.derived.cache_contents import contents_of_caches
from pyimginspect.inventory.facts import Cache
from pyimginspect.model import Evidence
from pyimginspect.report import Finding
from pyimginspect.text import counted, sized

__all__ = ["ANALYZER"]

RULE = Rule(
    id="package-cache",
    title="A package manager's cache is left in the image",
    severity="warning",
    policy="size",
    what="apt's lists, downloaded packages, pip's or another tool's cache are in the image.",
    why="A cache speeds up the next run of a tool. In a finished image nothing reads it: it is"
    " only stored and pulled. apt's lists are soon out of date, too.",
    fix="Disable the cache, or delete it in the same RUN; a cache mount (RUN --mount=type=cache)"
    " keeps it out of the image.",
    example="""# at fault
RUN apt-get update && apt-get install -y libpq5
RUN pip install -r requirements.txt

# better
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 \\
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir -r requirements.txt
""",
)


def run(inventory: Inventory) -> Iterator[Finding]:
    """Find them, one finding for each cache."""
    contents = contents_of(inventory.rootfs)
    for cache in inventory.caches:
        # Bytecode and tests are no caches of a tool: without the first, each start compiles again.
        if cache.kind in INFORMATION:
            continue
        live, wasted = contents_of_caches(inventory)[cache.kind, cache.path]
        stored, overwritten = contents.by_layer(live), contents.by_layer(wasted)
        # A cache mount leaves an empty directory behind, and so does a cache that was deleted in
        # its RUN.
        if not stored:
            continue
        freed = contents.freed(wasted=live | wasted)
        saving = freed.size
        layers = sorted({*stored, *overwritten})
        # Of equal ones the lowest, which filled the cache first.
        heaviest = max(layers, key=lambda n: (stored.get(n, 0) + overwritten.get(n, 0), -n))
        what = _WORDS.get(cache.kind, f"the cache of {cache.kind}")
        links = links_into_caches(inventory.rootfs).get(cache.path, ())
        if links:
            what += ", which installed packages are links into"
        yield RULE.finding(
            subject=cache.path,
            severity=None if saving >= NOTABLE and not links else "note",
            message=f"/{cache.path} is left in the image: {what}",
            evidence=[*_evidence(cache, stored, overwritten), *_links(links)],
            layers=layers,
            instruction=inventory.instructions[heaviest],
            paths=[cache.path],
            frees=None if links else freed,
            fix=_COPIES if links else edit_of(cache),
        )


_WORDS = {
    "apt-lists": "apt's lists of packages",
    "apt-archives": "packages that apt downloaded",
    "apt-index": "apt's binary index",
}


# The bytes move to where the links are: nothing is saved.
_COPIES = (
    "Install copies (UV_LINK_MODE=copy; pdm config install.cache false) and only then delete the"
    " cache: otherwise the files behind the links are deleted with it"
)


def _links(links: tuple[str, ...]) -> Iterator[Evidence]:
    if links:
        number = counted(len(links), "symbolic link")
        yield Evidence(
            what=f"{number} from outside of the cache into it, this one first", path=links[0]
        )


def _evidence(
    cache: Cache, stored: dict[int, int], overwritten: dict[int, int]
) -> Iterator[Evidence]:
    for layer in sorted({*stored, *overwritten}):
        if stored.get(layer):
            what = f"layer {layer} stores {sized(stored[layer])} of it"
            yield Evidence(what=what, path=cache.path, layer=layer)
        if overwritten.get(layer):
            what = (
                f"layer {layer} stores {sized(overwritten[layer])} more that a later layer"
                " overwrites"
            )
            yield Evidence(what=what, path=cache.path, layer=layer)


ANALYZER = Analyzer(rule=RULE, run=run)
