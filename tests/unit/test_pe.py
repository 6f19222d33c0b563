"""The version resource of Windows programs; `objdump` says that the headers built here are real."""

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.layers.cursors import Buffered
from pyimginspect.layers.pe import file_version, python_file_version
from tests.images import layer
from tests.pe import pe, windows_python


def held(data: bytes) -> Buffered:
    return Buffered(len(data), [(0, data)])


@pytest.mark.parametrize(
    ("numbers", "version"),
    [
        ((3, 13, 1150, 1013), "3.13.1"),
        ((3, 11, 9150, 1013), "3.11.9"),
        ((3, 14, 112, 1013), "3.14.0b2"),
        ((3, 14, 121, 1013), "3.14.0rc1"),
        ((3, 15, 103, 1013), "3.15.0a3"),
        ((3, 11, 11150, 1013), "3.11.11"),
        ((10, 0, 20348, 1), None),  # Windows' own
        ((3, 13, 1190, 0), None),
        ((10, 0, 1150, 0), None),
        ((9, 0, 1150, 0), "9.0.1"),
        ((2, 7, 18150, 1013), "2.7.18"),
        ((1, 5, 2150, 0), None),
    ],
)
def test_versions(numbers: tuple[int, int, int, int], version: str | None) -> None:
    assert file_version(held(pe(numbers))) == numbers
    assert python_file_version(held(pe(numbers))) == version


@pytest.mark.parametrize("data", [b"", b"MZ", b"MZ" + bytes(100), b"\x7fELF" * 30, pe()])
def test_programs_without_a_version(data: bytes) -> None:
    assert file_version(held(data)) is None


WHOLE = pe((3, 13, 1150, 1013))
RESOURCES = WHOLE.index(struct.pack("<12x2H2I", 0, 2, 3, 1 << 31 | 32))
SECTIONS = 0x80 + 6  # where a program of one is said to have as many


@pytest.mark.parametrize(
    ("at", "code", "value", "found"),
    [
        (SECTIONS, "H", 2, True),
        (SECTIONS, "H", 1, False),  # .rsrc is the second
        (SECTIONS, "H", 0, False),
        (0x80, "I", 0x4550 + 1, False),
        (RESOURCES + 14, "H", 1, False),  # the version is the second of the types
        (RESOURCES + 24, "I", 17, False),  # nor is it of another type
        (RESOURCES + 28, "I", 32, False),  # below it there are names,
        (RESOURCES + 32 + 20, "I", 56, False),  # below those languages,
        (RESOURCES + 56 + 20, "I", 1 << 31 | 80, False),  # and below those none
        (RESOURCES + 84, "I", 40, False),  # the information ends before its version
        (RESOURCES + 84, "I", 0x10000, True),
    ],
)
def test_a_version_is_where_the_tables_say(at: int, code: str, value: int, found: bool) -> None:
    data = bytearray(WHOLE)
    struct.pack_into(f"<{code}", data, at, value)
    assert file_version(held(bytes(data))) == ((3, 13, 1150, 1013) if found else None)


def test_information_may_begin_with_its_version() -> None:
    data = bytearray(WHOLE)
    (place,) = struct.unpack_from("<I", data, RESOURCES + 80)
    skipped = WHOLE.index(b"\xbd\x04\xef\xfe") - (RESOURCES + 96)
    struct.pack_into("<I", data, RESOURCES + 80, place + skipped)
    assert file_version(held(bytes(data))) == (3, 13, 1150, 1013)


def test_a_program_cut_off_or_damaged_anywhere() -> None:
    whole = windows_python("3.13.1")
    for length in range(0, len(whole), 7):
        assert file_version(held(whole[:length])) in (None, (3, 13, 1150, 1013))
    generator = random.Random(5)
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[generator.randrange(0x80, len(whole))] = generator.randrange(256)
        file_version(held(bytes(damaged)))


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("Files/Python/python.exe", True),
        ("Files/Python/python313.dll", True),
        ("Files/Python/python3.dll", True),
        ("Files/Python/pythonw.exe", True),
        ("Files/Python/Python.exe", True),
        ("Files/Python/pip.exe", False),
        ("Files/Windows/System32/kernel32.dll", False),
    ],
)
def test_the_index_of_a_layer_has_it(path: str, wanted: bool) -> None:
    index = index_layer(BytesBlob(data=layer({path: windows_python("3.13.1")}))).index
    assert index.strings == ({0: "3.13.1"} if wanted else {})


def test_the_headers_are_real(tmp_path: Path) -> None:
    if shutil.which("objdump") is None:
        pytest.skip("objdump is not installed")
    path = tmp_path / "python.exe"
    path.write_bytes(windows_python("3.13.1"))
    shown = subprocess.run(
        ["objdump", "-h", str(path)], capture_output=True, text=True, check=False
    )
    if shown.returncode != 0:
        pytest.skip("this objdump reads no PE files")
    assert "pei-x86-64" in shown.stdout
    assert ".rsrc" in shown.stdout
