"""What several ask for and that is worked out once: facts of an image, and readings of texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
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
    # With the module's name, as two modules may have a function of one name.
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
    is read each time, so that what is kept has a bound. Results must not be changed. They must
    not depend on arguments given by name, which may only be of help in making them.
    """

    def decorate(
        function: Callable[Concatenate[_X, _P], _T],
    ) -> Callable[Concatenate[_X, _P], _T]:
        kept: dict[tuple[object, ...], _T] = {}  # the last that was asked for at its end
        lock = Lock()

        @wraps(function)
        def read(text: _X, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            if len(text) > longest:
                return function(text, *args, **kwargs)
            key = (text, *args)
            with lock:
                if key in kept:
                    result = kept[key] = kept.pop(key)
                    return result
            # Outside of the lock: two threads that read one text at once lose time, and nothing
            # else.
            result = function(text, *args, **kwargs)
            with lock:
                kept[key] = result
                while len(kept) > most:
                    del kept[next(iter(kept))]
            return result

        return read

    return decorate
