"""Registries with a CA of their own, and those that want to know who comes."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.errors import RegistryError
from pyimginspect.model import Image
from pyimginspect.sources.certificates import (
    Certificates,
    certificate_directories,
    find_certificates,
)
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.transport import Transport
from tests.certificates import Authority, Issued, authority
from tests.contract import one_line
from tests.images import image
from tests.servers import FakeRegistry, TokenServer, Tunnel

SAMPLE = image([{"a": "1" * 200_000}, {"etc/os-release": "ID=debian\n"}])
ELSEWHERE = "registry.example"


@pytest.fixture
def ca() -> Authority:
    return authority()


@pytest.fixture
def other() -> Authority:
    return authority("somebody else")


@pytest.fixture
def server(ca: Authority) -> Issued:
    return ca.issue("server", "IP:127.0.0.1", f"DNS:{ELSEWHERE}")


@pytest.fixture
def client(ca: Authority) -> Issued:
    return ca.issue("client")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No certificates and no credentials but those of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)
    for name in (
        "CURL_CA_BUNDLE",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    few = authority("of the roots that requests brings").certificate  # all 140 take 20 ms
    monkeypatch.setattr("pyimginspect.sources.certificates.DEFAULT_CA_BUNDLE_PATH", str(few))
    return tmp_path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`registry.example` is this machine, and not by name."""
    find = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return find("127.0.0.1" if host == ELSEWHERE else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def registry(server: Issued) -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        running.use_tls(server.serving())
        running.add("api", "1", SAMPLE)
        yield running


def folder(home: Path, host: str, place: str = ".config/containers") -> Path:
    made = home / place / "certs.d" / host
    made.mkdir(parents=True)
    return made


def opened(host: str) -> Image:
    return open_reference(f"registry:{host}/api:1", Options()).image


def refused(host: str, *words: str) -> None:
    with pytest.raises(RegistryError) as caught:
        opened(host)
    message = str(caught.value)
    one_line(message)
    for word in words:
        assert word in message
    assert "_ssl.c" not in message


# --- which directory ------------------------------------------------------------------------------
def test_where_certificates_are_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [str(path) for path in certificate_directories()] == [
        f"{home}/.config/containers/certs.d",
        "/etc/containers/certs.d",
        f"{home}/.config/docker/certs.d",
        f"{home}/.docker/certs.d",
        "/etc/docker/certs.d",
    ]
    monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    monkeypatch.setenv("DOCKER_CONFIG", "/docker")
    found = [str(path) for path in certificate_directories()]
    assert found[0] == "/config/containers/certs.d"
    assert found[3] == "/docker/certs.d"


@pytest.mark.parametrize(
    ("files", "roots", "pair"),
    [
        ([], [], None),
        (["b.crt", "a.crt", "README", "x.pem"], ["a.crt", "b.crt"], None),
        (["client.cert", "client.key"], [], ["client.cert", "client.key"]),
        (["b.cert", "b.key", "a.cert", "a.key", "ca.crt"], ["ca.crt"], ["a.cert", "a.key"]),
        (["only.key"], [], None),
    ],
)
def test_what_a_directory_holds(
    files: list[str], roots: list[str], pair: list[str] | None, tmp_path: Path
) -> None:
    where = tmp_path / "host:5000"
    where.mkdir()
    for name in files:
        (where / name).touch()
    found = find_certificates("host:5000", [tmp_path / "nowhere", tmp_path])
    assert [path.name for path in found.roots] == roots
    assert (found.pair and [path.name for path in found.pair]) == pair
    assert find_certificates("host", [tmp_path]) == Certificates(), "the port belongs to the name"


def test_the_first_directory_counts(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "host").mkdir(parents=True)
    (tmp_path / "two/host/ca.crt").touch()
    both = [tmp_path / "one", tmp_path / "two"]
    assert find_certificates("host", both).roots == ()
    assert find_certificates("host", both[1:]).roots == (tmp_path / "two/host/ca.crt",)


def test_a_directory_of_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hardened ``/etc/docker`` must not keep other users from every registry."""
    (tmp_path / "two/host").mkdir(parents=True)
    (tmp_path / "two/host/ca.crt").touch()
    listdir = os.listdir

    def guarded(path: Path) -> list[str]:
        if path.is_relative_to(tmp_path / "one"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(path)

    monkeypatch.setattr("os.listdir", guarded)
    both = [tmp_path / "one", tmp_path / "two"]
    assert find_certificates("host", both).roots == (tmp_path / "two/host/ca.crt",)


def test_a_certificate_without_its_key(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/ca.cert").touch()
    with pytest.raises(RegistryError, match=r"ca\.cert has no key ca\.key beside it.*\*\.crt"):
        find_certificates("host", [tmp_path])


# --- whom we trust --------------------------------------------------------------------------------
def test_nobody_is_trusted_without_reason(registry: FakeRegistry) -> None:
    refused(
        registry.host,
        f"no secure connection to {registry.host}: ",
        "unable to get local issuer certificate",
        f"~/.config/containers/certs.d/{registry.host}/ca.crt",
        "SSL_CERT_FILE",
    )
    assert registry.requests == []


@pytest.mark.parametrize("place", [".config/containers", ".config/docker", ".docker"])
def test_a_ca_in_the_directory_of_the_registry(
    place: str, registry: FakeRegistry, ca: Authority, home: Path
) -> None:
    shutil.copy(ca.certificate, folder(home, registry.host, place) / "corporate.crt")
    assert len(opened(registry.host).layers) == 2


def test_directories_that_are_given(registry: FakeRegistry, ca: Authority, tmp_path: Path) -> None:
    (tmp_path / registry.host).mkdir()
    shutil.copy(ca.certificate, tmp_path / registry.host / "ca.crt")
    transport = Transport(registry.host, directories=[tmp_path])
    with transport.get("/v2/api/manifests/1") as response:
        assert response.status_code == 200
    transport.close()


def test_another_ca(registry: FakeRegistry, other: Authority, home: Path) -> None:
    shutil.copy(other.certificate, folder(home, registry.host) / "ca.crt")
    refused(registry.host, "no secure connection", "unable to get local issuer certificate")


@pytest.mark.usefixtures("elsewhere")
def test_the_directory_of_another_registry(
    registry: FakeRegistry, ca: Authority, home: Path
) -> None:
    port = registry.host.rpartition(":")[2]
    shutil.copy(ca.certificate, folder(home, f"{ELSEWHERE}:{port}") / "ca.crt")
    opened(f"{ELSEWHERE}:{port}")
    refused(registry.host, "no secure connection")


@pytest.mark.usefixtures("elsewhere")
def test_a_certificate_for_another_name(other: Authority, home: Path) -> None:
    with FakeRegistry() as registry:
        registry.use_tls(other.issue("stranger", "DNS:stranger.example").serving())
        shutil.copy(other.certificate, folder(home, registry.host) / "ca.crt")
        refused(registry.host, "certificate is not valid for '127.0.0.1'")


def test_the_very_certificate_of_the_server(
    registry: FakeRegistry, server: Issued, home: Path
) -> None:
    """Go's clients trust whatever is in the directory, an authority or not."""
    shutil.copy(server.certificate, folder(home, registry.host) / "ca.crt")
    opened(registry.host)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_of_the_environment(
    variable: str,
    registry: FakeRegistry,
    ca: Authority,
    other: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(ca.certificate))
    opened(registry.host)
    monkeypatch.setenv(variable, str(other.certificate))
    refused(registry.host, "no secure connection")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_directory_of_hashed_names(
    variable: str,
    registry: FakeRegistry,
    ca: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(ca.certificate, tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv(variable, str(tmp_path))
    opened(registry.host)


def test_the_directory_adds_to_the_bundle(
    registry: FakeRegistry,
    ca: Authority,
    other: Authority,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.certificate))
    shutil.copy(ca.certificate, folder(home, registry.host) / "ca.crt")
    opened(registry.host)


def test_the_ca_of_a_registry_holds_for_its_tokens_and_blobs(
    registry: FakeRegistry, server: Issued, ca: Authority, home: Path
) -> None:
    """A company's token service and store are on other hosts, by the same authority."""
    shutil.copy(ca.certificate, folder(home, registry.host) / "ca.crt")
    with TokenServer() as tokens, FakeRegistry() as store:
        tokens.use_tls(server.serving())
        store.use_tls(server.serving())
        store.blobs = registry.blobs
        registry.redirect = f"https://{store.host}"
        registry.tokens = tokens
        registry.scheme = "https"
        opened(registry.host)
        assert len(tokens.requests) == 1
        assert len(store.requests) == 3


def test_a_token_service_that_nobody_trusts(
    registry: FakeRegistry, other: Authority, ca: Authority, home: Path
) -> None:
    shutil.copy(ca.certificate, folder(home, registry.host) / "ca.crt")
    with TokenServer() as tokens:
        tokens.use_tls(other.issue("tokens", "IP:127.0.0.1").serving())
        registry.tokens = tokens
        registry.scheme = "https"
        refused(registry.host, "the token service does not answer: ", "local issuer")


# --- who we are -----------------------------------------------------------------------------------
def put_client(where: Path, ca: Authority, client: Issued) -> None:
    shutil.copy(ca.certificate, where / "ca.crt")
    shutil.copy(client.certificate, where / "client.cert")
    shutil.copy(client.key, where / "client.key")


@pytest.fixture
def closed(server: Issued, ca: Authority) -> Iterator[FakeRegistry]:
    """A registry for those alone who have a certificate."""
    with FakeRegistry() as running:
        running.use_tls(server.serving(clients=ca))
        running.add("api", "1", SAMPLE)
        yield running


def test_a_client_with_a_certificate(
    closed: FakeRegistry, ca: Authority, client: Issued, home: Path
) -> None:
    put_client(folder(home, closed.host), ca, client)
    assert len(opened(closed.host).layers) == 2


def test_a_client_without_one(closed: FakeRegistry, ca: Authority, home: Path) -> None:
    shutil.copy(ca.certificate, folder(home, closed.host) / "ca.crt")
    refused(closed.host, f"{closed.host}: ", "certificate required", "client.cert")
    assert closed.requests == []


def test_a_client_that_the_registry_does_not_know(
    closed: FakeRegistry, ca: Authority, other: Authority, home: Path
) -> None:
    put_client(folder(home, closed.host), ca, other.issue("client"))
    refused(closed.host, f"{closed.host}: ", "unknown ca")


def test_the_certificate_is_not_shown_elsewhere(
    closed: FakeRegistry, server: Issued, ca: Authority, client: Issued, home: Path
) -> None:
    """Neither where it redirects to nor anywhere else, though its CA is trusted there."""
    put_client(folder(home, closed.host), ca, client)
    with FakeRegistry() as store:
        store.use_tls(server.serving(clients=ca))
        store.blobs = closed.blobs
        closed.redirect = f"https://{store.host}"
        refused(closed.host, "certificate required")
        assert store.requests == []


def encrypted(issued: Issued, where: Path) -> Path:
    command = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", str(issued.key)]
    subprocess.run([*command, "-out", str(where)], check=True, capture_output=True)
    return where


BREAKAGES: dict[str, tuple[Callable[[Path, Issued, Authority], object], str]] = {
    "a key of another": (
        lambda where, client, ca: shutil.copy(ca.folder / "ca.key", where / "client.key"),
        "client.cert and client.key are no certificate with its key",
    ),
    "no key in the file": (
        lambda where, client, ca: (where / "client.key").write_text("key"),
        "client.cert and client.key are no certificate with its key",
    ),
    "a key with a password": (
        lambda where, client, ca: encrypted(client, where / "client.key"),
        "client.key is encrypted, and a password cannot be entered",
    ),
    "no certificate of a CA": (
        lambda where, client, ca: (where / "ca.crt").write_text("certificate"),
        "ca.crt contains no certificate in PEM form",
    ),
    "a link that leads nowhere": (
        lambda where, client, ca: (where / "zz.crt").symlink_to("nowhere"),
        "zz.crt cannot be read: No such file or directory",
    ),
}


@pytest.mark.parametrize("how", BREAKAGES)
def test_files_that_cannot_be_used(
    how: str, closed: FakeRegistry, ca: Authority, client: Issued, home: Path
) -> None:
    where = folder(home, closed.host)
    put_client(where, ca, client)
    damage, words = BREAKAGES[how]
    damage(where, client, ca)
    refused(closed.host, str(where), words)


def test_a_certificate_that_the_environment_names_and_is_not_there(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    refused(registry.host, "/nowhere/ca.pem cannot be read: No such file or directory")


# --- through a proxy ------------------------------------------------------------------------------
@pytest.mark.usefixtures("elsewhere")
def test_through_a_proxy(
    closed: FakeRegistry,
    ca: Authority,
    client: Issued,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS goes through the tunnel, with the same certificates."""
    port = closed.host.rpartition(":")[2]
    put_client(folder(home, f"{ELSEWHERE}:{port}"), ca, client)
    with Tunnel(closed.host) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{tunnel.host}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert len(opened(f"{ELSEWHERE}:{port}").layers) == 2
        assert tunnel.asked == {f"CONNECT {ELSEWHERE}:{port}"}
