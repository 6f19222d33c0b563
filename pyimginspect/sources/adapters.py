"""Connections as registries need them: TLS of a context of our own, and only where one may go."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

__all__ = ["Adapter", "Check"]

# Of one host. urllib3 throws away what is beyond the size of its pool, and the handshake with it;
# by default ten are kept.
_CONNECTIONS = 16

Check = Callable[[str, int | None, str | None], None]
"""Told a host, its port, and the address of the connection once there is one; may raise."""


class Adapter(HTTPAdapter):
    """Connections that a ``check`` allows, with the TLS of a ``context`` where one is given.

    What goes through a proxy is not checked here: it is the proxy that finds the address, and the
    proxy itself is the user's own.
    """

    def __init__(self, check: Check, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._check = check
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **settings: Any
    ) -> None:
        """Make pools of such connections."""
        super().init_poolmanager(connections, maxsize, block, **settings, **self._tls())
        self.poolmanager.pool_classes_by_scheme = _pools(self._check)

    def proxy_manager_for(self, proxy: Any, **settings: Any) -> Any:
        """Make connections through a proxy with the context, too."""
        return super().proxy_manager_for(proxy, **settings, **self._tls())

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave it at the context: ``requests`` would load ``certifi``'s roots into it."""
        # That of HTTP, which has no certificates to verify.
        if self._context is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        else:
            conn.cert_reqs = "CERT_NONE" if not self._context.check_hostname else "CERT_REQUIRED"

    def _tls(self) -> dict[str, Any]:
        return {} if self._context is None else {"ssl_context": self._context}


@contextlib.contextmanager
def _in_time(sock: socket.socket | None) -> Iterator[None]:
    """Give the headers of an answer as long, all together, as the socket waits for each packet.

    Raises :class:`TimeoutError` where they take longer.
    """
    seconds = sock.gettimeout() if sock is not None else None
    if sock is None or seconds is None:
        yield
        return
    over = threading.Event()

    def end() -> None:
        over.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS: without a farewell

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException) as exc:
        if over.is_set():
            raise TimeoutError("timed out") from exc
        raise
    finally:
        timer.cancel()


def _pools(check: Check) -> dict[str, Any]:
    """Return classes of pools whose connections ask ``check`` before and after they are made."""

    def connected(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> Any:
        check(connection.host, connection.port, None)
        made = connect()
        try:
            # The name may have been looked up once more, and lead elsewhere now.
            check(connection.host, connection.port, made.getpeername()[0])
        except BaseException:
            made.close()
            raise
        return made

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, super()._new_conn)  # type: ignore[no-any-return]

        def getresponse(self) -> Any:
            with _in_time(self.sock):
                return super().getresponse()

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, super()._new_conn)  # type: ignore[no-any-return]

        def getresponse(self) -> Any:
            with _in_time(self.sock):
                return super().getresponse()

        def connect(self) -> None:
            super().connect()
            # urllib3 would warn of an unverified certificate, which only somebody who has
            # written "insecure" into registries.conf gets this far with.
            self.is_verified = True

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
