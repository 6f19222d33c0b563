"""An index as bytes: MessagePack, compressed."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from pyimginspect.decoding import from_builtins, from_msgpack
from pyimginspect.layers.compression import zstd_module
from pyimginspect.model import LayerIndex

__all__ = [
    "StoredIndexError",
    "decode_index",
    "dump_index",
    "encode_index",
    "load_index",
    "pack",
    "unpack",
]

_PLAIN = b"\x01"
_ESCAPED = b"\x02"  # with names that are no UTF-8, which MessagePack's strings must be
_RAW_NAME = 1  # MessagePack extension type of such a name
# zstd's own default, ZSTD_CLEVEL_DEFAULT.
_LEVEL = 3

_encoder = msgspec.msgpack.Encoder()


class StoredIndexError(ValueError):
    """These bytes are no index."""


def encode_index(index: LayerIndex) -> bytes:
    """Return an index as bytes, the same for equal indexes."""
    plain = dump_index(index)
    return plain[:1] + pack(memoryview(plain)[1:])


def decode_index(data: bytes) -> LayerIndex:
    """Return the index that :func:`encode_index` wrote; raise :class:`StoredIndexError`."""
    if data[:1] not in (_PLAIN, _ESCAPED):
        raise StoredIndexError("these bytes are no index")
    return load_index(data[:1] + unpack(memoryview(data)[1:]))


def dump_index(index: LayerIndex) -> bytes:
    """Return an index as bytes that are not compressed: those of another process's memory."""
    try:
        return _PLAIN + _encoder.encode(index)
    except UnicodeEncodeError:
        return _ESCAPED + _encoder.encode(_escaped(index))


def load_index(data: bytes) -> LayerIndex:
    """Return the index that :func:`dump_index` wrote; raise :class:`StoredIndexError`."""
    packed = memoryview(data)[1:]
    try:
        if data[:1] == _PLAIN:
            with _no_collection():
                index = from_msgpack(packed, LayerIndex)
                _share_values(index)
                return index
        plain = msgspec.msgpack.decode(packed, ext_hook=_unescaped)
        return from_builtins(plain, LayerIndex)
    except (msgspec.MsgspecError, ValueError) as exc:
        raise StoredIndexError("these bytes are no index") from exc


# What many ELF files of a layer have in common.
_SHARED_OF_ELF = (
    "machine", "interpreter", "needed", "soname", "rpath", "runpath", "version_needs",
    "version_definitions",
)  # fmt: skip


def _share_values(index: LayerIndex) -> None:
    """Make equal values one object, as they are where a layer was read.

    Each value was decoded into an object of its own; 32 bytes for each number of 50,000 entries
    are a fifth of all that an index takes. Nobody else has seen the records yet.
    """
    values: dict[Any, Any] = {}
    same = values.setdefault
    for entry in index.entries:
        force_setattr(entry, "mode", same(entry.mode, entry.mode))
        force_setattr(entry, "mtime", same(entry.mtime, entry.mtime))
        if entry.stored == entry.size:
            force_setattr(entry, "stored", entry.size)
    for file in index.elf.values():
        for name in _SHARED_OF_ELF:
            value = getattr(file, name)
            force_setattr(file, name, same(value, value))


def unpack(data: bytes | memoryview) -> bytes:
    """Return the bytes that :func:`pack` was given; raise :class:`StoredIndexError`."""
    zstd = zstd_module()
    try:
        return bytes(zstd.decompress(data))
    except (zstd.ZstdError, ValueError) as exc:
        raise StoredIndexError("these bytes are none that were packed") from exc


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from looking at every new entry: that takes longer than all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def pack(data: bytes | memoryview) -> bytes:
    """Return bytes compressed, with a checksum."""
    zstd = zstd_module()
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: _LEVEL, parameter.checksum_flag: 1}
    compressed: bytes = zstd.compress(data, options=options)
    return compressed


def _escaped(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii():
        return msgspec.msgpack.Ext(_RAW_NAME, value.encode("utf-8", "surrogateescape"))
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_escaped(item) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = {
            field.encode_name: getattr(value, field.name) for field in msgspec.structs.fields(value)
        }
        if value.__struct_config__.array_like:
            return [_escaped(item) for item in fields.values()]
        return {name: _escaped(item) for name, item in fields.items()}
    return value


def _unescaped(code: int, data: memoryview) -> str:
    if code != _RAW_NAME:
        raise ValueError(f"an extension of type {code}")
    return bytes(data).decode("utf-8", "surrogateescape")
