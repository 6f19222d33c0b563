"""Mappings of records that cannot be changed: a frozen record with a ``dict`` in it could be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never, TypeVar

import msgspec

__all__ = ["FrozenDict", "freeze"]

_K = TypeVar("_K")
_V = TypeVar("_V")


class FrozenDict(dict[_K, _V]):
    """A ``dict`` that refuses every change with :class:`TypeError`, and has a hash.

    It is a ``dict`` for whoever reads or encodes it; ``copy()`` and ``|`` give one that can be
    changed. (:class:`types.MappingProxyType` is neither encoded by msgspec nor pickled.)
    """

    def _refuse(self, *_: object, **__: object) -> Never:
        raise TypeError("the mapping belongs to an immutable record: copy() gives one to change")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    # Pickled as other dicts are, it would get its items by __setitem__, which refuses.
    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


def freeze(record: msgspec.Struct, *names: str) -> None:
    """Make mappings of a record immutable: for its ``__post_init__``, so for decoded ones too."""
    for name in names:
        value: Mapping[Any, Any] = getattr(record, name)
        if type(value) is not FrozenDict:
            msgspec.structs.force_setattr(record, name, FrozenDict(value))
