"""What several ask for and that is worked out once: facts of an image, and readings of texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

__all__ = ["memoized", "memoized_text"]

_S = TypeVar("_S")
_T = TypeVar("_T")
_P = ParamSpec("_P")
_X = TypeVar("_X", bytes, str)


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


def memoized_text(
    most: int, longest: int
) -> Callable[[Callable[Concatenate[_X, _P], _T]], Callable[Concatenate[_X, _P], _T]]:
    """Make a pure function of a text remember its last ``most`` results.

    Images share their bases, and with them the same texts. A longer text than ``longest``
    is read each time, so that what is kept has a bound. Results must not be changed.
    """

    def decorate(
        function: Callable[Concatenate[_X, _P], _T],
    ) -> Callable[Concatenate[_X, _P], _T]:
        kept = lru_cache(most)(function)

        @wraps(function)
        def read(text: _X, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            if len(text) > longest:
                return function(text, *args, **kwargs)
            return kept(text, *args, **kwargs)  # type: ignore[arg-type]

        return read

    return decorate
