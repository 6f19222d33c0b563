"""Where a layer's bytes come from: something that can be opened, as often as needed."""

from __future__ import annotations

import io
from typing import BinaryIO, Protocol

from msgspec import Struct

from pyimginspect.errors import TruncatedError

__all__ = ["Blob", "BytesBlob", "FileBlob", "StreamBlob"]

_BUFFER = 1 << 15  # bytes


class Blob(Protocol):
    """A layer as it is stored. ``size`` is its length in bytes, ``None`` where unknown."""

    @property
    def size(self) -> int | None:
        """Length in bytes as stored."""

    def open(self) -> BinaryIO:
        """Return a reader at the blob's first byte; the caller closes it."""


class FileBlob(Struct, frozen=True, kw_only=True):
    """Part of a file of the host: ``size`` bytes at ``offset``."""

    path: str
    offset: int
    size: int

    def open(self) -> BinaryIO:
        """Open the file at the blob's first byte; reading stops at its last one."""
        file = open(self.path, "rb", buffering=_BUFFER)  # noqa: SIM115 - the section closes it
        return _Section(file, self.offset, self.size)


class BytesBlob(Struct, frozen=True, kw_only=True):
    """A blob in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """Return a reader over the bytes."""
        return io.BytesIO(self.data)


class StreamBlob:
    """A blob that goes by once: ``stream`` is read on, and never back."""

    def __init__(self, stream: BinaryIO, size: int | None = None) -> None:
        self._stream = stream
        self.size = size

    def open(self) -> BinaryIO:
        """Return the stream, wherever it stands."""
        return self._stream


class _Section(io.RawIOBase, BinaryIO):
    """A file from ``offset`` on, ``size`` bytes long, and seekable within."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._start = offset
        self._size = size
        self._position = 0
        self._file.seek(offset)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        self._file.seek(self._start + self._position)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int | None = -1, /) -> bytes:
        left = self._size - self._position
        count = left if count is None or count < 0 else min(count, left)
        data = self._file.read(count) if count > 0 else b""
        # What describes the blob promises these bytes: a shorter file must not look like its end.
        if count > 0 and not data:
            raise TruncatedError("the file ends within the layer")
        self._position += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
