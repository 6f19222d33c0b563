"""ELF files built in memory: small, never run, and valid down to what `readelf -d -V -l -S` checks.

    elf(needed=["libc.so.6"], verneed={"libc.so.6": ["GLIBC_2.34"]}, soname="libx.so.1")

Layout and constants follow the System V gABI (chapters 4 and 5) and, for symbol versions, the Linux
Standard Base (core, 10.7).
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["elf"]

MACHINES = {
    "i386": 3,
    "ppc64": 21,
    "s390x": 22,
    "arm": 40,
    "x86_64": 62,
    "aarch64": 183,
    "riscv64": 243,
}

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK = 1, 2, 3, 4, 0x6474E551
DT_NEEDED, DT_STRSZ, DT_SYMENT, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 10, 11, 14, 15, 29
DT_VERDEFNUM, DT_VERNEEDNUM = 0x6FFFFFFD, 0x6FFFFFFF
READ, READ_WRITE = 4, 6

# Dynamic tags that hold the address of a section, in the order in which linkers write them.
POINTERS = (
    (4, ".hash"),
    (5, ".dynstr"),
    (6, ".dynsym"),
    (0x6FFFFFFC, ".gnu.version_d"),
    (0x6FFFFFFE, ".gnu.version_r"),
    (0x6FFFFFF0, ".gnu.version"),
)


@dataclass(frozen=True)
class SectionKind:
    """What a section header says of a section of this name, besides where it is."""

    type: int
    link: str = ""
    words: int = 0  # entry size, in words of the file's class
    bytes: int = 0  # entry size, in bytes
    flags: int = 2  # SHF_ALLOC
    align: int = 8


KINDS = {
    ".interp": SectionKind(1),
    ".note.gnu.build-id": SectionKind(7, align=4),
    ".hash": SectionKind(5, link=".dynsym", bytes=4),
    ".dynsym": SectionKind(11, link=".dynstr"),
    ".dynstr": SectionKind(3),
    ".gnu.version": SectionKind(0x6FFFFFFF, link=".dynsym", bytes=2),
    ".gnu.version_d": SectionKind(0x6FFFFFFD, link=".dynstr"),
    ".gnu.version_r": SectionKind(0x6FFFFFFE, link=".dynstr"),
    ".dynamic": SectionKind(6, link=".dynstr", words=2, flags=3),
    ".rodata": SectionKind(1),
    ".shstrtab": SectionKind(3, flags=0),
}


def elf(
    *,
    needed: Sequence[str] = (),
    soname: str | None = None,
    rpath: str | None = None,
    runpath: str | None = None,
    interp: str | None = None,
    verneed: Mapping[str, Sequence[str]] | None = None,
    verdef: Sequence[str] = (),
    machine: str = "x86_64",
    bits: Literal[32, 64] = 64,
    endian: Literal["little", "big"] = "little",
    executable: bool = False,
    static: bool = False,
    base: int = 0,
    stack_size: int = 0,
    build_id: bytes = b"",
    sections: bool = True,
    extra: bytes = b"",
) -> bytes:
    """An ELF file with these dynamic entries; `extra` is its read-only data.

    `verneed` maps a library to the versions wanted of it, `verdef` names the versions defined here.
    `executable` makes it ET_EXEC instead of ET_DYN, `base` is the address of its first byte (a
    multiple of 4096), `stack_size` the memory size of PT_GNU_STACK. `static` leaves out everything
    dynamic, `sections=False` the section headers (as `sstrip` does).
    """
    form = Form(bits, "<" if endian == "little" else ">", MACHINES[machine])
    parts: dict[str, bytes] = {}
    if interp is not None:
        parts[".interp"] = interp.encode() + b"\0"
    if build_id:
        parts[".note.gnu.build-id"] = form.pack("III", 4, len(build_id), 3) + b"GNU\0" + build_id
    dynamic: Dynamic | None = None
    if not static:
        optional = ((DT_SONAME, soname), (DT_RPATH, rpath), (DT_RUNPATH, runpath))
        names = [(DT_NEEDED, name) for name in needed]
        names += [(tag, name) for tag, name in optional if name is not None]
        defined = [soname or "", *verdef] if verdef else []
        dynamic = _add_dynamic(parts, form, names, verneed or {}, defined)
    if extra:
        parts[".rodata"] = extra
    body, offsets = _lay_out(form, parts, dynamic, base, stack_size)
    counts = {".dynsym": 1, ".gnu.version_d": len(verdef) + 1, ".gnu.version_r": len(verneed or {})}
    tail, table = b"", (0, 0)
    if sections:
        tail, table = _section_headers(form, parts, offsets, base, len(body), counts)
    segments = _segment_count(parts)
    return _file_header(form, 2 if executable else 3, segments, *table) + body + tail


@dataclass(frozen=True)
class Form:
    """Word size, byte order and machine, which decide how everything is written."""

    bits: int
    order: str
    machine: int

    def pack(self, codes: str, *values: int) -> bytes:
        """`struct.pack` without alignment, where `N` is a word of the file's class."""
        return struct.pack(
            self.order + codes.replace("N", "Q" if self.bits == 64 else "I"), *values
        )

    def pick(self, in_32: int, in_64: int) -> int:
        return in_64 if self.bits == 64 else in_32

    @property
    def hash_word(self) -> str:
        """The hash table has words of 8 bytes on 64-bit s390 alone (its ABI supplement)."""
        return "Q" if self.machine == MACHINES["s390x"] and self.bits == 64 else "I"

    def symbol(self, name: int, section: int) -> bytes:
        """A global function of no size at address 0."""
        info = 0x12 if name else 0
        if self.bits == 64:
            return self.pack("IBBHQQ", name, info, 0, section, 0, 0)
        return self.pack("IIIBBH", name, 0, 0, info, 0, section)

    def segment(
        self, kind: int, flags: int, offset: int, size: int, *, base: int, align: int
    ) -> bytes:
        address = base + offset
        if self.bits == 64:
            return self.pack("IIQQQQQQ", kind, flags, offset, address, address, size, size, align)
        return self.pack("IIIIIIII", kind, offset, address, address, size, size, flags, align)


class Strings:
    """A string table; the same text is stored once."""

    def __init__(self) -> None:
        self.table = b"\0"

    def add(self, text: str) -> int:
        """The offset of `text` in the table."""
        data = text.encode() + b"\0"
        found = self.table.find(b"\0" + data)
        if found >= 0:
            return found + 1
        self.table += data
        return len(self.table) - len(data)


@dataclass(frozen=True)
class Dynamic:
    """The dynamic section: values known at once, then those that wait for a section's address."""

    values: Sequence[tuple[int, int]]
    addresses: Sequence[tuple[int, str]]

    def render(self, form: Form, address_of: Mapping[str, int]) -> bytes:
        pairs = [*self.values, *((tag, address_of[part]) for tag, part in self.addresses), (0, 0)]
        return b"".join(form.pack("NN", *pair) for pair in pairs)


def _add_dynamic(
    parts: dict[str, bytes],
    form: Form,
    names: Sequence[tuple[int, str]],
    verneed: Mapping[str, Sequence[str]],
    defined: Sequence[str],
) -> Dynamic:
    strings = Strings()
    values = [(tag, strings.add(name)) for tag, name in names]
    _add_symbols(parts, form, strings, verneed, defined)
    parts[".dynstr"] = strings.table
    values += [(DT_STRSZ, len(strings.table)), (DT_SYMENT, form.pick(16, 24))]
    if defined:
        values.append((DT_VERDEFNUM, len(defined)))
    if verneed:
        values.append((DT_VERNEEDNUM, len(verneed)))
    dynamic = Dynamic(values, [(tag, part) for tag, part in POINTERS if part in parts])
    parts[".dynamic"] = dynamic.render(form, dict.fromkeys(parts, 0))  # its size is final
    return dynamic


def _add_symbols(
    parts: dict[str, bytes],
    form: Form,
    strings: Strings,
    verneed: Mapping[str, Sequence[str]],
    defined: Sequence[str],
) -> None:
    """One symbol for each version, so that no version stands without a use.

    The first of `defined` is the file's own name (VER_FLG_BASE) and has no symbol.
    """
    symbols, versions = [form.symbol(0, 0)], [0]
    definitions, needs = [], []
    number = 1
    for number, version in enumerate(defined, start=1):
        head = form.pack("HHHHIII", 1, number == 1, number, 1, _elf_hash(version), 20, 0)
        definitions.append(head + form.pack("II", strings.add(version), 0))
        if number > 1:
            symbols.append(form.symbol(strings.add(f"defined_{number}"), 0xFFF1))
            versions.append(number)
    for library, wanted in verneed.items():
        records = []
        for version in wanted:
            number += 1
            name = strings.add(version)
            records.append(form.pack("IHHII", _elf_hash(version), 0, number, name, 0))
            symbols.append(form.symbol(strings.add(f"wanted_{number}"), 0))
            versions.append(number)
        head = form.pack("HHIII", 1, len(wanted), strings.add(library), 16, 0)
        needs.append(head + _linked(form, records, 12))
    table = [1, len(symbols), *([0] * (1 + len(symbols)))]  # one bucket, empty chains
    parts[".hash"] = form.pack(form.hash_word * len(table), *table)
    parts[".dynsym"] = b"".join(symbols)
    if len(versions) > 1:
        parts[".gnu.version"] = form.pack("H" * len(versions), *versions)
    if definitions:
        parts[".gnu.version_d"] = _linked(form, definitions, 16)
    if needs:
        parts[".gnu.version_r"] = _linked(form, needs, 12)


def _linked(form: Form, records: Sequence[bytes], field: int) -> bytes:
    """Records of one list, each with the distance to the next (0 in the last) at byte `field`."""
    distances = [*map(len, records[:-1]), 0]
    return b"".join(
        record[:field] + form.pack("I", distance) + record[field + 4 :]
        for record, distance in zip(records, distances, strict=True)
    )


def _elf_hash(name: str) -> int:
    """The hash of System V's gABI, figure 5-13."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        value = (value ^ ((value >> 24) & 0xF0)) & 0x0FFFFFFF
    return value


def _segment_count(parts: Mapping[str, bytes]) -> int:
    return 2 + sum(part in parts for part in (".interp", ".dynamic", ".note.gnu.build-id"))


def _lay_out(
    form: Form, parts: dict[str, bytes], dynamic: Dynamic | None, base: int, stack_size: int
) -> tuple[bytes, dict[str, int]]:
    """Everything between the file header and the section headers, and where each part is."""
    header = form.pick(52, 64)
    offset = header + _segment_count(parts) * form.pick(32, 56)
    offsets: dict[str, int] = {}
    for name, data in parts.items():
        offset = offsets[name] = _align(offset)
        offset += len(data)
    if dynamic:
        addresses = {name: base + where for name, where in offsets.items()}
        parts[".dynamic"] = dynamic.render(form, addresses)
    segments = []
    named = ((".interp", PT_INTERP), (".dynamic", PT_DYNAMIC), (".note.gnu.build-id", PT_NOTE))
    for name, kind in named:
        if name in parts:
            flags = READ_WRITE if kind == PT_DYNAMIC else READ
            place = (offsets[name], len(parts[name]))
            align = KINDS[name].align
            segments.append(form.segment(kind, flags, *place, base=base, align=align))
    load = form.segment(PT_LOAD, READ_WRITE, 0, offset, base=base, align=0x1000)
    segments.insert(1 if ".interp" in parts else 0, load)
    stack = (
        0,
        0,
        0,
        0,
        stack_size,
        16,
    )  # offset, two addresses, size in file and memory, alignment
    if form.bits == 64:
        segments.append(form.pack("IIQQQQQQ", PT_GNU_STACK, READ_WRITE, *stack))
    else:
        segments.append(form.pack("IIIIIIII", PT_GNU_STACK, *stack[:5], READ_WRITE, 16))
    body = b"".join(segments)
    for name, data in parts.items():
        body += bytes(offsets[name] - header - len(body)) + data
    return body, offsets


def _section_headers(
    form: Form,
    parts: Mapping[str, bytes],
    offsets: Mapping[str, int],
    base: int,
    body_size: int,
    counts: Mapping[str, int],
) -> tuple[bytes, tuple[int, int]]:
    """The section name table and the headers; and the headers' offset and number."""
    strings = Strings()
    names = ["", *parts, ".shstrtab"]
    name_offsets = [strings.add(name) if name else 0 for name in names]
    end = form.pick(52, 64) + body_size
    table = _align(end + len(strings.table))
    headers = [bytes(form.pick(40, 64))]
    for name, name_offset in zip(names[1:], name_offsets[1:], strict=True):
        kind = KINDS[name]
        offset, size = (
            (offsets[name], len(parts[name])) if name in parts else (end, len(strings.table))
        )
        entry = kind.bytes or kind.words * form.bits // 8
        if name == ".dynsym":
            entry = form.pick(16, 24)
        elif name == ".hash" and form.hash_word == "Q":
            entry = 8
        address = base + offset if kind.flags else 0
        link = names.index(kind.link) if kind.link else 0
        place = (name_offset, kind.type, kind.flags, address, offset, size)
        headers.append(
            form.pack("IINNNNIINN", *place, link, counts.get(name, 0), kind.align, entry)
        )
    padding = bytes(table - end - len(strings.table))
    return strings.table + padding + b"".join(headers), (table, len(headers))


def _file_header(form: Form, kind: int, segments: int, table: int, sections: int) -> bytes:
    ident = b"\x7fELF" + bytes([form.bits // 32, 1 if form.order == "<" else 2, 1]) + bytes(9)
    header_size, segment_size, section_size = (
        form.pick(52, 64),
        form.pick(32, 56),
        form.pick(40, 64),
    )
    sizes = (header_size, segment_size, segments, section_size if sections else 0, sections)
    last = sections - 1 if sections else 0
    return ident + form.pack(
        "HHINNNIHHHHHH", kind, form.machine, 1, 0, header_size, table, 0, *sizes, last
    )


def _align(offset: int) -> int:
    return -(-offset // 8) * 8
