"""Hosts that mean harm: each ends in time, within bounds of memory, in one line, with no secret."""

import contextlib
import gc
import gzip
import json
import re
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.cli import main
from pyimginspect.errors import PyimginspectError
from pyimginspect.fleet.references.catalog import registry_images
from pyimginspect.fleet.references.choice import Choice, Skipped
from pyimginspect.sources.bodies import SLOWEST, Pace
from tests.certificates import authority
from tests.contract import one_line
from tests.effort import WHOLE
from tests.images import digest, docker_archive, image
from tests.servers import Answer, FakeEngine, FakeRegistry, Server, basic

SAMPLE = image([{"a": "1" * 200_000}, {"etc/os-release": "ID=debian\n"}])
SECRET = "hunter2-swordfish"
BOMB = gzip.compress(gzip.compress(b" " * (1 << 26)) * 16)
pytestmark = pytest.mark.sampled
SECONDS = 20.0
MEMORY = 200 << 20

Serve = Callable[["Hostile", BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials for the hosts of these tests, and no waiting before another attempt."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority().certificate))  # all take 20 ms
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_AUTH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pyimginspect.sources.hosts.wait", lambda *_: None)
    monkeypatch.setattr("pyimginspect.sources.registry.wait", lambda *_: None)


class Hostile(FakeRegistry):
    """A registry that answers all requests for `pattern` by a function of ours."""

    def __init__(self, pattern: str, misbehave: Serve) -> None:
        super().__init__()
        self._pattern = pattern
        self._misbehave = misbehave
        self.deadline = time.monotonic() + 30

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        if not re.search(self._pattern, handler.path):
            super().serve(handler)
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self.lock:
            self.requests.append((handler.command, handler.path, headers))
        handler.close_connection = True
        with contextlib.suppress(OSError):  # the client had enough
            self._misbehave(self, handler)

    def head(self, handler: BaseHTTPRequestHandler, status: int, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} x", *headers, "", ""]
        handler.wfile.write("\r\n".join(lines).encode())

    def while_asked(self) -> Iterator[None]:
        """So that a broken test does not hang."""
        while time.monotonic() < self.deadline:
            yield


# --- what they do ---------------------------------------------------------------------------------
def drip(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, and no packet too late."""
    server.head(handler, 200, "Content-Length: 100000", "Content-Type: application/json")
    for _ in server.while_asked():
        handler.wfile.write(b" ")
        time.sleep(0.02)


def drip_in_chunks(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Transfer-Encoding: chunked")
    for _ in server.while_asked():
        handler.wfile.write(b"1\r\n \r\n")
        time.sleep(0.02)


def drip_of_headers(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in server.while_asked():
        handler.wfile.write(b"x")
        time.sleep(0.02)


def drip_of_a_status(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    for _ in server.while_asked():
        handler.wfile.write(b"H")
        time.sleep(0.02)


def early_hints_for_ever(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    """More of them than anybody asks for, but not all the time of both processors."""
    for _ in server.while_asked():
        time.sleep(0.002)
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_headers(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in server.while_asked():
        handler.wfile.write(b"X: " + b"x" * 60000 + b"\r\n")


def endless_body(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Content-Type: application/json")
    for _ in server.while_asked():
        handler.wfile.write(b" " * 65536)


def endless_chunks(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Transfer-Encoding: chunked")
    for _ in server.while_asked():
        handler.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def no_chunk_at_all(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Transfer-Encoding: chunked")
    handler.wfile.write(b"zzzz\r\nxxxx\r\n" * 100)


def a_bomb_in_the_transport(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    """A gigabyte in a megabyte, and that twice over."""
    encoded = "Content-Encoding: gzip, gzip"
    server.head(handler, 200, encoded, f"Content-Length: {len(BOMB)}")
    handler.wfile.write(BOMB)


def no_gzip(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Content-Encoding: gzip", "Content-Length: 5")
    handler.wfile.write(b"plain")


def fewer_bytes_than_it_says(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Content-Length: 99999")
    handler.wfile.write(b"{}")


def a_length_that_is_none(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Content-Length: -1,7")
    handler.wfile.write(b"{}")


def a_length_beyond_all(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 200, "Content-Length: 9" + "9" * 4000)
    handler.wfile.write(b"{}")


def another_protocol(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\x1b[2J\r\n" * 20)


def nothing(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    pass


def redirects_to_itself(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 307, f"Location: {handler.path}", "Content-Length: 0")


def redirects_in_a_circle(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    path, _, number = handler.path.partition("?")
    server.head(handler, 302, f"Location: {path}?{(int(number or 0) + 1) % 3}", "Content-Length: 0")


def redirects_for_ever(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
    server.head(handler, 308, f"Location: {handler.path}/x", "Content-Length: 0")


def redirects_to(place: str) -> Serve:
    def serve(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
        server.head(handler, 302, f"Location: {place}", "Content-Length: 0")

    serve.__name__ = f"redirects_to_{place}"
    return serve


def wants(challenge: str) -> Serve:
    def serve(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
        answer = challenge.replace("HOST", server.host)
        server.head(handler, 401, f"WWW-Authenticate: {answer}", "Content-Length: 0")

    serve.__name__ = f"wants_{challenge[:40]}"
    return serve


def says(status: int, data: bytes, *headers: str) -> Serve:
    def serve(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
        server.head(handler, status, f"Content-Length: {len(data)}", *headers)
        handler.wfile.write(data)

    serve.__name__ = f"says_{status}_{data[:30]!r}"
    return serve


OCI = "application/vnd.oci.image.manifest.v1+json"
DEEP = b"[" * 100_000
ANSWERS = (
    drip,
    drip_in_chunks,
    drip_of_headers,
    drip_of_a_status,
    early_hints_for_ever,
    endless_headers,
    endless_body,
    endless_chunks,
    no_chunk_at_all,
    a_bomb_in_the_transport,
    no_gzip,
    fewer_bytes_than_it_says,
    a_length_that_is_none,
    a_length_beyond_all,
    another_protocol,
    nothing,
    redirects_to_itself,
    redirects_in_a_circle,
    redirects_for_ever,
    redirects_to("http://169.254.169.254/latest/meta-data"),
    redirects_to("file:///etc/passwd"),
    redirects_to("gopher://127.0.0.1:1/"),
    redirects_to("//user:hunter2-swordfish@[::1/"),
    redirects_to("http://\x1b[2J.example/"),
    redirects_to("http://" + "a" * 5000),
    redirects_to(""),
    wants('Bearer realm="http://169.254.169.254/token"'),
    wants('Bearer realm="https://[fe80::1]/token"'),
    wants('Bearer realm="file:///etc/shadow"'),
    wants('Bearer realm="HOST"'),
    wants('Bearer realm="http://HOST/v2/x/manifests/1"'),
    wants("Bearer " + ",".join(f'a{n}="' for n in range(3000))),
    wants("Basic " * 4000),
    wants("Negotiate"),
    says(200, DEEP),
    says(200, b"\x1b]0;hunter2-swordfish\x07{"),
    says(200, b'{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../../etc/passwd"}]}'),
    says(200, json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [{}]}).encode()),
    says(599, b"\xff" * 3000),
    says(302, b""),
    says(206, b"{}", "Content-Range: bytes 5-6/2"),
    says(429, b"", "Retry-After: 99999999999999999999"),
)


TRANSPORT = ANSWERS[: ANSWERS.index(another_protocol)]
PATIENT = (drip, drip_in_chunks, drip_of_headers, drip_of_a_status, early_hints_for_ever)
# An engine may take its time, as it packs images of gigabytes: --max-time ends what it begins.
NONSENSE: tuple[Serve, ...] = (
    *(each for each in ANSWERS if each not in PATIENT),
    says(200, b"[]"),
    says(200, b"7"),
    says(200, b'"x"'),
    says(200, b"null"),
    says(200, b'{"ApiVersion":7,"Id":[],"RepoTags":"x"}'),
    says(200, b'{"ApiVersion":"9.\xc2\xb29","Id":"sha256:x","RepoTags":["\\u001b[2J"]}'),
    says(404, b'{"message":["no such image"]}'),
    says(404, b'{"message":"no such image: \\u001b[2J"}'),
    says(404, b"[]"),
    says(500, b'{"message":"' + b"x" * 100_000 + b'"}'),
    says(500, DEEP),
    says(500, b"\x1b[2J\r\nline"),
)


def named(case: Serve) -> str:
    return re.sub(r"\W+", "-", case.__name__)[:60]


def memory_peak() -> int:
    """The most bytes that this process ever took."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


class Measured:
    """The seconds that something took, and the most memory that Python held meanwhile.

    To trace that doubles the time: without, it is what the process grew by beyond its peak so far.
    """

    def __enter__(self) -> "Measured":
        if WHOLE:
            tracemalloc.start()
        self.before = memory_peak()
        self.start = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.start
        self.peak = memory_peak() - self.before
        if WHOLE:
            self.peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()

    def check(self) -> None:
        assert self.seconds < SECONDS
        assert self.peak < MEMORY


def log_in(tmp_path: Path, *hosts: str) -> None:
    auth = basic("ann", SECRET).removeprefix("Basic ")
    document = {"auths": {host: {"auth": auth} for host in hosts}}
    (tmp_path / "config.json").write_text(json.dumps(document))


def refused(reference: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of an image that it cannot inspect."""
    with Measured() as measured:
        status = main([reference, "--timeout", "0.3", "--no-cache", "--quiet"])
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    one_line(err.rstrip("\n"))
    assert SECRET not in err
    measured.check()
    return err


@pytest.mark.parametrize(
    ("what", "misbehave"),
    [
        *(pytest.param("manifests", each, id=f"manifest-{named(each)}") for each in ANSWERS),
        *(pytest.param("blobs", each, id=f"blob-{named(each)}") for each in TRANSPORT),
    ],
)
def test_a_registry_of_ill_will(
    what: str, misbehave: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Hostile(f"/{what}/", misbehave) as registry:
        reference = registry.add("api", "1", SAMPLE)
        log_in(tmp_path, registry.host)
        refused(reference, capsys)


@pytest.mark.parametrize("misbehave", TRANSPORT, ids=named)
def test_a_token_service_of_ill_will(
    misbehave: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Hostile("/token", misbehave) as service, FakeRegistry() as registry:
        challenge = f'Bearer realm="http://{service.host}/token",scope="repository:api:pull"'
        registry.always("/v2/", (401, {"WWW-Authenticate": challenge}, b"{}"))
        log_in(tmp_path, registry.host)
        refused(registry.add("api", "1", SAMPLE), capsys)


def test_credentials_stay_with_the_host_they_are_for(tmp_path: Path) -> None:
    """Whatever a redirect or a page's link names: nobody else gets to see them."""

    class Elsewhere(Server):
        def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b"{}"

    with Elsewhere() as elsewhere, FakeRegistry() as registry:
        registry.users = {"ann": SECRET}
        log_in(tmp_path, registry.host)
        for host in (elsewhere.host, f"ann:{SECRET}@{elsewhere.host}"):
            registry.faults = []
            registry.always("/blobs/", (302, {"Location": f"http://{host}/x"}, b""))
            assert main([registry.add("api", "1", SAMPLE), "--no-cache", "--quiet"]) == 2
    assert elsewhere.requests
    given = [headers.get("authorization", "") for _, _, headers in elsewhere.requests]
    assert not any(basic("ann", SECRET) in each for each in given[:1])


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "a/../../v2/_catalog:1",
        "api@sha256:../../../../etc/passwd",
        "api:../1",
        "api:1?x=y",
        "api:1#x",
        "api%2f..:1",
        "a\x1b[2Jb:1",
        "api:1\r\nX: y",
    ],
)
def test_names_that_lead_elsewhere(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeRegistry() as registry:
        refused(f"registry:{registry.host}/{name}", capsys)
        assert not any(".." in path or "?" in path for _, path, _ in registry.requests)


@pytest.mark.parametrize(
    "named",
    ["sha256:../../../../etc/passwd", "sha256:" + "a" * 63 + "/", "../x:" + "a" * 64, "", "md5:x"],
)
@pytest.mark.parametrize("where", ["config", "layers"])
def test_digests_that_lead_elsewhere(
    where: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeRegistry() as registry:
        reference = registry.add("api", "1", SAMPLE)
        document = json.loads(registry.manifests["api", "1"])
        target = document["config"] if where == "config" else document["layers"][0]
        target["digest"] = named
        registry.manifests["api", "1"] = json.dumps(document).encode()
        refused(reference, capsys)
        assert not any(".." in path for _, path, _ in registry.requests)


@pytest.mark.parametrize("what", ["other bytes", "another length", "another range"])
def test_other_bytes_where_a_blob_goes_on(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Changing(FakeRegistry):
        def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
            status, more, data = super().answer(method, path, headers)
            if status == 206:
                if what == "other bytes":
                    data = bytes(255 - byte for byte in data)
                elif what == "another length":
                    data += data
                else:
                    more["Content-Range"] = f"bytes 0-{len(data) - 1}/{len(data)}"
            return status, more, data

    sample = image([{"a": bytes(range(256)) * 1000}])
    with Changing() as registry:
        reference = registry.add("api", "1", sample, compression=None)
        registry.break_after(100_000)
        assert refused(reference, capsys)


@pytest.mark.slow
def test_a_repository_of_a_million_tags() -> None:
    """All are read, in pages; one that never ends is not."""
    size = 100_000
    pages = [
        json.dumps({"tags": [f"v{n}" for n in range(s, s + size)]}).encode()
        for s in range(0, 1_000_000, size)
    ]

    class Many(FakeRegistry):
        endless = False

        def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
            found = re.search(r"last=(\d+)", path)
            number = int(found[1]) if found else 0
            last = number + 1 == len(pages) and not self.endless
            following = f'</v2/api/tags/list?last={number + 1}>; rel="next"'
            page = pages[number % len(pages)].replace(b'"v', b'"%d' % (number // len(pages)))
            return 200, {} if last else {"Link": following}, page

    with Many() as registry:
        text = f"http://{registry.host}/api:*99999"
        found = [*registry_images(text, Choice(), Skipped())]
        assert len(found) == 10
        registry.endless = True
        with pytest.raises(PyimginspectError, match="lists more than") as caught:
            [*registry_images(text, Choice(), Skipped())]
        one_line(str(caught.value))


# --- engines --------------------------------------------------------------------------------------
class Babbling(FakeEngine):
    """An engine that answers requests for `pattern` with something else."""

    def __init__(self, pattern: str, misbehave: Serve) -> None:
        super().__init__()
        self._pattern = pattern
        self._misbehave = misbehave
        self.deadline = time.monotonic() + 30

    head = Hostile.head
    while_asked = Hostile.while_asked

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        if not re.search(self._pattern, handler.path):
            super().serve(handler)
            return
        handler.close_connection = True
        with contextlib.suppress(OSError):
            self._misbehave(self, handler)  # type: ignore[arg-type]


# An answer that was given up is closed with what refers to it, which is a cycle: whenever that is.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("misbehave", NONSENSE, ids=named)
@pytest.mark.parametrize("what", ["version", "json", "get"])
def test_an_engine_that_answers_nonsense(
    what: str,
    misbehave: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Babbling(rf"/{what}($|\?)", misbehave) as engine:
        engine.add("api", docker_archive(SAMPLE), digest(b"x"))
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        with Measured() as measured:
            status = main(["docker:api", "--timeout", "1", "--no-cache", "--quiet"])
        gc.collect(1)
        out, err = capsys.readouterr()
        if (what, status) == ("json", 0) or (what, status) == ("version", 0):
            return  # it makes enough sense to go on with
        assert (status, out) == (2, "")
        one_line(err.rstrip("\n"))
        measured.check()


# --- patience -------------------------------------------------------------------------------------
class Slow:
    """An answer of which so many bytes come in so long a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.raw = self
        self.rate = 0.0
        monkeypatch.setattr("pyimginspect.sources.bodies.time.monotonic", lambda: self.now)

    def read1(self, count: int, decode_content: bool) -> bytes:
        self.now += 1.0
        return b"x" * int(self.rate)


def test_a_host_is_given_up_for_what_it_sends_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before counts no more, and what we do ourselves meanwhile never does."""
    slow: Any = Slow(monkeypatch)
    pace = Pace(10.0)
    slow.rate = SLOWEST * 100
    for _ in range(30):
        pace.read(slow, 1 << 20)
        slow.now += 1000
    slow.rate = SLOWEST
    for _ in range(30):
        pace.read(slow, 1 << 20)
    slow.rate = SLOWEST - 1
    for _ in range(9):
        pace.read(slow, 1 << 20)
    with pytest.raises(PyimginspectError, match="too slowly"):
        pace.read(slow, 1 << 20)
