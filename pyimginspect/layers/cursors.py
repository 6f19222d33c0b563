"""Two ways through a layer: seeking over what nobody wants, or reading every byte once.

Both are a :class:`pyimginspect.layers.tar.Cursor`, and give random access to the content of
the member that they stand at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from pyimginspect.errors import TruncatedError
from pyimginspect.layers.checksums import crc32
from pyimginspect.layers.compression import Decompressed
from pyimginspect.layers.digests import Sums
from pyimginspect.layers.elf import WHOLE_UP_TO, RandomAccess, wanted_ranges
from pyimginspect.layers.tar import Cursor

__all__ = ["Buffered", "ContentCursor", "SeekCursor", "StreamCursor"]

# Bytes that `wanted_ranges` is shown, as many as in toc/reading.py: what is kept of a file must
# not depend on the way through the layer.
_HEAD = 1 << 16
# Bytes; with 8 KiB it takes longer (docs/decisions/reading-archives.md).
_WINDOW = 1 << 12
_SMALL = 1 << 15  # bytes; a copy takes less time than a view that saves it


class ContentCursor(Cursor):
    """A cursor that can also show the content that it stands at, without leaving it."""

    def peek(self, count: int) -> bytes:
        """Return up to ``count`` bytes, and stay."""
        raise NotImplementedError

    def content(self, size: int, *, whole: bool, mapped: bool) -> RandomAccess:
        """Return random access to the next ``size`` bytes; valid until the cursor moves.

        Unless the ``whole`` is asked for, only those parts of a big file are there that
        :func:`~pyimginspect.layers.elf.wanted_ranges` names, of those that are ``mapped`` too.
        """
        raise NotImplementedError

    def checksum(self, size: int) -> int | None:
        """Return the CRC-32 of a member of ``size`` bytes where they are read anyway.

        Asked once of a member at most, and after its :meth:`content`: the cursor moves past it.
        """
        raise NotImplementedError


class Buffered:
    """A file's content in memory, or parts of it in their order, each an ``(offset, bytes)``."""

    def __init__(self, size: int, parts: list[tuple[int, bytes | memoryview]]) -> None:
        self.size = size
        self._parts = parts

    def read_at(self, offset: int, length: int, /) -> bytes | memoryview:
        """Return bytes as :class:`RandomAccess` says."""
        if offset >= self.size:
            return b""
        found: list[memoryview] = []
        for start, data in self._parts:
            at = offset - start
            if 0 <= at < len(data):
                found.append(memoryview(data)[at : at + length])
                offset += len(found[-1])
                length -= len(found[-1])
                if not length:
                    break
        if not found:
            raise LookupError(offset)
        return found[0] if len(found) == 1 else b"".join(found)


class SeekCursor(ContentCursor):
    """Over an uncompressed layer in a file: what nobody wants is never read.

    ``file`` should be unbuffered: the cursor reads a window of its own, wide enough for the
    headers of small files that follow each other.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._window = b""
        self._base = 0  # where in the layer the window begins
        self._at = 0

    @property
    def position(self) -> int:
        """Bytes before the cursor."""
        return self._base + self._at

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end of the layer only."""
        end = self._at + count
        if end > len(self._window):
            self._fill(count)
            end = count
        data = self._window[self._at : end]
        self._at += len(data)
        return data

    def _fill(self, count: int) -> None:
        """Begin the window at the cursor, and make it hold ``count`` bytes if there are any."""
        self._base += self._at
        self._at = 0
        wanted = min(max(count, _WINDOW), self._size - self._base)
        self._file.seek(self._start + self._base)
        window = b""
        while len(window) < wanted:  # a read may return less than there is
            more = self._file.read(wanted - len(window))
            if not more:
                raise TruncatedError("the file ends within the layer")
            window += more
        self._window = window

    def advance_to(self, position: int) -> None:
        """Move on to ``position``."""
        at = position - self._base
        if at <= len(self._window):
            self._at = at
            return
        if position > self._size:
            raise TruncatedError("the layer ends within an entry")
        self._window = b""
        self._base = position
        self._at = 0

    def take_at(self, position: int, count: int) -> bytes:
        """Move on to ``position``, and return the next ``count`` bytes."""
        at = position - self._base
        stop = at + count
        if stop > len(self._window):
            self.advance_to(position)
            return self.take(count)
        self._at = stop
        return self._window[at:stop]

    def peek(self, count: int) -> bytes:
        """Return up to ``count`` bytes, and stay."""
        if self._at + count > len(self._window):
            self._fill(count)
        return self._window[self._at : self._at + count]

    def content(self, size: int, *, whole: bool, mapped: bool) -> RandomAccess:
        """Return random access to the next ``size`` bytes.

        All could be read; but a layer has the same index, whatever the way through it.
        """
        parts = None
        if size > WHOLE_UP_TO and not whole:
            parts = wanted_ranges(self.peek(_HEAD), size, mapped=mapped)
        at = self._at
        if at + size <= len(self._window):
            return Buffered(size, [(0, memoryview(self._window)[at : at + size])])
        if self.position + size > self._size:
            raise TruncatedError("the layer ends within an entry")
        return _InFile(self._file, self._start + self.position, size, parts)

    def checksum(self, size: int) -> int | None:
        """Return nothing: the content is not read."""
        return None

    def finish(self) -> int:
        """Return the length of the whole layer."""
        return self._size


class _InFile:
    """A file's content, read from the archive when asked for; the cursor seeks after it.

    ``parts`` are the ``(offset, length)`` that may be read; ``None``: all.
    """

    def __init__(
        self, file: BinaryIO, start: int, size: int, parts: list[tuple[int, int]] | None
    ) -> None:
        self._file = file
        self._start = start
        self.size = size
        self._parts = parts if parts is not None else [(0, size)]

    def read_at(self, offset: int, length: int, /) -> bytes:
        """Return bytes as :class:`RandomAccess` says."""
        if offset >= self.size:
            return b""
        for start, part in self._parts:
            if start <= offset < start + part:
                self._file.seek(self._start + offset)
                return self._file.read(max(0, min(length, start + part - offset)))
        raise LookupError(offset)


class StreamCursor(ContentCursor):
    """Over a layer that goes by once; every byte is read, and summed up on the way."""

    def __init__(self, source: Decompressed, *, sums: Sums | None = None) -> None:
        self._source = source
        self._chunk = b""
        self._at = 0
        self._before = 0  # bytes of the layer before the chunk
        self._ahead: deque[bytes] = deque()  # chunks after it that were examined already
        self._sums = sums
        # The sum of the file that content() had to read past.
        self._passed: int | None = None

    @property
    def position(self) -> int:
        """Bytes before the cursor."""
        return self._before + self._at

    def _read(self) -> bytes:
        data = self._source.read_chunk()
        if self._sums is not None:
            self._sums.update(data)
        return data

    def _next(self) -> bool:
        data = self._ahead.popleft() if self._ahead else self._read()
        if not data:
            return False
        self._before += len(self._chunk)
        self._chunk = data
        self._at = 0
        return True

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes, fewer at the end of the layer only."""
        end = self._at + count
        if end <= len(self._chunk):
            data = self._chunk[self._at : end]
            self._at = end
            return data
        parts = [self._chunk[self._at :]]
        missing = count - len(parts[0])
        self._at = len(self._chunk)
        while missing and self._next():
            part = self._chunk[:missing]
            self._at = len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def take_some(self, count: int) -> bytes:
        """Return some of the next ``count`` bytes, as they lie; none at the end of the layer."""
        if self._at == len(self._chunk) and not self._next():
            return b""
        end = min(self._at + count, len(self._chunk))
        data = self._chunk[self._at : end]
        self._at = end
        return data

    def advance_to(self, position: int) -> None:
        """Move on to ``position``."""
        while position > self._before + len(self._chunk):
            if not self._next():
                raise TruncatedError("the layer ends within an entry")
        self._at = position - self._before

    def take_at(self, position: int, count: int) -> bytes:
        """Move on to ``position``, and return the next ``count`` bytes."""
        at = position - self._before
        end = at + count
        if end > len(self._chunk):
            self.advance_to(position)
            return self.take(count)
        self._at = end
        return self._chunk[at:end]

    def peek(self, count: int) -> bytes:
        """Return up to ``count`` bytes, and stay."""
        data = self._chunk[self._at : self._at + count]
        if len(data) == count:
            return data
        return b"".join([data, *self._look_ahead(count - len(data))])

    def _look_ahead(self, count: int) -> Iterator[bytes | memoryview]:
        """Yield the first ``count`` bytes after the chunk as they lie, unless the layer ends."""
        number = 0
        while count:
            if number == len(self._ahead):
                data = self._read()
                if not data:
                    return
                self._ahead.append(data)
            data = self._ahead[number]
            number += 1
            yield data if len(data) <= count else memoryview(data)[:count]
            count -= min(count, len(data))

    def content(self, size: int, *, whole: bool, mapped: bool) -> RandomAccess:
        """Return random access to the next ``size`` bytes; of a big file, maybe to parts."""
        if size > WHOLE_UP_TO and not whole:
            return self._parts(size, mapped)
        parts: list[tuple[int, bytes | memoryview]]
        parts = [(0, memoryview(self._chunk)[self._at : self._at + size])]
        found = len(parts[0][1])
        for part in self._look_ahead(size - found):
            parts.append((found, part))
            found += len(part)
        if found < size:
            raise TruncatedError("the layer ends within an entry")
        return Buffered(size, parts)

    def _parts(self, size: int, mapped: bool) -> RandomAccess:
        parts: list[tuple[int, bytes | memoryview]] = []
        # What lies between the parts is summed up as well, and not kept.
        crc = at = 0
        for offset, length in wanted_ranges(self.peek(_HEAD), size, mapped=mapped):
            crc = self._sum(offset - at, crc)
            at = offset + length
            while offset < at:  # piece by piece: joined, they would be in memory twice
                data = self.take_some(at - offset)
                if not data:
                    raise TruncatedError("the layer ends within an entry")
                crc = crc32(data, crc)
                parts.append((offset, data))
                offset += len(data)
        self._passed = self._sum(size - at, crc)
        return Buffered(size, parts)

    def _sum(self, count: int, crc: int) -> int:
        """Move over ``count`` bytes, adding them to ``crc``."""
        while count:
            if self._at == len(self._chunk) and not self._next():
                raise TruncatedError("the layer ends within an entry")
            end = min(len(self._chunk), self._at + count)
            crc = crc32(memoryview(self._chunk)[self._at : end], crc)
            count -= end - self._at
            self._at = end
        return crc

    def checksum(self, size: int) -> int | None:
        """Return the CRC-32 of the content that the cursor stood at, and move past it."""
        if self._passed is None:
            end = self._at + size
            if end > len(self._chunk) or size > _SMALL:
                return self._sum(size, 0)
            small = self._chunk[self._at : end]
            self._at = end
            return crc32(small)
        crc, self._passed = self._passed, None
        return crc

    def finish(self) -> int:
        """Read what is left after the archive, and return the length of the whole layer."""
        self._at = len(self._chunk)
        # A diff ID covers what follows the end blocks: GNU tar fills up records of 10 KiB.
        while self._next():
            self._at = len(self._chunk)
        return self.position
