"""Facts that several ask for and that are worked out once: a cached property, outside its class."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

__all__ = ["memoized"]

_S = TypeVar("_S")
_T = TypeVar("_T")


def memoized(function: Callable[[_S], _T]) -> Callable[[_S], _T]:
    """Make a pure function of one immutable record remember its result with the record.

    The record must have a ``__dict__`` (a plain class, or a ``Struct`` with ``dict=True``).
    """
    name = f"_memoized_{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def remembered(subject: _S) -> _T:
        kept = vars(subject)
        if name not in kept:
            kept[name] = function(subject)
        result: _T = kept[name]
        return result

    return remembered
