"""A real engine behind TCP with TLS: by environment, by context, and with the wrong papers."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.certificates import Authority
from tests.contract import one_line
from tests.images import docker_archive, image
from tests.integration.conftest import missing
from tests.integration.engine import CLIENT, Engine, why_unavailable

TAG = "acme/tls:1"
SAMPLE = image([{"a": "1" * 200_000}, {"etc/os-release": "ID=debian\n"}], tag=TAG)


class Far(NamedTuple):
    """An engine that also listens at `address`, for those that `ca` knows."""

    engine: Engine
    address: str
    ca: Authority
    papers: Path


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    if reason := why_unavailable():
        missing(reason)
    root = tmp_path_factory.mktemp("far")
    ca = Authority(root / "ca")
    server = ca.issue("server", "IP:127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    options = [
        f"--host={address}",
        "--tlsverify",
        f"--tlscacert={ca.certificate}",
        f"--tlscert={server.certificate}",
        f"--tlskey={server.key}",
    ]
    with Engine(root / "engine", options) as engine:
        archive = root / "image.tar"
        archive.write_bytes(docker_archive(SAMPLE))
        engine.load(archive)
        yield Far(engine, address, ca, papers(root / "papers", ca))


def papers(where: Path, ca: Authority) -> Path:
    """The directory that ``DOCKER_CERT_PATH`` names."""
    where.mkdir(parents=True)
    client = ca.issue("client")
    shutil.copy(ca.certificate, where / "ca.pem")
    shutil.copy(client.certificate, where / "cert.pem")
    shutil.copy(client.key, where / "key.pem")
    return where


def inspect(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The whole command, as somebody runs it whose home directory is `home`."""
    return subprocess.run(
        [sys.executable, "-m", "pyimginspect", "--format", "json", "--no-cache", f"docker:{TAG}"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ROOT = Path(__file__).resolve().parents[2]


def report(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def by_environment(far: Far, papers: Path) -> Mapping[str, str]:
    return {
        "DOCKER_HOST": far.address,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(papers),
    }


@pytest.fixture
def by_socket(far: Far, tmp_path: Path) -> Any:
    return report(inspect(tmp_path, DOCKER_HOST=far.engine.host))


def test_by_environment(far: Far, by_socket: Any, tmp_path: Path) -> None:
    assert report(inspect(tmp_path, **by_environment(far, far.papers))) == by_socket


@pytest.mark.parametrize("current", [False, True])
def test_by_a_context(current: bool, far: Far, by_socket: Any, tmp_path: Path) -> None:
    """Made by Docker's own client, so that it is laid out as that lays it out."""
    docker = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    endpoint = f"host={far.address}"
    for name, file in (("ca", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem")):
        endpoint += f",{name}={far.papers / file}"
    commands = [["context", "create", "far", "--docker", endpoint]]
    if current:
        commands.append(["context", "use", "far"])
    for command in commands:
        subprocess.run([CLIENT, *command], env=docker, check=True, capture_output=True)
    chosen = {} if current else {"DOCKER_CONTEXT": "far"}
    assert report(inspect(tmp_path, **chosen)) == by_socket


def test_a_ca_that_did_not_sign(far: Far, tmp_path: Path) -> None:
    other = papers(tmp_path / "papers", Authority(tmp_path / "other", "somebody else"))
    refused(
        inspect(tmp_path, **by_environment(far, other)),
        f"docker:{TAG}: no secure connection to Docker: unable to get local issuer certificate",
        "DOCKER_CERT_PATH, or the context, has the ca.pem, cert.pem and key.pem for it",
    )


def test_a_client_that_the_engine_does_not_know(far: Far, tmp_path: Path) -> None:
    other = papers(tmp_path / "papers", Authority(tmp_path / "other", "somebody else"))
    shutil.copy(far.ca.certificate, other / "ca.pem")
    refused(inspect(tmp_path, **by_environment(far, other)), f"docker:{TAG}: no ")


def test_plain_text_to_tls(far: Far, tmp_path: Path) -> None:
    refused(
        inspect(tmp_path, DOCKER_HOST=far.address),
        "Docker speaks TLS there",
        "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH",
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert (document["reports"], len(document["errors"])) == ([], 1)
    one_line(done.stderr.rstrip("\n"))
    for word in words:
        assert word in done.stderr
