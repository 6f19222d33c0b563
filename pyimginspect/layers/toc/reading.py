"""A layer by its table of contents → its index: what probes ask for is fetched, and no more.

Files are looked at in batches, and each batch in rounds: what a probe misses in one round is
fetched for the next, for all files of the batch together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import msgspec

from pyimginspect.errors import PyimginspectError
from pyimginspect.layers.compression import Compression
from pyimginspect.layers.cursors import ContentCursor
from pyimginspect.layers.elf import MAGIC, WHOLE_UP_TO, RandomAccess, wanted_ranges
from pyimginspect.layers.index import Collector
from pyimginspect.layers.indexed import Indexed, Progress
from pyimginspect.layers.limits import DEFAULT_LIMITS, Limits
from pyimginspect.layers.toc.annotations import TocReference
from pyimginspect.layers.toc.fetching import Chunk, Fetcher
from pyimginspect.layers.toc.interest import is_wanted, is_wanted_whole
from pyimginspect.layers.toc.listing import Listing
from pyimginspect.layers.toc.locating import Located, locate_toc
from pyimginspect.layers.toc.ranges import Ranges, UnusableTocError
from pyimginspect.model import LayerIndex

__all__ = ["checksum_by_toc", "index_by_toc"]

_HEAD = 1 << 10  # bytes of a file that are looked at first
_WINDOW = 1 << 16  # bytes that `wanted_ranges` is shown
_AHEAD = 1 << 20  # bytes that are fetched at once of a file that is searched for a version
_BATCH = 64 << 20  # bytes of contents, uncompressed, that are held at a time
_MOST_ROUNDS = 200
_MOST_OF_BLOB = 0.5  # of which more is wanted to begin with, the blob is better read whole
_SMALL_BLOB = 256 << 10  # bytes: one request for all of it


def index_by_toc(
    blob: Ranges,
    toc: TocReference,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress | None = None,
) -> Indexed:
    """Index a layer without reading all of it.

    The index has no verified digests: what it says is what the table of contents says, which is
    held against ``toc``, and what the chunks say that it has digests of. Raises
    :class:`UnusableTocError` for whatever is unusual, and what reaching the blob raises.
    """
    tell = progress or (lambda _: None)
    counted = _Counted(blob, tell)
    located = locate_toc(counted, toc, limits)
    fetcher = Fetcher(counted, _compression(toc))
    index = _Reading(located, fetcher, limits).index(counted.size, toc)
    tell(max(0, counted.size - counted.fetched))
    return Indexed(index=index, blob_size=counted.size)


def checksum_by_toc(
    blob: Ranges, toc: TocReference, position: int, sum_: Callable[[bytes, int], int]
) -> int | None:
    """Return the checksum of an entry's content, by its position in the index; ``None`` if none.

    ``sum_`` adds bytes to a checksum, which begins with 0.
    """
    try:
        listing = locate_toc(_Counted(blob, lambda _: None), toc, DEFAULT_LIMITS).listing
        fetcher = Fetcher(blob, _compression(toc))
        checksum = 0
        for chunk in listing.chunks[position]:
            checksum = sum_(fetcher.fetch([chunk])[chunk], checksum)
    except (UnusableTocError, PyimginspectError, LookupError):
        return None
    return checksum


def _compression(toc: TocReference) -> Compression:
    return "gzip" if toc.kind == "eStargz" else "zstd"


class _Counted:
    """A blob, and how many of its bytes were fetched; a small one is fetched at once."""

    def __init__(self, blob: Ranges, progress: Progress) -> None:
        self._blob = blob
        self._progress = progress
        self._all: bytes | None = None
        self.size = blob.size or 0
        self.fetched = 0

    def read_range(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` to ``stop``."""
        if self._all is None and self.size <= _SMALL_BLOB:
            self._all = self._fetch(0, self.size)
        return self._fetch(start, stop) if self._all is None else self._all[start:stop]

    def read_together(self, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Return several ranges."""
        if self._all is not None:
            return [self._all[start:stop] for start, stop in ranges]
        found = self._blob.read_together(ranges)
        self._took(sum(map(len, found or ())))
        return found

    def _fetch(self, start: int, stop: int) -> bytes:
        data = self._blob.read_range(start, stop)
        self._took(len(data))
        return data

    def _took(self, count: int) -> None:
        self.fetched += count
        self._progress(count)


class _AbsentError(Exception):
    """Chunks that a probe asked for were not fetched yet."""


class _Contents:
    """The contents of one file, as far as they were fetched; asked for others, it wants them."""

    def __init__(self, size: int, chunks: tuple[Chunk, ...]) -> None:
        self.size = size
        self.chunks = chunks
        self.data: dict[Chunk, bytes] = {}
        self.wanted: list[Chunk] = []

    def want(self, start: int, stop: int) -> None:
        """Have a part fetched that is not there."""
        self.wanted += [chunk for chunk in self._between(start, stop) if chunk not in self.data]

    def read(self, start: int, stop: int, ahead: int = 0) -> bytes:
        """Return a part; where it is not there, want it, and what follows ``ahead`` of it too."""
        stop = min(stop, self.size)
        parts = []
        for chunk in self._between(start, stop):
            data = self.data.get(chunk)
            if data is None:
                self.want(start, stop + ahead)
                raise _AbsentError
            parts.append(data[max(0, start - chunk.at) : stop - chunk.at])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _between(self, start: int, stop: int) -> Iterator[Chunk]:
        number = max(0, bisect_right(self.chunks, start, key=lambda chunk: chunk.at) - 1)
        while number < len(self.chunks) and self.chunks[number].at < stop:
            yield self.chunks[number]
            number += 1


class _Cursor:
    """Stands at one file after the other, in whatever order: what :class:`Collector` looks at.

    It is all of a :class:`ContentCursor` that looking at single files takes. It is none, since
    that class may be compiled, and then has no subclasses that are not.
    """

    def __init__(self) -> None:
        self.contents = _Contents(0, ())

    def peek(self, count: int) -> bytes:
        """Return the first bytes of the file."""
        return self.contents.read(0, count)

    def content(self, size: int, *, whole: bool, mapped: bool = False) -> RandomAccess:
        """Return random access to the file, to the same parts as when the layer is read whole."""
        contents = self.contents
        parts = [(0, size)]
        if whole:
            contents.read(0, size)
        elif size > WHOLE_UP_TO:
            parts = wanted_ranges(contents.read(0, _WINDOW), size, mapped=mapped)
        return _Parts(contents, parts, _AHEAD if mapped else 0)


class _Parts:
    """The parts of a file that may be read, each an ``(offset, length)``."""

    def __init__(self, contents: _Contents, parts: list[tuple[int, int]], ahead: int) -> None:
        self.size = contents.size
        self._contents = contents
        self._parts = parts
        self._ahead = ahead

    def read_at(self, offset: int, length: int, /) -> bytes:
        """Return bytes as :class:`RandomAccess` says."""
        if offset >= self.size:
            return b""
        for start, part in self._parts:
            if start <= offset < start + part:
                stop = min(offset + max(0, length), start + part)
                return self._contents.read(offset, stop, self._ahead)
        raise LookupError(offset)


class _Reading:
    """One layer that is being read."""

    def __init__(self, located: Located, fetcher: Fetcher, limits: Limits) -> None:
        self._listing = located.listing
        self._size = located.size
        self._fetcher = fetcher
        self._limits = limits
        self._cursor = _Cursor()
        self._collector = Collector(cast(ContentCursor, self._cursor), (), limits)

    def index(self, blob_size: int, toc: TocReference) -> LayerIndex:
        """Return the index of the layer."""
        files = self._wanted_files()
        first = {chunk for contents in files.values() for chunk in contents.wanted}
        stored = sum(chunk.stop - chunk.start for chunk in first)
        if stored > max(_MOST_OF_BLOB * blob_size, _SMALL_BLOB):
            raise UnusableTocError("most of the layer is wanted anyway")
        for batch in _batches(files):
            self._look_at(batch)
            self._fetcher.forget()
        if self._collector.is_nearly_full:
            raise UnusableTocError("what is kept of it depends on the order")
        index = self._collector.index(self._size, self._listing.entries, _sums(self._listing))
        return msgspec.structs.replace(
            index,
            elf=dict(sorted(index.elf.items())),
            texts=dict(sorted(index.texts.items())),
            scripts=dict(sorted(index.scripts.items())),
            strings=dict(sorted(index.strings.items())),
            toc_digest=toc.digest,
        )

    def _wanted_files(self) -> dict[int, _Contents]:
        """Return the files to look at by their positions, with what is wanted of each at first."""
        files = {}
        for position, chunks in self._listing.chunks.items():
            entry = self._listing.entries[position]
            if not is_wanted(entry):
                continue
            files[position] = contents = _Contents(entry.stored, chunks)
            whole = is_wanted_whole(entry.path) and entry.stored <= self._limits.content
            contents.want(0, entry.stored if whole else _HEAD)
        return files

    def _look_at(self, batch: dict[int, _Contents]) -> None:
        for _ in range(_MOST_ROUNDS):
            self._fetch(batch)
            batch = {
                position: contents
                for position, contents in batch.items()
                if not self._is_done(position, contents)
            }
            if not batch:
                return
        raise UnusableTocError("a file of it is read in too many pieces")

    def _fetch(self, batch: dict[int, _Contents]) -> None:
        wanted = {chunk for contents in batch.values() for chunk in contents.wanted}
        held = sum(len(data) for contents in batch.values() for data in contents.data.values())
        if held + sum(chunk.size for chunk in wanted) > 2 * _BATCH + self._limits.content:
            raise UnusableTocError("too much of the layer is wanted at a time")
        found = self._fetcher.fetch(wanted)
        for contents in batch.values():
            contents.data.update((chunk, found[chunk]) for chunk in contents.wanted)
            contents.wanted.clear()

    def _is_done(self, position: int, contents: _Contents) -> bool:
        self._cursor.contents = contents
        entry = self._listing.entries[position]
        try:
            head = contents.read(0, len(MAGIC))
            with self._collector.undoing_notes(_AbsentError):
                self._collector.probe(position, entry, head)
        except _AbsentError:
            return False
        contents.data.clear()
        return True


def _batches(files: dict[int, _Contents]) -> Iterator[dict[int, _Contents]]:
    batch: dict[int, _Contents] = {}
    held = 0
    for position, contents in files.items():
        size = sum(chunk.size for chunk in contents.wanted)
        if batch and held + size > _BATCH:
            yield batch
            batch, held = {}, 0
        batch[position] = contents
        held += size
    if batch:
        yield batch


def _sums(listing: Listing) -> dict[int, int]:
    """Return the first 62 bits of the files' digests, where they are SHA-256."""
    sums = {}
    for position, digest in listing.digests.items():
        name, _, encoded = digest.partition(":")
        if name == "sha256" and len(encoded) == 64:
            try:
                sums[position] = int(encoded[:16], 16) >> 2
            except ValueError:
                continue
    return sums
