"""Where credentials come from, what a helper may do, and where a registry may not send us."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.cli import main
from pyimginspect.errors import AuthenticationError, InvalidReferenceError, RegistryError
from pyimginspect.sources.addresses import may_lead_to, reach_of
from pyimginspect.sources.connections import Connections
from pyimginspect.sources.credentials import Credentials, find_credentials
from pyimginspect.sources.helpers import cloud_helpers
from pyimginspect.sources.hosts import Host
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.time_limits import time_limits
from pyimginspect.sources.transport import Transport
from tests.certificates import authority
from tests.images import docker_archive, image
from tests.servers import Answer, FakeRegistry, Server, TokenServer, Tunnel

SAMPLE = image([{"a": "1"}])
SECRET = "hunter2-swordfish"
HOST = "registry.example:5000"
posix = pytest.mark.skipif(os.name != "posix", reason="the helpers here are shell scripts")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No credentials but those of the test, and no waiting between attempts."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority().certificate))  # all take 20 ms
    for name in os.environ:
        if name.startswith("PYIMGINSPECT_REGISTRY") or name in (
            *("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"),
            "PYIMGINSPECT_TIMEOUT",
        ):
            monkeypatch.delenv(name)
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"


def entry(user: str, password: str = SECRET) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def auths(user: str, host: str = HOST) -> str:
    return json.dumps({"auths": {host: entry(user)}})


def found(host: str = HOST, repository: str = "") -> str | None:
    credentials = find_credentials(host, repository).found
    return credentials.username if credentials is not None else None


# --- where they come from -------------------------------------------------------------------------
def test_the_first_place_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the weakest to the strongest: each of them takes the place of those before it."""
    assert found() is None
    podman = tmp_path / ".config/containers/auth.json"
    podman.parent.mkdir(parents=True)
    podman.write_text(auths("podman"))
    assert found() == "podman"
    (tmp_path / "docker/config.json").write_text(auths("docker"))
    assert found() == "docker"
    (tmp_path / "named.json").write_text(auths("named"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "named.json"))
    assert found() == "named"
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", auths("pipeline"))
    assert found() == "pipeline"
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_USER", "own")
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_PASSWORD", SECRET)
    assert found() == "own"


def test_a_stronger_place_without_the_registry_leaves_it_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker/config.json").write_text(auths("docker"))
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", auths("pipeline", "elsewhere.example"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none-such.json"))
    assert found() == "docker"
    assert found("elsewhere.example") == "pipeline"
    nothing = find_credentials("third.example")
    assert nothing.found is None
    assert "REGISTRY_AUTH_FILE" in nothing.hint
    assert "does not exist" in nothing.hint


@pytest.mark.parametrize(
    ("key", "host", "repository"),
    [
        ("https://index.docker.io/v1/", "docker.io", "library/python"),
        (f"{HOST}/acme", HOST, "acme/api"),
        (f"https://{HOST}", HOST, "x"),
    ],
)
def test_keys_of_docker_auth_config(
    key: str, host: str, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", auths("me", key))
    assert found(host, repository) == "me"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DOCKER_AUTH_CONFIG": "{"}, "DOCKER_AUTH_CONFIG is not JSON"),
        ({"DOCKER_AUTH_CONFIG": "hunter2"}, "DOCKER_AUTH_CONFIG is not JSON"),
        ({"PYIMGINSPECT_REGISTRY_USER": "me"}, "PYIMGINSPECT_REGISTRY_USER is set, but no"),
        ({"PYIMGINSPECT_REGISTRY_PASSWORD": SECRET}, "PYIMGINSPECT_REGISTRY_USER is not"),
        ({"PYIMGINSPECT_REGISTRY_PASSWORD_FILE": "/x"}, "PYIMGINSPECT_REGISTRY_USER is not"),
    ],
)
def test_what_is_half_set(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AuthenticationError, match=words) as caught:
        find_credentials(HOST)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"pass", "pass"), (b"pass\n", "pass"), (b"pass\r\n", "pass"), (b" p\n\n", " p\n")],
)
def test_a_password_in_a_file(
    content: bytes, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_USER", "me")
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_PASSWORD_FILE", str(tmp_path / "secret"))
    assert find_credentials(HOST).found == Credentials(username="me", secret=expected)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no password"),
        (b"\n", "holds no password"),
        (b"\xff\xfe", "is no text"),
        (b"x" * 70_000, "holds no password"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_a_password(
    content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_USER", "me")
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_PASSWORD_FILE", str(path))
    with pytest.raises(AuthenticationError, match=words):
        find_credentials(HOST)


def test_variables_for_one_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_USER", "me")
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_PASSWORD", SECRET)
    monkeypatch.setenv("PYIMGINSPECT_REGISTRY_HOST", HOST)
    assert (found(), found("docker.io")) == ("me", None)


def test_a_pipeline_logs_in_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeRegistry() as registry:
        registry.users = {"me": SECRET}
        reference = registry.add("api", "1", SAMPLE)
        assert main([reference, "-q", "--summary", "--no-cache"]) == 2
        monkeypatch.setenv("DOCKER_AUTH_CONFIG", auths("me", registry.host))
        assert main([reference, "-q", "--summary", "--no-cache", "--fail-on", "never"]) == 0


# --- helpers --------------------------------------------------------------------------------------
def helper(home: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str = "example") -> None:
    script = home / f"docker-credential-{name}"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")


ANSWER = f"""echo '{{"Username":"me","Secret":"{SECRET}"}}'"""


@posix
@pytest.mark.parametrize(
    "body",
    [
        "sleep 60",
        "exec sleep 60",
        "trap '' TERM INT HUP; sleep 60; sleep 60",
        "sleep 60 & wait",
        "cat > /dev/null; yes | head -c 100000000 > /dev/null; sleep 60",
        f"{ANSWER}; sleep 60",
    ],
)
def test_a_helper_that_hangs(body: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker Hub has four names: the helper is asked for one of them, and not once more."""
    helper(home, monkeypatch, body)
    (home / "config.json").write_text('{"credsStore": "example"}')
    start = time.monotonic()
    search = find_credentials("docker.io", "library/python", seconds=0.3)
    assert time.monotonic() - start < 3
    assert search.found is None
    assert search.hint == "docker-credential-example has not answered within 0.3 s"


@posix
def test_a_helper_whose_child_stays_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A daemon that it starts inherits its output; at the end the whole group is gone."""
    helper(home, monkeypatch, f"sleep 60 & echo $! > {tmp_path}/child; {ANSWER}")
    (home / "config.json").write_text(json.dumps({"credHelpers": {HOST: "example"}}))
    start = time.monotonic()
    assert found() == "me"
    assert time.monotonic() - start < 5
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("what the helper started is still there")


@posix
@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", ""),
        (f"echo {SECRET}; exit 3", "docker-credential-example fails with status 3"),
        (f"echo {SECRET}", "docker-credential-example answers something else than credentials"),
        ("echo '{\"Username\": 5}'", "docker-credential-example answers something else"),
        ("exec head -c 5000000 /dev/zero", "docker-credential-example answers something else"),
    ],
)
def test_a_helper_that_does_not_know(
    body: str, hint: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, monkeypatch, body)
    (home / "config.json").write_text('{"credsStore": "example"}')
    search = find_credentials(HOST)
    assert search.found is None
    assert search.hint.startswith(hint)
    assert bool(search.hint) == bool(hint)


@posix
@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "x y", "-x"])
def test_a_helper_is_a_name_and_no_path(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, monkeypatch, f"touch {home}/ran; {ANSWER}")
    (home / "config.json").write_text(json.dumps({"credHelpers": {HOST: name}}))
    assert find_credentials(HOST).found is None
    assert not (home / "ran").exists()


@posix
def test_a_helper_comes_before_an_old_entry(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, ANSWER)
    document = {"auths": {HOST: entry("old")}, "credHelpers": {HOST: "example"}}
    (home / "config.json").write_text(json.dumps(document))
    assert found() == "me"
    document["credHelpers"] = {HOST: "not-here"}
    (home / "config.json").write_text(json.dumps(document))
    assert found() == "old"


@posix
@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr-login"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr-login"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr-login"),
        ("public.ecr.aws", "ecr-login"),
        ("gcr.io", "gcr"),
        ("eu.gcr.io", "gcloud"),
        ("europe-west1-docker.pkg.dev", "gcloud"),
        ("acme.azurecr.io", "acr-env"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
        ("evil-gcr.io", None),
        ("acme.azurecr.io.evil.example", None),
        ("docker.io", None),
    ],
)
def test_helpers_of_clouds(
    host: str, name: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked by themselves, where they are installed, and for their own hosts alone."""
    monkeypatch.setenv("PATH", str(home))
    assert cloud_helpers(host) == []
    for each in ("ecr-login", "gcr", "gcloud", "acr-env"):
        if name in (each, None):
            helper(home, monkeypatch, ANSWER, each)
    assert found(host) == ("me" if name else None)


# --- where a registry may send us -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("93.184.216.34", "public"),
        ("2606:2800:220:1::1", "public"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("224.0.0.1", "private"),
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "loopback"),
        ("::", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "link-local"),
        ("100.100.100.200", "link-local"),
        ("168.63.129.16", "link-local"),
    ],
)
def test_who_can_reach_an_address(address: str, reach: str) -> None:
    assert reach_of(address) == reach


@pytest.mark.parametrize(
    ("own", "other", "allowed"),
    [
        ("93.184.216.34", "8.8.8.8", True),
        ("93.184.216.34", "10.0.0.1", False),
        ("93.184.216.34", "127.0.0.1", False),
        ("93.184.216.34", "169.254.169.254", False),
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "8.8.8.8", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.1", "fd00:ec2::254", False),
        ("127.0.0.1", "127.0.0.2", True),
        ("127.0.0.1", "172.17.0.2", True),
        ("127.0.0.1", "169.254.169.254", False),
        ("169.254.1.1", "169.254.1.1", True),
        ("169.254.1.1", "169.254.169.254", False),
    ],
)
def test_where_a_registry_may_lead(own: str, other: str, allowed: bool) -> None:
    assert may_lead_to([other], [own]) is allowed
    assert may_lead_to(["8.8.8.8", other], [own]) is allowed


class Elsewhere(Server):
    """Stands for a metadata service: nobody should come."""

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        return 200, {}, b'{"token": "stolen"}'


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Addresses of host names, as a name server would have them."""
    known: dict[str, str] = {}
    find = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return find(known.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:PORT/token",
        "https://localhost:PORT/token",
        "https://2130706433:PORT/token",
        "https://0x7f.1:PORT/token",
        "https://0.0.0.0:PORT/token",
        "https://[::ffff:127.0.0.1]:PORT/token",
        "https://inside.example:PORT/token",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
    ],
)
@pytest.mark.parametrize("what", ["realm", "redirect"])
def test_a_public_registry_does_not_lead_inside(
    what: str, address: str, elsewhere: Elsewhere, names: dict[str, str]
) -> None:
    names.update({"public.example": "93.184.216.34", "inside.example": "127.0.0.1"})
    url = address.replace("PORT", elsewhere.host.rpartition(":")[2])
    talk = Transport("public.example")
    if what == "realm":
        ask: Any = partial(talk._answer, f'Bearer realm="{url}"', None)
    else:
        ask = partial(talk._host._follow, "GET", url, {}, None)
    with pytest.raises(RegistryError, match="which is not open to all as the registry is"):
        ask()
    assert elsewhere.requests == []


def test_a_name_that_leads_elsewhere_the_second_time(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address of the connection itself is held against the rule."""
    port = int(elsewhere.host.rpartition(":")[2])
    find = socket.getaddrinfo
    asked: list[str] = []

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "rebound.example":
            asked.append(host)
            return find("127.0.0.1" if len(asked) > 1 else "8.8.8.8", *rest, **more)
        return find({"public.example": "93.184.216.34"}.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    host = Host("public.example", plain=True)
    with pytest.raises(RegistryError, match="not open to all"):
        host._follow("GET", f"http://rebound.example:{port}/", {}, None)
    assert elsewhere.requests == []


def test_a_registry_of_a_private_network_has_its_token_service_there(
    names: dict[str, str],
) -> None:
    host = Host("registry.corp")
    names.update({"registry.corp": "10.1.2.3", "auth.corp": "10.9.9.9", "meta": "169.254.1.1"})
    host._check_address("auth.corp", 443, None)
    host._check_address("auth.corp", 443, "10.9.9.9")
    with pytest.raises(RegistryError):
        host._check_address("meta", 80, None)


def test_a_registry_here_has_its_token_service_here() -> None:
    with FakeRegistry() as registry, TokenServer() as tokens:
        registry.tokens = tokens
        open_reference(registry.add("api", "1", SAMPLE), Options())


# --- how long -------------------------------------------------------------------------------------
class Silent(FakeRegistry):
    """Accepts connections, and answers after `seconds`."""

    seconds = 5.0

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        time.sleep(self.seconds)
        return super().answer(method, path, headers)


@pytest.mark.parametrize("by", ["argument", "variable", "option"])
def test_a_registry_that_does_not_answer(
    by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pyimginspect.sources.hosts.ATTEMPTS", 1)
    with Silent() as registry:
        registry.seconds = 1.0
        reference = registry.add("api", "1", SAMPLE)
        start = time.monotonic()
        if by == "option":
            assert main([reference, "--timeout", "0.1", "--no-cache"]) == 2
            assert "no answer" in capsys.readouterr().err
        else:
            if by == "variable":
                monkeypatch.setenv("PYIMGINSPECT_TIMEOUT", "0.1")
            with (
                Connections(0.1 if by == "argument" else None) as connections,
                pytest.raises(RegistryError, match="no answer"),
            ):
                open_reference(reference, Options(connections=connections))
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf", "1e9", ""])
def test_limits_of_time_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ("--timeout", "--max-time"):
        assert main(["x.tar", f"{option}={text}"]) == 2
    monkeypatch.setenv("PYIMGINSPECT_TIMEOUT", text)
    if text:
        with pytest.raises(InvalidReferenceError, match="PYIMGINSPECT_TIMEOUT"):
            time_limits()
    else:
        assert time_limits() == (10, 60)


@posix
def test_the_command_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """On a pipe that nobody writes to, which nothing else would end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "pyimginspect", str(pipe), "--max-time", "1", "--no-cache"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert time.monotonic() - start < 10
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "pyimginspect: not done within 1 s (--max-time)\n"


def test_a_command_that_is_done_in_time(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(SAMPLE))
    assert main([str(path), "--max-time", "60", "--summary", "--fail-on", "never"]) == 0


# --- proxies --------------------------------------------------------------------------------------
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy finds the host, which has no address here; ``NO_PROXY`` has its way."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority().certificate))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeRegistry() as registry, Tunnel(registry.host) as proxy:
        registry.use_tls(authority().issue("server", "DNS:registry.example").serving())
        registry.add("api", "1", SAMPLE)
        monkeypatch.setenv(variable, f"http://{proxy.host}")
        open_reference("registry:registry.example/api:1", Options())
        assert proxy.asked == {"CONNECT registry.example:443"}
        registry.always("/blobs/", (307, {"Location": "https://169.254.169.254/"}, b""))
        with pytest.raises(RegistryError, match="not open to all"):
            open_reference("registry:registry.example/api:1", Options())
        monkeypatch.setenv("NO_PROXY", "registry.example")
        with pytest.raises(RegistryError, match=r"no answer from registry\.example"):
            open_reference("registry:registry.example/api:1", Options())
        assert proxy.asked == {"CONNECT registry.example:443"}
