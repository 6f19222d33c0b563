"""Reading ahead: the same bytes in the same order, errors in their place, and no thread left."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.errors import CorruptLayerError
from pyimginspect.sources.readahead import ReadAhead


def pieces(*parts: bytes | Exception) -> Callable[[], bytes]:
    left = iter(parts)

    def read() -> bytes:
        part = next(left, b"")
        if isinstance(part, Exception):
            raise part
        return part

    return read


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=40), st.integers(1, 70))
def test_the_same_bytes(parts: list[bytes], count: int) -> None:
    with ReadAhead(pieces(*parts)) as stream:
        data = b"".join(iter(lambda: stream.read(count), b""))
        assert data == b"".join(parts)
        assert stream.read(count) == b""


def test_an_error_comes_after_what_was_before_it() -> None:
    with ReadAhead(pieces(b"one", b"two", CorruptLayerError("broken"), b"never")) as stream:
        assert stream.read() == b"onetwo"
        with pytest.raises(CorruptLayerError, match="broken"):
            stream.read()
        assert stream.read() == b""


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(100_000)


def test_it_stops_when_nobody_reads_on() -> None:
    before = threading.active_count()
    source = endless()
    with ReadAhead(lambda: next(source)) as stream:
        assert len(stream.read(10)) == 10
        time.sleep(0.05)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_it_does_not_run_away() -> None:
    """What nobody has read yet is bounded."""
    asked = 0

    def read() -> bytes:
        nonlocal asked
        asked += 1
        return bytes(1 << 20)

    with ReadAhead(read):
        time.sleep(0.2)
        assert asked < 12
