"""Bodies of answers, read with patience that has an end.

A limit for each packet alone lets a host keep us for ever with a byte now and then.
"""

from __future__ import annotations

import time

import requests
import urllib3

from pyimginspect.errors import ManifestError, RegistryError

__all__ = ["SLOWEST", "Pace", "read_body"]

# Slower than any real line: a layer of 100 MB would take seven hours.
SLOWEST = 4096
"""Bytes a second that a host must send, on average over as long as it may be silent."""

_PIECE = 1 << 16  # bytes


class Pace:
    """How fast an answer comes, by the time spent waiting for it and for nothing else."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` is how long a host may be silent, and over which its speed is measured."""
        self._seconds = seconds
        self._waited = 0.0
        self._count = 0

    def read(self, response: requests.Response, count: int, *, decode: bool = False) -> bytes:
        """Return what has come, at most ``count`` bytes; none at the end.

        ``decode`` undoes what the headers call an encoding. Raises :class:`RegistryError` for less
        than :data:`SLOWEST`, and what
        ``urllib3`` raises where a connection breaks.
        """
        start = time.monotonic()
        # read1() returns what has come; read() would wait until there are count bytes.
        data: bytes = response.raw.read1(count, decode_content=decode)
        self._waited += time.monotonic() - start
        self._count += len(data)
        if self._waited >= self._seconds:
            # The end of a body is no sign of slowness.
            if data and self._count < SLOWEST * self._waited:
                raise RegistryError(
                    f"its answer comes too slowly: fewer than {SLOWEST:,} bytes a second",
                    hint="--timeout: how many seconds to wait",
                )
            self._waited, self._count = 0.0, 0
        return data


def read_body(response: requests.Response, limit: int, seconds: float) -> bytes:
    """Return the whole body of at most ``limit`` bytes, from a host silent for ``seconds`` at most.

    Raises :class:`ManifestError` for one that is longer, :class:`RegistryError` for one
    that comes too slowly, and ``requests.ConnectionError`` where it breaks off.
    """
    parts: list[bytes] = []
    length = 0
    pace = Pace(seconds)
    try:
        while part := pace.read(response, _PIECE, decode=True):
            parts.append(part)
            length += len(part)
            if length > limit:
                raise ManifestError(f"the answer has more than {limit:,} bytes")
    except urllib3.exceptions.HTTPError as exc:
        raise requests.ConnectionError(exc) from exc
    return b"".join(parts)
