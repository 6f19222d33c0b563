"""Connections to registries that many images share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pyimginspect.sources.hosts import Host
    from pyimginspect.sources.transport import Transport

__all__ = ["Connections", "shared"]


class Connections:
    """Registries spoken to: connections by host, tokens by repository; a context manager.

    It may be used from several threads. What asks for many images of a registry passes one on
    to all of them, so that each does not begin with a handshake and a token of its own.
    ``timeout`` are the seconds to wait for a connection, for each packet of an answer, and for
    a program that knows credentials; else ``PYIMGINSPECT_TIMEOUT``, else 10, 60 and 30.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._hosts: dict[tuple[str, bool, bool], Host] = {}
        self._transports: dict[tuple[str, str, bool, bool], Transport] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def to(
        self, registry: str, repository: str = "", *, plain: bool = False, insecure: bool = False
    ) -> Transport:
        """Return what speaks to a repository; ``plain`` is HTTP without TLS, as asked for.

        ``insecure`` is what registries.conf means by it: any certificate will do, or none.
        """
        # Not at the top: requests is slow to import, and images in files do without.
        from pyimginspect.sources.hosts import Host
        from pyimginspect.sources.transport import Transport

        with self._lock:
            key = (registry, repository, plain, insecure)
            found = self._transports.get(key)
            if found is None:
                host = self._hosts.get((registry, plain, insecure))
                if host is None:
                    host = Host(registry, plain=plain, insecure=insecure, timeout=self.timeout)
                    self._hosts[registry, plain, insecure] = host
                found = Transport(registry, repository=repository, host=host)
                self._transports[key] = found
            return found

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            hosts = [*self._hosts.values()]
            self._hosts.clear()
            self._transports.clear()
        for each in hosts:
            each.close()


@contextlib.contextmanager
def shared(connections: Connections | None) -> Iterator[Connections]:
    """Give the connections of a caller, or else some that are closed at the end."""
    if connections is not None:
        yield connections
        return
    with Connections() as own:
        yield own
