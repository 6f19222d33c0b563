"""What the end of a program says of a Python frozen into it: all kinds of cookies, and none."""

import struct
from typing import Any

import pytest

from pyimginspect.layers.blobs import BytesBlob
from pyimginspect.layers.elf import WHOLE_UP_TO, read_elf
from pyimginspect.layers.index import index_layer
from tests.elf import elf
from tests.images import compress, layer
from tests.pythons import frozen
from tests.unit.test_elf import Content


def program(series: str, **form: Any) -> bytes:
    data = frozen(series, **form).data
    assert isinstance(data, bytes)
    return data


def archive_of(more: int) -> bytes:
    """A program that is all archive, or by so many bytes less than it."""
    data = bytearray(program("3.11", before=0))
    struct.pack_into("!I", data, len(data) - 88 + 8, len(data) + more)
    return bytes(data)


END = program("3.11", before=0)[-88:]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (program("3.11"), "3.11"),
        (program("3.9"), "3.9"),
        (program("2.7", library=False), "2.7"),
        (program("3.10", library=False), "3.10"),
        (program("3.11", before=0), "3.11"),
        (program("3.11", before=4096 - 88), "3.11"),
        (program("3.11", before=4096 - 87), ""),
        (program("3.11", before=4096), ""),
        (program("3.11", before=0)[:-66], ""),  # cut off
        (program("3.11", before=0)[:-64], "3.11"),  # before there were names, at the very end
        (program("3.11", before=0)[:-65], ""),
        (program("4.11", library=False), ""),
        (archive_of(0), "3.11"),
        (archive_of(1), ""),  # it would begin before the file does
        (program("3.11").replace(b"libpython3.11", b"libpython3.12"), "3.12"),
        (elf(executable=True, static=True) + bytes(500) + END, "3.11"),
        (elf(executable=True) + bytes(500) + END.replace(b"\0\0\1\xf4", b"\xff\0\0\0"), ""),
        (elf() + END, ""),  # a library, which nobody starts
        (elf(executable=True), ""),
    ],
)
def test_the_cookie_names_the_python(data: bytes, expected: str) -> None:
    facts = read_elf(Content(data))
    assert (facts.frozen_python, facts.error) == (expected, "")


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_big_programs_are_told_on_every_way_through_a_layer(form: str) -> None:
    data = layer({"app": frozen("3.12", length=WHOLE_UP_TO + (2 << 20))})
    blob = BytesBlob(data=compress(data, "gzip") if form == "gzip" else data)
    (facts,) = index_layer(blob).index.elf.values()
    assert (facts.frozen_python, facts.error) == ("3.12", "")
