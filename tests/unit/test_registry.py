"""Registries: what is fetched and what is not, who is asked for a password, and what goes wrong."""

import base64
import json
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.errors import (
    AuthenticationError,
    DigestMismatchError,
    ImageNotFoundError,
    InvalidReferenceError,
    ManifestError,
    PlatformError,
    PyimginspectError,
    RegistryError,
    UnsupportedError,
)
from pyimginspect.layers.cache import Cache
from pyimginspect.model import Platform
from pyimginspect.sources import transport
from pyimginspect.sources.challenges import parse_challenges
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.certificates import authority
from tests.contract import assert_valid_image, content, one_line
from tests.images import Index, digest, docker_archive, image, oci_layout
from tests.layouts import layout
from tests.servers import Endless, FakeRegistry, Server, TokenServer, basic

SAMPLE = image([{"a": "1" * 200_000}, {"b": "2" * 90_000}, {"etc/os-release": "ID=debian\n"}])
SECRET = "hunter2-swordfish"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No credentials but those of the test, and no waiting."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority().certificate))  # all take 20 ms
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return tmp_path / "docker"


def log_in(home: Path, document: dict[str, Any]) -> None:
    home.mkdir(exist_ok=True)
    (home / "config.json").write_text(json.dumps(document))


def auths(host: str, username: str = "me", password: str = SECRET) -> dict[str, Any]:
    return {"auths": {host: {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}}}


def opened(reference: str, **options: Any) -> Opened:
    found = open_reference(reference, Options(**options))
    assert_valid_image(found.image)
    return found


def refused(reference: str, kind: type[PyimginspectError], *words: str, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        open_reference(reference, Options(**options))
    message = str(caught.value)
    one_line(message)
    assert SECRET not in message
    assert "secret-token" not in message
    for word in words:
        assert word in message
    return message


# --- what is fetched ------------------------------------------------------------------------------
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_an_image(compression: Any, registry: FakeRegistry, tmp_path: Path) -> None:
    reference = registry.add("acme/api", "1.4", SAMPLE, compression=compression)
    found = opened(reference).image
    assert found.source == "registry"
    assert found.names == (f"{registry.host}/acme/api:1.4",)
    assert found.digest == digest(registry.manifests["acme/api", "1.4"])
    assert found.config_digest == SAMPLE.config_digest
    path = tmp_path / "x.tar"
    path.write_bytes(docker_archive(SAMPLE))
    assert content(found) == content(opened(str(path)).image)


def test_by_digest(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    by = digest(registry.manifests["api", "1"])
    for name in (f"{reference.removesuffix(':1')}@{by}", f"{reference}@{by}"):
        assert opened(name).image.digest == by
    assert registry.asked("manifests/1$") == [], "a digest needs no tag"


def test_a_digest_that_is_not_there(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    refused(f"{reference}@sha256:{'0' * 64}", ImageNotFoundError, "has no image")


MULTI = Index(
    images=tuple(
        image([{name.replace("/", "-"): "x"}], platform=name)
        for name in ("linux/amd64", "linux/arm64")
    )
)


def test_a_platform_of_an_index(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", MULTI)
    found = opened(reference, platform=Platform.parse("linux/arm64")).image
    assert [e.path for e in found.layers[0].index.entries] == ["linux-arm64"]
    assert len(registry.asked("/blobs/")) == 3, "one configuration, one layer, one attestation"
    assert len(registry.asked("/manifests/")) == 3, "the index, one manifest, its attestation's"
    registry.requests.clear()
    opened(reference, platform=Platform.parse("linux/arm64"), attestations="never")
    assert len(registry.asked("/blobs/")) == 2, "one configuration, one layer"
    assert len(registry.asked("/manifests/")) == 2, "the index, and one manifest"
    refused(
        reference,
        PlatformError,
        "linux/amd64, linux/arm64",
        platform=Platform.parse("linux/s390x"),
    )


def test_a_second_look_fetches_the_manifest_alone(registry: FakeRegistry, tmp_path: Path) -> None:
    reference = registry.add("api", "1", SAMPLE)
    with Cache(tmp_path / "cache") as cache:
        first = opened(reference, cache=cache).image
        registry.requests.clear()
        registry.sent = 0
        second = opened(reference, cache=cache).image
    assert second == first
    assert [path for _, path, _ in registry.requests] == ["/v2/api/manifests/1"]
    assert registry.sent < 2000


def test_only_a_new_layer_is_fetched(registry: FakeRegistry, tmp_path: Path) -> None:
    reference = registry.add("api", "1", SAMPLE)
    more = image([*SAMPLE.layers, {"new": "3"}])
    newer = registry.add("api", "2", more)
    with Cache(tmp_path / "cache") as cache:
        opened(reference, cache=cache)
        registry.requests.clear()
        found = opened(newer, cache=cache).image
    assert len(found.layers) == 4
    assert len(registry.asked("/blobs/")) == 2, "the configuration and one layer"


def test_layers_seen_elsewhere_are_not_fetched(registry: FakeRegistry, tmp_path: Path) -> None:
    path = oci_layout(SAMPLE, tmp_path / "oci", compression="zstd")
    reference = registry.add("api", "1", SAMPLE, compression="gzip")
    with Cache(tmp_path / "cache") as cache:
        opened(str(path), cache=cache)
        opened(reference, cache=cache)
    assert len(registry.asked("/blobs/")) == 1, "the configuration"


def test_a_manifest_that_lies_about_a_diff_id_does_not_poison(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    evil = image([{"evil": "x"}])
    files = layout(
        evil.with_config(rootfs={"type": "layers", "diff_ids": [SAMPLE.diff_ids[0]]}), evil.layers
    )
    reference = registry.add("evil", "1", evil, files=files)
    with Cache(tmp_path / "cache") as cache:
        refused(reference, DigestMismatchError, "layer 0", cache=cache)
        found = opened(registry.add("api", "1", SAMPLE), cache=cache).image
    assert [e.path for e in found.layers[0].index.entries] == ["a"]


def test_a_foreign_layer_that_the_registry_lacks(registry: FakeRegistry) -> None:
    windows = image([{"Files/base": "x"}, {"Files/app": "y"}], platform="windows/amd64")
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    files = layout(windows, windows.layers, layer={"mediaType": kind})
    reference = registry.add("win", "1", windows, files=files)
    del registry.blobs[windows.diff_ids[0]]
    base, app = opened(reference).image.layers
    assert (base.absent, app.absent) == (True, False)


# --- who asks -------------------------------------------------------------------------------------
def test_basic_authentication(registry: FakeRegistry, home: Path) -> None:
    reference = registry.add("api", "1", SAMPLE)
    registry.users = {"me": SECRET}
    refused(reference, AuthenticationError, "wants credentials", f"docker login {registry.host}")
    log_in(home, auths(registry.host))
    opened(reference)
    log_in(home, auths(registry.host, password="wrong"))
    refused(reference, AuthenticationError, "refuses the credentials of 'me'")


def test_nothing_is_sent_before_it_is_asked_for(registry: FakeRegistry, home: Path) -> None:
    log_in(home, auths(registry.host))
    opened(registry.add("api", "1", SAMPLE))
    assert [h for _, _, h in registry.requests if "authorization" in h] == []


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_an_anonymous_token(name: str, registry: FakeRegistry) -> None:
    with TokenServer() as tokens:
        tokens.name = name
        registry.tokens = tokens
        opened(registry.add("api", "1", SAMPLE))
        (query,) = [path for _, path, _ in tokens.requests]
        assert f"service={registry.host.replace(':', '%3A')}" in query
        assert "scope=repository%3Aapi%3Apull" in query
        assert "authorization" not in tokens.requests[0][2]


def test_a_token_for_a_password(registry: FakeRegistry, home: Path) -> None:
    with TokenServer({"me": SECRET}) as tokens:
        registry.tokens = tokens
        reference = registry.add("api", "1", SAMPLE)
        refused(reference, AuthenticationError, "no such public image")
        log_in(home, auths(registry.host, password="wrong"))
        refused(reference, AuthenticationError, "refuses the credentials of 'me'")
        log_in(home, auths(f"https://{registry.host}"))
        opened(reference)
    password = basic("me", SECRET)
    assert all(h.get("authorization") != password for _, _, h in registry.requests)


def test_a_token_that_expires_is_renewed(registry: FakeRegistry) -> None:
    with TokenServer() as tokens:
        registry.tokens = tokens
        reference = registry.add("api", "1", SAMPLE)
        expired: list[str] = []

        def expire(_: str, path: str) -> None:
            if "/blobs/" in path and not expired:
                expired.extend(tokens.issued)
                tokens.issued.clear()

        registry.faults.append(expire)
        opened(reference)
        assert len(tokens.requests) == 2


def test_an_identity_token_of_a_helper(
    registry: FakeRegistry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, monkeypatch, {"Username": "<token>", "Secret": SECRET})
    log_in(home, {"credHelpers": {registry.host: "example"}})
    with TokenServer({"nobody": "x"}) as tokens:
        tokens.refresh_tokens = {SECRET}
        registry.tokens = tokens
        opened(registry.add("api", "1", SAMPLE))
        assert [method for method, _, _ in tokens.requests] == ["POST"]
    assert all(SECRET not in str(request) for request in registry.requests)


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, answer: object, status: int = 0) -> None:
    """Put a `docker-credential-example` on the path."""
    home.mkdir(exist_ok=True)
    script = home / "docker-credential-example"
    script.write_text(
        f"#!/bin/sh\nread host\necho \"$host\" >> {home}/asked\necho '{json.dumps(answer)}'\n"
        f"echo {SECRET} >&2\nexit {status}\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_credential_helpers(
    key: str, registry: FakeRegistry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.users = {"me": SECRET}
    helper(home, monkeypatch, {"Username": "me", "Secret": SECRET})
    log_in(home, {key: "example" if key == "credsStore" else {registry.host: "example"}})
    opened(registry.add("api", "1", SAMPLE))
    assert (home / "asked").read_text().splitlines() == [registry.host]


@pytest.mark.parametrize(
    ("answer", "status"), [("nothing", 1), ("no json {", 0), ({"Secret": "x"}, 0)]
)
def test_a_helper_that_fails(
    answer: object,
    status: int,
    registry: FakeRegistry,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    registry.users = {"me": SECRET}
    helper(home, monkeypatch, answer, status)
    log_in(home, {"credsStore": "example"})
    refused(registry.add("api", "1", SAMPLE), AuthenticationError)
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": {"HOST": {"auth": "!!"}}}',
        '{"auths": {"HOST": {"auth": "bWU="}}}',
        '{"auths": {"HOST": 5}}',
        '{"auths": 5}',
    ],
)
def test_a_broken_file_of_credentials(text: str, registry: FakeRegistry, home: Path) -> None:
    registry.users = {"me": SECRET}
    home.mkdir()
    (home / "config.json").write_text(text.replace("HOST", registry.host))
    refused(registry.add("api", "1", SAMPLE), AuthenticationError)


def test_podmans_file_of_credentials(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.users = {"me": SECRET}
    path = tmp_path / ".config/containers/auth.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(auths(registry.host)))
    opened(registry.add("api", "1", SAMPLE))


AUTH = base64.b64encode(f"me:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("http://HOST", {"auth": AUTH}),
        ("https://HOST/v2/", {"auth": AUTH}),
        ("HOST/acme", {"auth": AUTH}),
        ("HOST/acme/api", {"auth": AUTH}),
        ("HOST", {"username": "me", "password": SECRET}),
    ],
)
def test_how_credentials_may_be_stored(
    key: str, entry: dict[str, str], registry: FakeRegistry, home: Path
) -> None:
    """As Docker compares hosts, and as `podman login HOST/acme` writes it."""
    registry.users = {"me": SECRET}
    wrong = base64.b64encode(b"you:no").decode()
    others = {"HOST/acme/a": {"auth": wrong}, "HOST/else": {"auth": wrong}}
    document = json.dumps({"auths": {**others, key: entry}})
    log_in(home, json.loads(document.replace("HOST", registry.host)))
    opened(registry.add("acme/api", "1", SAMPLE))


def test_the_closest_credentials_count(registry: FakeRegistry, home: Path) -> None:
    registry.users = {"me": SECRET}
    entries = {**auths(registry.host, "you")["auths"], **auths(f"{registry.host}/acme")["auths"]}
    log_in(home, {"auths": entries})
    opened(registry.add("acme/api", "1", SAMPLE))
    refused(registry.add("other/api", "1", SAMPLE), AuthenticationError, "refuses", "'you'")


def test_an_identity_token_in_the_file(registry: FakeRegistry, home: Path) -> None:
    """Docker writes it beside a user without a password."""
    nobody = base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode()
    entry = {"auth": nobody, "identitytoken": SECRET}
    log_in(home, {"auths": {registry.host: entry}})
    with TokenServer() as tokens:
        tokens.refresh_tokens = {SECRET}
        registry.tokens = tokens
        opened(registry.add("api", "1", SAMPLE))


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper_that_is_not_installed(key: str, registry: FakeRegistry, home: Path) -> None:
    """It is said where credentials are wanted; what is public needs none."""
    log_in(home, {key: "none-such" if key == "credsStore" else {registry.host: "none-such"}})
    reference = registry.add("api", "1", SAMPLE)
    opened(reference)
    with TokenServer() as tokens:
        registry.tokens = tokens
        opened(reference)
    registry.tokens = None
    registry.users = {"me": SECRET}
    refused(reference, AuthenticationError, "docker-credential-none-such", "is not installed")


def test_netrc_is_not_for_registries(registry: FakeRegistry, tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    path.chmod(0o600)
    opened(registry.add("api", "1", SAMPLE))
    assert [h for _, _, h in registry.requests if "authorization" in h] == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        ('Basic realm="x y"', {"basic": {"realm": "x y"}}),
        (
            'Bearer realm="https://a/b?c=d,e",service="s",scope="a:b:pull,push"',
            {"bearer": {"realm": "https://a/b?c=d,e", "service": "s", "scope": "a:b:pull,push"}},
        ),
        (
            'Basic realm="a", Bearer realm=b , service=c',
            {"basic": {"realm": "a"}, "bearer": {"realm": "b", "service": "c"}},
        ),
        ('BEARER Realm="r"', {"bearer": {"realm": "r"}}),
        ("Negotiate", {"negotiate": {}}),
        ('realm="x"', {}),
        ("=" * 100_000, {}),
        ("a " * 100_000, {"a": {}}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_challenges(header: str, expected: dict[str, dict[str, str]]) -> None:
    assert parse_challenges(header) == expected


# --- what goes wrong ------------------------------------------------------------------------------
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("times", [1, 3])
def test_a_broken_connection_is_taken_up_again(
    times: int, ranges: bool, registry: FakeRegistry
) -> None:
    reference = registry.add("api", "1", SAMPLE, compression=None)
    registry.ranges = ranges
    registry.break_after(50_000, times=times)
    assert content(opened(reference, workers=1).image) == content(opened(reference).image)
    resumed = [h["range"] for h in registry.asked("/blobs/") if "range" in h]
    assert len(resumed) == times
    assert len(set(resumed)) == (times if ranges else 1), "it goes on where it broke"


def test_a_connection_that_always_breaks(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE, compression=None)
    registry.break_after(2000, times=1000)
    registry.ranges = False
    message = refused(reference, PyimginspectError, "layer")
    assert re.search(r"went away|and no more", message)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_a_busy_registry_is_asked_again(status: int, what: str, registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    registry.fail(what, [(status, {"Retry-After": "1"}, b"busy")] * 2)
    opened(reference)


@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_stays_busy(status: int, registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    registry.always("manifests", (status, {}, b"busy"))
    refused(reference, RegistryError, f"it answers {status}")
    assert len(registry.requests) == transport.ATTEMPTS


def test_it_waits_as_long_as_it_is_told(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    reference = registry.add("api", "1", SAMPLE)
    answers = [(429, {"Retry-After": value}, b"") for value in ("7", "9999", "soon")]
    registry.fail("manifests", answers)
    opened(reference)
    assert waits == [7.0, 30.0, 1.0], "told, told too much, and not told"


def test_a_blob_of_other_bytes(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE, compression=None)
    first = registry.blobs[SAMPLE.diff_ids[0]]
    registry.blobs[SAMPLE.diff_ids[0]] = first.replace(b"1" * 100, b"3" * 100)
    refused(reference, DigestMismatchError, "layer 0 (sha256:", "the blob is sha256:")


def test_a_blob_that_is_too_short(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    name = next(d for d, data in registry.blobs.items() if data[:2] == b"\x1f\x8b")
    registry.blobs[name] = registry.blobs[name][:-20]
    refused(reference, DigestMismatchError, "layer", "and no more")


def test_a_blob_that_is_too_long(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE, compression=None)
    registry.blobs[SAMPLE.diff_ids[0]] += b"more"
    refused(reference, DigestMismatchError, "layer 0", "more than")


def test_a_blob_that_is_not_there(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE, compression=None)
    del registry.blobs[SAMPLE.diff_ids[1]]
    refused(reference, ManifestError, "layer 1 (sha256:", "does not have it")


def test_a_configuration_of_other_bytes(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    registry.blobs[SAMPLE.config_digest] = b"{}"
    refused(reference, DigestMismatchError)


def test_a_manifest_that_is_not_its_digest(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    data = registry.manifests["api", "1"]
    registry.always("manifests/1", (200, {"Docker-Content-Digest": digest(b"other")}, data))
    refused(reference, DigestMismatchError, "the manifest is sha256:")
    registry.always("manifests/sha256", (200, {}, data + b" "))
    refused(f"{reference}@{digest(data)}", DigestMismatchError)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>Hello"), RegistryError, "web page"),
        ((200, {}, b"<html>"), ManifestError, "not JSON"),
        ((200, {}, b"null"), ManifestError, "not as specified"),
        ((200, {}, b'{"schemaVersion":1,"fsLayers":[]}'), UnsupportedError, "schema 1"),
        ((200, {}, b"{" + b" " * (5 << 20) + b"}"), ManifestError, "4,194,304"),
        ((404, {}, b""), ImageNotFoundError, "has no image"),
        ((403, {}, b""), AuthenticationError, "denies access"),
        ((401, {}, b""), AuthenticationError, "wants credentials"),
        ((418, {}, b""), RegistryError, "418"),
        ((302, {"Location": "/v2/x"}, b""), RegistryError, "in circles"),
        ((302, {"Location": "file:///etc/passwd"}, b""), RegistryError, "file://"),
        (
            (302, {"Location": "http://example.com/"}, b""),
            RegistryError,
            "redirects to http://example.com",
        ),
        ((302, {}, b""), RegistryError, "in circles"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_answers_that_are_no_manifest(
    answer: Any, kind: type[PyimginspectError], words: str, registry: FakeRegistry
) -> None:
    reference = registry.add("api", "1", SAMPLE)
    status, headers, data = answer
    if headers.get("Location") == "/v2/x":
        registry.always("/v2/x", answer)
    registry.always("manifests", (status, headers, data))
    refused(reference, kind, words)


@pytest.mark.parametrize(
    ("layer", "config", "words"),
    [
        ({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}, {}, "encrypted"),
        ({"mediaType": "application/vnd.erofs"}, {}, "erofs"),
        ({}, {"mediaType": "application/vnd.cncf.helm.config.v1+json"}, "helm"),
    ],
)
def test_types_that_are_not_read(
    layer: dict[str, Any], config: dict[str, Any], words: str, registry: FakeRegistry
) -> None:
    files = layout(SAMPLE, SAMPLE.layers, layer=layer, config=config)
    reference = registry.add("api", "1", SAMPLE, files=files)
    refused(reference, UnsupportedError, words)


def test_credentials_do_not_follow_a_redirect(registry: FakeRegistry, home: Path) -> None:
    with FakeRegistry() as elsewhere:
        elsewhere.blobs = registry.blobs
        registry.redirect = f"http://{elsewhere.host}"
        registry.users = {"me": SECRET}
        log_in(home, auths(registry.host))
        opened(registry.add("api", "1", SAMPLE))
        assert len(elsewhere.requests) == 4
        assert [h for _, _, h in elsewhere.requests if "authorization" in h] == []


class Recording(Server):
    """Answers nothing but 200, and remembers who came."""

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Any:
        return 200, {}, b"{}"


def test_a_token_service_without_tls_gets_no_password(home: Path) -> None:
    """A registry on another machine, spoken to with TLS, must not lead to plain text."""
    talk = transport.Transport("registry.example")
    with pytest.raises(RegistryError, match=r"sends its credentials to http://tokens\.example"):
        talk._answer('Bearer realm="http://tokens.example/token"', None)


@pytest.mark.parametrize(
    "reply",
    [
        b"no json",
        b"[]",
        b'{"token": 5}',
        b'{"token": "\xc3\xa9\\n"}',
        b'{"token": "secret-token\\nX: y"}',
        b'{"token": ""}',
    ],
)
def test_a_token_service_that_gives_no_token(reply: bytes, registry: FakeRegistry) -> None:
    with TokenServer() as tokens:
        tokens.reply = reply
        registry.tokens = tokens
        refused(registry.add("api", "1", SAMPLE), AuthenticationError, "no token")


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (307, {"Location": "https://[x/"}, "Invalid IPv6 URL"),
        (307, {"Location": "http://\xff\xfe"}, "redirects to http://"),
        (307, {"Location": "file:///etc/passwd"}, "redirects to file://"),
        (307, {"Location": "http://127.0.0.1:99999/"}, "Failed to parse"),
        (401, {"WWW-Authenticate": 'Bearer realm="https://[x/"'}, "to what is no address"),
        (401, {"WWW-Authenticate": "Bearer realm"}, "wants credentials"),
        (429, {"Retry-After": "\xb2"}, "busy"),
        (503, {"Retry-After": "soon"}, "busy"),
    ],
)
@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_headers_that_make_no_sense(
    what: str, status: int, headers: dict[str, str], words: str, registry: FakeRegistry
) -> None:
    reference = registry.add("api", "1", SAMPLE)
    registry.always(f"/{what}/", (status, headers, b""))
    refused(reference, RegistryError, words)


@pytest.mark.parametrize(
    "proxy", ["http://me:{}@", "http://me:{}@no such:99999", "odd://me:{}@h", "http://me:{}@[x"]
)
def test_a_proxy_that_makes_no_sense(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the user's own, and its password no matter for a log."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(SECRET))
    monkeypatch.setenv("https_proxy", proxy.format(SECRET))
    refused("registry:acme.example/api", RegistryError, "acme.example: ")


def test_an_endless_token(registry: FakeRegistry) -> None:
    with Endless() as endless:
        challenge = f'Bearer realm="http://{endless.host}/token"'
        registry.always("manifests", (401, {"WWW-Authenticate": challenge}, b""))
        refused(registry.add("api", "1", SAMPLE), AuthenticationError, "no token")
        assert endless.sent < 20 << 20


@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_an_endless_body(what: str, registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", SAMPLE)
    with Endless() as endless:
        registry.always(f"/{what}/", (307, {"Location": f"http://{endless.host}/"}, b""))
        refused(reference, PyimginspectError)
        assert endless.sent < 20 << 20


def test_nobody_listens(registry: FakeRegistry) -> None:
    refused("registry:127.0.0.1:1/api", RegistryError, "no answer from 127.0.0.1:1", "refused")


def test_a_registry_elsewhere_is_not_spoken_to_in_plain_text(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localtest.example` leads to this machine here, and is no loopback name."""
    import socket

    find = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return find("127.0.0.1" if host == "localtest.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = registry.host.rpartition(":")[2]
    registry.add("api", "1", SAMPLE)
    refused(f"registry:localtest.example:{port}/api:1", RegistryError, "no secure connection")
    opened(f"registry:http://localtest.example:{port}/api:1")


def test_a_name_that_is_none() -> None:
    refused("registry:Upper", InvalidReferenceError, "lowercase")


def test_what_is_said_of_credentials_is_no_secret() -> None:
    from pyimginspect.sources.credentials import Credentials

    assert SECRET not in repr(Credentials(username="me", secret=SECRET))


def test_a_bad_layer_stops_the_others(registry: FakeRegistry) -> None:
    """Nobody waits for gigabytes of an image that cannot be read."""
    small, large = image([{"a": "1"}]), image([{"b": bytes(40_000_000)}])
    both = image([*small.layers, *large.layers])
    reference = registry.add("api", "1", both, compression=None)
    registry.blobs[both.diff_ids[0]] = bytes(len(both.layers[0]))

    def late(_: str, path: str) -> None:  # loopback is too fast: the large one has to begin last
        if both.diff_ids[1] in path:
            threading.Event().wait(0.5)

    registry.faults.append(late)
    refused(reference, DigestMismatchError, "layer 0", workers=2)
    assert registry.sent < 30_000_000
