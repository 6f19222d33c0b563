"""The same image from every place it can live in, by the real programs: the same report."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyimginspect import api
from pyimginspect.analyzers import BUILTIN
from pyimginspect.errors import AuthenticationError, DaemonError, ImageNotFoundError, PlatformError
from pyimginspect.layers.cache import Cache
from pyimginspect.model import Platform
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.contract import assert_valid_image, content
from tests.images import Index, digest, image, oci_layout
from tests.integration.conftest import BuiltCorpus, missing
from tests.integration.engine import Engine
from tests.integration.services import (
    PODMAN,
    REGISTRY,
    SKOPEO,
    Podman,
    Registry,
    missing_program,
    skopeo_copy,
)
from tests.servers import Proxy

IMAGES = ("slim", "good", "alpine")
LARGEST = "bad"  # 1.4 GB: by the roads that do not pack it first
USER, PASSWORD = "me", "correct horse"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Iterator[Registry]:
    if reason := missing_program(REGISTRY, SKOPEO):
        missing(reason)
    with Registry(folder / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def closed_registry(folder: Path) -> Iterator[Registry]:
    if reason := missing_program(REGISTRY, SKOPEO, "/usr/bin/htpasswd"):
        missing(reason)
    with Registry(folder / "closed", {USER: PASSWORD}) as running:
        yield running


@pytest.fixture(scope="module")
def podman(folder: Path) -> Iterator[Podman]:
    if reason := missing_program(PODMAN, SKOPEO):
        missing(reason)
    with Podman(folder / "podman") as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither credentials nor engines but those of the test."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Road(NamedTuple):
    """One way to an image: what prepares it, and what is then asked for."""

    request: pytest.FixtureRequest
    corpus: BuiltCorpus
    monkeypatch: pytest.MonkeyPatch
    name: str

    def get(self, fixture: str) -> Any:
        return self.request.getfixturevalue(fixture)


def archive(road: Road) -> str:
    return str(road.corpus.archive(road.name))


def standard_input(road: Road) -> str:
    stream = io.BufferedReader(io.FileIO(road.corpus.archive(road.name)))
    road.request.addfinalizer(stream.close)
    road.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    return "-"


def compressed(road: Road) -> str:
    path = road.get("tmp_path") / "image.tar.gz"
    with path.open("wb") as file:
        command = ["gzip", "-1", "--stdout", str(road.corpus.archive(road.name))]
        subprocess.run(command, stdout=file, check=True)
    return str(path)


def layout(compression: str) -> Callable[[Road], str]:
    return lambda road: str(road.corpus.oci(road.name, compression))


def oci_archive(road: Road) -> str:
    path = road.get("tmp_path") / "image.oci.tar"
    skopeo_copy(f"oci:{road.corpus.oci(road.name, 'gzip')}", f"oci-archive:{path}")
    return str(path)


def docker(road: Road) -> str:
    engine: Engine = road.get("engine")
    tag = road.corpus.load_into(engine, road.name)
    road.monkeypatch.setenv("DOCKER_HOST", engine.host)
    return f"docker:{tag}"


def from_podman(road: Road) -> str:
    podman: Podman = road.get("podman")
    name = f"docker.io/corpus/{road.name}:latest"
    skopeo_copy(f"docker-archive:{road.corpus.archive(road.name)}", f"{podman.storage}{name}")
    road.monkeypatch.setenv("CONTAINER_HOST", podman.address)
    return f"podman:corpus/{road.name}"


def from_registry(compression: str) -> Callable[[Road], str]:
    def push(road: Road) -> str:
        host = road.get("registry").host
        name = f"{host}/corpus/{road.name}:{compression}"
        skopeo_copy(f"oci:{road.corpus.oci(road.name, compression)}", f"docker://{name}")
        return f"registry:{name}"

    return push


ROADS: dict[str, Callable[[Road], str]] = {
    "standard input": standard_input,
    "compressed archive": compressed,
    "OCI layout, gzip": layout("gzip"),
    "OCI layout, zstd": layout("zstd"),
    "OCI archive": oci_archive,
    "Docker Engine": docker,
    "Podman service": from_podman,
    "registry, gzip": from_registry("gzip"),
    "registry, zstd": from_registry("zstd"),
}

QUICK = ("OCI layout, gzip", "Docker Engine", "registry, gzip")
TABLE = [(way, name) for way in ROADS for name in IMAGES] + [(way, LARGEST) for way in QUICK]

# What the road itself decides; everything else must be the image's.
OF_THE_SOURCE = {"reference", "source", "names", "digest", "config_digest"}


def common(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what belongs to the source: names, and blobs as they are stored."""
    about = {k: v for k, v in report["image"].items() if k not in OF_THE_SOURCE}
    layers = [
        {k: v for k, v in each.items() if k not in ("digest", "blob_size")}
        for each in report["layers"]
    ]
    return {**report, "image": about, "layers": layers}


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, Any]]:
    """The report of each image from its archive, made once."""
    return {}


def opened(reference: str, **options: Any) -> Opened:
    found = open_reference(reference, Options(**options))
    assert_valid_image(found.image)
    return found


@pytest.mark.parametrize(("way", "name"), TABLE)
def test_every_road_leads_to_the_same_report(
    way: str,
    name: str,
    request: pytest.FixtureRequest,
    corpus: BuiltCorpus,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    road = Road(request, corpus, monkeypatch, name)
    if name not in expected:
        expected[name] = common(json.loads(api.inspect(archive(road)).to_json()))
    reference = ROADS[way](road)
    with Cache(tmp_path / "cache") as cache:
        report = api.inspect(reference, cache=cache)
        assert common(json.loads(report.to_json())) == expected[name]
        if way != "standard input":
            again = api.inspect(reference, cache=cache)
            assert again.to_json() == report.to_json(), "the report kept is the same"
            with api.open_image(reference, cache=cache) as known:
                judged = known.report(BUILTIN)
            assert judged.to_json() == report.to_json(), "from the indexes kept it is, too"


@pytest.mark.parametrize("name", IMAGES)
def test_exported_file_systems(name: str, corpus: BuiltCorpus) -> None:
    """``docker export``: no image any more, but a root file system with all its files."""
    whole = opened(str(corpus.export(name))).image
    assert whole.source == "rootfs"
    assert str(whole.platform) == "linux/amd64"
    with (corpus.export(name)).open("rb") as file:
        again = api_stream(file)
    assert content(again.image) == content(whole)


def api_stream(file: Any) -> Opened:
    from pyimginspect.sources.opening import open_stream

    return open_stream(file, Options(), name=None, reference="-")


# --- the engine and Podman ------------------------------------------------------------------------
def test_by_name_alone_the_engine_is_asked_first(
    corpus: BuiltCorpus, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = corpus.load_into(engine, "slim")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    found = opened(tag).image
    assert found.source == "docker"
    assert found.config_digest == engine.image_id(tag)
    assert opened(f"docker:{engine.image_id(tag)}").image.config_digest == found.config_digest


def test_what_the_engine_does_not_have(
    engine: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nowhere.sock")
    with pytest.raises(ImageNotFoundError, match="Docker has no such image"):
        opened("docker:nobody/nothing:1")
    with pytest.raises(ImageNotFoundError) as caught:
        opened(f"{registry.host}/nobody/nothing:1")
    for place in ("docker: ", "podman: ", "registry: "):
        assert place in str(caught.value)


def test_no_engine_where_one_is_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/nothing.sock")
    with pytest.raises(DaemonError, match=r"nothing\.sock"):
        opened("docker:corpus/slim")


def test_a_known_image_of_the_engine_is_not_saved_again(
    corpus: BuiltCorpus, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tag = corpus.load_into(engine, "slim")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    with Cache(tmp_path / "cache") as cache:
        first = opened(f"docker:{tag}", cache=cache).image
        monkeypatch.setattr("docker.api.client.APIClient.get_image", None)
        assert opened(f"docker:{tag}", cache=cache).image == first


# --- registries -----------------------------------------------------------------------------------
def log_in(home: Path, host: str, password: str) -> None:
    """As ``docker login`` does, by the one client that needs no engine for it."""
    subprocess.run(
        [SKOPEO, "login", "--tls-verify=false", "--authfile", str(home / "config.json"),
         "--username", USER, "--password-stdin", host],
        input=password.encode(),
        check=True,
        capture_output=True,
    )  # fmt: skip


def test_a_registry_with_passwords(
    closed_registry: Registry, corpus: BuiltCorpus, home: Path
) -> None:
    host = closed_registry.host
    source = f"oci:{corpus.oci('alpine', 'gzip')}"
    skopeo_copy(source, f"docker://{host}/alpine:1", f"--dest-creds={USER}:{PASSWORD}")
    with pytest.raises(AuthenticationError, match="wants credentials"):
        opened(f"registry:{host}/alpine:1")
    log_in(home, host, PASSWORD)
    assert len(opened(f"registry:{host}/alpine:1").image.layers) == 4
    stored = json.loads((home / "config.json").read_text())
    stored["auths"][host]["auth"] = "bWU6d3Jvbmc="
    (home / "config.json").write_text(json.dumps(stored))
    with pytest.raises(AuthenticationError, match="refuses the credentials of 'me'"):
        opened(f"registry:{host}/alpine:1")


def test_several_platforms(registry: Registry, tmp_path: Path) -> None:
    names = ("linux/amd64", "linux/arm64", "linux/arm/v7")
    images = tuple(image([{n.replace("/", "-"): "x"}], platform=n) for n in names)
    path = oci_layout(Index(images=images, attestations=False), tmp_path / "oci")
    target = f"{registry.host}/multi:1"
    skopeo_copy(f"oci:{path}", f"docker://{target}", "--all")
    for name in names:
        found = opened(f"registry:{target}", platform=Platform.parse(name)).image
        assert [e.path for e in found.layers[0].index.entries] == [name.replace("/", "-")]
    with pytest.raises(PlatformError, match="linux/amd64, linux/arm/v7, linux/arm64"):
        opened(f"registry:{target}", platform=Platform.parse("linux/s390x"))


def test_by_the_digest_that_skopeo_tells(registry: Registry, corpus: BuiltCorpus) -> None:
    target = f"{registry.host}/alpine:digest"
    skopeo_copy(f"oci:{corpus.oci('alpine', 'zstd')}", f"docker://{target}")
    raw = subprocess.run(
        [SKOPEO, "inspect", "--raw", "--tls-verify=false", f"docker://{target}"],
        check=True,
        capture_output=True,
    ).stdout
    found = opened(f"registry:{registry.host}/alpine@{digest(raw)}").image
    assert found.digest == digest(raw) == opened(f"registry:{target}").image.digest


@pytest.mark.parametrize("times", [0, 3])
def test_a_real_registry_behind_a_line_that_breaks(
    times: int, registry: Registry, corpus: BuiltCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are cut after some megabytes, again and again; the image is whole."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    target = "corpus/slim:broken"
    skopeo_copy(f"oci:{corpus.oci('slim', 'gzip')}", f"docker://{registry.host}/{target}")
    expected = content(opened(f"registry:{registry.host}/{target}").image)
    with Proxy(registry.host) as proxy:
        proxy.break_after = 5_000_000 if times else None
        found = opened(f"registry:{proxy.host}/{target}").image
        assert content(found) == expected
        assert proxy.broken >= times


def test_a_known_image_costs_the_registry_next_to_nothing(
    registry: Registry, corpus: BuiltCorpus, tmp_path: Path
) -> None:
    target = "corpus/good:known"
    skopeo_copy(f"oci:{corpus.oci('good', 'gzip')}", f"docker://{registry.host}/{target}")
    with Cache(tmp_path) as cache, Proxy(registry.host) as proxy:
        opened(f"registry:{registry.host}/{target}", cache=cache)
        opened(f"registry:{proxy.host}/{target}", cache=cache)
        assert proxy.received < 100_000
