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
from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pyimginspect.decoding import from_builtins, from_json
from pyimginspect.errors import LayerError
from pyimginspect.layers.limits import Limits
from pyimginspect.layers.stargz import LANDMARKS, TOC_NAME
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
_UNEVEN = "a file of it is not the sum of its chunks"
_UNVERIFIED = "a chunk of it cannot be verified"
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
    modtime: str | None = None
    dev_major: _Number = 0
    dev_minor: _Number = 0
    xattrs: dict[str, str] | None = None
    digest: str = ""
    offset: _Number = 0
    inner_offset: _Number = 0
    chunk_size: _Number = 0
    chunk_offset: _Number = 0
    chunk_digest: str = ""
    chunk_type: str = ""


class _Document(Struct, frozen=True, rename="camel"):
    version: int
    entries: list[_Item]
    tar_split_digest: str = ""


class Listing:
    """What a table of contents lists.

    ``digests`` are those of whole files, by the position of their entry. ``archived`` are the
    names of the entries as the archive has them, and the sizes of their contents.
    ``tar_split_digest`` is empty where there is no such thing.
    """

    def __init__(
        self,
        entries: tuple[Entry, ...],
        archived: list[tuple[str, int]],
        contents: _Contents,
        tar_split_digest: str,
    ) -> None:
        self.entries = entries
        self.archived = archived
        self.digests = contents.digests
        self.tar_split_digest = tar_split_digest
        self._parts = contents.parts
        self._starts = contents.starts

    @property
    def contents(self) -> Collection[int]:
        """The positions of the entries that have content, in order."""
        return self._parts.keys()

    def chunks(self, position: int) -> tuple[Chunk, ...]:
        """Return the content of an entry, in order and without a gap."""
        chunks = []
        left = self.entries[position].stored
        for item in self._parts[position]:
            # 0 for the last chunk of a file, and for the one of a file in one (docs/estargz.md).
            size = item.chunk_size or left
            start = stop = 0
            if item.chunk_type != "zeros":
                start = item.offset
                next_start = self._starts[bisect_right(self._starts, start)]
                # Up to the next, but no more than bytes that do not get smaller may take.
                stop = min(next_start, start + size + size // 64 + _MORE)
            digest = item.chunk_digest or item.digest
            chunks.append(Chunk(item.chunk_offset, size, start, stop, digest))
            left -= size
        return tuple(chunks)


def read_listing(data: bytes, end: int, limits: Limits, *, estargz: bool) -> Listing:
    """Read a table of contents whose contents end before byte ``end`` of the blob.

    Raises :class:`UnusableTocError`.
    """
    # Counted before they are decoded, since each object becomes a record. Braces in names count
    # as well, which makes the number no smaller.
    if data.count(b"{") > min(_MOST_OBJECTS, limits.entries):
        raise UnusableTocError("it lists too much")
    try:
        document = from_json(data, _Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise UnusableTocError(f"it is not as specified: {exc}") from exc
    # "This value MUST be 1" (docs/estargz.md).
    if document.version != 1:
        raise UnusableTocError(f"it is of version {document.version}")
    return _Reader(document, limits, estargz=estargz).read(end)


class _Contents:
    """Where the contents of files are, as the parts of each go by."""

    def __init__(self) -> None:
        self.parts: dict[int, list[_Item]] = {}
        self.digests: dict[int, str] = {}
        self.starts: list[int] = []
        self._last = -1  # where the part before began in the blob
        self._name: str | None = None  # of the file whose parts come now
        self._at = self._size = 0  # how much of it there was, and how much it has
        self._more = False  # whether it may have another part

    def begin(self, position: int, item: _Item) -> None:
        """Take the first part of a file, with its entry."""
        if self._at != self._size:
            raise UnusableTocError(_UNEVEN)
        self._name = item.name
        self._at, self._size = 0, item.size
        # Of a file in one part the digest is its own.
        self._more = bool(item.chunk_digest)
        digest = item.digest
        if digest:
            self.digests[position] = digest
        self.parts[position] = [item]
        self._place(item, item.chunk_digest or digest)

    def go_on(self, item: _Item) -> None:
        """Take one more part of the file that began last."""
        if item.name != self._name:
            raise UnusableTocError("a chunk of it belongs to no file")
        if not self._more:
            raise UnusableTocError(_UNVERIFIED)
        self.parts[next(reversed(self.parts))].append(item)
        self._place(item, item.chunk_digest)

    def end(self) -> None:
        """Take an entry without content: what comes now is no part of the file before."""
        self._name = None

    def close(self, end: int) -> None:
        """Raise :class:`UnusableTocError` where the contents are not whole at byte ``end``."""
        if self._at != self._size:
            raise UnusableTocError(_UNEVEN)
        if self.starts and self.starts[-1] >= end:
            raise UnusableTocError("its contents are said to lie after their end")
        self.starts.append(end)

    def _place(self, item: _Item, digest: str) -> None:
        at = self._at
        left = self._size - at
        size = item.chunk_size or left
        # With an inner offset several files share one gzip member.
        if item.chunk_offset != at or not 0 < size <= left or item.inner_offset:
            raise UnusableTocError(_UNEVEN)
        self._at = at + size
        if not digest or item.chunk_type not in ("", "zeros"):
            raise UnusableTocError(_UNVERIFIED)
        if item.chunk_type:
            return
        # In the order of the archive, or else what is overwritten within the layer is not known.
        if item.offset <= self._last:
            raise UnusableTocError("its contents are not in their order")
        self._last = item.offset
        self.starts.append(item.offset)


class _Reader:
    """Puts one listing together."""

    def __init__(self, document: _Document, limits: Limits, *, estargz: bool) -> None:
        self._document = document
        self._limits = limits
        self._estargz = estargz
        self._times: dict[str | None, int] = {None: 0}

    def read(self, end: int) -> Listing:
        """Return the listing of contents that end before byte ``end`` of the blob."""
        dropped = None
        entries: list[Entry] = []
        archived: list[tuple[str, int]] = []
        contents = _Contents()
        estargz = self._estargz
        for item in self._document.entries:
            name = item.name
            if item.type == "chunk":
                if dropped != name:
                    contents.go_on(item)
                continue
            # They are listed like files (docs/estargz.md, "Prioritized Files and Landmark Files").
            if estargz and name.removeprefix("./") in LANDMARKS:
                dropped = name
                continue
            dropped = None
            try:
                entry = self._entry(item)
            except (LayerError, ValueError, OverflowError, msgspec.MsgspecError) as exc:
                raise UnusableTocError(f"an entry of it makes no sense: {exc}") from exc
            stored = entry.stored
            if stored:
                contents.begin(len(entries), item)
            else:
                contents.end()
            entries.append(entry)
            archived.append((name, stored))
        contents.close(end)
        if len({entry.path for entry in entries}) != len(entries):
            raise UnusableTocError("it lists one path twice")
        return Listing(tuple(entries), archived, contents, self._document.tar_split_digest)

    def _entry(self, item: _Item) -> Entry:
        name = item.name
        kind = _KINDS.get(item.type)
        path = normalise(_raw(name), self._limits)
        if kind is None or path == TOC_NAME:
            raise ValueError(f"'{path}' is of type '{item.type[:20]}'")
        if kind != "directory" and (not path or name[-1] == "/"):
            raise ValueError(f"'{name}' is no directory")
        modtime = item.modtime
        mtime = self._times.get(modtime)
        if mtime is None:
            mtime = self._times[modtime] = _seconds(modtime)
        size = item.size if kind == "file" else 0
        target, device = "", None
        if kind == "symlink":
            target = _raw(item.link_name).decode()
        elif kind == "hardlink":
            target = normalise(_raw(item.link_name), self._limits)
        elif kind in ("character", "block"):
            device = (item.dev_major, item.dev_minor)
        return Entry(
            path=path,
            kind=kind,
            # eStargz has the type in it: 16877 of a directory is 0o40755.
            mode=item.mode & 0o7777,
            uid=item.uid,
            gid=item.gid,
            size=size,
            stored=size,
            offset=0,
            mtime=mtime,
            target=target,
            device=device,
            xattrs=_xattrs(item.xattrs) if item.xattrs else (),
        )


def _seconds(text: str | None) -> int:
    """Return a time (RFC 3339) in seconds, towards zero: headers have their fraction dropped."""
    time = from_builtins(text, datetime.datetime)
    if time.tzinfo is None or time.year < 1900:
        raise ValueError("a time that no archive has")
    return int((time - _EPOCH).total_seconds())


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
