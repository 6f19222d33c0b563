"""Layers read by their table of contents: the listing first, then no more than is examined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyimginspect.layers.toc.annotations import TocReference, toc_reference
from pyimginspect.layers.toc.ranges import Ranges, UnusableTocError
from pyimginspect.lazy import loader

if TYPE_CHECKING:
    from pyimginspect.layers.toc.reading import checksum_by_toc, index_by_toc

__all__ = [
    "Ranges",
    "TocReference",
    "UnusableTocError",
    "checksum_by_toc",
    "index_by_toc",
    "toc_reference",
]

# What reads a layer brings every probe: loaded when a layer is to be read.
__getattr__ = loader(
    __name__,
    {"checksum_by_toc": ".reading", "index_by_toc": ".reading"},
)
