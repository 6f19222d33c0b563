"""The outside of an ELF file: its header, its program headers, and what of a big file to keep.

Section headers are never examined: a stripped file has none, and no loader uses them.

Sources: System V gABI, chapters 4 and 5; ``elf.h`` of the GNU C library for the numbers.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

__all__ = [
    "MAGIC",
    "PT_DYNAMIC",
    "PT_GNU_STACK",
    "PT_INTERP",
    "PT_LOAD",
    "PT_NOTE",
    "WHOLE_UP_TO",
    "Form",
    "RandomAccess",
    "Segment",
    "UnreadableError",
    "loaded_ranges",
    "read_headers",
    "wanted_ranges",
]

MAGIC = b"\x7fELF"

WHOLE_UP_TO = 24 << 20
"""Bytes: files up to this size are kept whole, of bigger ones what `wanted_ranges` names."""

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK = 1, 2, 3, 4, 0x6474E551
_PF_X, _PF_W, _PF_R = 1, 2, 4
_HEAD = 1024  # bytes; one read that nearly always holds all program headers
_FRONT, _SECOND_FRONT, _SMALL, _END = 16 << 20, 8 << 20, 1 << 20, 1 << 20  # bytes
_MOST = 32 << 20  # bytes that are kept of one file: layers are read side by side
# Segments of one kind: a real file has about ten program headers in all.
_RANGES = 20
_PROGRAM_HEADERS = 64 << 10  # bytes; Linux refuses more too (load_elf_phdrs in fs/binfmt_elf.c)

# e_type: ET_REL, ET_EXEC, ET_DYN, ET_CORE.
_KINDS: dict[int, Literal["executable", "shared", "relocatable", "core"]] = {
    1: "relocatable",
    2: "executable",
    3: "shared",
    4: "core",
}

# What `uname -m` says on such a machine, where it is one name: (big-endian, bits) tell the rest.
_MACHINES = {
    # e_machine: EM_386, EM_68K, EM_ARM, EM_X86_64, EM_AARCH64.
    3: "i386",
    4: "m68k",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
}
_MACHINES_BY_FORM = {
    # EM_SPARC, EM_MIPS, EM_PPC, EM_PPC64, EM_S390, EM_SPARCV9, EM_RISCV, EM_LOONGARCH.
    2: {("big", 32): "sparc"},
    8: {
        ("big", 32): "mips",
        ("big", 64): "mips64",
        ("little", 32): "mipsel",
        ("little", 64): "mips64el",
    },
    20: {("big", 32): "ppc", ("little", 32): "ppcle"},
    21: {("big", 64): "ppc64", ("little", 64): "ppc64le"},
    22: {("big", 32): "s390", ("big", 64): "s390x"},
    43: {("big", 64): "sparc64"},
    243: {("little", 32): "riscv32", ("little", 64): "riscv64"},
    258: {("little", 32): "loongarch32", ("little", 64): "loongarch64"},
}


class RandomAccess(Protocol):
    """The content of one file, or the parts of it that were kept.

    ``read_at`` returns the bytes from ``offset`` on, fewer than ``length`` only where the file
    or the part that was kept ends, none at or after the end of the file. It raises
    :class:`LookupError` where the byte at ``offset`` is in the file and was not kept.
    """

    @property
    def size(self) -> int: ...  # noqa: D102

    def read_at(self, offset: int, length: int, /) -> bytes | memoryview: ...  # noqa: D102


class UnreadableError(Exception):
    """Something in the file does not hold; the message says what."""


class Form(NamedTuple):
    """The records of one class (32 or 64 bits) and byte order."""

    bits: Literal[32, 64]
    endian: Literal["little", "big"]
    header: struct.Struct
    segment: struct.Struct
    words: str
    need: struct.Struct
    need_version: struct.Struct
    definition: struct.Struct
    note: struct.Struct
    word: struct.Struct


@functools.cache
def _form(bits: Literal[32, 64], endian: Literal["little", "big"]) -> Form:
    order = "<" if endian == "little" else ">"
    return Form(
        bits=bits,
        endian=endian,
        # After e_ident: e_type, e_machine; e_version, e_entry, e_phoff, e_shoff, e_flags; e_ehsize,
        # e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
        header=struct.Struct(order + ("16xHHI3QIHHHHHH" if bits == 64 else "16xHHI3IIHHHHHH")),
        segment=struct.Struct(order + ("IIQQQQQQ" if bits == 64 else "IIIIIIII")),
        words=order + "%d" + ("Q" if bits == 64 else "I"),
        # Verneed, Vernaux, Verdef and Nhdr have fields of 16 and 32 bits in both classes.
        need=struct.Struct(order + "HHIII"),
        need_version=struct.Struct(order + "IHHII"),
        definition=struct.Struct(order + "HHHHIII"),
        note=struct.Struct(order + "III"),
        word=struct.Struct(order + "I"),
    )


_BITS: dict[bytes, Literal[32, 64]] = {b"\1": 32, b"\2": 64}  # by EI_CLASS
_ENDIANS: dict[bytes, Literal["little", "big"]] = {b"\1": "little", b"\2": "big"}  # by EI_DATA


def _form_of(head: bytes) -> Form | None:
    """Return the form of the file that begins so."""
    bits, endian = _BITS.get(head[4:5]), _ENDIANS.get(head[5:6])
    return _form(bits, endian) if bits and endian else None


Segment = tuple[int, int, int, int, int, int, int, int]
"""A program header as ELF64 has it: type, flags, offset and (virtual, physical) address, size in
the file and in memory, alignment. A plain tuple: there are ten in a file, and time is short."""


def read_headers(content: RandomAccess, facts: dict[str, Any]) -> tuple[Form, list[Segment]]:
    """Return the form of the file and its program headers; put the header's facts in place."""
    head = bytes(content.read_at(0, _HEAD))
    if head[:4] != MAGIC:
        raise UnreadableError("it does not begin as one")
    form = _form_of(head)
    if form is None:
        raise UnreadableError("neither 32 nor 64 bits, or no known byte order")
    facts["bits"], facts["endian"] = form.bits, form.endian
    if len(head) < form.header.size:
        raise UnreadableError("the header is cut off")
    kind, machine, _, _, offset, _, flags, _, entry, count, *_ = form.header.unpack_from(head)
    facts["kind"] = _KINDS.get(kind, "other")
    facts["machine"] = _machine(machine, form)
    facts["flags"] = flags
    if not count:
        return form, []
    length = count * entry
    if entry != form.segment.size or length > _PROGRAM_HEADERS:
        raise UnreadableError(f"{count} program headers of {entry} bytes each")
    if offset + length <= len(head):
        table: bytes | memoryview = head[offset : offset + length]
    elif offset + length <= content.size:
        table = content.read_at(offset, length)
        if len(table) < length:
            raise LookupError(offset)
    else:
        raise UnreadableError("the program headers are not all in the file")
    return form, _segments(form, table)


def _segments(form: Form, table: bytes | memoryview) -> list[Segment]:
    if form.bits == 64:
        return list(form.segment.iter_unpack(table))
    return [  # ELF32 has the flags last but one
        (kind, flags, offset, address, physical, in_file, in_memory, align)
        for kind, offset, address, physical, in_file, in_memory, flags, align in (
            form.segment.iter_unpack(table)
        )
    ]


def _machine(number: int, form: Form) -> str:
    return (
        _MACHINES.get(number)
        or _MACHINES_BY_FORM.get(number, {}).get((form.endian, form.bits))
        or f"EM_{number}"
    )


def wanted_ranges(head: bytes, size: int, *, mapped: bool = False) -> list[tuple[int, int]]:
    """Return the ``(offset, length)`` ranges of a big file that `read_elf` is likely to need.

    ``head`` are the first bytes (4 KiB or more), ``size`` is the whole file's. With ``mapped``
    also of what :func:`loaded_ranges` names. The ranges are in order, apart from each other and
    inside of the file; they are 32 MiB at most.

    Linkers put the string and version tables into the first read-only segment, after the symbols,
    which can make them start late; the linker of manylinux2014 puts that segment after the code.
    ``patchelf`` (and ``auditwheel`` with it) moves them to small segments of their own at the end.
    PT_DYNAMIC is a segment, and small. BOLT puts new program headers at the end, and leaves the
    old ones in their place.
    """
    ranges: list[tuple[int, int]] = []
    left = _MOST
    for start, stop in _likely(head, size, mapped):
        for begin, end in _missing(ranges, max(0, start), min(stop, size)):
            end = min(end, begin + left)
            if begin < end:
                left -= end - begin
                ranges.append((begin, end))
        ranges = _joined(ranges)
    return [(start, stop - start) for start, stop in ranges]


def _likely(head: bytes, size: int, mapped: bool) -> Iterator[tuple[int, int]]:
    """Yield where in a big file begins, and ends, what is likely to be needed: most likely first.

    They may overlap, and lie outside of the file.
    """
    segments, tables = _guess_segments(head, size)
    loads = [segment for segment in segments if segment[0] == PT_LOAD][:_RANGES]
    read_only = [(s[2], s[2] + s[5]) for s in loads if s[1] == _PF_R]
    yield 0, _FRONT
    yield size - _END, size
    yield from tables
    yield from [(s[2], s[2] + s[5]) for s in segments if s[5] <= _SMALL][:_RANGES]
    for start, stop in read_only:
        yield start, min(stop, start + _SECOND_FRONT)
    # One that begins the file has symbols and then strings: the whole of it, if there is room.
    yield from (segment for segment in read_only if not segment[0])
    if mapped:
        # PyPy has the text of its version at the beginning of what it writes to.
        yield from ((s[2], s[2] + min(s[5], _SMALL)) for s in loads if s[1] & _PF_W)
        yield from ((offset, offset + length) for offset, length in _in_order(loads, size))


def _guess_segments(head: bytes, size: int) -> tuple[list[Segment], list[tuple[int, int]]]:
    """Return the program headers, and where they begin and end if ``head`` does not hold them.

    What lies in their usual place is returned then: it tells only what to keep.
    """
    facts: dict[str, Any] = {}
    try:
        return read_headers(_Bytes(head, size), facts)[1], []
    except UnreadableError:
        return [], []
    except LookupError:
        form = _form_of(head)
        if form is None or len(head) < form.header.size:
            return [], []
        _, _, _, _, offset, _, _, _, entry, count, *_ = form.header.unpack_from(head)
        stop = min(len(head), form.header.size + count * entry)
        whole = (stop - form.header.size) // entry * entry
        old = head[form.header.size : form.header.size + whole]
        return _segments(form, old), [(offset, offset + count * entry)]


def _missing(ranges: list[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """Return what of a range is not covered by ``ranges``, which are in order."""
    parts = []
    for begin, end in ranges:
        if start < begin and start < stop:
            parts.append((start, min(begin, stop)))
        start = max(start, end)
    return [*parts, (start, stop)] if start < stop else parts


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def loaded_ranges(content: RandomAccess) -> list[tuple[int, int]]:
    """Return the ``(offset, length)`` of what a loader maps: read-only data, code, the rest.

    Nothing where the headers cannot be read.
    """
    try:
        _, segments = read_headers(content, {})
    except (UnreadableError, LookupError):
        return []
    loads = [segment for segment in segments if segment[0] == PT_LOAD][:_RANGES]
    return _in_order(loads, content.size)


def _in_order(loads: list[Segment], size: int) -> list[tuple[int, int]]:
    # Texts are read-only data, which binutils puts apart from code on x86 since 2.31
    # (`ld -z separate-code`); older linkers have both in one segment.
    order = {_PF_R: 0, _PF_R | _PF_X: 1}
    ranges = sorted(
        (order.get(flags & 7, 2), offset, min(offset + in_file, size))
        for _, flags, offset, _, _, in_file, _, _ in loads
    )
    apart: list[tuple[int, int]] = []
    for _, offset, stop in ranges:  # a page at the seam of two segments is mapped twice
        apart += _missing(sorted(apart), offset, stop)
    return [(offset, stop - offset) for offset, stop in apart]


class _Bytes:
    """The first bytes of a file of ``size`` bytes."""

    def __init__(self, head: bytes, size: int) -> None:
        self.head = head
        self.size = size

    def read_at(self, offset: int, length: int, /) -> bytes:
        if len(self.head) <= offset < self.size:
            raise LookupError(offset)
        return self.head[offset : offset + length]
