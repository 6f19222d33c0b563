"""Both ways through a layer against plain slices of it, whatever is asked in whatever order."""

import io
import random
from collections.abc import Callable
from typing import cast
from zlib import crc32

import pytest

from pyimginspect.errors import TruncatedError
from pyimginspect.layers import cursors
from pyimginspect.layers.compression import Decompressed
from pyimginspect.layers.cursors import Buffered, SeekCursor, StreamCursor
from pyimginspect.layers.elf import RandomAccess

DATA = random.Random(7).randbytes(1500)
PARTS = [(0, 10), (30, 25), (90, 5)]  # what is wanted of files of more than 100 bytes


class Pieces:
    """A layer that comes in pieces of whatever length."""

    def __init__(self, data: bytes, seed: int) -> None:
        self.left = data
        self.dice = random.Random(seed)

    def read_chunk(self) -> bytes:
        count = self.dice.choice([1, 3, 17, 64, 200])
        data, self.left = self.left[:count], self.left[count:]
        return data


class Slow(io.BytesIO):
    """A file that returns less than it was asked for."""

    def read(self, count: int | None = -1, /) -> bytes:
        return super().read(min(37, count) if count is not None and count > 0 else count)


def seek(data: bytes, seed: int) -> SeekCursor:
    return SeekCursor(io.BytesIO(b"before" + data + b"after"), 6, len(data))


def stream(data: bytes, seed: int) -> StreamCursor:
    return StreamCursor(cast(Decompressed, Pieces(data, seed)))


WAYS: dict[str, Callable[[bytes, int], SeekCursor | StreamCursor]] = {
    "seek": seek,
    "stream": stream,
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "_WINDOW", 64)
    monkeypatch.setattr(cursors, "_HEAD", 16)
    monkeypatch.setattr(cursors, "WHOLE_UP_TO", 100)

    def wanted(head: bytes, size: int, *, mapped: bool) -> list[tuple[int, int]]:
        assert len(head) == 16
        return [*PARTS, (120, size - 120)] if mapped else PARTS

    monkeypatch.setattr(cursors, "wanted_ranges", wanted)


def check_content(content: RandomAccess, here: bytes, parts: list[tuple[int, int]]) -> None:
    size = len(here)
    assert content.size == size
    for offset in range(size + 2):
        part = next((one for one in parts if one[0] <= offset < sum(one)), None)
        if part is None and offset < size:
            with pytest.raises(LookupError):
                content.read_at(offset, 5)
            continue
        stop = min(sum(part), size) if part else size
        for length in (0, 1, 7, 10_000):
            expected = here[offset : min(offset + length, stop)]
            assert bytes(content.read_at(offset, length)) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("way", WAYS)
def test_every_step_is_that_of_the_plain_bytes(way: str, seed: int) -> None:
    dice = random.Random(seed)
    cursor = WAYS[way](DATA, seed)
    at = 0
    while at < len(DATA):
        assert cursor.position == at
        count = min(dice.choice([0, 1, 5, 16, 90, 100, 130, 170]), len(DATA) - at)
        assert cursor.peek(min(count, 90)) == DATA[at:][: min(count, 90)]
        what = dice.choice(["take", "pass", "sum", "whole", "parts", "mapped"])
        here = DATA[at : at + count]
        if what == "take":
            assert cursor.take(count) == here
        elif what in ("whole", "parts", "mapped"):
            content = cursor.content(count, whole=what == "whole", mapped=what == "mapped")
            parts = [(0, count)]
            if count > 120 and what != "whole":
                parts = [*PARTS, (120, count - 120)] if what == "mapped" else PARTS
            if not 100 < count <= 120:
                check_content(content, here, parts)
        if what not in ("take", "pass"):
            assert cursor.checksum(count) == (crc32(here) if way == "stream" else None)
        at += count
        cursor.advance_to(at)
    assert cursor.take(5) == b""
    assert cursor.peek(5) == b""
    assert cursor.finish() == len(DATA)


@pytest.mark.parametrize("way", WAYS)
def test_the_end_is_noticed(way: str) -> None:
    for size in (99, 150):
        for whole in (True, False):
            cursor = WAYS[way](DATA[:200], 2)
            cursor.advance_to(200 - size + 1)
            with pytest.raises(TruncatedError, match="the layer ends within an entry"):
                cursor.content(size, whole=whole, mapped=False)
            cursor = WAYS[way](DATA[:200], 2)
            cursor.advance_to(200 - size)
            assert cursor.content(size, whole=whole, mapped=False).size == size
    cursor = WAYS[way](DATA[:200], 2)
    cursor.advance_to(200)
    assert (cursor.position, cursor.finish()) == (200, 200)
    cursor = WAYS[way](DATA[:200], 2)
    with pytest.raises(TruncatedError, match="the layer ends within an entry"):
        cursor.advance_to(201)


def test_a_file_that_is_shorter_than_the_layer() -> None:
    for file in (io.BytesIO, Slow):
        cursor = SeekCursor(file(DATA[:300]), 100, 201)
        cursor.advance_to(190)
        with pytest.raises(TruncatedError, match="the file ends within the layer"):
            cursor.take(11)
        for after in (0, 100):
            cursor = SeekCursor(file(DATA[: 300 + after]), 100, 200)
            cursor.advance_to(90)
            assert cursor.take(120) == DATA[190:300]


@pytest.mark.parametrize("way", WAYS)
def test_a_position_is_one_in_the_layer_wherever_what_is_held_begins(way: str) -> None:
    for step in (0, 1, 5, 20):
        cursor = WAYS[way](DATA, 1)
        cursor.take(step)
        cursor.peek(90)
        cursor.advance_to(step + 5)
        assert cursor.take(3) == DATA[step + 5 :][:3]
        assert cursor.take_at(step + 20, 3) == DATA[step + 20 :][:3]


def test_a_stream_is_taken_as_it_lies() -> None:
    cursor = StreamCursor(cast(Decompressed, Pieces(DATA, 3)))
    parts = []
    while part := cursor.take_some(50):
        assert len(part) <= 50
        parts.append(part)
    assert b"".join(parts) == DATA
    assert cursor.position == len(DATA)


def test_parts_that_touch_are_read_as_one() -> None:
    content = Buffered(20, [(0, b"01234"), (5, b"56789"), (15, b"fghij")])
    assert bytes(content.read_at(3, 4)) == b"3456"
    assert bytes(content.read_at(5, 5)) == b"56789"
    assert bytes(content.read_at(3, 99)) == b"3456789"
    assert bytes(content.read_at(15, 99)) == b"fghij"
    assert content.read_at(20, 1) == b""
    for offset in (10, 14):
        with pytest.raises(LookupError):
            content.read_at(offset, 1)
