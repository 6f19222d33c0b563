"""registries.conf: mirrors, other locations, blocked registries, and registries without TLS."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyimginspect.errors import ImageNotFoundError, RegistryError
from pyimginspect.sources import mirrors
from pyimginspect.sources.mirrors import find_places
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.reference import parse_name
from tests.certificates import authority
from tests.images import image
from tests.servers import FakeRegistry

SAMPLE = image([{"a": "1"}])
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is to count, yet to be written."""
    path = tmp_path / "registries.conf"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(path))
    monkeypatch.setattr(mirrors, "_SYSTEM", tmp_path / "etc")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return path


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


TABLES = """
unqualified-search-registries = ["quay.io"]
short-name-mode = "enforcing"
[aliases]
"python" = "elsewhere.example/python"

[[registry]]
prefix = "docker.io"
location = "mirror.gcr.io"

[[registry]]
prefix = "docker.io/library/python"
[[registry.mirror]]
location = "one.corp/python"
[[registry.mirror]]
location = "two.corp/py"
insecure = true
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "three.corp/py/"
pull-from-mirror = "tag-only"

[[registry]]
location = "ghcr.io/acme"
mirror-by-digest-only = true
insecure = true
[[registry.mirror]]
location = "cache.corp:5000/ghcr/acme"

[[registry]]
prefix = "*.wild.example"
[[registry.mirror]]
location = "wild.corp"

[[registry]]
prefix = "*.deep.wild.example"
location = "deep.corp"

[[registry]]
prefix = "moved.example/a"
location = "target.example/b/c"
"""


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("quay.io/acme/api:1", ["quay.io/acme/api:1"]),
        ("redis:7", ["mirror.gcr.io/library/redis:7"]),
        (
            "python:3.13",
            ["one.corp/python:3.13", "three.corp/py:3.13", "docker.io/library/python:3.13"],
        ),
        (
            f"python@{DIGEST}",
            [
                f"one.corp/python@{DIGEST}",
                f"two.corp/py@{DIGEST} insecure",
                f"docker.io/library/python@{DIGEST}",
            ],
        ),
        ("python-extra", ["mirror.gcr.io/library/python-extra:latest"]),
        ("ghcr.io/acme/api:1", ["ghcr.io/acme/api:1 insecure"]),
        (
            f"ghcr.io/acme/api@{DIGEST}",
            [f"cache.corp:5000/ghcr/acme/api@{DIGEST}", f"ghcr.io/acme/api@{DIGEST} insecure"],
        ),
        ("ghcr.io/acmeagain/api:1", ["ghcr.io/acmeagain/api:1"]),
        ("a.b.wild.example/x:1", ["wild.corp/x:1", "a.b.wild.example/x:1"]),
        ("wild.example/x:1", ["wild.example/x:1"]),
        ("notwild.example/x:1", ["notwild.example/x:1"]),
        ("a.deep.wild.example/x:1", ["deep.corp/x:1"]),
        ("moved.example/a/x:1", ["target.example/b/c/x:1"]),
        ("moved.example/a:1", ["target.example/b/c:1"]),
        ("moved.example/b:1", ["moved.example/b:1"]),
    ],
)
def test_places(name: str, places: list[str], conf: Path) -> None:
    conf.write_text(TABLES)
    found = find_places(parse_name(name))
    assert [f"{each.name}{' insecure' * each.insecure}" for each in found] == places
    assert {str(each.wanted) for each in found} == {str(parse_name(name))}


@pytest.mark.parametrize("name", ["bad.example/x", "bad.example/x/y:1", "sub.bad.example/x"])
def test_a_blocked_registry(name: str, conf: Path) -> None:
    conf.write_text(
        '[[registry]]\nlocation = "bad.example"\nblocked = true\n'
        '[[registry]]\nprefix = "*.bad.example"\nblocked = true\n'
    )
    with pytest.raises(RegistryError, match=f"bad.example is blocked by {conf}"):
        find_places(parse_name(name))
    find_places(parse_name("notbad.example/x"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[registry", "is no registries.conf"),
        ("registry = 5", "is no registries.conf"),
        ('[[registry]]\nlocation = "a.example"\nblocked = "yes"', "is no registries.conf"),
        ('[[registry]]\nlocation = "a.example"\ninsecure = 1', "is no registries.conf"),
        ("[[registry]]\nblocked = true", "neither prefix nor location"),
        ('[[registry]]\nprefix="a.example"\nlocation = "b c"', "is no location"),
        (
            '[[registry]]\nprefix="a.example"\n[[registry.mirror]]\nlocation="b.example/UP"',
            "is no location",
        ),
        ("x = " + "[" * 100_000, "is no registries.conf"),
        ("#" * 2_000_000, "too many bytes"),
        ("\xff".encode("latin-1"), "is no registries.conf"),
        (None, "cannot be read"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_cannot_be_used(text: str | bytes | None, words: str, conf: Path) -> None:
    if text is not None:
        conf.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(RegistryError, match=words):
        find_places(parse_name("a.example/x"))


def test_which_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's main file with the user's directory; without it the system's, then the user's."""
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    monkeypatch.delenv("REGISTRIES_CONFIG_PATH", raising=False)
    monkeypatch.setattr(mirrors, "_SYSTEM", tmp_path / "etc")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(path: str, location: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'[[registry]]\nprefix = "a.example"\nlocation = "{location}"\n')

    def place() -> str:
        return find_places(parse_name("a.example/x"))[-1].name.registry

    assert place() == "a.example"
    for path, location in (
        ("etc/registries.conf", "one.example"),
        ("etc/registries.conf.d/10.conf", "two.example"),
        ("etc/registries.conf.d/20.conf", "three.example"),
        ("config/containers/registries.conf.d/00.conf", "four.example"),
    ):
        write(path, location)
        assert place() == location
    write("config/containers/registries.conf.d/readme.txt", "not.example")
    assert place() == "four.example"
    (tmp_path / "config/containers/registries.conf.d/00.conf").unlink()
    write("config/containers/registries.conf", "five.example")
    assert place() == "five.example", "the system's directory goes with the system's file"
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "named"))
    write("named", "six.example")
    assert place() == "three.example", "a file that is named takes the place of the two files alone"
    write("config/containers/registries.conf.d/00.conf", "seven.example")
    assert place() == "seven.example"
    for each in tmp_path.glob("*/**/*.conf"):
        each.unlink()
    assert place() == "six.example"


def test_an_image_comes_from_its_mirror(registry: FakeRegistry, conf: Path) -> None:
    registry.add("hub/library/python", "3.13", SAMPLE)
    conf.write_text(
        '[[registry]]\nprefix = "docker.io"\n[[registry.mirror]]\n'
        f'location = "127.0.0.1:1/hub"\n[[registry.mirror]]\nlocation = "{registry.host}/hub"\n'
    )
    found = open_reference("registry:python:3.13", Options()).image
    assert found.names == ("python:3.13",), "it is called as it was asked for"
    assert len(registry.asked("/blobs/")) == 2


def test_the_registry_itself_comes_last(registry: FakeRegistry, conf: Path) -> None:
    with FakeRegistry() as mirror:
        conf.write_text(
            f'[[registry]]\nlocation = "{registry.host}"\n'
            f'[[registry.mirror]]\nlocation = "{mirror.host}"\n'
        )
        reference = registry.add("api", "1", SAMPLE)
        open_reference(reference, Options())
        assert len(mirror.asked("manifests")) == 1
        assert len(registry.asked("manifests")) == 1
        with pytest.raises(ImageNotFoundError) as caught:
            open_reference(reference.removesuffix("1") + "2", Options())
    assert f"{mirror.host} has no image" in str(caught.value)
    assert f"{registry.host} has no image" in str(caught.value)


def test_a_blocked_registry_is_not_asked(registry: FakeRegistry, conf: Path) -> None:
    reference = registry.add("api", "1", SAMPLE)
    conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\nblocked = true\n')
    with pytest.raises(RegistryError, match="is blocked"):
        open_reference(reference, Options())
    assert registry.requests == []


def test_insecure_takes_any_certificate(
    registry: FakeRegistry, conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.use_tls(authority().issue("server", "IP:127.0.0.1").serving())
    monkeypatch.setattr("time.sleep", lambda _: None)
    reference = registry.add("api", "1", SAMPLE)
    conf.write_text("")
    with pytest.raises(RegistryError, match="no secure connection"):
        open_reference(reference, Options())
    conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
    open_reference(reference, Options())


def test_insecure_takes_no_tls_at_all(registry: FakeRegistry, conf: Path) -> None:
    """By a name that is no loopback name, for which HTTP would not be thought of."""
    port = registry.host.rpartition(":")[2]
    registry.add("api", "1", SAMPLE)
    name = f"registry.localhost.example:{port}"
    conf.write_text(f'[[registry]]\nlocation = "{name}"\ninsecure = true\n')
    find = socket.getaddrinfo
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **k: find("127.0.0.1" if "example" in str(host) else host, *a, **k),
        )
        open_reference(f"registry:{name}/api:1", Options())
