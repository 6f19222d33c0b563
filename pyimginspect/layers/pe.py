"""The version that a Windows program carries: its resource ``VS_VERSION_INFO``.

Sources: Microsoft's PE format specification (headers, section table, the ``.rsrc`` section) and
``VS_FIXEDFILEINFO``; CPython's ``PC/python_ver_rc.h`` for how a Python writes its version there.
"""

from __future__ import annotations

import struct

from pyimginspect.layers.elf_headers import RandomAccess

__all__ = ["file_version", "python_file_version"]

_MOST_SECTIONS = 96  # as many as Windows loads
_MOST_ENTRIES = 4096  # of one resource directory
_LARGEST_INFO = 1 << 16
_RT_VERSION = 16
_IS_DIRECTORY = 1 << 31  # the high bit of where an entry leads
# dwSignature of VS_FIXEDFILEINFO; dwFileVersionMS and dwFileVersionLS are 8 bytes after it.
_SIGNATURE = b"\xbd\x04\xef\xfe"
# PY_RELEASE_LEVEL (CPython's Include/patchlevel.h).
_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc", 0xF: ""}


def file_version(content: RandomAccess) -> tuple[int, int, int, int] | None:
    """Return the four numbers of a program's file version, or ``None`` where it has none."""
    try:
        found = _resources(content)
        return _version(content, *found) if found is not None else None
    except (struct.error, LookupError):
        return None  # it ends too early, or is no such program


def python_file_version(content: RandomAccess) -> str | None:
    """Return the version of a ``python.exe`` or ``python3….dll`` (``3.13.1``, ``3.14.0rc2``)."""
    numbers = file_version(content)
    if numbers is None:
        return None
    major, minor, rest, _ = numbers
    # FIELD3 of PC/python_ver_rc.h: micro version * 1000 + release level * 10 + serial.
    micro, rest = divmod(rest, 1000)
    level, serial = divmod(rest, 10)
    if level not in _LEVELS or not 2 <= major <= 9:
        return None
    version = f"{major}.{minor}.{micro}"
    return f"{version}{_LEVELS[level]}{serial}" if _LEVELS[level] else version


def _read(content: RandomAccess, form: str, offset: int) -> tuple[int, ...]:
    numbers: tuple[int, ...] = struct.unpack(form, content.read_at(offset, struct.calcsize(form)))
    return numbers


def _resources(content: RandomAccess) -> tuple[int, int] | None:
    """Return where the ``.rsrc`` section is in the file, and at which address when loaded."""
    if bytes(content.read_at(0, 2)) != b"MZ":
        return None
    # e_lfanew of the DOS header.
    (header,) = _read(content, "<I", 0x3C)
    if bytes(content.read_at(header, 4)) != b"PE\0\0":
        return None
    # NumberOfSections and SizeOfOptionalHeader of the COFF header, which has 20 bytes after the
    # signature; the section table follows the optional header.
    sections, optional = _read(content, "<2xH12xH", header + 4)
    table = header + 24 + optional
    for number in range(min(sections, _MOST_SECTIONS)):
        at = table + 40 * number
        if bytes(content.read_at(at, 8)) == b".rsrc\0\0\0":
            # VirtualAddress, SizeOfRawData, PointerToRawData.
            address, _, offset = _read(content, "<3I", at + 12)
            return offset, address
    return None


def _version(content: RandomAccess, section: int, address: int) -> tuple[int, int, int, int] | None:
    """Follow the three directories of a resource: type, name, language."""
    at = _child(content, section, 0, _RT_VERSION)
    for _ in range(2):
        if at is None or not at & _IS_DIRECTORY:
            return None
        at = _child(content, section, at & ~_IS_DIRECTORY, None)
    if at is None or at & _IS_DIRECTORY:
        return None
    place, size = _read(content, "<2I", section + at)
    # The data alone are given by their address in memory; all else is relative to the section.
    data = bytes(content.read_at(place - address + section, min(size, _LARGEST_INFO)))
    start = data.find(_SIGNATURE)
    if start < 0:
        return None
    high, low = struct.unpack_from("<2I", data, start + 8)
    return high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF


def _child(content: RandomAccess, section: int, directory: int, wanted: int | None) -> int | None:
    """Return where an entry of a directory leads: the one with this number, or the first."""
    # IMAGE_RESOURCE_DIRECTORY has 16 bytes, these four last; entries with names come first.
    named, numbered = _read(content, "<2H", section + directory + 12)
    for number in range(min(named + numbered, _MOST_ENTRIES)):
        name, leads_to = _read(content, "<2I", section + directory + 16 + 8 * number)
        if wanted is None or name == wanted:
            return leads_to
    return None
