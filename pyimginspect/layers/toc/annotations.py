"""What a layer's descriptor says of the table of contents in its blob.

Sources: containerd/stargz-snapshotter, docs/estargz.md ("Content Verification in eStargz") and
``estargz/types.go``; containers/storage, ``pkg/chunked/internal/minimal/compression.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from pyimginspect.errors import ManifestError
from pyimginspect.layers.digests import digest_of
from pyimginspect.model import Digest, parse_digest

__all__ = ["Place", "TocReference", "toc_reference"]

_ESTARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
# For stargz-store, since no OCI descriptor says it (estargz/types.go).
_UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size"
_CHUNKED = "io.github.containers.zstd-chunked."
# offset:length:uncompressed length, and for the listing :type (ManifestInfoKey, TarSplitInfoKey).
_NUMBERS = re.compile(r"\d{1,18}(?::\d{1,18}){0,3}", re.ASCII)
# ManifestTypeCRFS of compression.go.
_LISTING = 1  # the one type of manifest that zstd:chunked has so far


class Place(NamedTuple):
    """Bytes of a blob: where they begin, how many they are, and how many uncompressed."""

    offset: int
    length: int
    uncompressed: int


class TocReference(Struct, frozen=True, kw_only=True):
    """A table of contents, as the descriptor of its layer refers to it.

    ``digest`` is that of the listing: as JSON in eStargz, as stored in zstd:chunked. In eStargz
    the blob itself tells the ``place``. ``tar_split`` is the place of what zstd:chunked keeps of
    the archive around the files; ``size`` that of the whole uncompressed layer in bytes, where
    the descriptor has it.
    """

    kind: Literal["eStargz", "zstd:chunked"]
    digest: Digest
    place: Place | None = None
    tar_split: Place | None = None
    size: int | None = None

    @property
    def key(self) -> Digest:
        """Under what a cache keeps the index of a layer that was read so.

        It names all that the index is made from and nothing else. It is no digest that a
        manifest could have (:func:`parse_digest` refuses it), so that no layer that is known by
        its diff ID or its blob can ever be taken for one that is known by this.
        """
        return Digest(f"toc:{digest_of(repr((self.kind, self.digest, self.size)).encode())}")


def toc_reference(annotations: Mapping[str, str]) -> TocReference | None:
    """Return the reference in a descriptor's annotations; ``None`` where there is none.

    What is there and makes no sense is as good as none: the layer is read whole then.
    """
    size = _numbers(annotations.get(_UNCOMPRESSED_SIZE, ""), 1)
    known = size[0] if size else None
    try:
        if text := annotations.get(_CHUNKED + "manifest-checksum"):
            place = _numbers(annotations.get(_CHUNKED + "manifest-position", ""), 4)
            tar_split = _numbers(annotations.get(_CHUNKED + "tarsplit-position", ""), 3)
            if not place or place[3] != _LISTING:
                return None
            return TocReference(
                kind="zstd:chunked",
                digest=parse_digest(text),
                place=Place(*place[:3]),
                tar_split=Place(*tar_split) if tar_split else None,
                size=known,
            )
        if text := annotations.get(_ESTARGZ_DIGEST):
            return TocReference(kind="eStargz", digest=parse_digest(text), size=known)
    except ManifestError:
        pass
    return None


def _numbers(text: str, count: int) -> list[int]:
    """Return that many numbers with colons between them; nothing for anything else."""
    if not _NUMBERS.fullmatch(text):
        return []
    numbers = [int(part) for part in text.split(":")]
    return numbers if len(numbers) == count else []
