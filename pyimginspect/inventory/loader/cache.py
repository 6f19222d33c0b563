"""``/etc/ld.so.cache``, which ldconfig writes and ``ld.so`` reads instead of any configuration.

Source: ``sysdeps/generic/dl-cache.h`` and ``elf/dl-cache.c`` of the GNU C library 2.36: the old
format (``ld.so-1.7.0``), the new one (``glibc-ld.so.cache1.1``), the new one inside of an old one,
and the extension that names the ``glibc-hwcaps`` directories.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from msgspec import Struct

__all__ = ["CacheEntry", "read_cache"]

# CACHEMAGIC and CACHEMAGIC_VERSION_NEW. Since 2.32 ldconfig writes the new format alone unless
# asked for another; the cache of an older one begins with the old format.
_OLD = b"ld.so-1.7.0"
_NEW = b"glibc-ld.so.cache1.1"
_EXTENSION_MAGIC = 0xEAA42174  # (uint32_t) -358342284 in dl-cache.h
_TAG_HWCAPS = 1  # cache_extension_tag_glibc_hwcaps
_ENTRIES = 100_000  # a big machine has 5,000
_PATH = 4096  # PATH_MAX
# Entries may share their strings, so that the length of the file is no limit to the sum of them.
_ALL_TEXT = 16 << 20  # bytes
# A cache without the flag, of an ldconfig that did not write it yet, has 0: either order.
_ORDERS = {2: "<", 3: ">"}  # cache_file_new_flags_endian_*


class CacheEntry(Struct, frozen=True, kw_only=True, gc=False):
    """A library by the name it is asked for. ``flags`` tell class and machine (``FLAG_*``).

    ``hwcaps`` is the subdirectory of ``glibc-hwcaps`` it is for (``x86-64-v3``), or empty.
    """

    name: str
    path: str
    flags: int
    hwcaps: str = ""


class _InvalidError(Exception):
    """Nothing that ``ld.so`` would take for a cache."""


def read_cache(data: bytes) -> tuple[CacheEntry, ...]:
    """Return the entries of a cache in their order; nothing where ``ld.so`` would ignore it."""
    # The old format does not say which order it is in: it is the one whose sizes fit the file.
    for order in "<>":
        with suppress(_InvalidError, struct.error):
            if data.startswith(_NEW):
                return tuple(_read_new(data, 0, order))
            if data.startswith(_OLD):
                return tuple(_read_old(data, order))
    return ()


def _read_old(data: bytes, order: str) -> list[CacheEntry]:
    # struct cache_file: 11 bytes of magic, one of padding, nlibs; then struct file_entry, three
    # numbers of 32 bits each.
    (count,) = struct.unpack_from(order + "I", data, 12)
    end = 16 + 12 * count
    if count > _ENTRIES or end > len(data):
        raise _InvalidError
    for align in (8, 4):  # of a structure with 64-bit numbers in it: 4 on i386
        new = -(-end // align) * align
        if data.startswith(_NEW, new):
            return _read_new(data, new, order)
    # The old format counts offsets of strings from behind its entries, the new one from its header,
    # wherever in the file that is.
    text = _texts(data, end)
    entries = []
    for flags, key, value in struct.iter_unpack(order + "iII", data[16:end]):
        entries.append(CacheEntry(name=text(key), path=text(value), flags=flags))
    return entries


def _read_new(data: bytes, start: int, order: str) -> list[CacheEntry]:
    # struct cache_file_new, 48 bytes: magic with version, nlibs, len_strings, flags, 3 of padding,
    # extension_offset (from the beginning of the file), 12 that are not used.
    count, _, endian, extension = struct.unpack_from(order + "IIB3xI", data, start + len(_NEW))
    first = start + 48
    end = first + 24 * count
    if _ORDERS.get(endian, order) != order or count > _ENTRIES or end > len(data):
        raise _InvalidError
    text = _texts(data, start)
    hwcaps = [text(offset) for offset in _hwcaps(data, extension, order)]
    entries = []
    # struct file_entry_new, 24 bytes: flags, key, value, osversion, hwcap.
    for flags, key, value, _, hwcap in struct.iter_unpack(order + "iIIIQ", data[first:end]):
        name = ""
        if hwcap >> 42 == 1 << 20:  # DL_CACHE_HWCAP_EXTENSION, the ISA level masked out
            index = hwcap & 0xFFFFFFFF
            if index >= len(hwcaps):
                continue
            name = hwcaps[index]
        elif hwcap:
            continue  # for a processor's feature of before 2.33
        entries.append(CacheEntry(name=text(key), path=text(value), flags=flags, hwcaps=name))
    return entries


def _hwcaps(data: bytes, extension: int, order: str) -> Iterator[int]:
    """Yield the string offsets of the ``glibc-hwcaps`` names."""
    if not extension:
        return
    magic, sections = struct.unpack_from(order + "II", data, extension)
    if magic != _EXTENSION_MAGIC:
        return
    # ldconfig writes two sections, its own name and this one; x86-64 has three names of
    # directories. Only a hostile cache has more than 16, or than 1,024 names.
    for number in range(min(sections, 16)):
        tag, _, offset, size = struct.unpack_from(order + "IIII", data, extension + 8 + 16 * number)
        if tag == _TAG_HWCAPS and size <= 4096:
            yield from struct.unpack_from(f"{order}{size // 4}I", data, offset)


def _texts(data: bytes, base: int) -> Callable[[int], str]:
    """Return a reader of the strings at an offset from ``base``, with a limit on all of them."""
    left = _ALL_TEXT

    def text(offset: int) -> str:
        nonlocal left
        start = base + offset
        end = data.find(b"\0", start, start + _PATH)
        left -= end - start
        if end == -1 or left < 0:
            raise _InvalidError
        return data[start:end].decode("utf-8", "surrogateescape")

    return text
