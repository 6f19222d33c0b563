"""A layer by its table of contents → its index: what probes ask for is fetched, and no more.

Files are examined in batches, and each batch in rounds: what a probe misses in one round is
fetched for the next, for all files of the batch together.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from pyimginspect.errors import PyimginspectError
from pyimginspect.layers.compression import Compression
from pyimginspect.layers.cursors import ContentCursor
from pyimginspect.layers.elf import MAGIC, WHOLE_UP_TO, RandomAccess, wanted_ranges
from pyimginspect.layers.elf_headers import loaded_ranges
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

_HEAD = 1 << 10  # bytes of a file that are examined first
_WINDOW = 1 << 16  # bytes that `wanted_ranges` is shown
# As many as strings.py searches at a time.
_AHEAD = 256 << 10  # bytes fetched beyond those asked for, where a file is searched for a version
_BATCH = 64 << 20  # bytes of contents, uncompressed, that are held at a time
# Four to six are enough for real files (docs/decisions/table-of-contents.md).
_MOST_ROUNDS = 200
_MOST_OF_BLOB = 0.5  # of which more is wanted to begin with, the blob is better read whole
_SHA256 = 71  # characters of such a digest
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
    checked against ``toc``, and what the chunks say that it has digests of. Raises
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
        for chunk in listing.chunks(position):
            # One by one, since all chunks of a file may be more than memory holds.
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
        self.wanted: list[Chunk] = []
        self._chunks = chunks
        self._starts = [chunk.at for chunk in chunks]
        self._data: dict[int, bytes] = {}
        self._last, self._last_at = b"", 0  # of the chunks the one that was read last

    @property
    def held(self) -> int:
        """How many bytes were fetched."""
        return sum(map(len, self._data.values()))

    def want(self, start: int, stop: int) -> None:
        """Have a part fetched that is not there."""
        data = self._data
        self.wanted += [chunk for chunk in self._between(start, stop) if chunk.at not in data]

    def take(self, found: Mapping[Chunk, bytes]) -> None:
        """Take what was wanted."""
        for chunk in self.wanted:
            self._data[chunk.at] = found[chunk]
        self.wanted.clear()

    def drop(self) -> None:
        """Forget what was fetched."""
        self._data.clear()
        self._last = b""

    def read(self, start: int, stop: int, ahead: int = 0) -> bytes:
        """Return a part; where it is not there, want it, and what follows ``ahead`` of it too."""
        stop = min(stop, self.size)
        at = self._last_at
        if not at <= start < stop <= at + len(self._last):
            return self._read(start, stop, ahead)
        return self._last[start - at : stop - at]

    def _read(self, start: int, stop: int, ahead: int) -> bytes:
        parts = []
        for chunk in self._between(start, stop):
            data = self._data.get(chunk.at)
            if data is None:
                self.want(start, stop + ahead)
                raise _AbsentError
            self._last, self._last_at = data, chunk.at
            parts.append(data[max(0, start - chunk.at) : stop - chunk.at])
        return b"".join(parts)

    def _between(self, start: int, stop: int) -> tuple[Chunk, ...]:
        starts = self._starts
        first = max(0, bisect_right(starts, start) - 1)
        return self._chunks[first : bisect_left(starts, stop, first)]


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

    def content(self, size: int, *, whole: bool, mapped: bool) -> RandomAccess:
        """Return random access to the file, to the same parts as when the layer is read whole."""
        contents = self.contents
        parts = [(0, size)]
        if whole:
            contents.read(0, size)
        elif size > WHOLE_UP_TO:
            parts = wanted_ranges(contents.read(0, _WINDOW), size, mapped=mapped)
        return _Parts(contents, parts, mapped=mapped)


class _Parts:
    """The parts of a file that may be read, each an ``(offset, length)``.

    What is ``mapped`` is searched from beginning to end, one segment after the other, so what
    follows in the same segment will be asked for as well.
    """

    def __init__(self, contents: _Contents, parts: list[tuple[int, int]], *, mapped: bool) -> None:
        self.size = contents.size
        self._contents = contents
        self._parts = parts
        self._segments: list[tuple[int, int]] = []
        if mapped:
            self._segments = loaded_ranges(self)

    def read_at(self, offset: int, length: int, /) -> bytes:
        """Return bytes as :class:`RandomAccess` says."""
        if offset >= self.size:
            return b""
        for start, part in self._parts:
            if start <= offset < start + part:
                stop = min(offset + length, start + part)
                return self._contents.read(offset, stop, self._ahead(offset, stop))
        raise LookupError(offset)

    def _ahead(self, offset: int, stop: int) -> int:
        for start, length in self._segments:
            if start <= offset < start + length:
                return max(0, min(_AHEAD, start + length - stop))
        return 0


class _Reading:
    """One layer that is being read."""

    def __init__(self, located: Located, fetcher: Fetcher, limits: Limits) -> None:
        self._listing = located.listing
        self._size = located.size
        self._fetcher = fetcher
        self._limits = limits
        self._cursor = _Cursor()
        # No probes of third parties, which may want any file: with them layers are read whole.
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
        # In the order of the entries, as of a layer read whole: rounds end in another one.
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
        listing = self._listing
        for position in listing.contents:
            entry = listing.entries[position]
            if not is_wanted(entry):
                continue
            files[position] = contents = _Contents(entry.stored, listing.chunks(position))
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
        held = sum(contents.held for contents in batch.values())
        # Batches are divided by what is wanted at first; later rounds may want more.
        if held + sum(chunk.size for chunk in wanted) > 2 * _BATCH + self._limits.content:
            raise UnusableTocError("too much of the layer is wanted at a time")
        found = self._fetcher.fetch(wanted)
        for contents in batch.values():
            contents.take(found)

    def _is_done(self, position: int, contents: _Contents) -> bool:
        self._cursor.contents = contents
        entry = self._listing.entries[position]
        try:
            head = contents.read(0, len(MAGIC))
            with self._collector.undoing_notes(_AbsentError):
                self._collector.probe(position, entry, head)
        except _AbsentError:
            return False
        contents.drop()
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
        if len(digest) == _SHA256 and digest.startswith("sha256:"):
            with contextlib.suppress(ValueError):
                sums[position] = int(digest[7:23], 16) >> 2
    return sums
