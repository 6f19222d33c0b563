"""How long to wait for a registry, an engine or a program that knows credentials."""

from __future__ import annotations

import contextlib
import os

from pyimginspect.errors import InvalidReferenceError

__all__ = ["seconds_from", "time_limits"]

# A host that takes no connection within ten seconds most likely is not there. A registry may
# need a minute to have a blob from its store before it sends the first byte.
_TIMEOUT = (10.0, 60.0)
_VARIABLE = "PYIMGINSPECT_TIMEOUT"
# A day. Much larger numbers do not fit into what sockets take.
_LONGEST = 86400.0


def seconds_from(text: str, what: str) -> float:
    """Read a limit of time. Raises :class:`InvalidReferenceError`, naming ``what`` is set so."""
    with contextlib.suppress(ValueError):
        seconds = float(text)
        # Which "nan" and "inf" are not, although float() takes them.
        if 0 < seconds <= _LONGEST:
            return seconds
    raise InvalidReferenceError(
        f"{what} is '{text}'", hint=f"seconds, more than 0 and up to {_LONGEST:,.0f}"
    )


def time_limits(
    seconds: float | None = None, default: tuple[float, float] = _TIMEOUT
) -> tuple[float, float]:
    """Return the seconds to wait for a connection, and for each packet of an answer.

    ``seconds`` is for both, else ``PYIMGINSPECT_TIMEOUT``, else they are the ``default``.
    """
    if seconds is None and (text := os.environ.get(_VARIABLE)):
        seconds = seconds_from(text, _VARIABLE)
    return default if seconds is None else (seconds, seconds)
