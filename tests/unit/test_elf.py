"""`read_elf`: tables of built files, hostile files, and what is kept of big ones."""

import os
import random
import struct
import time
import tracemalloc
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.layers import elf as reader
from pyimginspect.layers import elf_headers
from pyimginspect.layers.blobs import BytesBlob
from pyimginspect.layers.cursors import SeekCursor
from pyimginspect.layers.elf import WHOLE_UP_TO, read_elf, wanted_ranges
from pyimginspect.layers.elf_headers import loaded_ranges
from pyimginspect.layers.index import index_layer
from pyimginspect.model import ElfFile, VersionNeed
from tests.effort import examples
from tests.elf import elf
from tests.images import compress, layer


class Content:
    """A whole file, as a layer pass holds it."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.view = memoryview(data)
        self.size = len(data)

    def read_at(self, offset: int, length: int, /) -> memoryview:
        assert 0 <= offset < self.size or offset == 0, "read_elf must stay inside of the file"
        assert length >= 0
        return self.view[offset : offset + length]


class Kept:
    """The parts of a big file that `wanted_ranges` names."""

    def __init__(self, data: bytes | memoryview, ranges: list[tuple[int, int]]) -> None:
        self.view = memoryview(data)
        self.size = len(data)
        self.ranges = ranges

    def read_at(self, offset: int, length: int, /) -> memoryview:
        for start, kept in self.ranges:
            if start <= offset < start + kept:
                return self.view[offset : min(offset + length, start + kept)]
        raise LookupError(offset)


def read(data: bytes) -> ElfFile:
    return read_elf(Content(data))


FORMS: list[tuple[str, Literal[32, 64], Literal["little", "big"], str]] = [
    ("x86_64", 64, "little", "x86_64"),
    ("x86_64", 32, "little", "x86_64"),  # x32
    ("aarch64", 64, "little", "aarch64"),
    ("i386", 32, "little", "i386"),
    ("arm", 32, "little", "arm"),
    ("ppc64", 64, "little", "ppc64le"),
    ("ppc64", 64, "big", "ppc64"),
    ("s390x", 64, "big", "s390x"),
    ("s390x", 32, "big", "s390"),
    ("riscv64", 64, "little", "riscv64"),
    ("riscv64", 32, "little", "riscv32"),
]


@pytest.mark.parametrize(("machine", "bits", "endian", "name"), FORMS)
@pytest.mark.parametrize("base", [0, 0x400000])
@pytest.mark.parametrize("sections", [True, False])
def test_everything_of_every_form(
    machine: str,
    bits: Literal[32, 64],
    endian: Literal["little", "big"],
    name: str,
    base: int,
    sections: bool,
) -> None:
    data = elf(
        machine=machine,
        bits=bits,
        endian=endian,
        base=base,
        sections=sections,
        executable=base != 0,
        interp="/lib/ld-linux.so.2",
        needed=["libz.so.1", "libc.so.6"],
        soname="libx.so.1",
        runpath="$ORIGIN/../lib:/opt/x:",
        verneed={"libz.so.1": ["ZLIB_1.2.3"], "libc.so.6": ["GLIBC_2.34", "GLIBC_2.17"]},
        verdef=["X_1", "X_2"],
        stack_size=0x100000,
        build_id=bytes(range(20)),
    )
    assert read(data) == ElfFile(
        bits=bits,
        endian=endian,
        machine=name,
        kind="executable" if base else "shared",
        dynamic=True,
        interpreter="/lib/ld-linux.so.2",
        needed=("libz.so.1", "libc.so.6"),
        soname="libx.so.1",
        runpath=("$ORIGIN/../lib", "/opt/x", ""),
        version_needs=(
            VersionNeed(library="libz.so.1", versions=("ZLIB_1.2.3",)),
            VersionNeed(library="libc.so.6", versions=("GLIBC_2.34", "GLIBC_2.17")),
        ),
        version_definitions=("X_1", "X_2"),
        build_id=bytes(range(20)).hex(),
        stack_size=0x100000,
    )


def test_a_static_program_has_no_dynamic_section() -> None:
    facts = read(elf(static=True, executable=True, base=0x400000))
    assert (facts.dynamic, facts.needed, facts.error, facts.stack_size) == (False, (), "", 0)


def test_rpath_is_told_from_runpath() -> None:
    assert read(elf(rpath="/a:/b")).rpath == ("/a", "/b")
    assert read(elf(rpath="/a:/b")).runpath == ()


def test_names_that_are_not_utf_8_survive() -> None:
    data = elf(needed=["libab.so"]).replace(b"libab.so\0", b"lib\xff\xfe.so\0")
    assert read(data).needed == ("lib\udcff\udcfe.so",)


def test_a_string_table_too_big_to_copy() -> None:
    names = [f"lib{'x' * 300}{number}.so" for number in range(500)]
    assert read(elf(needed=names, soname="libshort.so")) == ElfFile(
        bits=64,
        endian="little",
        machine="x86_64",
        kind="shared",
        dynamic=True,
        needed=tuple(names),
        soname="libshort.so",
        stack_size=0,
    )


def test_an_object_file_and_a_core_are_no_errors() -> None:
    for number, kind in ((1, "relocatable"), (4, "core"), (0xFE00, "other")):
        data = bytearray(elf(static=True))
        struct.pack_into("<H", data, 16, number)
        assert (read(bytes(data)).kind, read(bytes(data)).error) == (kind, "")


def test_a_machine_without_a_name_has_its_number() -> None:
    data = bytearray(elf())
    struct.pack_into("<H", data, 18, 4711)
    assert read(bytes(data)).machine == "EM_4711"


@pytest.mark.parametrize(
    ("number", "bits", "endian", "name"),
    [
        (4, 32, "big", "m68k"),
        (2, 32, "big", "sparc"),
        (8, 32, "big", "mips"),
        (8, 64, "big", "mips64"),
        (8, 32, "little", "mipsel"),
        (8, 64, "little", "mips64el"),
        (20, 32, "big", "ppc"),
        (20, 32, "little", "ppcle"),
        (43, 64, "big", "sparc64"),
        (258, 32, "little", "loongarch32"),
        (258, 64, "little", "loongarch64"),
        (258, 64, "big", "EM_258"),
    ],
)
def test_rare_machines_have_the_names_that_uname_has_for_them(
    number: int, bits: Literal[32, 64], endian: Literal["little", "big"], name: str
) -> None:
    data = bytearray(elf(static=True, bits=bits, endian=endian))
    data[18:20] = number.to_bytes(2, endian)
    assert read(bytes(data)).machine == name


def weak(data: bytes, flags: int = 2) -> bytes:
    """Mark the first needed version as weak (`vna_flags`, after a head of 16 and 4 of hash)."""
    facts = read(data)
    assert facts.version_needs
    head = struct.pack("<HHIII", 1, len(facts.version_needs[0].versions), 0, 16, 0)
    at = next(
        i
        for i in range(0, len(data), 4)
        if data[i : i + 4] == head[:4] and data[i + 8 : i + 16] == head[8:]
    )
    return data[: at + 20] + struct.pack("<H", flags) + data[at + 22 :]


def test_weak_versions() -> None:
    facts = read(weak(elf(verneed={"libc.so.6": ["GLIBC_2.38", "GLIBC_2.2.5"]})))
    assert facts.version_needs == (
        VersionNeed(
            library="libc.so.6", versions=("GLIBC_2.38", "GLIBC_2.2.5"), weak=("GLIBC_2.38",)
        ),
    )
    other = read(weak(elf(verneed={"libc.so.6": ["GLIBC_2.38"]}), flags=1)).version_needs
    assert [need.weak for need in other] == [()]


# --- hostile files --------------------------------------------------------------------------------
def patched(data: bytes, at: int, code: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<" + code, changed, at, *values)
    return bytes(changed)


def segment(data: bytes, kind: int) -> int:
    """Where the program header of this kind is."""
    offset: int = struct.unpack_from("<Q", data, 32)[0]
    count: int = struct.unpack_from("<H", data, 56)[0]
    return next(
        offset + 56 * i
        for i in range(count)
        if struct.unpack_from("<I", data, offset + 56 * i)[0] == kind
    )


def dynamic_value(data: bytes, tag: int) -> int:
    """Where the value of a dynamic entry is."""
    at: int = struct.unpack_from("<Q", data, segment(data, 2) + 8)[0]
    while struct.unpack_from("<Q", data, at)[0] != tag:
        at += 16
    return at + 8


def dynamic_target(data: bytes, tag: int) -> int:
    """Where in the file (built at address 0) the value of a dynamic entry points to."""
    return int(struct.unpack_from("<Q", data, dynamic_value(data, tag))[0])


GOOD = elf(
    interp="/lib64/ld-linux-x86-64.so.2",
    needed=["libz.so.1", "libc.so.6"],
    soname="libx.so.1",
    rpath="$ORIGIN",
    verneed={"libc.so.6": ["GLIBC_2.34", "GLIBC_2.17"], "libz.so.1": ["ZLIB_1.2"]},
    verdef=["X_1", "X_2"],
    build_id=b"\1" * 20,
)
MANY = 0xFFFFFFFF
DT_STRTAB, DT_STRSZ, DT_SONAME, DT_VERDEF, DT_VERNEED = 5, 10, 14, 0x6FFFFFFC, 0x6FFFFFFE

HOSTILE = {
    "nothing": (b"", "it does not begin as one"),
    "a script": (b"#!/bin/sh\n" * 10, "it does not begin as one"),
    "magic alone": (b"\x7fELF", "neither 32 nor 64 bits, or no known byte order"),
    "no class": (patched(GOOD, 4, "B", 3), "neither 32 nor 64 bits, or no known byte order"),
    "a header cut off": (GOOD[:40], "the header is cut off"),
    "65,535 program headers": (
        patched(GOOD, 56, "H", 0xFFFF),
        "65535 program headers of 56 bytes each",
    ),
    "program headers of another size": (
        patched(GOOD, 54, "H", 8),
        "5 program headers of 8 bytes each",
    ),
    "program headers far away": (
        patched(GOOD, 32, "Q", 2**63),
        "the program headers are not all in the file",
    ),
    "cut after the program headers": (
        GOOD[: 64 + 5 * 56],
        "the interpreter's name has no end",
    ),
    "an endless interpreter": (
        patched(GOOD, segment(GOOD, 3) + 8, "Q", len(GOOD)) + b"x" * 9000,
        "the interpreter's name has no end",
    ),
    "a dynamic section nowhere": (
        patched(GOOD, segment(GOOD, 2) + 16, "Q", 2**64 - 1),
        "PT_DYNAMIC at 0xffffffffffffffff is not in the file",
    ),
    "a string table nowhere": (
        patched(GOOD, dynamic_value(GOOD, DT_STRTAB), "Q", 2**40),
        "DT_STRTAB at 0x10000000000 is not in the file",
    ),
    "no string table": (
        patched(GOOD, dynamic_value(GOOD, DT_STRTAB) - 8, "Q", 0x70000000),
        "the dynamic section has names and no string table",
    ),
    "a name far away": (
        patched(GOOD, dynamic_value(GOOD, DT_SONAME), "Q", 2**64 - 1),
        "the name at 0xffffffffffffffff of the string table has no end",
    ),
    "version needs in a circle": (
        # vn_next and vna_next are distances without a sign: the smallest step is one byte.
        patched(GOOD, dynamic_target(GOOD, DT_VERNEED) + 12, "I", 1),
        None,
    ),
    "2^16 versions in a circle": (
        patched(GOOD, dynamic_target(GOOD, DT_VERNEED) + 2, "H", 0xFFFF),
        "more than 4096 versions",
    ),
    "versions far away": (
        patched(GOOD, dynamic_target(GOOD, DT_VERNEED) + 8, "I", MANY),
        "DT_VERNEED leads out of the file",
    ),
    "definitions far away": (
        patched(GOOD, dynamic_target(GOOD, DT_VERDEF) + 16, "I", MANY),
        "DT_VERDEF leads out of the file",
    ),
    "a definition without a name": (
        patched(GOOD, dynamic_target(GOOD, DT_VERDEF) + 28 + 12, "I", MANY),
        "DT_VERDEF leads out of the file",
    ),
}


@pytest.mark.parametrize(("data", "error"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_end_as_recorded_errors(data: bytes, error: str | None) -> None:
    facts = read(data)
    if error is None:
        assert facts.error.startswith("unreadable ELF: ")
    else:
        assert facts.error == f"unreadable ELF: {error}"


def test_what_was_read_before_the_error_is_kept() -> None:
    facts = read(patched(GOOD, dynamic_target(GOOD, DT_VERNEED) + 8, "I", MANY))
    assert facts.needed == ("libz.so.1", "libc.so.6")
    assert facts.rpath == ("$ORIGIN",)
    assert facts.build_id == "01" * 20


def bomb(kind: str) -> bytes:
    """Files in which every count is as high, and every table as big, as it can be."""
    if kind == "dynamic":  # a dynamic section of 256 MiB of DT_NEEDED without an end
        data = patched(GOOD, segment(GOOD, 2) + 32, "QQ", 1 << 28, 1 << 28)
        start = struct.unpack_from("<Q", data, segment(GOOD, 2) + 8)[0]
        return data[:start] + struct.pack("<QQ", 1, 1) * (1 << 16)
    if kind == "needs":  # each record overlaps with the next by all but one byte
        data = patched(GOOD, segment(GOOD, 1) + 32, "QQ", 1 << 28, 1 << 28)
        data = patched(data, dynamic_value(GOOD, DT_VERNEED), "Q", len(data))
        return data + b"\1" * (1 << 20)
    if kind == "names":  # 4,096 names, each the tail of one that is as long as a name may be
        names = b"x" * (60 << 10) + b"\0"
        data = patched(GOOD, segment(GOOD, 1) + 32, "QQ", 1 << 28, 1 << 28)
        data = patched(data, dynamic_value(GOOD, DT_STRTAB), "Q", len(data))
        data = patched(data, dynamic_value(GOOD, DT_STRSZ), "Q", 2**64 - 1)
        data += names
        where = len(data)
        data += b"".join(struct.pack("<QQ", 1, number) for number in range(4095))
        data += struct.pack("<QQQQ", DT_STRTAB, len(GOOD), 0, 0)
        return patched(data, segment(GOOD, 2) + 8, "QQQQ", where, where, where, 4097 * 16)
    notes = struct.pack("<III", 0, 0, 7) * 400  # 1,170 segments of notes
    header = struct.pack("<IIQQQQQQ", 4, 4, 64 + 1170 * 56, 0, 0, len(notes), len(notes), 4)
    head = patched(patched(GOOD[:64], 56, "H", 1170), 32, "Q", 64)
    return head + header * 1170 + notes


@pytest.mark.parametrize("kind", ["dynamic", "needs", "names", "notes"])
def test_bombs_cost_milliseconds(kind: str) -> None:
    content = Content(bomb(kind))
    times = []
    for _ in range(5):
        start = time.process_time()
        facts = read_elf(content)
        times.append(time.process_time() - start)
    assert bool(facts.error) == (kind != "notes")
    assert min(times) < 0.025


@examples(400)
@given(st.data())
def test_mutated_files_never_raise(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(changed) - 1))
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        value = data.draw(
            st.sampled_from([0, 1, 0x7F, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
            | st.integers(0, 2**64 - 1)
        )
        changed[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
    cut = data.draw(st.integers(0, len(changed)) | st.just(len(changed)))
    facts = read(bytes(changed[:cut]))
    assert facts.error == "" or facts.error.startswith("unreadable ELF: ")


def test_a_thousand_random_mutations_of_every_form() -> None:
    dice = random.Random(20261122)
    for machine, bits, endian, _ in FORMS:
        good = elf(machine=machine, bits=bits, endian=endian, needed=["liba.so"], verdef=["A_1"])
        for _ in range(100):
            changed = bytearray(good)
            for _ in range(dice.randint(1, 30)):
                changed[dice.randrange(4, len(changed))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            facts = read(bytes(changed))
            assert facts.error == "" or facts.error.startswith("unreadable ELF: ")


# --- what a loader would not read -----------------------------------------------------------------
Header = tuple[int, int, int, int, int, int, int, int]


def handmade(*headers: Header, body: bytes = b"", at: int = 0, size: int | None = None) -> bytes:
    """A file of these program headers; they and the ``body`` begin at 64, or at ``at``."""
    table = b"".join(struct.pack("<IIQQQQQQ", *header) for header in headers)
    head = patched(patched(GOOD[:64], 56, "H", len(headers)), 32, "Q", at or 64)
    data = head.ljust(at, b"\0") + table + body
    return data if size is None else data.ljust(size, b"\0")


def note(kind: int, desc: bytes, *, name: bytes = b"GNU\0", align: int = 4) -> bytes:
    padded = struct.pack("<III", len(name), len(desc), kind) + name
    padded += bytes(-len(padded) % align) + desc
    return padded + bytes(-len(padded) % align)


ID = bytes(range(1, 21))


@pytest.mark.parametrize(
    ("notes", "align", "found"),
    [
        (note(3, ID), 4, ID),
        (note(3, ID), 16, ID),  # of other alignments than 8 it is 4
        (note(1, bytes(16)) + note(3, ID), 4, ID),
        (note(1, bytes(5)) + note(3, ID), 4, ID),
        (note(1, bytes(7), name=b"longer") + note(3, ID), 4, ID),
        (note(1, bytes(7), name=b"other") + note(3, ID), 4, ID),
        (note(1, bytes(20), align=8) + note(3, ID, align=8), 8, ID),
        (note(3, ID, name=b"OTHER\0"), 4, b""),
        (note(3, ID, name=b"GNV\0"), 4, b""),
        (note(4, ID), 4, b""),
        (note(1, b"") + note(3, b""), 4, b""),
        # No more than 4 KiB are read, and a part of an ID is none.
        (note(1, bytes(4096 - 2 * 16 - 20)) + note(3, ID), 4, ID),
        (note(1, bytes(4096 - 2 * 16 - 20)) + note(3, ID + b"1"), 4, b""),
        (note(3, ID)[:-1], 4, b""),
    ],
)
def test_the_build_id_is_found_among_notes(notes: bytes, align: int, found: bytes) -> None:
    where = 64 + 56
    data = handmade((4, 4, where, 0, 0, len(notes), 0, align), body=notes)
    assert (read(data).build_id, read(data).error) == (found.hex(), "")
    # What lies behind the segment is not of it, and one behind the file is empty.
    assert not read(handmade((4, 4, where, 0, 0, 0, 0, align), body=notes)).build_id
    assert not read(handmade((4, 4, len(data), 0, 0, 99, 0, align), body=notes)).build_id


@pytest.mark.parametrize(("before", "found"), [(15, True), (16, False)])
def test_of_note_segments_the_first_sixteen_are_read(before: int, found: bool) -> None:
    start = 64 + 56 * (before + 1)
    other, build_id = note(1, b"1234"), note(3, ID)
    headers = [(4, 4, start, 0, 0, len(other), 0, 4)] * before
    headers.append((4, 4, start + len(other), 0, 0, len(build_id), 0, 4))
    facts = read(handmade(*headers, body=other + build_id))
    assert facts.build_id == (ID.hex() if found else "")


@pytest.mark.parametrize(
    ("body", "length", "name", "error"),
    [
        (b"/lib/ld.so\0", 11, "/lib/ld.so", ""),
        (b"\0", 1, "", ""),
        (b"/lib/ld.so\0", 10, "", "unreadable ELF: the interpreter's name has no end"),
        # Linux takes no longer one.
        (b"/" * 4095 + b"\0", 4096, "/" * 4095, ""),
        (b"/" * 4096 + b"\0", 4097, "", "unreadable ELF: the interpreter's name has no end"),
    ],
)
def test_the_interpreter_ends_with_its_segment(
    body: bytes, length: int, name: str, error: str
) -> None:
    facts = read(handmade((3, 4, 120, 0, 0, length, 0, 1), body=body))
    assert (facts.interpreter, facts.error) == (name, error)
    beyond = read(handmade((3, 4, 120 + len(body), 0, 0, 9, 0, 1), body=body))
    assert beyond.error == "unreadable ELF: the interpreter's name has no end"


def dynamic_file(
    entries: list[tuple[int, int]], strings: bytes = b"\0liba.so\0libb.so\0", **changes: int
) -> ElfFile:
    """What is read of a file with such a dynamic section, loaded at 0x5000, and its strings."""
    table = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    start = 64 + 2 * 56
    length = changes.get("length", len(table))
    loaded = len(table) + len(strings)
    headers = (
        (1, 4, start, 0x5000, 0, changes.get("loaded", loaded), loaded, 1),
        (2, 6, start, 0x5000, 0, length, len(table), 8),
    )
    return read(handmade(*headers, body=table + strings))


def test_the_dynamic_section_ends_with_its_segment() -> None:
    end = 0x5000 + 5 * 16
    entries = [(5, end), (10, 18), (1, 1), (1, 9), (0, 0)]
    assert dynamic_file(entries).needed == ("liba.so", "libb.so")
    assert dynamic_file(entries, length=3 * 16).needed == ("liba.so",)
    assert dynamic_file(entries, length=3 * 16 + 15).needed == ("liba.so",)
    debugging = dynamic_file(entries, length=0)
    assert (debugging.dynamic, debugging.needed, debugging.error) == (False, (), "")


def test_names_are_found_whatever_the_table_is_said_to_be() -> None:
    end = 0x5000 + 6 * 16
    for size in (18, 0, 1, 9, 99, 1 << 40):
        facts = dynamic_file([(5, end), (10, size), (1, 1), (1, 9), (14, 0), (0, 0)])
        assert (facts.needed, facts.soname) == (("liba.so", "libb.so"), ""), size
        assert facts.error == ""
    for offset in (17, 18, 1 << 63):
        facts = dynamic_file([(5, end), (10, 18), (1, offset), (14, 0), (0, 0), (0, 0)])
        assert facts.error == (
            f"unreadable ELF: the name at {offset:#x} of the string table has no end"
        )


def test_an_address_beyond_what_is_loaded_is_not_in_the_file() -> None:
    entries = [(5, 0x5000 + 3 * 16), (14, 1), (0, 0)]
    assert dynamic_file(entries).soname == "liba.so"
    assert dynamic_file(entries, loaded=3 * 16 + 1).soname == "liba.so"
    beyond = "unreadable ELF: DT_STRTAB at {:#x} is not in the file"
    assert dynamic_file(entries, loaded=3 * 16).error == beyond.format(0x5030)
    entries[0] = (5, 0x5000 + 3 * 16 + 17)
    assert dynamic_file(entries, loaded=1 << 20).error == beyond.format(0x5041)


def test_a_dynamic_section_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_DYNAMIC_ENTRIES", 4)
    end = 0x5000 + 3 * 16
    assert dynamic_file([(5, end), (10, 18), (14, 1)]).soname == "liba.so"
    over = dynamic_file([(5, end), (10, 18), (14, 1), (1, 1), (0, 0)])
    assert over.error == "unreadable ELF: more than 4 dynamic entries"


def test_what_one_file_may_have() -> None:
    """A real library has hundreds of entries and versions, and names of less than 100 bytes."""
    entries = [(5, 0x5000 + 4096 * 16), (14, 1)] + [(0x70000000, 0)] * 4094
    assert dynamic_file([*entries[:-1], (0, 0)]).soname == "liba.so"
    assert dynamic_file(entries).error == "unreadable ELF: more than 4096 dynamic entries"
    named = [(5, 0x5000 + 3 * 16), (14, 1), (0, 0)]
    longest = b"\0" + b"x" * 65535 + b"\0"
    assert len(dynamic_file(named, longest).soname) == 65535
    assert dynamic_file(named, b"\0x" + longest[1:]).error.endswith("string table has no end")
    needed = [(5, 0x5000 + 19 * 16), *[(1, 1)] * 16, (1, 65520), (0, 0)]  # a MiB of names
    assert len(dynamic_file(needed, longest).needed) == 17
    needed[-2] = (1, 65519)
    assert dynamic_file(needed, longest).error == "unreadable ELF: more than 1048576 bytes of names"
    versions = [(0x6FFFFFFE, 0x5000 + 3 * 16), (5, 0x5000 + 3 * 16), (0, 0)]
    for distance, error in ((65520, ""), (65521, "unreadable ELF: DT_VERNEED leads out of the")):
        table = struct.pack("<HHIII", 1, 0, 2, 0, distance) + bytes(70_000)
        facts = dynamic_file(versions, table)
        assert len(facts.version_needs) == (0 if error else 2)
        assert facts.error.startswith(error)
        assert bool(facts.error) == bool(error)


def test_the_limits_of_names_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    names = sum(map(len, ("libz.so.1", "libc.so.6", "libx.so.1", "$ORIGIN")))
    names += sum(map(len, ("libc.so.6", "GLIBC_2.34", "GLIBC_2.17", "libz.so.1", "ZLIB_1.2")))
    names += sum(map(len, ("X_1", "X_2")))
    monkeypatch.setattr(reader, "_ALL_STRINGS", names)
    assert read(GOOD).error == ""
    monkeypatch.setattr(reader, "_ALL_STRINGS", names - 1)
    assert read(GOOD).error == f"unreadable ELF: more than {names - 1} bytes of names"
    monkeypatch.undo()
    versions = 2 + 3 + 3  # libraries, versions, and definitions with the file's own name
    monkeypatch.setattr(reader, "_VERSIONS", versions)
    assert read(GOOD).error == ""
    monkeypatch.setattr(reader, "_VERSIONS", versions - 1)
    assert read(GOOD).error == f"unreadable ELF: more than {versions - 1} versions"


def test_versions_end_where_their_count_or_their_chain_does() -> None:
    at = dynamic_target(GOOD, DT_VERNEED)
    (first, _) = read(patched(GOOD, at + 2, "H", 1)).version_needs
    assert first.versions == ("GLIBC_2.34",)
    (first, _) = read(patched(GOOD, at + 16 + 12, "I", 0)).version_needs
    assert first.versions == ("GLIBC_2.34",)


def test_program_headers_wherever_they_are() -> None:
    stack = (0x6474E551, 6, 0, 0, 0, 0, 0x12345, 16)
    nothing: Header = (0, 0, 0, 0, 0, 0, 0, 0)
    many = handmade(*[nothing] * 20, stack)  # more than one read holds
    assert read(many).stack_size == 0x12345
    far = handmade(nothing, stack, at=5000)  # and they end the file
    assert read(far).stack_size == 0x12345
    assert read(far[:-1]).error == "unreadable ELF: the program headers are not all in the file"
    near = handmade(nothing, stack, at=1024 - 112)
    assert read(near).stack_size == 0x12345
    none = read(patched(GOOD[:64], 56, "H", 0))
    assert (none.kind, none.error) == ("shared", "")


def test_the_most_program_headers_that_linux_takes() -> None:
    head = elf(bits=32, machine="i386", static=True)[:52]
    for count, error in ((2048, ""), (2049, "unreadable ELF: 2049 program headers of 32 bytes")):
        data = patched(patched(head, 44, "H", count), 28, "I", 52) + bytes(32 * count)
        assert read(data).error.startswith(error)
        assert bool(read(data).error) == bool(error)


def kept(
    monkeypatch: pytest.MonkeyPatch, *headers: Header, mapped: bool = False, most: int = 9999
) -> list[tuple[int, int]]:
    """What is kept of a file of 10,000 bytes, where a hundredth of a megabyte is much."""
    sizes = {"_FRONT": 100, "_SECOND_FRONT": 50, "_SMALL": 10, "_END": 20, "_RANGES": 2}
    for name, size in {**sizes, "_MOST": most}.items():
        monkeypatch.setattr(elf_headers, name, size)
    return wanted_ranges(handmade(*headers), 10_000, mapped=mapped)


def load(flags: int, offset: int, size: int) -> Header:
    return (1, flags, offset, offset + 0x1000, 0, size, size + 7, 1)


def test_what_is_kept_of_a_big_file(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [(0, 100), (9980, 20)]
    small: list[Header] = [(4, 4, 500 + 100 * n, 0, 0, 10, 0, 4) for n in range(3)]
    assert kept(monkeypatch) == ends
    assert kept(monkeypatch, small[0]) == [(0, 100), (500, 10), (9980, 20)]
    assert kept(monkeypatch, (4, 4, 500, 0, 0, 11, 0, 4)) == ends
    assert kept(monkeypatch, *small) == [(0, 100), (500, 10), (600, 10), (9980, 20)]
    assert kept(monkeypatch, load(4, 1000, 300)) == [(0, 100), (1000, 50), (9980, 20)]
    assert kept(monkeypatch, load(4, 1000, 30)) == [(0, 100), (1000, 30), (9980, 20)]
    assert kept(monkeypatch, load(5, 1000, 300)) == ends
    assert kept(monkeypatch, load(4, 0, 3000)) == [(0, 3000), (9980, 20)]
    assert kept(monkeypatch, load(4, 100, 10)) == [(0, 110), (9980, 20)]
    assert kept(monkeypatch, load(4, 9900, 200)) == [(0, 100), (9900, 50), (9980, 20)]
    assert kept(monkeypatch, load(4, 0, 3000), most=500) == [(0, 480), (9980, 20)]
    assert kept(monkeypatch, load(4, 0, 3000), most=119) == [(0, 100), (9980, 19)]
    assert kept(monkeypatch, load(4, 1000, 300), most=120) == ends


def test_what_is_kept_of_what_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = load(6, 5000, 100), load(5, 3000, 100)
    assert kept(monkeypatch, *segments, mapped=True) == [
        *((0, 100), (3000, 100), (5000, 100), (9980, 20))
    ]
    assert kept(monkeypatch, *segments, mapped=True, most=170) == [
        *((0, 100), (3000, 40), (5000, 10), (9980, 20))
    ]
    assert kept(monkeypatch, *segments[::-1], mapped=True, most=125) == [
        *((0, 100), (5000, 5), (9980, 20))
    ]
    assert kept(monkeypatch, load(6, 5000, 5), mapped=True) == [(0, 100), (5000, 5), (9980, 20)]


def test_headers_beyond_what_was_seen_are_kept_with_those_that_stood_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved = patched(handmade((4, 4, 500, 0, 0, 10, 0, 4), size=130), 32, "Q", 7000)
    kept(monkeypatch)
    assert wanted_ranges(moved, 10_000) == [(0, 100), (500, 10), (7000, 56), (9980, 20)]
    cut = patched(patched(moved, 56, "H", 9), 32, "Q", 7000)[: 64 + 56 + 20]
    assert wanted_ranges(cut, 10_000) == [(0, 100), (500, 10), (7000, 9 * 56), (9980, 20)]
    bare = patched(moved, 56, "H", 9)[:64]
    assert wanted_ranges(bare, 10_000) == [(0, 100), (7000, 9 * 56), (9980, 20)]


@pytest.mark.parametrize(
    ("headers", "ranges"),
    [
        (
            [load(6, 1000, 10), load(5, 2000, 10), load(4, 3000, 10)],
            [(3000, 10), (2000, 10), (1000, 10)],
        ),
        ([load(0x10000004, 3000, 10), load(4, 2000, 10)], [(2000, 10), (3000, 10)]),
        ([load(7, 3000, 10), load(6, 2000, 10)], [(2000, 10), (3000, 10)]),
        ([load(4, 1000, 0)], []),
        ([load(4, 3000, 10), load(5, 2000, 0)], [(3000, 10)]),
        ([load(4, 1000, 100), load(5, 1050, 100)], [(1000, 100), (1100, 50)]),
        ([load(4, 4990, 100)], [(4990, 10)]),
        ([load(4, 6000, 100)], []),
        ([(2, 4, 1000, 0, 0, 10, 10, 1)], []),
    ],
)
def test_what_a_loader_maps_in_the_order_of_a_search(
    headers: list[Header], ranges: list[tuple[int, int]]
) -> None:
    assert loaded_ranges(Content(handmade(*headers, size=5000))) == ranges
    assert loaded_ranges(Content(b"#!/bin/sh\n")) == []


# --- big files ------------------------------------------------------------------------------------
def big(tables_at_the_end: bool) -> tuple[bytes, dict[str, Any]]:
    """A file just over the limit, laid out as by a linker or as by patchelf after it."""
    facts = {"needed": ("libc.so.6",), "rpath": ("$ORIGIN",)}
    small = elf(needed=["libc.so.6"], rpath="$ORIGIN", sections=False)
    filler = bytes(WHOLE_UP_TO)
    if not tables_at_the_end:
        return small + filler, facts
    load, dynamic = segment(small, 1), segment(small, 2)
    start = len(small) + len(filler)
    for header in (load, dynamic):
        _, _, offset, address = struct.unpack_from("<IIQQ", small, header)
        if header == dynamic:
            offset += start
        else:
            offset = start
        small = patched(small, header + 8, "QQ", offset, address)
    return small + filler + small, facts


@pytest.mark.parametrize("tables_at_the_end", [False, True])
def test_of_big_files_the_wanted_ranges_suffice(tables_at_the_end: bool) -> None:
    data, expected = big(tables_at_the_end)
    ranges = wanted_ranges(data[:4096], len(data))
    facts = read_elf(Kept(data, ranges))
    assert facts == read(data)
    assert {name: getattr(facts, name) for name in expected} == expected
    assert sum(length for _, length in ranges) <= 18 << 20


def test_a_read_only_first_segment_is_kept_for_its_long_string_table() -> None:
    size = 1 << 30
    head = patched(elf()[:4096], segment(elf(), 1) + 4, "I", 4)
    for in_file, kept in ((1 << 20, 16 << 20), (27 << 20, 27 << 20), (500 << 20, 31 << 20)):
        data = patched(head, segment(elf(), 1) + 32, "Q", in_file)
        assert wanted_ranges(data, size) == [(0, kept), (size - (1 << 20), 1 << 20)]


def test_how_much_is_kept_of_a_big_file() -> None:
    size, mib = 1 << 30, 1 << 20
    ends = [(0, 16 * mib), (size - mib, mib)]
    small: list[Header] = [(4, 4, (100 + n) * mib, 0, 0, 9, 0, 4) for n in range(21)]
    for headers, ranges in (
        ([load(4, 100 * mib, 50 * mib)], [(100 * mib, 8 * mib)]),
        ([(4, 4, 100 * mib, 0, 0, mib, 0, 4)], [(100 * mib, mib)]),
        ([(4, 4, 100 * mib, 0, 0, mib + 1, 0, 4)], []),
        (small, [((100 + n) * mib, 9) for n in range(20)]),
    ):
        assert wanted_ranges(handmade(*headers), size) == [ends[0], *ranges, ends[1]]


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
def test_a_file_of_24_mib_is_kept_whole(more: int, whole: bool, tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.touch()
    os.truncate(path, size := (24 << 20) + more)
    with path.open("rb", buffering=0) as file:
        content = SeekCursor(file, 0, size).content(size, whole=False, mapped=False)
        if whole:
            assert content.read_at(20 << 20, 3) == bytes(3)
            return
        with pytest.raises(LookupError):
            content.read_at(20 << 20, 3)


@cache
def moved_headers() -> bytes:
    """As BOLT leaves a file: new program headers at the end, the old ones in their place."""
    small = elf(needed=["libc.so.6"], rpath="$ORIGIN", sections=False)
    dynamic, load = segment(small, 2), segment(small, 1)
    offset, address, _, length = struct.unpack_from("<4Q", small, dynamic + 8)
    place, end = 20 << 20, 40 << 20  # out of what is kept in any case
    count = struct.unpack_from("<H", small, 56)[0]
    data = bytearray(end + 56 * count)
    data[: len(small)] = small
    data[place : place + length] = small[offset : offset + length]
    struct.pack_into("<QQ", data, load + 32, end, end)
    struct.pack_into("<QQ", data, dynamic + 8, place, address - offset + place)
    data[end:] = data[64 : 64 + 56 * count]
    struct.pack_into("<Q", data, 32, end)
    return bytes(data)


def test_headers_that_were_moved_away() -> None:
    data = moved_headers()
    facts = read_elf(Kept(data, wanted_ranges(data[:4096], len(data))))
    assert facts == read(data)
    assert (facts.needed, facts.rpath, facts.error) == (("libc.so.6",), ("$ORIGIN",), "")


def test_program_headers_across_the_end_of_what_was_kept() -> None:
    start = (64 << 10) - 100  # of the head that is looked at, and of the part that is kept
    data = patched(GOOD, 32, "Q", start) + bytes(1 << 20)
    ranges = wanted_ranges(data[: 64 << 10], 1 << 30)
    assert ranges == [(0, 16 << 20), ((1 << 30) - (1 << 20), 1 << 20)]
    assert read_elf(Kept(data, [(0, 64 << 10)])).error == (
        "unreadable ELF: it is too big to be kept whole and was laid out unusually"
    )


def test_a_read_only_segment_after_the_code_is_kept() -> None:
    small = elf(needed=["libc.so.6"], sections=False)
    load = segment(small, 1)
    start = 20 << 20
    data = small + bytes(start - len(small)) + small + bytes(20 << 20)
    dynamic = struct.unpack_from("<2Q", small, segment(small, 2) + 8)
    data = patched(data, load + 4, "IQQ", 4, start, 0)
    data = patched(data, segment(small, 2) + 8, "Q", dynamic[0] + start)
    facts = read_elf(Kept(data, wanted_ranges(data[:4096], len(data))))
    assert facts == read(data)
    assert (facts.needed, facts.error) == (("libc.so.6",), "")


def test_what_a_loader_maps_is_kept_where_a_version_is_looked_for() -> None:
    head = patched(elf()[:4096], segment(elf(), 1) + 4, "IQ", 5, 20 << 20)
    data = patched(head, segment(elf(), 1) + 32, "Q", 5 << 20)
    size = 100 << 20
    assert wanted_ranges(data, size) == [(0, 16 << 20), (size - (1 << 20), 1 << 20)]
    assert wanted_ranges(data, size, mapped=True) == [
        (0, 16 << 20),
        (20 << 20, 5 << 20),
        (size - (1 << 20), 1 << 20),
    ]


def loads(count: int, step: int, length: int) -> bytes:
    """The head of a file with so many segments."""
    header = patched(patched(GOOD[:64], 56, "H", count), 32, "Q", 64)
    places = ((number * step) % (1 << 30) for number in range(count))
    return header + b"".join(
        struct.pack("<IIQQQQQQ", 1, 4, p, p, p, length, length, 1) for p in places
    )


@pytest.mark.parametrize(
    ("step", "length"), [(0, 1 << 40), (1 << 21, 1 << 20), (7, 3), (8 << 20, 9 << 20)]
)
def test_no_headers_make_us_keep_more_than_the_limit(step: int, length: int) -> None:
    start = time.process_time()
    ranges = wanted_ranges(loads(1170, step, length), 1 << 30, mapped=True)
    assert time.process_time() - start < 0.025
    assert sum(length for _, length in ranges) <= 32 << 20
    assert all(one[0] + one[1] < two[0] for one, two in pairwise(ranges))


def test_a_layer_has_the_same_facts_of_big_files_whatever_the_way_through_it() -> None:
    files = {"usr/lib/libfar.so": moved_headers(), "usr/lib/libend.so": big(True)[0]}
    plain = layer(files)
    seen = index_layer(BytesBlob(data=plain)).index
    packed = compress(plain, "gzip")
    del plain
    tracemalloc.start()
    read = index_layer(BytesBlob(data=packed)).index
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read.elf == seen.elf
    assert {facts.rpath for facts in read.elf.values()} == {("$ORIGIN",)}
    assert peak < 40 << 20


def test_a_string_table_beyond_what_is_kept_is_recorded() -> None:
    data = moved_headers()
    at = 20 << 20  # where its dynamic section is
    while struct.unpack_from("<Q", data, at)[0] != DT_STRTAB:
        at += 16
    data = patched(data, at + 8, "Q", 18 << 20)
    facts = read_elf(Kept(data, wanted_ranges(data[:4096], len(data))))
    assert facts.error == (
        "unreadable ELF: it is too big to be kept whole and was laid out unusually"
    )


def test_wanted_ranges_are_in_order_and_inside_whatever_the_headers_say() -> None:
    head = bomb("notes")[:4096]
    for size in (100, 5000, 1 << 20, 1 << 30):
        for data in (head, GOOD[:1000], b"", b"\x7fELF\2\1"):
            end = 0
            for offset, length in wanted_ranges(data, size):
                assert offset >= end
                assert length > 0
                end = offset + length
            assert end <= size


def test_a_big_file_of_unusual_layout_is_recorded() -> None:
    data, _ = big(tables_at_the_end=True)
    facts = read_elf(Kept(data, [(0, 16 << 20)]))
    assert facts.error == (
        "unreadable ELF: it is too big to be kept whole and was laid out unusually"
    )
    assert facts.machine == "x86_64"
