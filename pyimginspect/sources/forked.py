"""Layers read by processes that are forked from this one, on all processors.

What they find comes back as MessagePack through pipes. A process that fails or dies leaves its
layers to be read here, where the error is raised as ever: nothing but time depends on them.
docs/decisions/processes.md tells what is gained, and why the command alone does so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn, Protocol

import msgspec

from pyimginspect.decoding import from_msgpack
from pyimginspect.layers import Indexed
from pyimginspect.layers.index_codec import StoredIndexError, dump_index, load_index
from pyimginspect.model import Digest

__all__ = ["Outcome", "Reading", "read_by_processes"]

# "<" leaves out padding: the head of a frame has 13 bytes.
_FRAME = struct.Struct("<BIQ")  # what happened; to which layer; a count of bytes
_BEGUN, _ADVANCED, _READ, _FAILED = range(4)
_NUMBER = struct.Struct("<I")
# 16 KiB of a pipe's 64 (pipe(7)), so that all are written before anybody reads.
_MOST_LAYERS = 4096  # their numbers have to fit into a pipe
_PIPE = 1 << 20  # bytes; what any process may ask for (pipe(7))
_OFTEN = 4 << 20  # bytes after which progress is reported


class Reading(Protocol):
    """Layers that are to be read, numbered from 0, and who hears of it."""

    def read(self, number: int, advance: Callable[[int], None]) -> Indexed:
        """Read a layer; ``advance`` is called with the bytes as stored that were read."""

    def begun(self, number: int) -> None:
        """A process has begun to read a layer."""

    def advanced(self, number: int, count: int) -> None:
        """It has read ``count`` more bytes of the layer as stored."""

    def finished(self, number: int, indexed: Indexed) -> None:
        """The layer's index has arrived."""


class Outcome(NamedTuple):
    """What came of the layers: those read, and the one that could not be, for an error or a bug."""

    read: dict[int, Indexed]
    failed: int | None


class _Result(msgspec.Struct, frozen=True, array_like=True):
    """An :class:`Indexed` as one process sends it to another."""

    index: bytes
    blob_size: int
    digests: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]


def read_by_processes(
    reading: Reading, count: int, workers: int, meanwhile: Iterator[str]
) -> Outcome:
    """Read the layers 0 to ``count``, in this order, until one fails.

    Each step of ``meanwhile`` is something else that this process is to do while others read.
    What a process that died was at is missing in the outcome.
    """
    done: dict[int, Indexed] = {}
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        queue = _queue(min(count, _MOST_LAYERS))
        stack.callback(os.close, queue)
        for _ in range(workers):
            with contextlib.suppress(OSError):  # there may be no more processes, or pipes
                reader, child = _fork(reading, queue)
                stack.callback(_end, child, reader)
                selector.register(reader, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            timeout = 0 if next(meanwhile, None) is not None else None
            for key, _ in selector.select(timeout):
                received = os.read(key.fd, _PIPE)
                if not received:
                    selector.unregister(key.fd)
                key.data.extend(received)
                for what, number, size, body in _frames(key.data):
                    if what == _FAILED:
                        return Outcome(done, number)
                    _take(reading, done, what, number, size, body)
    return Outcome(done, None)


def _frames(buffer: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Take all frames from a buffer that are whole."""
    at = 0
    while at + _FRAME.size <= len(buffer):
        what, number, size = _FRAME.unpack_from(buffer, at)
        start = at + _FRAME.size
        # Of progress the count is no length: only an index has a body.
        end = start + (size if what == _READ else 0)
        if end > len(buffer):
            break
        at = end
        yield what, number, size, bytes(memoryview(buffer)[start:end])
    del buffer[:at]


def _take(
    reading: Reading, done: dict[int, Indexed], what: int, number: int, size: int, body: bytes
) -> None:
    if what == _BEGUN:
        reading.begun(number)
    elif what == _ADVANCED:
        reading.advanced(number, size)
    else:
        with contextlib.suppress(StoredIndexError, msgspec.MsgspecError):
            done[number] = _loaded(body)
            reading.finished(number, done[number])


def _dumped(indexed: Indexed) -> bytes:
    index = dump_index(indexed.index)
    result = _Result(index, indexed.blob_size, indexed.digests, indexed.diff_ids)
    return msgspec.msgpack.encode(result)


def _loaded(data: bytes) -> Indexed:
    result = from_msgpack(data, _Result)
    return Indexed(
        index=load_index(result.index),
        blob_size=result.blob_size,
        digests=result.digests,
        diff_ids=result.diff_ids,
    )


def _queue(count: int) -> int:
    """Return a pipe that each of the numbers up to ``count`` can be read from by one process."""
    queue, end = os.pipe()
    # A read of four bytes gets one number whole, whoever else reads.
    os.write(end, b"".join(map(_NUMBER.pack, range(count))))
    os.close(end)
    return queue


def _fork(reading: Reading, queue: int) -> tuple[int, int]:
    """Begin a process; return the pipe that its frames come from, and its number."""
    reader, writer = os.pipe()
    try:
        with contextlib.suppress(OSError):
            # So that an index fits as a whole, and its process goes on with the next layer.
            # It stays smaller where the user's pipes have had their share.
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
        # Interrupted between the two processes, the new one would take itself for the old one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            parent, child = os.getpid(), os.fork()
            if not child:
                _work(reading, queue, writer, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return reader, child


def _end(child: int, reader: int) -> None:
    """End a process that may be at work still."""
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    # Else it stays in the process table as a zombie for as long as this process lives.
    os.waitpid(child, 0)


def _work(reading: Reading, queue: int, writer: int, parent: int) -> NoReturn:
    """Be a process that reads layers until there are none left."""
    try:
        for number in (signal.SIGINT, signal.SIGPIPE):  # the parent is the one to say something
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while data := os.read(queue, _NUMBER.size):
            _read(reading, _NUMBER.unpack(data)[0], writer, parent)
    finally:
        os._exit(0)  # what the parent has begun is not to be ended or flushed twice


def _read(reading: Reading, number: int, writer: int, parent: int) -> None:
    """Read a layer and send what comes of it; end where that fails, or nobody is there."""
    counted = 0

    def advance(count: int) -> None:
        nonlocal counted
        counted += count
        if counted >= _OFTEN:
            # The parent is gone, and the process has been given another.
            if os.getppid() != parent:
                os._exit(1)
            _send(writer, _ADVANCED, number, counted)
            counted = 0

    _send(writer, _BEGUN, number, 0)
    try:
        body = _dumped(reading.read(number, advance))
    except BaseException:  # the parent reads the layer again, and gets the error as it is
        _send(writer, _FAILED, number, 0)
        raise
    _send(writer, _ADVANCED, number, counted)
    _send(writer, _READ, number, len(body), body)


def _send(writer: int, what: int, number: int, size: int, body: bytes = b"") -> None:
    data = memoryview(_FRAME.pack(what, number, size) + body)
    while data:
        data = data[os.write(writer, data) :]
