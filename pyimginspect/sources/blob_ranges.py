"""Parts of a registry's blob (OCI distribution specification v1.1, "Pulling blobs"; RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyimginspect.errors import ManifestError, RegistryError
from pyimginspect.layers.toc import UnusableTocError
from pyimginspect.sources.bodies import Pace, read_body
from pyimginspect.sources.error_text import reason
from pyimginspect.sources.transport import ATTEMPTS, BROKEN, Transport, wait

__all__ = ["read_range", "read_together"]

# RFC 9110, 14.4. More than nineteen digits are no length of any file.
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d+|\*)", re.ASCII)
# RFC 2046, 5.1.1: up to seventy of these characters, in quotes where one is special in MIME.
_BOUNDARY = re.compile(
    r"multipart/byteranges\s*;\s*boundary=\"?([\w'()+,./:=?-]{1,70})\"?", re.ASCII
)
_AT_ONCE = 200  # ranges of one request: Apache takes no more, and a header has 8 KiB in nginx
_REQUESTS = 4  # at a time for one layer
_HEAD = 1024  # bytes before each range, at most


def read_together(
    transport: Transport, path: str, ranges: Sequence[tuple[int, int]]
) -> list[bytes] | None:
    """Return several ranges of the blob at ``path``, many by one request (RFC 9110, 14.6).

    ``None`` for any other answer: registries that keep blobs with a cloud's store, which knows one
    range at a time, send the whole blob or an error, and it is not read then.
    """
    groups = [ranges[first : first + _AT_ONCE] for first in range(0, len(ranges), _AT_ONCE)]
    ask = partial(_read_group, transport, path)
    found = list(map(ask, groups[:1]))  # by which it is known whether the others will do
    if len(groups) > 1 and found[0] is not None:
        with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="ranges") as pool:
            try:
                found += pool.map(ask, groups[1:])
            finally:
                pool.shutdown(cancel_futures=True)
    parts: list[bytes] = []
    for group in found:
        if group is None:
            return None
        parts += group
    return parts


def _read_group(
    transport: Transport, path: str, ranges: Sequence[tuple[int, int]]
) -> list[bytes] | None:
    if len(ranges) == 1:  # of which no answer has several parts
        return [read_range(transport, path, *ranges[0])]
    asked = ",".join(f"{start}-{stop - 1}" for start, stop in ranges)
    with transport.get(path, Range=f"bytes={asked}") as response:
        kind = _BOUNDARY.match(response.headers.get("Content-Type", ""))
        if response.status_code != 206 or kind is None:
            return None
        longest = sum(stop - start for start, stop in ranges) + _HEAD * (len(ranges) + 1)
        try:
            body = read_body(response, longest, transport.patience)
        except (*BROKEN, ManifestError, RegistryError):
            return None
    return _parts(body, kind[1].encode(), ranges)


def _parts(body: bytes, boundary: bytes, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
    """Return the parts of a multipart body, if they are these ranges (RFC 2046, 5.1.1)."""
    found = []
    place = 0
    for start, stop in ranges:
        # Not split at the boundary: a blob is any bytes, and may have it in them. One is looked
        # for only where a part has ended.
        place = body.find(b"--" + boundary, place, place + _HEAD)
        end = body.find(b"\r\n\r\n", place, place + _HEAD) if place >= 0 else -1
        if end < 0:
            return None
        head = body[place:end].decode("latin-1")
        # Each part has this header of its own (RFC 9110, 15.3.7.2), in whatever case.
        said = re.search(r"(?im)^content-range:\s*(.*?)\s*$", head)
        span = _RANGE.fullmatch(said[1]) if said is not None else None
        if span is None or (int(span[1]), int(span[2])) != (start, stop - 1):
            return None
        place = end + 4 + stop - start
        found.append(body[end + 4 : place])
    return found if place <= len(body) else None


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
        except BROKEN as exc:
            cause = exc
        if len(data) == stop - start:
            break
        # Every byte that comes is worth more patience: a large range may break many times.
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
