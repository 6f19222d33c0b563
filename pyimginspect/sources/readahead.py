"""A stream that is read by a thread of its own, while what came before is examined.

Sockets and decompressors give up the interpreter's lock while they work, so this is worth a core.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO, Self

__all__ = ["ReadAhead"]

_PIECE = 1 << 19  # small pieces are put together: every one costs the reader as much as a big one
# 3 MiB: enough for either side to go on while the other is held up, and no weight in memory.
_AHEAD = 6  # pieces
_PATIENCE_SECONDS = 0.2


class ReadAhead(io.RawIOBase, BinaryIO):
    """What ``read_piece`` returns, piece by piece up to an empty one; a context manager.

    What it raises comes out of :meth:`read`, in its place in the stream.
    """

    def __init__(self, read_piece: Callable[[], bytes]) -> None:
        self._read_piece = read_piece
        self._pieces: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._rest = b""
        self._ended = False
        # A daemon: it may be waiting for a pipe that nobody ever writes to again.
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading ahead, as soon as the piece that is being read has come."""
        self._stopped.set()
        # Not for ever: it may be waiting for a packet, and as a daemon it holds up no exit.
        self._thread.join(_PATIENCE_SECONDS)
        super().close()

    def read(self, count: int | None = -1, /) -> bytes:
        """Return some bytes, at most ``count`` where that is positive; none at the end."""
        data = self._rest or self._next()
        if count is None or count < 0 or len(data) <= count:
            self._rest = b""
            return data
        self._rest = data[count:]
        return data[:count]

    def _next(self) -> bytes:
        if self._ended:
            return b""
        piece = self._pieces.get()
        if isinstance(piece, BaseException):
            self._ended = True
            raise piece
        self._ended = not piece
        return piece

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                piece = self._collect()
                self._put(piece)
                if not piece:
                    return
        except BaseException as exc:  # it is raised where the stream is read
            self._put(exc)

    def _collect(self) -> bytes:
        parts: list[bytes] = []
        length = 0
        try:
            while length < _PIECE and (part := self._read_piece()):
                parts.append(part)
                length += len(part)
        except BaseException:
            # What came before the error is still to be read: the error has its place after it.
            if parts:
                self._put(b"".join(parts))
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _put(self, piece: bytes | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._pieces.put(piece, timeout=_PATIENCE_SECONDS)
            except queue.Full:
                continue
            return
