"""One header of an rpm database: the record that rpm keeps of an installed package.

Source: rpm's documentation "RPM V4 Package format", section "Header structure": an index of 16-byte
entries (tag, type, offset, count), then the data that they point into, all big-endian. In a
database the magic number and the padding around it are left out.
"""

from __future__ import annotations

import struct
from typing import Final

from pyimginspect.errors import CorruptLayerError, LimitError
from pyimginspect.model import RpmPackage

__all__ = ["read_header"]

# rpm's own limits: HEADER_TAGS_MAX and HEADER_DATA_MAX.
_MOST_ENTRIES: Final = 0xFFFF
_MOST_DATA: Final = 0x0FFFFFFF
_LONGEST_DIRECTORY: Final = 4096

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_SIZE, _LONG_SIZE, _VENDOR, _ARCHITECTURE = 1009, 5009, 1011, 1022
_LICENSE = 1014
# Old names are whole paths, as rpm wrote them before rpmlib(CompressedFileNames).
_OLD_FILE_NAMES, _FILE_STATES, _SOURCE_RPM = 1027, 1029, 1044
_PROVIDES, _REQUIRE_FLAGS, _REQUIRES, _RECOMMENDS = 1047, 1048, 1049, 5046
_DIRECTORY_INDEXES, _BASE_NAMES, _DIRECTORY_NAMES = 1116, 1117, 1118
_WANTED: Final = frozenset(
    {
        *(_NAME, _VERSION, _RELEASE, _EPOCH, _SIZE, _LONG_SIZE, _VENDOR),
        *(
            _LICENSE,
            _ARCHITECTURE,
            _OLD_FILE_NAMES,
            _FILE_STATES,
            _SOURCE_RPM,
            _PROVIDES,
            _REQUIRE_FLAGS,
        ),
        *(_REQUIRES, _RECOMMENDS, _DIRECTORY_INDEXES, _BASE_NAMES, _DIRECTORY_NAMES),
    }
)

_INT32, _INT64, _STRING, _STRING_ARRAY, _I18N_STRING = 4, 5, 6, 8, 9
_NUMBERS: Final = {2: "B", 3: "H", _INT32: "I", _INT64: "Q"}  # INT8, INT16
_INDEX: Final = struct.Struct(">4I")
_LENGTHS: Final = struct.Struct(">2I")

# Features of rpm itself (RPMSENSE_RPMLIB), and weak requirements of old (RPMSENSE_MISSINGOK).
_NO_REQUIREMENT: Final = 1 << 24 | 1 << 19
# RPMFILE_STATE_NORMAL. Others were replaced by another package, not installed, or are of the
# wrong color, of another architecture in a multilib system.
_STATE_NORMAL: Final = 0

_Entries = dict[int, tuple[int, int, int]]


def read_header(blob: bytes, room: int) -> RpmPackage:
    """Return what this package uses of a header; ``room`` bounds the bytes of its paths.

    ``files`` are those that rpm recorded as installed: neither left out (``nodocs``), nor
    replaced by another package's. Raises :class:`CorruptLayerError` for a header that does not
    hold together and :class:`LimitError` for one beyond rpm's own limits or ``room``.
    """
    if len(blob) < _LENGTHS.size:
        raise CorruptLayerError("a header of the rpm database is cut short")
    count, length = _LENGTHS.unpack_from(blob)
    if count > _MOST_ENTRIES or length > _MOST_DATA:
        raise LimitError(f"a header of the rpm database claims {count:,} tags, {length:,} bytes")
    start = _LENGTHS.size + count * _INDEX.size
    if start + length > len(blob):
        raise CorruptLayerError("a header of the rpm database is cut short")
    data = blob[start : start + length]
    # Of a tag given twice the first counts, as for rpm.
    entries: _Entries = {}
    for tag, kind, offset, number in _INDEX.iter_unpack(blob[_LENGTHS.size : start]):
        if tag in _WANTED:
            entries.setdefault(tag, (kind, offset, number))
    return _package(_Tags(data, entries), room)


class _Tags:
    """The values of a header by tag; what is absent or of another type is empty."""

    def __init__(self, data: bytes, entries: _Entries) -> None:
        self._data = data
        self._entries = entries

    def text(self, tag: int) -> str:
        return next(iter(self.texts(tag)), "")

    def texts(self, tag: int) -> list[str]:
        found = self._entries.get(tag)
        if found is None or found[0] not in (_STRING, _STRING_ARRAY, _I18N_STRING):
            return []
        kind, offset, count = found
        count = min(count, 1) if kind == _STRING else count
        if count > len(self._data) - offset:  # each takes a byte at least
            raise _pointless(tag)
        words = self._data[offset:].split(b"\0", count)[:count] if count else []
        if len(words) < count:
            raise _pointless(tag)
        return [word.decode("utf-8", "surrogateescape") for word in words]

    def number(self, tag: int) -> int | None:
        return next(iter(self.numbers(tag)), None)

    def numbers(self, tag: int) -> tuple[int, ...]:
        found = self._entries.get(tag)
        if found is None or found[0] not in _NUMBERS:
            return ()
        kind, offset, count = found
        code = _NUMBERS[kind]
        # Counted before a format is made of it: the format alone would claim what it names.
        if offset + count * struct.calcsize(f">{code}") > len(self._data):
            raise _pointless(tag)
        return struct.unpack_from(f">{count}{code}", self._data, offset)

    def states(self, tag: int) -> bytes:
        """One byte for each file; the type may be CHAR or INT8."""
        found = self._entries.get(tag)
        if found is None:
            return b""
        _, offset, count = found
        return self._data[offset : offset + count]


def _pointless(tag: int) -> CorruptLayerError:
    return CorruptLayerError(f"tag {tag} of the rpm database points outside its header")


def _package(tags: _Tags, room: int) -> RpmPackage:
    name = tags.text(_NAME)
    if not name:
        raise CorruptLayerError("a header of the rpm database has no name")
    requires = tags.texts(_REQUIRES)
    flags = tags.numbers(_REQUIRE_FLAGS)
    if len(flags) == len(requires):
        requires = [
            need for need, flag in zip(requires, flags, strict=True) if not flag & _NO_REQUIREMENT
        ]
    # Instead of the other tag in packages of 4 GiB and more.
    size = tags.number(_LONG_SIZE)
    return RpmPackage(
        name=name,
        version=tags.text(_VERSION),
        release=tags.text(_RELEASE),
        epoch=tags.number(_EPOCH),
        architecture=tags.text(_ARCHITECTURE),
        vendor=tags.text(_VENDOR),
        license=tags.text(_LICENSE),
        source=tags.text(_SOURCE_RPM),
        size=(tags.number(_SIZE) or 0) if size is None else size,
        requires=_unique(requires),
        provides=_unique(tags.texts(_PROVIDES)),
        recommends=_unique(tags.texts(_RECOMMENDS)),
        files=_files(tags, room),
    )


def _unique(words: list[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))


def _files(tags: _Tags, room: int) -> tuple[str, ...]:
    names = tags.texts(_BASE_NAMES)
    if names:
        indexes = tags.numbers(_DIRECTORY_INDEXES)
        directories = [path.lstrip("/") for path in tags.texts(_DIRECTORY_NAMES)]
        if len(indexes) != len(names) or max(indexes) >= len(directories):
            raise CorruptLayerError("the file list of the rpm database is inconsistent")
        if max(map(len, directories)) > _LONGEST_DIRECTORY:
            raise LimitError("the rpm database names a directory beyond what a kernel takes")
        length_of = [len(path) for path in directories].__getitem__
        _check_room(sum(map(length_of, indexes)) + sum(map(len, names)), room)
        paths = [directories[i] + name for i, name in zip(indexes, names, strict=True)]
    else:
        paths = [path.lstrip("/") for path in tags.texts(_OLD_FILE_NAMES)]
        _check_room(sum(map(len, paths)), room)
    states = tags.states(_FILE_STATES)
    if len(states) == len(paths):
        paths = [p for p, state in zip(paths, states, strict=True) if state == _STATE_NORMAL]
    return tuple(path for path in paths if path)


def _check_room(size: int, room: int) -> None:
    if size > room:
        raise LimitError(f"the rpm database names more files than fit {room:,} bytes")
