"""Chunks of a blob: near ones fetched by one request, each verified by its digest."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pyimginspect.errors import LayerError
from pyimginspect.layers.compression import Compression, Decompressed
from pyimginspect.layers.toc.ranges import Ranges, UnusableTocError

__all__ = ["Chunk", "Fetcher", "decompress", "is_digest_of"]

# Bytes that nobody wants, fetched rather than asked around: as many as asking takes.
_GAP = 16 << 10  # where each range is a request of its own
_GAP_TOGETHER = 256  # where it is a part of an answer, with headers of its own
_LONGEST = 8 << 20  # bytes of one request, for several to run beside each other
_REQUESTS = 4  # at a time for one layer
# eStargz has chunks of 4 MiB unless told otherwise, zstd:chunked of 64 KiB on average.
_LARGEST_CHUNK = 64 << 20  # bytes, uncompressed
_LARGEST = 128 << 20  # bytes that anything here may become
_KNOWN = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


class Chunk(NamedTuple):
    """A part of a file: ``size`` bytes ``at`` an offset of its content.

    They are compressed, at the beginning of what lies between ``start`` and ``stop`` of the blob.
    A chunk of zeros alone has neither.
    """

    at: int
    size: int
    start: int
    stop: int
    digest: str


def is_digest_of(digest: str, data: bytes) -> bool:
    """Whether ``data`` has that digest, in an algorithm that is known."""
    name, _, encoded = digest.partition(":")
    algorithm = _KNOWN.get(name)
    return algorithm is not None and algorithm(data).hexdigest() == encoded


def decompress(data: bytes, size: int, kind: Compression) -> bytes:
    """Return the first ``size`` bytes that the frame or member at the beginning of ``data`` has.

    Raises :class:`UnusableTocError` where there are fewer.
    """
    # What comes out is known, so that the ratio says nothing: zeros become as small as they like.
    source = Decompressed(io.BytesIO(data), kind, expansion=1, floor=_LARGEST)
    parts: list[bytes] = []
    left = size
    try:
        while left and (part := source.read_chunk()):
            parts.append(part[:left])
            left -= len(parts[-1])
    except LayerError as exc:
        raise UnusableTocError(f"a chunk of it is damaged: {exc.message}") from exc
    if left:
        raise UnusableTocError("a chunk of it is shorter than said")
    return b"".join(parts)


class Fetcher:
    """Fetches chunks of a blob."""

    def __init__(self, blob: Ranges, kind: Compression) -> None:
        self._blob = blob
        self._kind: Compression = kind
        self._together = True
        self._kept: list[tuple[int, bytes]] = []  # what was fetched beside chunks, by its start

    def fetch(self, wanted: Collection[Chunk]) -> dict[Chunk, bytes]:
        """Return the contents of chunks, verified.

        Raises :class:`UnusableTocError`, and what reaching the blob raises.
        """
        found: dict[Chunk, bytes] = {}
        missing: dict[tuple[str, int], list[Chunk]] = {}  # those of equal content together
        for chunk in wanted:
            if chunk.size > _LARGEST_CHUNK:
                raise UnusableTocError("a chunk of it is too big to be held")
            if not chunk.stop:
                found[chunk] = bytes(chunk.size)
            elif (stored := self._stored(chunk)) is not None:
                found[chunk] = self._verified(chunk, stored)
            else:
                missing.setdefault((chunk.digest, chunk.size), []).append(chunk)
        firsts = sorted((same[0] for same in missing.values()), key=lambda chunk: chunk.start)
        for run, data in self._read(firsts):
            start = run[0].start
            for chunk in run:
                stored = data[chunk.start - start : chunk.stop - start]
                content = self._verified(chunk, stored)
                found.update(dict.fromkeys(missing[chunk.digest, chunk.size], content))
            self._kept.append((start, data))
        self._kept.sort(key=lambda kept: kept[0])
        return found

    def forget(self) -> None:
        """Drop what was fetched beside the chunks that were asked for."""
        self._kept.clear()

    def _read(self, chunks: list[Chunk]) -> Iterator[tuple[list[Chunk], bytes]]:
        """Yield chunks near each other with their bytes, several ranges being fetched at a time."""
        runs = list(_runs(chunks, _GAP_TOGETHER if self._together else _GAP))
        if self._together and len(runs) > 1:
            found = self._blob.read_together([_span(run) for run in runs])
            if found is not None:
                yield from zip(runs, found, strict=True)
                return
            self._together = False
            runs = list(_runs(chunks, _GAP))
        if len(runs) < 2:
            yield from zip(runs, map(self._read_one, runs), strict=True)
            return
        with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="chunks") as pool:
            # Where one raises, or no more are wanted, `map` cancels the others.
            yield from zip(runs, pool.map(self._read_one, runs), strict=True)

    def _read_one(self, run: list[Chunk]) -> bytes:
        return self._blob.read_range(*_span(run))

    def _stored(self, chunk: Chunk) -> bytes | None:
        """Return a chunk as it is stored, where it was fetched with another."""
        place = bisect_right(self._kept, chunk.start, key=lambda kept: kept[0]) - 1
        if place < 0:
            return None
        start, data = self._kept[place]
        if chunk.stop > start + len(data):
            return None
        return data[chunk.start - start : chunk.stop - start]

    def _verified(self, chunk: Chunk, stored: bytes) -> bytes:
        content = decompress(stored, chunk.size, self._kind)
        if not is_digest_of(chunk.digest, content):
            raise UnusableTocError("a chunk of it is not as its digest says")
        return content


def _span(run: list[Chunk]) -> tuple[int, int]:
    return run[0].start, max(chunk.stop for chunk in run)


def _runs(chunks: list[Chunk], gap: int) -> Iterator[list[Chunk]]:
    """Yield chunks that are worth one request."""
    run: list[Chunk] = []
    for chunk in chunks:
        if run and (chunk.start - run[-1].stop > gap or chunk.stop - run[0].start > _LONGEST):
            yield run
            run = []
        run.append(chunk)
    if run:
        yield run
