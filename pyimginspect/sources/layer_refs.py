"""Layers, as the documents of an image name them."""

from __future__ import annotations

from msgspec import Struct

from pyimginspect.layers.toc.annotations import TocReference
from pyimginspect.model import Digest

__all__ = ["LayerRef"]


class LayerRef(Struct, frozen=True, kw_only=True):
    """A layer as a manifest names it: by ``name`` in a Docker archive, by ``digest`` in OCI.

    ``number`` counts from 0, the lowest first. ``size`` is in bytes as stored. ``absent`` is
    true where the source does not hold a ``foreign`` layer (the base layers of Windows). ``toc`` is
    the table of contents that its blob is said to have.
    """

    number: int = 0
    name: str = ""
    digest: Digest | None = None
    diff_id: Digest | None = None
    media_type: str = ""
    size: int | None = None
    foreign: bool = False
    absent: bool = False
    toc: TocReference | None = None

    @property
    def place(self) -> str:
        """What tells the layer from others of the same source."""
        return self.name or self.digest or ""

    @property
    def identity(self) -> Digest | None:
        """What tells the layer, as it is read first, from those of all other images."""
        return self.toc.key if self.toc is not None else self.diff_id
