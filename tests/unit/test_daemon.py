"""Docker and Podman, as far as a small stand-in goes; the real ones are in tests/integration."""

import contextlib
import hashlib
import json
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyimginspect import inspect
from pyimginspect.errors import (
    ArchiveError,
    DaemonError,
    ImageNotFoundError,
    InvalidReferenceError,
    PlatformError,
    PyimginspectError,
)
from pyimginspect.layers.cache import Cache
from pyimginspect.model import Platform
from pyimginspect.sources import processes
from pyimginspect.sources.daemon import podman_addresses
from pyimginspect.sources.engines import find_docker
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.certificates import Authority, authority
from tests.contract import assert_valid_image, content, one_line
from tests.images import docker25_archive, docker_archive, image, oci_archive
from tests.servers import Answer, FakeEngine

no_sockets = pytest.mark.skipif(sys.platform == "win32", reason="no such sockets there")
SAMPLE = image([{"a": "1" * 9000}, {"etc/os-release": "ID=debian\n"}], tag="acme/api:1.4")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        monkeypatch.setenv("DOCKER_HOST", running.address)
        monkeypatch.setenv("CONTAINER_HOST", running.address)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
            monkeypatch.delenv(name, raising=False)
        running.add("acme/api:1.4", docker_archive(SAMPLE), SAMPLE.config_digest, *SAMPLE.tags)
        yield running


@pytest.mark.parametrize("prefix", ["docker:", "podman:", ""])
@pytest.mark.parametrize("build", [docker_archive, docker25_archive])
def test_an_image(prefix: str, build: object, engine: FakeEngine, tmp_path: Path) -> None:
    engine.add("acme/api:1.4", build(SAMPLE), SAMPLE.config_digest, *SAMPLE.tags)  # type: ignore[operator]
    found = open_reference(f"{prefix}acme/api:1.4", Options()).image
    assert_valid_image(found)
    assert found.source == (prefix.rstrip(":") or "docker")
    assert found.names == ("acme/api:1.4",)
    assert found.reference == f"{prefix}acme/api:1.4"
    path = tmp_path / "x.tar"
    path.write_bytes(docker_archive(SAMPLE))
    assert content(found) == content(open_reference(str(path), Options()).image)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("cut", [None, 600])
def test_modules_are_loaded_while_the_engine_writes(
    cut: int | None,
    allowed: bool,
    engine: FakeEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the command alone: who uses the library wants no more than what is used."""
    (tmp_path / "only_for_reports.py").write_text("NUMBER = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    modules = ("pyimginspect.no_such_module", "only_for_reports")
    monkeypatch.setattr(processes, "_allowed", modules if allowed else None)
    engine.cut = cut
    with contextlib.suppress(DaemonError):
        open_reference("docker:acme/api:1.4", Options())
        assert cut is None
    assert (sys.modules.pop("only_for_reports", None) is not None) is allowed
    assert not [each for each in threading.enumerate() if each.name == "modules"]


def saves(engine: FakeEngine) -> int:
    return len(engine.asked("/get$"))


def test_an_image_seen_before_is_not_saved_again(engine: FakeEngine, tmp_path: Path) -> None:
    with Cache(tmp_path / "cache") as cache:
        first = open_reference("docker:acme/api:1.4", Options(cache=cache)).image
        second = open_reference("docker:acme/api:1.4", Options(cache=cache)).image
        assert second == first
        assert saves(engine) == 1
        third = open_reference("docker:acme/api:1.4", Options(cache=cache, verify=True)).image
        assert third == first
        assert saves(engine) == 2
        arm = Platform.parse("linux/arm64")
        with pytest.raises(PlatformError):
            open_reference("docker:acme/api:1.4", Options(cache=cache, platform=arm))


def test_an_image_of_containerds_store_seen_before(engine: FakeEngine, tmp_path: Path) -> None:
    """There the image's ID is the digest of its manifest."""
    archive = oci_archive(SAMPLE)
    manifest = open_archive_digest(archive, tmp_path)
    engine.add("acme/api:1.4", archive, manifest, *SAMPLE.tags)
    with Cache(tmp_path / "cache") as cache:
        first = open_reference("docker:acme/api:1.4", Options(cache=cache)).image
        second = open_reference("docker:acme/api:1.4", Options(cache=cache)).image
    assert second.layers == first.layers
    assert second.config == first.config
    assert saves(engine) == 1


def open_archive_digest(archive: bytes, tmp_path: Path) -> str:
    path = tmp_path / "x.tar"
    path.write_bytes(archive)
    return str(open_reference(str(path), Options()).image.digest)


def test_a_new_tag_on_known_layers(engine: FakeEngine, tmp_path: Path) -> None:
    other = SAMPLE.with_config(created="2024-01-01T00:00:00Z")
    engine.add("acme/api:1.5", docker25_archive(other), other.config_digest, "acme/api:1.5")
    with Cache(tmp_path / "cache") as cache:
        open_reference("docker:acme/api:1.4", Options(cache=cache))
        found = open_reference("docker:acme/api:1.5", Options(cache=cache)).image
    assert found.config.created == "2024-01-01T00:00:00Z"


def refused(reference: str, kind: type[PyimginspectError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        open_reference(reference, Options())
    one_line(str(caught.value))
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_image(engine: FakeEngine) -> None:
    refused("docker:acme/none", ImageNotFoundError, "Docker has no such image")
    refused("podman:acme/none", ImageNotFoundError, "Podman has no such image")


@pytest.mark.parametrize("cut", [0, 100, 5000])
def test_an_engine_that_goes_away(cut: int, engine: FakeEngine) -> None:
    engine.cut = cut
    refused("docker:acme/api:1.4", DaemonError, "the Docker service went away")


# --- over a socket of this machine ----------------------------------------------------------------
@pytest.fixture
def local(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """The same images from a socket, in a place whose name is short enough for one."""
    with tempfile.TemporaryDirectory() as name, FakeEngine(f"{name}/docker.sock") as running:
        running.images = engine.images
        monkeypatch.setenv("DOCKER_HOST", running.address)
        monkeypatch.setenv("CONTAINER_HOST", running.address)
        yield running


def versions(engine: FakeEngine, path: str) -> list[str]:
    return [headers["(version)"] for headers in engine.asked(path)]


@no_sockets
@pytest.mark.parametrize("prefix", ["docker:", "podman:"])
def test_a_local_engine_is_asked_for_the_bare_archive(
    prefix: str, engine: FakeEngine, local: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In HTTP/1.0, which knows no chunks; anything else, and anybody else, in HTTP/1.1."""
    found = open_reference(f"{prefix}acme/api:1.4", Options()).image
    assert_valid_image(found)
    assert versions(local, "/get$") == ["HTTP/1.0"]
    assert versions(local, "/(version|json)$") == ["HTTP/1.1"] * 2
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    monkeypatch.setenv("CONTAINER_HOST", engine.address)
    assert open_reference(f"{prefix}acme/api:1.4", Options()).image == found
    assert versions(engine, "/get$") == ["HTTP/1.1"]


@no_sockets
def test_who_sends_chunks_all_the_same_is_understood(local: FakeEngine) -> None:
    usual = open_reference("docker:acme/api:1.4", Options()).image
    local.always_chunks = True
    assert open_reference("docker:acme/api:1.4", Options()).image == usual


@no_sockets
@pytest.mark.parametrize("part", [0.0, 0.001, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("always_chunks", [False, True])
def test_a_local_engine_that_goes_away(part: float, always_chunks: bool, local: FakeEngine) -> None:
    """Nothing but the archive tells that it has not all come."""
    archive = local.images["acme/api:1.4"][1]
    local.cut = int(len(archive.rstrip(b"\0")) * part)
    local.always_chunks = always_chunks
    refused("docker:acme/api:1.4", DaemonError, "the Docker service went away")
    refused("podman:acme/api:1.4", DaemonError, "the Podman service went away")


@no_sockets
def test_a_local_engine_that_sends_something_else(local: FakeEngine) -> None:
    local.images["acme/api:1.4"] = (local.images["acme/api:1.4"][0], b"<html>" * 1000)
    refused("docker:acme/api:1.4", ArchiveError, "no archive of an image")


def test_an_engine_that_refuses(engine: FakeEngine) -> None:
    engine.images["acme/api:1.4"] = ({"Id": None}, b"")
    refused("docker:acme/api:1.4", PyimginspectError)
    refused("docker:", InvalidReferenceError)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/json", []),
        ("/json", {"Id": 5}),
        ("/json", {"Id": "x", "RepoTags": [1]}),
        ("/version", []),
        ("/version", {}),
        ("/version", {"ApiVersion": 5}),
        ("/version", {"ApiVersion": "new"}),
    ],
)
def test_something_else_answers(
    path: str, answer: object, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine.answer

    def other(method: str, asked: str, headers: dict[str, str]) -> Answer:
        if asked.endswith(path):
            return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
        return real(method, asked, headers)

    monkeypatch.setattr(engine, "answer", other)
    refused("docker:acme/api:1.4", DaemonError)


@no_sockets
@pytest.mark.parametrize(
    ("name", "prefix"), [("DOCKER_HOST", "docker"), ("CONTAINER_HOST", "podman")]
)
def test_a_socket_that_is_for_others(
    name: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What most people meet who are not in the group `docker`."""

    def refuse(self: socket.socket, *_: object) -> None:
        self.close()
        raise PermissionError(13, "Permission denied")

    (tmp_path / "some.sock").touch()
    monkeypatch.setenv(name, f"unix://{tmp_path}/some.sock")
    monkeypatch.setattr("socket.socket.connect", refuse)
    said = f"no permission to use the socket of {prefix.capitalize()} (run as root or as a user"
    refused(f"{prefix}:acme/api", DaemonError, said)


def test_no_podman_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none.sock")
    refused("podman:api", DaemonError, f"no Podman service listens at unix://{tmp_path}/none.sock")


def test_a_password_in_an_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://me:hunter2@127.0.0.1:1")
    with pytest.raises(DaemonError) as caught:
        open_reference("docker:api", Options())
    assert "hunter2" not in str(caught.value)


@no_sockets
def test_a_home_that_may_not_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after ``su`` without ``-``: ``HOME`` is still another user's."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat", refuse)
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    refused("podman:api", DaemonError, "no Podman service runs here")


def test_nobody_listens(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    refused("docker:acme/api:1.4", DaemonError, "Docker", "refused")
    monkeypatch.setenv("DOCKER_HOST", "gopher://127.0.0.1:1")
    refused("docker:acme/api:1.4", DaemonError, "gopher")


# --- which engine ---------------------------------------------------------------------------------
def name_of(context: str) -> str:
    """The name of a context's directories."""
    return hashlib.sha256(context.encode()).hexdigest()


def context(tmp_path: Path, name: str, host: str, *, unverified: bool = False) -> None:
    """A context as `docker context create` stores it."""
    folder = tmp_path / "contexts/meta" / name_of(name)
    folder.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": unverified}
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize("how", ["currentContext", "DOCKER_CONTEXT"])
def test_the_current_context(
    how: str, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    context(tmp_path, "elsewhere", engine.address)
    (tmp_path / "config.json").write_text("{}")
    if how == "DOCKER_CONTEXT":
        monkeypatch.setenv(how, "elsewhere")
    else:
        (tmp_path / "config.json").write_text(json.dumps({how: "elsewhere"}))
    assert open_reference("docker:acme/api:1.4", Options()).image.source == "docker"


def test_a_context_that_is_not_there(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    refused("docker:acme/api:1.4", DaemonError, "nowhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no Docker context"),
        ("[]", "is no Docker context"),
        ('{"Endpoints": {"docker": {"Host": 5}}}', "is no Docker context"),
        ("{}", "the Docker context 'broken' names no engine"),
        ('{"Endpoints": {"kubernetes": {"Host": "tcp://x"}}}', "names no engine"),
        ('{"Endpoints": {"docker": {"Host": "unix:///nowhere"}}}', "listens at unix:///nowhere"),
        ('{"Endpoints": {"docker": {"Host": "ssh://me@nowhere"}}}', "paramiko"),
    ],
)
def test_a_context_that_is_no_good(
    text: str, words: str, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "broken")
    context(tmp_path, "broken", "")
    (path,) = tmp_path.glob("contexts/meta/*/meta.json")
    path.write_text(text)
    refused("docker:acme/api:1.4", DaemonError, words)


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": ""}', '{"currentContext": null}'])
def test_without_a_context_it_is_the_local_engine(
    text: str, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    (tmp_path / "config.json").write_text(text)
    assert find_docker().url in ("unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine")


# --- TLS ------------------------------------------------------------------------------------------
@pytest.fixture
def ca() -> Authority:
    return authority()


@pytest.fixture
def secure(engine: FakeEngine, ca: Authority, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine with TLS, for those alone who have a certificate."""
    engine.use_tls(ca.issue("server", "IP:127.0.0.1").serving(clients=ca))
    return engine


def material(where: Path, ca: Authority, client: bool = True) -> Path:
    """The files that Docker's client wants to find."""
    where.mkdir(parents=True)
    shutil.copy(ca.certificate, where / "ca.pem")
    if client:
        issued = ca.issue("client")
        shutil.copy(issued.certificate, where / "cert.pem")
        shutil.copy(issued.key, where / "key.pem")
    return where


def tls(monkeypatch: pytest.MonkeyPatch, where: Path) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(where))


def test_tls(
    secure: FakeEngine, ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls(monkeypatch, material(tmp_path / "tls", ca))
    for host in (secure.address, secure.host, f"https://{secure.host}"):
        monkeypatch.setenv("DOCKER_HOST", host)
        assert open_reference("docker:acme/api:1.4", Options()).image.source == "docker"
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    refused("docker:acme/api:1.4", DaemonError, "listens at unix:///nowhere/docker.sock")


def test_certificates_where_docker_keeps_them(
    secure: FakeEngine, ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(material(tmp_path / "docker", ca)))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    open_reference("docker:acme/api:1.4", Options())


def test_bundles_are_for_others(
    secure: FakeEngine, ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls(monkeypatch, material(tmp_path / "tls", ca))
    stranger = authority("stranger").certificate
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger))
    open_reference("docker:acme/api:1.4", Options())


@pytest.mark.parametrize("unverified", [False, True])
@pytest.mark.parametrize("config", [False, True])
def test_a_context_with_tls(
    config: bool,
    unverified: bool,
    secure: FakeEngine,
    ca: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where verification is off, another CA is as good; `config.json` is not needed for it."""
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    if config:
        (tmp_path / "config.json").write_text("{}")
    context(tmp_path, "far", secure.address, unverified=unverified)
    where = material(tmp_path / "contexts/tls" / name_of("far") / "docker", ca)
    open_reference("docker:acme/api:1.4", Options())
    shutil.copy(authority("others").certificate, where / "ca.pem")
    if unverified:
        open_reference("docker:acme/api:1.4", Options())
    else:
        refused("docker:acme/api:1.4", DaemonError, "no secure connection to Docker")


def test_a_context_with_a_ca_alone(
    engine: FakeEngine, ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.use_tls(ca.issue("server", "IP:127.0.0.1").serving())
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    context(tmp_path, "far", engine.address)
    material(tmp_path / "contexts/tls" / name_of("far") / "docker", ca, client=False)
    open_reference("docker:acme/api:1.4", Options())


HINT = "ca.pem, cert.pem and key.pem"


def test_tls_that_fails(
    secure: FakeEngine, ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = material(tmp_path / "tls", ca)
    name = "docker:acme/api:1.4"
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    refused(name, DaemonError, f"there is no {tmp_path}/ca.pem", "DOCKER_CERT_PATH", HINT)

    tls(monkeypatch, material(tmp_path / "wrong", authority("others")))
    refused(name, DaemonError, "no secure connection to Docker: ", "certificate", HINT)

    tls(monkeypatch, material(tmp_path / "nobody", ca, client=False))
    refused(name, DaemonError, "no secure connection to Docker: ", "certificate required", HINT)

    (good / "key.pem").write_text("nothing")
    tls(monkeypatch, good)
    refused(name, DaemonError, f"{good}/cert.pem and key.pem are no certificate with its key")
    (good / "key.pem").unlink()
    refused(name, DaemonError, f"there is no key.pem beside {good}/cert.pem")
    (good / "ca.pem").write_text("nothing")
    (good / "cert.pem").unlink()
    refused(name, DaemonError, f"{good}/ca.pem contains no certificate")


@no_sockets
def test_where_podman_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    found = podman_addresses()
    assert found[0] == "unix:///run/user/7/podman/podman.sock"
    assert "unix:///run/podman/podman.sock" in found
    monkeypatch.setenv("CONTAINER_HOST", "unix:///x.sock")
    assert podman_addresses() == ["unix:///x.sock"]


@pytest.mark.parametrize("build", [docker_archive, docker25_archive])
def test_a_report_from_the_cache_is_the_same(
    build: Callable[..., bytes], engine: FakeEngine, tmp_path: Path
) -> None:
    """What a save makes up (Docker 25's manifest and its digests) is in neither."""
    engine.add("acme/api:1.4", build(SAMPLE), SAMPLE.config_digest, *SAMPLE.tags)
    without = inspect("docker:acme/api:1.4").to_json()
    with Cache(tmp_path / "cache") as cache:
        for _ in range(2):
            assert inspect("docker:acme/api:1.4", cache=cache).to_json() == without
    assert saves(engine) == 2
