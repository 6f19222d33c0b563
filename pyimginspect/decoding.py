"""Typed decoding that any number of threads may begin at once.

``msgspec`` 0.22 works out how a type is decoded when that is first asked for, and shows other
threads what is half worked out: they crash the interpreter. Types share parts, so all are worked
out under one lock (docs/decisions/msgspec-threads.md). Nothing else in this package decodes to a
type, or converts to one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, TypeVar, overload

import msgspec

__all__ = ["from_builtins", "from_json", "from_json_lines", "from_msgpack"]

_T = TypeVar("_T")

_lock = threading.Lock()
_json: dict[Any, msgspec.json.Decoder[Any]] = {}
_msgpack: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


@overload
def from_json(data: bytes | str, kind: type[_T]) -> _T: ...


@overload
def from_json(data: bytes | str, kind: Any) -> Any: ...


def from_json(data: bytes | str, kind: Any) -> Any:
    """Decode JSON as ``kind``; raise :class:`msgspec.DecodeError` where it is none, or no such."""
    return _json_decoder(kind).decode(data)


def from_json_lines(data: bytes, kind: type[_T]) -> list[_T]:
    """Decode lines of JSON, each as ``kind``, as :func:`from_json` does."""
    return _json_decoder(kind).decode_lines(data)


def from_msgpack(data: bytes | memoryview, kind: type[_T]) -> _T:
    """Decode MessagePack as ``kind``; raise :class:`msgspec.DecodeError` where it is none."""
    decoder: msgspec.msgpack.Decoder[_T] | None = _msgpack.get(kind)
    if decoder is None:
        with _lock:
            # Another thread may have made it while this one waited.
            decoder = _msgpack.setdefault(kind, msgspec.msgpack.Decoder(kind))
    return decoder.decode(data)


@overload
def from_builtins(value: object, kind: type[_T], *, plain: Iterable[type] = ()) -> _T: ...


@overload
def from_builtins(value: object, kind: Any, *, plain: Iterable[type] = ()) -> Any: ...


def from_builtins(value: object, kind: Any, *, plain: Iterable[type] = ()) -> Any:
    """Make a ``kind`` of plain values; raise :class:`msgspec.ValidationError` where none can be.

    Values of the types ``plain`` are as they are, besides those of JSON.
    """
    _json_decoder(kind)  # what it needs to know of the type, the conversion needs as well
    return msgspec.convert(value, kind, builtin_types=plain)


def _json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _json.get(kind)
    if decoder is None:
        with _lock:
            decoder = _json.setdefault(kind, msgspec.json.Decoder(kind))
    return decoder
