"""Parts of a registry's blob (OCI distribution specification v1.1, "Pulling blobs"; RFC 9110)."""

from __future__ import annotations

import re

import requests
import urllib3

from pyimginspect.errors import RegistryError
from pyimginspect.layers.toc import UnusableTocError
from pyimginspect.sources.bodies import Pace
from pyimginspect.sources.error_text import reason
from pyimginspect.sources.transport import ATTEMPTS, Transport, wait

__all__ = ["read_range"]

_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d+|\*)", re.ASCII)


def read_range(transport: Transport, path: str, start: int, stop: int) -> bytes:
    """Return the bytes from ``start`` to ``stop`` of the blob at ``path``.

    Redirects, challenges and patience are those of :class:`Transport`; where a connection breaks,
    the range is asked for from there on. Raises :class:`UnusableTocError` for any answer but the
    range that was asked for, and :class:`RegistryError` where none comes.
    """
    data = bytearray()
    failures = 0
    while len(data) < stop - start:
        before = len(data)
        try:
            _read_on(transport, path, start, stop, data)
            cause: BaseException | None = None
        except _BROKEN as exc:
            cause = exc
        if len(data) == stop - start:
            break
        failures = 0 if len(data) > before else failures + 1
        if failures == ATTEMPTS:
            why = reason(cause) if cause is not None else "nothing more comes"
            raise RegistryError(f"{transport.registry} went away: {why}") from cause
        wait(failures)
    return bytes(data)


def _read_on(transport: Transport, path: str, start: int, stop: int, data: bytearray) -> None:
    """Add to ``data`` what comes of the range before the connection ends."""
    begin = start + len(data)
    with transport.get(path, Range=f"bytes={begin}-{stop - 1}") as response:
        said = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status_code != 206 or said is None:
            raise UnusableTocError(
                f"{transport.registry} answers {response.status_code} where a range is asked for"
            )
        if (int(said[1]), int(said[2])) != (begin, stop - 1):
            raise UnusableTocError(f"{transport.registry} sends another range than asked for")
        pace = Pace(transport.patience)
        while len(data) < stop - start:
            part = pace.read(response, stop - start - len(data))
            if not part:
                return
            data += part
