"""Connections to registries that many images share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pyimginspect.sources.transport import Transport

__all__ = ["Connections", "shared"]


class Connections:
    """Registries spoken to, each with its connections and its tokens; a context manager.

    It may be used from several threads. What asks for many images of a registry passes one on
    to all of them, so that each does not begin with a handshake and a token of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._transports: dict[tuple[str, str, bool], Transport] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def to(self, registry: str, repository: str = "", *, plain: bool = False) -> Transport:
        """Return what speaks to a repository; ``plain`` allows HTTP without TLS."""
        from pyimginspect.sources.transport import Transport

        key = (registry, repository, plain)
        with self._lock:
            found = self._transports.get(key)
            if found is None:
                found = Transport(registry, repository=repository, plain=plain)
                self._transports[key] = found
            return found

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            transports = [*self._transports.values()]
            self._transports.clear()
        for each in transports:
            each.close()


@contextlib.contextmanager
def shared(connections: Connections | None) -> Iterator[Connections]:
    """Give the connections of a caller, or else some that are closed at the end."""
    if connections is not None:
        yield connections
        return
    with Connections() as own:
        yield own
