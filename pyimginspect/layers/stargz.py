"""eStargz: a gzip layer with a table of contents, and markers, as members of its tar archive.

They serve whoever mounts such a layer lazily, and are no files of the image. Source:
containerd/stargz-snapshotter, docs/estargz.md ("TOC, TOCEntries", "Prioritized Files").
"""

from __future__ import annotations

from typing import Any

import msgspec

from pyimginspect.model import LayerIndex

__all__ = ["LANDMARKS", "TOC_NAME", "without_markers"]

TOC_NAME = "stargz.index.json"
LANDMARKS = (".prefetch.landmark", ".no.prefetch.landmark")


def without_markers(index: LayerIndex) -> LayerIndex:
    """Return the index without the marker files, if the layer really is eStargz.

    It is where the table of contents is the archive's last member, as the format demands.
    """
    entries = index.entries
    if not entries or entries[-1].path != TOC_NAME or entries[-1].kind != "file":
        return index
    kept = [n for n, entry in enumerate(entries[:-1]) if entry.path not in LANDMARKS]
    moved = {old: new for new, old in enumerate(kept)}

    def follow(facts: dict[int, Any]) -> dict[int, Any]:
        return {moved[n]: fact for n, fact in facts.items() if n in moved}

    return msgspec.structs.replace(
        index,
        entries=tuple(entries[n] for n in kept),
        elf=follow(index.elf),
        texts=follow(index.texts),
        scripts=follow(index.scripts),
        strings=follow(index.strings),
        rpm=follow(index.rpm),
        extra={name: follow(facts) for name, facts in index.extra.items()},
        checksums=None if index.checksums is None else follow(index.checksums),
    )
