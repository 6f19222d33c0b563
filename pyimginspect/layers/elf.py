"""ELF files, as far as a dynamic loader reads them: program headers and what they lead to.

Everything is found as ``ld.so`` finds it: PT_DYNAMIC, then the addresses of its entries through
PT_LOAD. Section headers are never examined.

Sources: System V gABI, chapters 4 and 5; Linux Standard Base Core 5.0, 10.7 "Symbol Versioning";
``elf.h`` of the GNU C library for the numbers.

The bytes are hostile: every table has a limit (those of real files are at most a tenth of it), so
that no file costs more than milliseconds, and :func:`read_elf` raises nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar

from pyimginspect.layers.elf_headers import (
    MAGIC,
    PT_DYNAMIC,
    PT_GNU_STACK,
    PT_INTERP,
    PT_LOAD,
    PT_NOTE,
    WHOLE_UP_TO,
    Form,
    RandomAccess,
    Segment,
    UnreadableError,
    read_headers,
    wanted_ranges,
)
from pyimginspect.layers.pyinstaller import frozen_python
from pyimginspect.model import ElfFile, VersionNeed

__all__ = ["MAGIC", "WHOLE_UP_TO", "RandomAccess", "read_elf", "wanted_ranges"]

_DYNAMIC_ENTRIES = 4096
_USUAL_VERSION_TABLE = 2 << 10  # bytes
_VERSION_TABLE = 64 << 10  # bytes
_VERSIONS = 4096
_NOTES = 4096  # bytes of one PT_NOTE
_NOTE_SEGMENTS = 16
_PATH = 4096  # bytes; Linux refuses a longer interpreter (PATH_MAX)
_STRING = 64 << 10  # bytes
_ALL_STRINGS = 1 << 20  # bytes
_SMALL_STRING_TABLE = 32 << 10  # bytes; copying as much is cheaper than a read for each string

# d_tag (elf.h). DT_RPATH is searched before LD_LIBRARY_PATH, DT_RUNPATH after it (ld.so(8)).
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 0, 1, 5, 10, 14
_DT_RPATH, _DT_RUNPATH, _DT_FLAGS_1 = 15, 29, 0x6FFFFFFB
_DT_VERDEF, _DT_VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
# Their values are offsets into the string table, or lead to such.
_NAMING = (_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH, _DT_VERDEF, _DT_VERNEED)
_VER_FLG_BASE, _VER_FLG_WEAK = 1, 2  # vd_flags and vna_flags
_NT_GNU_BUILD_ID = 3  # n_type of the note that `ld --build-id` writes


Table = bytes | memoryview
T = TypeVar("T")


def read_elf(content: RandomAccess) -> ElfFile:
    """Read what a loader would of one ELF file.

    A file that does not hold together comes out with ``error`` set (``unreadable ELF: …``) and
    with whatever could be read up to there.
    """
    facts: dict[str, Any] = {}
    try:
        _read(content, facts)
    except UnreadableError as error:
        facts.setdefault("error", f"unreadable ELF: {error}")
    except LookupError:
        unusual = "unreadable ELF: it is too big to be kept whole and was laid out unusually"
        facts.setdefault("error", unusual)
    return ElfFile(**facts)


def _read(content: RandomAccess, facts: dict[str, Any]) -> None:
    """Fill ``facts`` with the fields of :class:`ElfFile`, in an order that keeps the most."""
    form, segments = read_headers(content, facts)
    loads, dynamic, notes = [], None, 0
    # Linux takes the first PT_INTERP (load_elf_binary in fs/binfmt_elf.c); the last PT_DYNAMIC
    # counts, for glibc's ld.so and for musl's.
    for segment in segments:
        kind = segment[0]
        if kind == PT_LOAD:
            loads.append(segment)
        elif kind == PT_DYNAMIC:
            dynamic = segment
        elif kind == PT_GNU_STACK:
            facts["stack_size"] = segment[6]
        elif kind == PT_INTERP and "interpreter" not in facts:
            _read_interpreter(content, segment, facts)
        elif kind == PT_NOTE and "build_id" not in facts and notes < _NOTE_SEGMENTS:
            notes += 1
            build_id = _build_id(content, form, segment)
            if build_id:
                facts["build_id"] = build_id
    # Without bytes it is a file of debugging information, whose segments are empty shells.
    if dynamic is not None and dynamic[5]:
        facts["dynamic"] = True
        _Dynamic(content, form, loads).read(dynamic, facts)
    # A position-independent program is ET_DYN as a library is; only the program has PT_INTERP.
    if facts["kind"] == "executable" or "interpreter" in facts:
        facts["frozen_python"] = frozen_python(content)


def _read_interpreter(content: RandomAccess, segment: Segment, facts: dict[str, Any]) -> None:
    _, _, offset, _, _, in_file, _, _ = segment
    data = bytes(content.read_at(offset, min(in_file, _PATH))) if offset < content.size else b""
    end = data.find(b"\0")
    if end < 0:  # no reason to leave out what other segments tell
        facts["error"] = "unreadable ELF: the interpreter's name has no end"
    else:
        facts["interpreter"] = data[:end].decode("utf-8", "surrogateescape")


def _build_id(content: RandomAccess, form: Form, segment: Segment) -> str:
    """Return the build ID among the notes of a PT_NOTE, in hexadecimal, or nothing."""
    _, _, offset, _, _, in_file, _, align = segment
    data = bytes(content.read_at(offset, min(in_file, _NOTES))) if offset < content.size else b""
    # The gABI has words of 8 bytes in 64-bit files; GNU's notes have 4 in both, and 8 only where
    # the segment is aligned so (.note.gnu.property).
    align = 8 if align == 8 else 4
    place = 0
    while place + 12 <= len(data):
        name_size, size, kind = form.note.unpack_from(data, place)
        start = place + (12 + name_size + align - 1) // align * align
        stop = start + size
        if kind == _NT_GNU_BUILD_ID and data[place + 12 : place + 16] == b"GNU\0":
            return data[start:stop].hex() if stop <= len(data) else ""
        place = (stop + align - 1) // align * align
    return ""


class _Dynamic:
    """The dynamic section and the tables that it points to."""

    def __init__(self, content: RandomAccess, form: Form, loads: list[Segment]) -> None:
        self.content = content
        self.form = form
        self.loads = loads
        self.table = b""
        self.table_at = 0
        self.names_left = _ALL_STRINGS
        self.versions_left = _VERSIONS

    def read(self, segment: Segment, facts: dict[str, Any]) -> None:
        """Add the facts of the dynamic section that ``segment`` is."""
        tags, values = self._entries(segment)
        entries = dict(zip(tags, values))  # noqa: B905 - of a tag given twice the last one counts
        facts["flags_1"] = entries.get(_DT_FLAGS_1, 0)
        if _DT_STRTAB in entries:
            self._find_strings(entries[_DT_STRTAB], entries.get(_DT_STRSZ, 0))
        elif not entries.keys().isdisjoint(_NAMING):
            raise UnreadableError("the dynamic section has names and no string table")
        if _DT_NEEDED in entries:
            needed = [value for tag, value in zip(tags, values) if tag == _DT_NEEDED]  # noqa: B905
            facts["needed"] = tuple(self._texts(needed))
        if _DT_SONAME in entries:
            facts["soname"] = self._texts([entries[_DT_SONAME]])[0]
        if _DT_RPATH in entries:
            facts["rpath"] = tuple(self._texts([entries[_DT_RPATH]])[0].split(":"))
        if _DT_RUNPATH in entries:
            facts["runpath"] = tuple(self._texts([entries[_DT_RUNPATH]])[0].split(":"))
        if _DT_VERNEED in entries:
            needs = self._table(entries[_DT_VERNEED], "DT_VERNEED", self._needs)
            facts["version_needs"] = tuple(needs)
        if _DT_VERDEF in entries:
            names = self._table(entries[_DT_VERDEF], "DT_VERDEF", self._definitions)
            facts["version_definitions"] = tuple(names)

    def _entries(self, segment: Segment) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tags and the values up to DT_NULL."""
        _, _, _, address, _, in_file, _, _ = segment
        pair = self.form.bits // 4
        offset = self._place(address, "PT_DYNAMIC")
        data = self.content.read_at(offset, min(in_file, pair * _DYNAMIC_ENTRIES))
        count = len(data) // pair
        words = struct.unpack(self.form.words % (2 * count), data[: count * pair])
        tags, values = words[::2], words[1::2]
        try:
            count = tags.index(_DT_NULL)
        except ValueError:
            if count == _DYNAMIC_ENTRIES:
                raise UnreadableError(f"more than {_DYNAMIC_ENTRIES} dynamic entries") from None
        return tags[:count], values[:count]

    def _place(self, address: int, what: str) -> int:
        """Return where in the file the byte is that a loader would see at ``address``."""
        for _, _, offset, start, _, in_file, _, _ in self.loads:
            if start <= address < start + in_file:
                place = offset + address - start
                if place < self.content.size:
                    return place
        raise UnreadableError(f"{what} at {address:#x} is not in the file")

    def _find_strings(self, address: int, size: int) -> None:
        self.table_at = self._place(address, "DT_STRTAB")
        if size <= _SMALL_STRING_TABLE:
            self.table = bytes(self.content.read_at(self.table_at, size))

    def _texts(self, offsets: list[int]) -> list[str]:
        """Return the strings at ``offsets`` of the string table."""
        table = self.table
        left = self.names_left
        texts = []
        for offset in offsets:
            end = table.find(b"\0", offset)
            data = table[offset:end] if end >= 0 else self._far_text(offset)
            left -= len(data)
            if left < 0:
                raise UnreadableError(f"more than {_ALL_STRINGS} bytes of names")
            texts.append(data.decode("utf-8", "surrogateescape"))
        self.names_left = left
        return texts

    def _far_text(self, offset: int) -> bytes:
        """Return the string at ``offset`` of a string table that was not copied."""
        for length in (128, 1024, 8192, _STRING):
            if self.table_at + offset >= self.content.size:
                break
            data = bytes(self.content.read_at(self.table_at + offset, length))
            end = data.find(b"\0")
            if end >= 0:
                return data[:end]
        raise UnreadableError(f"the name at {offset:#x} of the string table has no end")

    def _table(self, address: int, what: str, parse: Callable[[Table], list[T]]) -> list[T]:
        """Return what ``parse`` makes of a table whose length nothing tells."""
        # ld.so follows vn_next and vd_next and does not count (elf/dl-version.c of glibc).
        place = self._place(address, what)
        for length in (_USUAL_VERSION_TABLE, _VERSION_TABLE):
            try:
                return parse(self.content.read_at(place, length))
            except struct.error:
                continue
        raise UnreadableError(f"{what} leads out of the file")

    def _needs(self, data: Table) -> list[VersionNeed]:
        """Return the records of DT_VERNEED."""
        read_need, read_version = self.form.need.unpack_from, self.form.need_version.unpack_from
        needs = []
        place, distance = 0, 1
        while distance:
            _, count, library, first, distance = read_need(data, place)
            self._count_versions(count + 1)
            offsets, weak = [library], []
            version_at, step = place + first, 1
            while count and step:
                _, flags, _, name, step = read_version(data, version_at)
                offsets.append(name)
                # Such a version may be missing (match_symbol in elf/dl-version.c of glibc).
                if flags & _VER_FLG_WEAK:
                    weak.append(name)
                version_at += step
                count -= 1
            names = self._texts(offsets)
            needs.append(
                VersionNeed(
                    library=names[0],
                    versions=tuple(names[1:]),
                    weak=tuple(self._texts(weak)) if weak else (),
                )
            )
            place += distance
        return needs

    def _definitions(self, data: Table) -> list[str]:
        """Return the names of DT_VERDEF, without the file's own (VER_FLG_BASE)."""
        offsets = []
        place, step = 0, 1
        while step:
            _, flags, _, _, _, first, step = self.form.definition.unpack_from(data, place)
            self._count_versions(1)
            if not flags & _VER_FLG_BASE:
                offsets.append(self.form.word.unpack_from(data, place + first)[0])
            place += step
        return self._texts(offsets)

    def _count_versions(self, count: int) -> None:
        self.versions_left -= count
        if self.versions_left < 0:
            raise UnreadableError(f"more than {_VERSIONS} versions")
