"""The JSON of a table of contents → entries, and where in the blob each file's content is.

eStargz and zstd:chunked write the same records (of CRFS, where both come from). Whatever does not
hold together, and whatever only the archive itself can tell, is :class:`UnusableTocError`: the
layer is read whole then.

Sources: containerd/stargz-snapshotter, docs/estargz.md ("TOC, TOCEntries"); containers/storage,
``pkg/chunked/internal/minimal/compression.go``.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from pyimginspect.decoding import from_json
from pyimginspect.errors import LayerError
from pyimginspect.layers.limits import Limits
from pyimginspect.layers.tar import normalise
from pyimginspect.layers.toc.fetching import Chunk
from pyimginspect.layers.toc.ranges import UnusableTocError
from pyimginspect.model import Entry, Kind

__all__ = ["Listing", "read_listing"]

_MORE = 4096  # bytes of headers, of a gzip member or a zstd frame, at the very most
_MOST_OBJECTS = 1_500_000
_KINDS: dict[str, Kind] = {
    "reg": "file",
    "hardlink": "hardlink",
    "symlink": "symlink",
    "char": "character",
    "block": "block",
    "dir": "directory",
    "fifo": "fifo",
}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_CONTENTS = "stargz.index.json"
_LANDMARKS = (".prefetch.landmark", ".no.prefetch.landmark")
_UNREADABLE = "�"  # what Go's JSON has for each byte of a name that is no UTF-8

_Number = Annotated[int, Meta(ge=0, le=1 << 60)]


class _Item(Struct, frozen=True, rename="camel", gc=False):
    type: str
    name: str
    link_name: str = ""
    mode: _Number = 0
    size: _Number = 0
    uid: _Number = 0
    gid: _Number = 0
    modtime: datetime.datetime | None = None
    dev_major: _Number = 0
    dev_minor: _Number = 0
    xattrs: dict[str, str] | None = None
    digest: str = ""
    offset: _Number = 0
    end_offset: _Number = 0
    inner_offset: _Number = 0
    chunk_size: _Number = 0
    chunk_offset: _Number = 0
    chunk_digest: str = ""
    chunk_type: str = ""


class _Document(Struct, frozen=True, rename="camel"):
    version: int
    entries: list[_Item]
    tar_split_digest: str = ""


class Listing(NamedTuple):
    """What a table of contents lists.

    ``chunks`` are the contents by the position of their entry, in order and without a gap;
    ``digests`` those of whole files. ``archived`` are the names of the entries as the archive has
    them, and the sizes of their contents. ``tar_split_digest`` is empty where there is no such
    thing.
    """

    entries: tuple[Entry, ...]
    chunks: dict[int, tuple[Chunk, ...]]
    digests: dict[int, str]
    archived: list[tuple[str, int]]
    tar_split_digest: str


def read_listing(data: bytes, end: int, limits: Limits, *, estargz: bool) -> Listing:
    """Read a table of contents whose contents end before byte ``end`` of the blob.

    Raises :class:`UnusableTocError`.
    """
    if data.count(b"{") > min(_MOST_OBJECTS, limits.entries):
        raise UnusableTocError("it lists too much")
    try:
        document = from_json(data, _Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise UnusableTocError(f"it is not as specified: {exc}") from exc
    if document.version != 1:
        raise UnusableTocError(f"it is of version {document.version}")
    return _Reader(document, end, limits, estargz=estargz).read()


class _Reader:
    """Puts one listing together."""

    def __init__(self, document: _Document, end: int, limits: Limits, *, estargz: bool) -> None:
        self._document = document
        self._end = end
        self._limits = limits
        self._estargz = estargz
        self._times: dict[datetime.datetime, int] = {}
        self._entries: list[Entry] = []
        self._parts: dict[int, list[_Item]] = {}
        self._digests: dict[int, str] = {}
        self._archived: list[tuple[str, int]] = []

    def read(self) -> Listing:
        """Return the listing."""
        dropped = None
        for item in self._document.entries:
            if item.type == "chunk":
                if dropped != item.name:
                    self._add_part(item)
            elif self._estargz and item.name.removeprefix("./") in _LANDMARKS:
                dropped = item.name
            else:
                dropped = None
                self._add(item)
        if len({entry.path for entry in self._entries}) != len(self._entries):
            raise UnusableTocError("it lists one path twice")
        return Listing(
            tuple(self._entries),
            self._chunks(),
            self._digests,
            self._archived,
            self._document.tar_split_digest,
        )

    def _add(self, item: _Item) -> None:
        try:
            entry = self._entry(item)
        except (LayerError, ValueError, OverflowError) as exc:
            raise UnusableTocError(f"an entry of it makes no sense: {exc}") from exc
        if entry.stored:
            self._parts[len(self._entries)] = [item]
            if item.digest:
                self._digests[len(self._entries)] = item.digest
        self._entries.append(entry)
        self._archived.append((item.name, entry.stored))

    def _add_part(self, item: _Item) -> None:
        last = self._parts.get(len(self._entries) - 1)
        if last is None or last[0].name != item.name:
            raise UnusableTocError("a chunk of it belongs to no file")
        last.append(item)

    def _entry(self, item: _Item) -> Entry:
        kind = _KINDS.get(item.type)
        path = normalise(_raw(item.name), self._limits)
        if kind is None or path == _CONTENTS:
            raise ValueError(f"'{path}' is of type '{item.type[:20]}'")
        if kind != "directory" and (not path or item.name.endswith("/")):
            raise ValueError(f"'{item.name}' is no directory")
        target = ""
        if kind == "hardlink":
            target = normalise(_raw(item.link_name), self._limits)
        elif kind == "symlink":
            target = _raw(item.link_name).decode()
        size = item.size if kind == "file" else 0
        return Entry(
            path=path,
            kind=kind,
            mode=item.mode & 0o7777,
            uid=item.uid,
            gid=item.gid,
            size=size,
            stored=size,
            offset=0,
            mtime=self._time(item.modtime),
            target=target,
            device=(item.dev_major, item.dev_minor) if kind in ("character", "block") else None,
            xattrs=_xattrs(item.xattrs) if item.xattrs else (),
        )

    def _time(self, time: datetime.datetime | None) -> int:
        if time is None:
            return 0
        known = self._times.get(time)
        if known is None:
            if time.tzinfo is None or time.year < 1900:
                raise ValueError("a time that no archive has")
            # Towards zero, as the fraction of a time in a header is dropped.
            known = self._times[time] = int((time - _EPOCH).total_seconds())
        return known

    def _chunks(self) -> dict[int, tuple[Chunk, ...]]:
        starts = [
            item.offset
            for parts in self._parts.values()
            for item in parts
            if item.chunk_type != "zeros"
        ]
        # In the order of the archive, or else what is overwritten within the layer is not known.
        if any(one >= other for one, other in pairwise(starts)):
            raise UnusableTocError("its contents are not in their order")
        starts.append(self._end)
        if starts[-2:-1] >= [self._end]:
            raise UnusableTocError("its contents are said to lie after their end")
        return {
            position: self._of_file(self._entries[position], parts, starts)
            for position, parts in self._parts.items()
        }

    def _of_file(self, entry: Entry, parts: list[_Item], starts: list[int]) -> tuple[Chunk, ...]:
        chunks = []
        at = 0
        for item in parts:
            size = item.chunk_size or entry.size - at
            digest = item.chunk_digest or (item.digest if len(parts) == 1 else "")
            zeros = item.chunk_type == "zeros"
            if item.chunk_offset != at or not 0 < size <= entry.size - at or item.inner_offset:
                raise UnusableTocError("a file of it is not the sum of its chunks")
            if not digest or item.chunk_type not in ("", "zeros"):
                raise UnusableTocError("a chunk of it cannot be verified")
            start = stop = 0
            if not zeros:
                start = item.offset
                # Up to the next, but no more than bytes that do not get smaller may take.
                stop = min(starts[bisect_right(starts, start)], start + size + size // 64 + _MORE)
            chunks.append(Chunk(at=at, size=size, start=start, stop=stop, digest=digest))
            at += size
        if at != entry.size:
            raise UnusableTocError("a file of it is not the sum of its chunks")
        return tuple(chunks)


def _raw(name: str) -> bytes:
    if _UNREADABLE in name or "\0" in name:
        raise ValueError("a name that JSON cannot hold")
    return name.encode()


def _xattrs(values: dict[str, str]) -> tuple[str, ...]:
    try:
        return tuple(
            sorted(
                f"{name}={base64.b64decode(value, validate=True).hex()}"
                for name, value in values.items()
            )
        )
    except binascii.Error as exc:
        raise ValueError("an extended attribute that is not base64") from exc
