"""Programs that carry a Python of their own: what PyInstaller appends to its bootloader.

The archive ends with a cookie, in network byte order: the magic, the length of the archive, where
its table of contents is and how long that is, the version of Python (``311``; ``39`` before
PyInstaller 4.3), and since PyInstaller 2.1 the name of libpython in 64 bytes. On Linux the archive
is an ELF section, so that the names of sections and their headers follow it.

Source: PyInstaller's ``PyInstaller/archive/writers.py`` and ``bootloader/src/pyi_archive.c``.
"""

from __future__ import annotations

import re
import struct

from pyimginspect.layers.elf_headers import RandomAccess

__all__ = ["frozen_python"]

_MAGIC = b"MEI\014\013\012\013\016"
_END = 4096  # bytes at the end of a file; the cookie is usually 2,200 before it
_COOKIE = struct.Struct("!8sIIII")
_NAME = 64  # bytes of the field for the name of libpython
# The letters are ABI flags: libpython3.7m, libpython3.13t.
_LIBPYTHON = re.compile(rb"libpython(\d\.\d{1,2})[a-z]{0,3}\.so")


def frozen_python(content: RandomAccess) -> str:
    """Return the minor version (``3.11``) of the Python frozen into a program; empty without one.

    Raises :class:`LookupError` where the end of the file was not kept.
    """
    start = max(0, content.size - _END)
    end = bytes(content.read_at(start, _END))
    place = end.rfind(_MAGIC)
    if place < 0 or place + _COOKIE.size > len(end):
        return ""
    _, length, _, _, version = _COOKIE.unpack_from(end, place)
    if length > start + place + _COOKIE.size + _NAME:
        return ""  # it would begin before the file does: the magic alone, in someone else's data
    name = _LIBPYTHON.match(end, place + _COOKIE.size)
    if name is not None:
        return name[1].decode()
    major, minor = divmod(version, 10 if version <= 99 else 100)
    return f"{major}.{minor}" if major in (2, 3) else ""
