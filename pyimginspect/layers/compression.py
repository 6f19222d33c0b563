"""Compressed streams, recognized by their first bytes and never by what a manifest claims.

gzip (RFC 1952, any number of members), zstd (RFC 8878, any number of frames, skippable ones
included), xz, bzip2, and no compression at all.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Protocol, cast

from pyimginspect.errors import CorruptLayerError, LimitError, PyimginspectError, TruncatedError

__all__ = ["CHUNK", "MAGIC_LENGTH", "Compression", "Decompressed", "sniff", "zstd_module"]

Compression = Literal["none", "gzip", "zstd", "xz", "bzip2"]

# Smaller pieces make threads wait for the interpreter, larger ones gain next to nothing
# (docs/decisions/reading-compressed-layers.md).
CHUNK = 1 << 19  # bytes, decompressed
_INPUT = 1 << 18  # bytes, compressed
MAGIC_LENGTH = 6  # bytes: of xz, the longest (The .xz File Format, 2.1.1.1)

# glibc returns memory to the system as soon as it is free, unless it is less than twice the
# largest block it has seen freed (mallopt(3), M_MMAP_THRESHOLD). Chunks come and go by the
# thousand: shown once, it saves two page faults in three, and a twentieth of the time; shown a
# block of 24 MiB it saves 28,000 more, 0.07 s of 5, and keeps 32 MB that nobody uses.
bytes(8 << 20)


def sniff(head: bytes) -> Compression:
    """Tell the compression of a stream from its first six bytes."""
    # Method 8 is deflate, the only one that RFC 1952 defines.
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
        return "zstd"  # a skippable frame first, as eStargz-like formats write
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"BZh"):
        return "bzip2"
    return "none"


class _Readable(Protocol):
    """A stream, as far as it is read here: none of its bytes are left where it returns none."""

    def read(self, count: int, /) -> bytes: ...


class _Decompressor(Protocol):
    """The one interface of the standard library's decompressor objects."""

    eof: bool
    unused_data: bytes
    needs_input: bool

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """The interface of ``bz2.BZ2Decompressor`` around ``zlib.decompressobj``."""

    def __init__(self) -> None:
        # 16 for gzip's header and trailer, whose sum is verified then; 15 for the largest window.
        self._object = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._object.decompress(self._object.unconsumed_tail + data, max_length)
        self.needs_input = not self._object.unconsumed_tail
        return out


def _gzip() -> _Decompressor:
    try:
        from isal import igzip_lib
    except ImportError:  # no wheel for this machine: slower, and the same bytes
        return cast(_Decompressor, _Zlib())
    return cast(_Decompressor, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))


def _zstd() -> _Decompressor:
    return cast(_Decompressor, zstd_module().ZstdDecompressor())


@cache  # looking for a module that is not there takes longer than decompressing a small frame
def zstd_module() -> Any:
    """Return the standard library's zstd, or its backport before Python 3.14."""
    try:
        zstd = importlib.import_module("compression.zstd")  # Python 3.14 on
    except ImportError:
        zstd = importlib.import_module("backports.zstd")
    return zstd


def _xz() -> _Decompressor:
    import lzma  # few layers are in xz or bzip2

    # What `xz -9` makes takes 65 MiB to decompress (xz(1)); a stream may ask for gigabytes.
    return cast(_Decompressor, lzma.LZMADecompressor(memlimit=1 << 28))


def _bzip2() -> _Decompressor:
    import bz2

    return cast(_Decompressor, bz2.BZ2Decompressor())


_MAKERS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _gzip,
    "zstd": _zstd,
    "xz": _xz,
    "bzip2": _bzip2,
}


class Decompressed:
    """The uncompressed bytes of a stream, chunk by chunk, within a limit.

    Raises :class:`TruncatedError`, :class:`CorruptLayerError`, or :class:`LimitError` when more
    than ``floor`` bytes come out and they are more than ``expansion`` times what went in.
    """

    def __init__(
        self, stream: _Readable, compression: Compression, *, expansion: int, floor: int
    ) -> None:
        self._stream = stream
        self._make = _MAKERS.get(compression)
        self._expansion = expansion
        self._floor = floor
        self._decompressor: _Decompressor | None = None
        self._input = b""
        self._ended = False
        self.consumed = 0
        self.produced = 0

    def read_chunk(self) -> bytes:
        """Return the next bytes, at most :data:`CHUNK` or so; none at the end."""
        if self._make is None:
            data = self._stream.read(CHUNK)
            self.consumed += len(data)
        else:
            data = self._decompress(self._make)
        self.produced += len(data)
        if self.produced > self._floor and self.produced > self._expansion * self.consumed:
            raise LimitError(
                f"{self.consumed:,} compressed bytes became more than {self.produced:,}",
                hint="this looks like a decompression bomb",
            )
        return data

    def _decompress(self, make: Callable[[], _Decompressor]) -> bytes:
        try:
            while not self._ended:
                if self._decompressor is None:
                    self._decompressor = make()
                current = self._decompressor
                if current.needs_input and not self._input:
                    self._input = self._stream.read(_INPUT)
                    self.consumed += len(self._input)
                    if not self._input:
                        raise TruncatedError("the compressed layer ends too early")
                data = current.decompress(self._input, CHUNK)
                self._input = b""
                if current.eof:
                    self._begin_next(current.unused_data)
                if data:
                    return data
        except (EOFError, OSError, ValueError, zlib.error) as exc:
            raise CorruptLayerError(f"the compressed layer is damaged: {exc}") from exc
        except PyimginspectError:
            raise
        except Exception as exc:
            # isal, zstd and lzma have exception classes of their own, of no common base.
            if type(exc).__name__ not in ("IsalError", "ZstdError", "LZMAError", "error"):
                raise
            raise CorruptLayerError(f"the compressed layer is damaged: {exc}") from exc
        return b""

    def _begin_next(self, rest: bytes) -> None:
        """Look whether another member or frame follows; zeros after the last one are padding."""
        while True:
            # gzip passes over them as well (GNU gzip's manual, "Using gzip on tapes").
            rest = rest.lstrip(b"\0")
            more = self._stream.read(_INPUT) if len(rest) < MAGIC_LENGTH else b""
            self.consumed += len(more)
            if not more:
                break
            rest += more
        self._decompressor = None
        self._input = rest
        if not rest:
            self._ended = True
        # Go's compress/gzip refuses such a stream too, where gzip(1) only warns.
        elif sniff(rest[:MAGIC_LENGTH]) == "none":
            raise CorruptLayerError("the compressed layer is followed by other bytes")
