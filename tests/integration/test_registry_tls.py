"""A real registry with TLS: where skopeo gets in by what is in ``certs.d``, so do we, else not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyimginspect.errors import RegistryError
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.certificates import Authority
from tests.contract import assert_valid_image, content
from tests.images import image, oci_layout
from tests.integration.conftest import missing
from tests.integration.services import REGISTRY, SKOPEO, Registry, missing_program

SAMPLE = image([{"a": "1" * 200_000}, {"etc/os-release": "ID=debian\n"}])


class Place(NamedTuple):
    """A registry that has the image ``api:1``, and who signed its certificate."""

    registry: Registry
    ca: Authority
    clients: Authority | None
    layout: Path

    @property
    def name(self) -> str:
        return f"{self.registry.host}/api:1"


@pytest.fixture(scope="module", params=[False, True], ids=["for all", "for those it knows"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    if reason := missing_program(REGISTRY, SKOPEO):
        missing(reason)
    root = tmp_path_factory.mktemp("tls")
    ca = Authority(root / "ca")
    clients = Authority(root / "clients", "of clients") if request.param else None
    server = ca.issue("server", "IP:127.0.0.1")
    layout = oci_layout(SAMPLE, root / "oci")
    with Registry(root / "registry", tls=server, clients=clients) as registry:
        running = Place(registry, ca, clients, layout)
        put(running, root / "push", "ca client")
        folder = root / "push/.config/containers/certs.d" / registry.host
        push = [SKOPEO, "copy", "--insecure-policy", "--quiet", f"--dest-cert-dir={folder}"]
        subprocess.run([*push, f"oci:{layout}", f"docker://{running.name}"], check=True)
        yield running


def put(place: Place, home: Path, files: str) -> None:
    """Put certificates where Podman's tools look for them."""
    folder = home / ".config/containers/certs.d" / place.registry.host
    folder.mkdir(parents=True)
    if "ca" in files.split():
        shutil.copy(place.ca.certificate, folder / "ca.crt")
    if "other" in files:
        shutil.copy(Authority(home / "other", "others").certificate, folder / "ca.crt")
    if "client" in files:
        client = (place.clients or place.ca).issue("client")
        shutil.copy(client.certificate, folder / "client.cert")
        shutil.copy(client.key, folder / "client.key")
    if "stranger" in files:
        client = Authority(home / "strangers", "strangers").issue("client")
        shutil.copy(client.certificate, folder / "client.cert")
        shutil.copy(client.key, folder / "client.key")
    if "keyless" in files:
        (folder / "client.key").unlink()


CASES = ["", "ca", "ca client", "other client", "ca stranger", "client", "ca client keyless"]


@pytest.mark.parametrize("files", CASES)
def test_as_skopeo(
    files: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, tmp_path, files)
    for name in ("XDG_CONFIG_HOME", "DOCKER_CONFIG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)
    theirs = subprocess.run(
        [SKOPEO, "inspect", "--raw", f"docker://{place.name}"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    if theirs.returncode:
        with pytest.raises(RegistryError):
            open_reference(f"registry:{place.name}", Options())
    else:
        found = open_reference(f"registry:{place.name}", Options()).image
        assert_valid_image(found)
        assert content(found) == content(open_reference(str(place.layout), Options()).image)
        assert len(json.loads(theirs.stdout)["layers"]) == len(found.layers)
    should = "ca" in files.split() and "keyless" not in files
    if place.clients is not None:
        should = should and "client" in files
    assert (theirs.returncode == 0) == should, "what skopeo says is what the test is about"
