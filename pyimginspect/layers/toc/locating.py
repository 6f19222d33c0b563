"""A table of contents, fetched from its blob and verified, and how long the layer is.

Sources: containerd/stargz-snapshotter, docs/estargz.md ("Footer"); containers/storage,
``pkg/chunked/internal/minimal/compression.go``; vbatts/tar-split, ``tar/storage/entry.go``.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pyimginspect.decoding import from_json_lines
from pyimginspect.errors import LayerError
from pyimginspect.layers.compression import Decompressed
from pyimginspect.layers.cursors import StreamCursor
from pyimginspect.layers.limits import Limits
from pyimginspect.layers.stargz import TOC_NAME
from pyimginspect.layers.tar import BLOCK, read_entries
from pyimginspect.layers.toc.annotations import Place, TocReference
from pyimginspect.layers.toc.fetching import decompress, is_digest_of
from pyimginspect.layers.toc.listing import Listing, read_listing
from pyimginspect.layers.toc.ranges import Ranges, UnusableTocError

__all__ = ["Located", "locate_toc"]

_LARGEST = 96 << 20  # bytes of a listing, or of what stands around the files, uncompressed
_LARGEST_STORED = 32 << 20  # bytes, compressed
_BIG = 8 << 20  # bytes of a listing; of such ones only one at a time is read
_one_big_listing = threading.Lock()
# An empty gzip member: a header with FEXTRA and XLEN 26; a subfield `SG` of 22 bytes, the offset
# of the listing in hexadecimal and `STARGZ`; an empty block, a sum and a length.
_FOOTER = 51
_FOOTER_TEXT = re.compile(
    rb"\x1f\x8b\x08\x04.{6}\x1a\0SG\x16\0([0-9a-f]{16})STARGZ.{13}", re.DOTALL
)
_LAST_BYTES = 64 << 10  # of the blob, fetched with the footer: most of them are the listing
_FILE, _SEGMENT = 1, 2  # tar-split's kinds of records


class Located(Struct, frozen=True, kw_only=True):
    """A listing, and the length in bytes of the whole uncompressed layer."""

    listing: Listing
    size: int


def locate_toc(blob: Ranges, toc: TocReference, limits: Limits) -> Located:
    """Fetch and verify a table of contents.

    Raises :class:`UnusableTocError`, and what reaching the blob raises.
    """
    if toc.kind == "eStargz":
        return _estargz(blob, toc, limits)
    return _zstd_chunked(blob, toc, limits)


def _one_at_a_time(size: int) -> AbstractContextManager[object]:
    return _one_big_listing if size > _BIG else nullcontext()


def _check(place: Place, blob: Ranges) -> None:
    if place.offset + place.length > (blob.size or 0) or place.length <= 0:
        raise UnusableTocError("it is said to lie outside of the blob")
    if place.length > _LARGEST_STORED or place.uncompressed > _LARGEST:
        raise UnusableTocError(f"it has {max(place.length, place.uncompressed):,} bytes")


# --- zstd:chunked ---------------------------------------------------------------------------------
def _zstd_chunked(blob: Ranges, toc: TocReference, limits: Limits) -> Located:
    place, around = toc.place, toc.tar_split
    if place is None or (around is None and toc.size is None):
        raise UnusableTocError("how long the layer is cannot be known without reading it")
    _check(place, blob)
    stop = place.offset + place.length
    if around is not None:
        _check(around, blob)
        # It is the next skippable frame, whose header has 8 bytes (WriteZstdChunkedManifest).
        if not stop <= around.offset <= stop + BLOCK:
            raise UnusableTocError("what belongs to it lies elsewhere in the blob")
        stop = around.offset + around.length
    data = blob.read_range(place.offset, stop)
    stored = data[: place.length]
    if not is_digest_of(toc.digest, stored):
        raise UnusableTocError("it is not as its digest says")
    with _one_at_a_time(place.uncompressed):
        text = decompress(stored, place.uncompressed, "zstd")
        listing = read_listing(text, place.offset, limits, estargz=False)
    size = toc.size
    if around is not None and listing.tar_split_digest:
        stored = data[around.offset - place.offset :]
        if not is_digest_of(listing.tar_split_digest, stored):
            raise UnusableTocError("what belongs to it is not as its digest says")
        with _one_at_a_time(around.uncompressed):
            size = _size_around(decompress(stored, around.uncompressed, "zstd"), listing)
    if size is None:
        raise UnusableTocError("how long the layer is cannot be known without reading it")
    return Located(listing=listing, size=size)


class _Record(Struct, frozen=True, gc=False):
    type: int
    name: str = ""
    size: Annotated[int, Meta(ge=0, le=1 << 60)] = 0
    payload: str | None = None


def _size_around(text: bytes, listing: Listing) -> int:
    """Return the length of an archive by its files' and by all that stands around them.

    Raises :class:`UnusableTocError` where it has other files than the listing, or lacks the zeros
    that close an archive, of which a report would say something.
    """
    try:
        records = from_json_lines(text, _Record)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise UnusableTocError(f"what belongs to it is not as specified: {exc}") from exc
    files = [(record.name, record.size) for record in records if record.type == _FILE]
    around = [record.payload or "" for record in records if record.type == _SEGMENT]
    if len(files) + len(around) != len(records):
        raise UnusableTocError("what belongs to it is of an unknown kind")
    if files != listing.archived:
        raise UnusableTocError("what belongs to it has other files")
    if not _is_closed(_tail(records), files[-1][1] if files else 0):
        raise UnusableTocError("the archive is not closed")
    # The length of base64 undecoded: three bytes for four characters, less the padding.
    size = sum(len(part) // 4 * 3 - part.count("=", -2) for part in around)
    return size + sum(size for _, size in files)


def _tail(records: list[_Record]) -> list[str]:
    """Return what stands after the last file."""
    tail = []
    for record in reversed(records):
        if record.type == _FILE:
            break
        tail.append(record.payload or "")
    return tail[::-1]


def _is_closed(tail: list[str], size: int) -> bool:
    """Whether a zero block closes the archive after a file of ``size`` bytes, and all is zeros."""
    try:
        end = b"".join(base64.b64decode(part, validate=True) for part in tail)
    except binascii.Error:
        return False
    return len(end) >= -size % BLOCK + BLOCK and not end.strip(b"\0")


# --- eStargz --------------------------------------------------------------------------------------
def _estargz(blob: Ranges, toc: TocReference, limits: Limits) -> Located:
    length = blob.size or 0
    if toc.size is None:
        raise UnusableTocError("how long the layer is cannot be known without reading it")
    if length <= _FOOTER:
        raise UnusableTocError("the blob is too short for it")
    start = max(0, length - _LAST_BYTES)
    data = blob.read_range(start, length)
    footer = _FOOTER_TEXT.fullmatch(data[-_FOOTER:])
    if footer is None:
        raise UnusableTocError("the blob does not end as it should")
    offset = int(footer[1], 16)
    _check(Place(offset, length - _FOOTER - offset, 0), blob)
    if offset < start:
        data = blob.read_range(offset, start) + data
        start = offset
    stored = data[offset - start : -_FOOTER]
    with _one_at_a_time(4 * len(stored)):
        text = _member(stored, limits)
        if not is_digest_of(toc.digest, text):
            raise UnusableTocError("it is not as its digest says")
        return Located(listing=read_listing(text, offset, limits, estargz=True), size=toc.size)


def _member(stored: bytes, limits: Limits) -> bytes:
    """Return the content of the one file in the small archive that a listing is packed as."""
    # Beside the content a header, what fills up the last block, and two blocks of zeros.
    source = Decompressed(io.BytesIO(stored), "gzip", expansion=1, floor=_LARGEST + BLOCK * 4)
    cursor = StreamCursor(source)
    try:
        for entry in read_entries(cursor, limits):
            if entry.path == TOC_NAME and entry.stored <= _LARGEST:
                return cursor.take(entry.stored)
            break
    except LayerError as exc:
        raise UnusableTocError(f"it is damaged: {exc.message}") from exc
    raise UnusableTocError("it is not where the blob says")
