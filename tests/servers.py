"""Servers on loopback for the tests: a registry that misbehaves on request, and token services.

with FakeRegistry() as registry:
    registry.add("acme/api", "1.4", image)
    registry.break_after(20_000, times=2)
    open_reference(f"registry:{registry.host}/acme/api:1.4", Options())
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from tests.images import Compression, Image, Index, digest, oci_files

Answer = tuple[int, dict[str, str], bytes]
_ROUTE = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<name>[^/]+)")


class Server:
    """An HTTP server in a thread of its own; `requests` lists what it was asked, in order.

    It listens at a port, reached at `host`; given a path, at a socket there.
    """

    def __init__(self, path: str | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.sent = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.serve(self)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server: Any
        if path is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.host = f"127.0.0.1:{self._server.server_port}"
        else:
            self._server = socketserver.ThreadingUnixStreamServer(path, Handler)
            self.host = path
        self._server.daemon_threads = True
        self._server.handle_error = _linger
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; a handshake that fails is no concern of others."""
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        length = int(headers.get("content-length", 0))
        body = handler.rfile.read(length).decode() if length else ""
        if body:
            headers["(body)"] = body
        headers["(version)"] = handler.request_version
        with self.lock:
            self.requests.append((handler.command, handler.path, headers))
        status, more, data = self.answer(handler.command, handler.path, headers)
        self.send(handler, status, more, data)

    def send(
        self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes
    ) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            self.write(handler, data)

    def write(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        handler.wfile.write(data)
        with self.lock:
            self.sent += len(data)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        raise NotImplementedError

    def asked(self, pattern: str) -> list[dict[str, str]]:
        """The headers of every request whose path has `pattern`."""
        return [headers for _, path, headers in self.requests if re.search(pattern, path)]


_MULTIPART = {"Content-Type": "multipart/byteranges; boundary=THIS"}


def _multipart(asked: str, data: bytes) -> bytes:
    """Several ranges as RFC 9110, 14.6 has them."""
    parts = []
    for start, stop in re.findall(r"(\d+)-(\d+)", asked):
        head = f"\r\n--THIS\r\nContent-Range: bytes {start}-{stop}/{len(data)}\r\n\r\n"
        parts.append(head.encode() + data[int(start) : int(stop) + 1])
    return b"".join(parts) + b"\r\n--THIS--\r\n"


class FakeRegistry(Server):
    """A registry of images built in memory, and what may go wrong with one."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.users: dict[str, str] = {}
        self.tokens: TokenServer | None = None
        self.faults: list[Callable[[str, str], Answer | None]] = []
        self.redirect: str | None = None
        self.scheme = "http"
        self.ranges = True
        self.multipart = True
        self.page = 1000
        self._break: tuple[int, int] | None = None

    def add(
        self,
        repository: str,
        tag: str,
        one: Image | Index,
        *,
        compression: Compression = "gzip",
        files: dict[str, bytes] | None = None,
    ) -> str:
        """Hold an image, and return the reference that finds it."""
        files = oci_files(one, compression=compression) if files is None else files
        (top,) = json.loads(files["index.json"])["manifests"][:1]
        for name, data in files.items():
            if name.startswith("blobs/"):
                self.blobs[name.removeprefix("blobs/").replace("/", ":")] = data
        self.manifests[repository, tag] = self.blobs[top["digest"]]
        return f"registry:{self.host}/{repository}:{tag}"

    # --- what may go wrong ---
    def break_after(self, count: int, *, times: int = 1) -> None:
        """Drop the connection after `count` bytes of a blob, `times` over."""
        self._break = (count, times)

    def fail(self, pattern: str, answers: Iterable[Answer]) -> None:
        """Answer the first requests for `pattern` so, and then as usual."""
        left = list(answers)

        def fault(_: str, path: str) -> Answer | None:
            return left.pop(0) if left and re.search(pattern, path) else None

        self.faults.append(fault)

    def always(self, pattern: str, answer: Answer) -> None:
        """Answer all requests for `pattern` so."""
        self.faults.append(lambda _, path: answer if re.search(pattern, path) else None)

    # --- what is answered ---
    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        for fault in self.faults:
            if (wrong := fault(method, path)) is not None:
                return wrong
        if (refusal := self._refuse(path, headers)) is not None:
            return refusal
        if (listed := self._list(path)) is not None:
            return listed
        route = _ROUTE.fullmatch(path)
        if route is None:
            return 404, {}, b"{}"
        name = route["name"]
        if route["kind"] == "manifests":
            data = self.manifests.get((route["repository"], name)) or self.blobs.get(name)
        else:
            data = self.blobs.get(name)
            if data is not None and self.redirect is not None:
                return 307, {"Location": f"{self.redirect}{path}"}, b""
        if data is None:
            return 404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
        more = {"Docker-Content-Digest": digest(data)} if route["kind"] == "manifests" else {}
        asked = headers.get("range", "")
        if "," in asked and self.ranges and self.multipart:
            return 206, {**more, **_MULTIPART}, _multipart(asked, data)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        if wanted and self.ranges:
            start = int(wanted[1])
            stop = min(int(wanted[2]) + 1 if wanted[2] else len(data), len(data))
            more["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            return 206, more, data[start:stop]
        return 200, more, data

    def _list(self, path: str) -> Answer | None:
        """A page of the catalogue or of a repository's tags, with a link to the next."""
        parts = urlsplit(path)
        tags = re.fullmatch(r"/v2/(.+)/tags/list", parts.path)
        if tags is not None:
            key = "tags"
            names = sorted(tag for name, tag in self.manifests if name == tags[1])
            if not names:
                return 404, {}, b'{"errors":[{"code":"NAME_UNKNOWN"}]}'
        elif parts.path == "/v2/_catalog":
            key = "repositories"
            names = sorted({name for name, _ in self.manifests})
        else:
            return None
        query = parse_qs(parts.query)
        after = query.get("last", [""])[0]
        page = [name for name in names if name > after][: self.page]
        more: dict[str, str] = {}
        if page and page[-1] != names[-1]:
            more["Link"] = f'<{parts.path}?last={quote(page[-1])}&n={self.page}>; rel="next"'
        return 200, more, json.dumps({key: page}).encode()

    def _refuse(self, path: str, headers: dict[str, str]) -> Answer | None:
        given = headers.get("authorization", "")
        if self.tokens is not None:
            if given.removeprefix("Bearer ") in self.tokens.issued:
                return None
            challenge = (
                f'Bearer realm="{self.scheme}://{self.tokens.host}/token",service="{self.host}",'
                f'scope="repository:{path.split("/")[2]}:pull"'
            )
            return 401, {"WWW-Authenticate": challenge}, b"{}"
        if self.users and given not in {basic(*pair) for pair in self.users.items()}:
            return 401, {"WWW-Authenticate": 'Basic realm="Registry Realm"'}, b"{}"
        return None

    def write(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        if "/blobs/" in handler.path and self._break is not None and len(data) > self._break[0]:
            count, times = self._break
            self._break = (count, times - 1) if times > 1 else None
            super().write(handler, data[:count])
            handler.close_connection = True
            return
        super().write(handler, data)


class TokenServer(Server):
    """A token service as the distribution project specifies it; `users` may be empty for all."""

    def __init__(self, users: dict[str, str] | None = None) -> None:
        super().__init__()
        self.users = users or {}
        self.refresh_tokens: set[str] = set()
        self.issued: set[str] = set()
        self.reply: bytes | None = None
        self.name = "token"
        self.paths: dict[str, bytes] = {}

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        if path in self.paths:
            return 200, {}, self.paths[path]
        if method == "POST":
            form = parse_qs(headers.get("(body)", ""))
            if form.get("refresh_token", [""])[0] not in self.refresh_tokens:
                return 401, {}, b"{}"
        elif self.users and headers.get("authorization") not in {
            basic(*pair) for pair in self.users.items()
        }:
            return 401, {}, b"{}"
        query: dict[str, Any] = parse_qs(urlsplit(path).query)
        token = f"secret-token-{len(self.issued)}-{query.get('scope', ['none'])[0]}"
        self.issued.add(token)
        if self.reply is not None:
            return 200, {}, self.reply
        return 200, {}, json.dumps({self.name: token, "expires_in": 300}).encode()


class FakeEngine(Server):
    """As much of a Docker Engine as opening one of its images takes; reach it at `address`.

    Like Go's servers it sends what it does not know the length of in chunks, and to who asks in
    HTTP/1.0 without them; with `always_chunks`, as no server should, to everybody.
    """

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path)
        self.always_chunks = False
        self.images: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.cut: int | None = None
        self.save_together: Callable[[list[str]], bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix://{self.host}" if self.host.startswith("/") else f"tcp://{self.host}"

    def add(self, name: str, archive: bytes, identity: str, *tags: str) -> None:
        """Hold an image under `name`: what ``save`` gives, and its ID and tags."""
        self.images[name] = {"Id": identity, "RepoTags": list(tags)}, archive

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        if path.endswith("/version"):
            return 200, {}, b'{"ApiVersion":"1.43"}'
        if re.fullmatch(r"/v[0-9.]+/images/json(\?.*)?", path):
            return 200, {}, json.dumps([known for known, _ in self.images.values()]).encode()
        together = re.fullmatch(r"/v[0-9.]+/images/get\?(names=.*)", path)
        if together is not None and self.save_together is not None:
            names = parse_qs(together[1])["names"]
            return 200, {"Content-Type": "application/x-tar"}, self.save_together(names)
        found = re.fullmatch(r"/v[0-9.]+/images/(.+)/(json|get)", path)
        if found is None:
            return 500, {}, b'{"message":"what is that?"}'
        if found[1] not in self.images:
            return 404, {}, b'{"message":"no such image"}'
        known, archive = self.images[found[1]]
        if found[2] == "json":
            return 200, {"Content-Type": "application/json"}, json.dumps(known).encode()
        return 200, {"Content-Type": "application/x-tar"}, archive

    def send(
        self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes
    ) -> None:
        if headers.get("Content-Type") != "application/x-tar":
            super().send(handler, status, headers, data)
            return
        chunks = self.always_chunks or handler.request_version == "HTTP/1.1"
        handler.send_response(status)
        handler.send_header("Transfer-Encoding", "chunked" if chunks else "identity")
        handler.end_headers()
        handler.close_connection = handler.close_connection or not chunks
        self.write(handler, in_chunks(data) if chunks else data)

    def write(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        if self.cut is not None and handler.path.endswith("/get"):
            data = data[: self.cut]
            handler.close_connection = True
        super().write(handler, data)


def in_chunks(data: bytes, length: int = 1 << 15) -> bytes:
    """A body in HTTP's chunked encoding (RFC 9112, section 7.1)."""
    pieces = [data[start : start + length] for start in range(0, len(data), length)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def basic(username: str, password: str) -> str:
    """The value of an `Authorization` header."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


class Endless(Server):
    """Answers everything with bytes that never end; `limit` keeps a broken test from hanging."""

    limit = 64 << 20

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        handler.close_connection = True
        piece = b" " * 65536
        deadline = time.monotonic() + 20
        try:
            while self.sent < self.limit and time.monotonic() < deadline:
                self.write(handler, piece)
        except OSError:
            pass  # the client had enough

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        raise NotImplementedError


class Proxy:
    """Passes TCP connections on to `target` (`host:port`), counts, and breaks them on request.

    With a `rate` no more than so many bytes a second come from there, over all connections.
    """

    def __init__(self, target: str, *, rate: float | None = None) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0
        self.break_after: int | None = None
        self.broken = 0
        self._rate = rate
        self._line = threading.Lock()  # what is sent takes its time, one after the other
        self._sockets: list[socket.socket] = []  # closed at the end: threads may still ask them
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join(30)
        for one in self._sockets:
            one.close()

    def greet(self, client: socket.socket) -> None:
        """What a client says to the proxy itself: nothing."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.greet(client)
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            for source, sink, counts in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._pass, args=(source, sink, counts))
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        passed = 0
        try:
            while data := source.recv(1 << 16):
                if counts and self._rate is not None:
                    with self._line:
                        time.sleep(len(data) / self._rate)
                sink.sendall(data)
                passed += len(data)
                self.received += len(data) * counts
                if counts and self.break_after is not None and passed > self.break_after:
                    self.broken += 1
                    break
        except OSError:
            pass  # one of them has gone
        _end(source)
        _end(sink)


class Tunnel(Proxy):
    """An HTTP proxy that tunnels every ``CONNECT`` to its one target, whatever it asks for."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.asked: set[str] = set()

    def greet(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (data := client.recv(4096)):
            head += data
        self.asked.add(head.decode().partition(" HTTP/")[0])
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def _linger(client: Any, client_address: Any) -> None:
    """Wait a while for a client that was turned away to go.

    Closed at once, the connection would be reset by what is still coming, and the client not get
    to read why its certificate was refused.
    """
    with contextlib.suppress(OSError):
        while select.select([client], [], [], 0.3)[0] and os.read(client.fileno(), 1 << 16):
            pass


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
