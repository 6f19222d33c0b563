"""A layer within a file of the host: a file of its own to whoever reads it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from pyimginspect.errors import TruncatedError
from pyimginspect.layers import FileBlob

CONTENT = bytes(range(100))


@pytest.fixture
def blob(tmp_path: Path) -> FileBlob:
    path = tmp_path / "archive"
    path.write_bytes(b"before" + CONTENT + b"after")
    return FileBlob(path=str(path), offset=6, size=100)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda file: file.read(), CONTENT),
        (lambda file: file.read(None), CONTENT),
        (lambda file: file.read(0), b""),
        (lambda file: file.read(1), CONTENT[:1]),
        (lambda file: file.read(101), CONTENT),
        (lambda file: (file.read(99), file.read(5), file.read(5))[1:], (CONTENT[99:], b"")),
        (lambda file: (file.seek(40), file.tell(), file.read(2)), (40, 40, CONTENT[40:42])),
        (lambda file: (file.read(9), file.seek(2, io.SEEK_CUR), file.read(1)[0])[1:], (11, 11)),
        (lambda file: (file.seek(-3, io.SEEK_END), file.read()), (97, CONTENT[97:])),
        (lambda file: (file.seek(-200, io.SEEK_END), file.read(3)), (0, CONTENT[:3])),
        (lambda file: (file.seek(200), file.read(3)), (200, b"")),
        (lambda file: (file.readinto(part := bytearray(3)), part), (3, CONTENT[:3])),
        (lambda file: io.BufferedReader(file).read(), CONTENT),
        (lambda file: io.BufferedReader(file).seek(0, io.SEEK_END), 100),
    ],
)
def test_a_part_of_a_file_is_read_as_a_file(
    blob: FileBlob, read: Callable[[BinaryIO], object], expected: object
) -> None:
    with blob.open() as file:
        assert read(file) == expected
    assert file.closed


def test_what_ends_within_the_layer_is_said() -> None:
    blob = FileBlob(path=__file__, offset=Path(__file__).stat().st_size - 5, size=9)
    with blob.open() as file:
        assert len(file.read(7)) == 5
        with pytest.raises(TruncatedError, match="the file ends within the layer"):
            file.read(1)
        file.seek(9)
        assert file.read(1) == b""
