"""Layers with tables of contents in a real registry: the report of the whole image.

They are of our own writer, for Debian's podman and skopeo are of a time before tar-split, and
what they write as zstd:chunked has not the diff IDs that the configuration says.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyimginspect
from tests.contents import Packed, estargz, zstd_chunked
from tests.images import Image
from tests.integration.conftest import BuiltCorpus, missing
from tests.integration.services import REGISTRY, SKOPEO, Registry, missing_program, skopeo_copy
from tests.layouts import blob_name, descriptor, index, manifest
from tests.servers import Proxy


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if reason := missing_program(REGISTRY, SKOPEO):
        missing(reason)
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def plain(report: pyimginspect.Report) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(report.to_json())
    for each in document["layers"]:
        del each["toc_digest"]
    return document


@pytest.mark.parametrize("pack", [zstd_chunked, estargz])
def test_layers_with_a_table_of_contents(
    corpus: BuiltCorpus, registry: Registry, pack: Any, tmp_path: Path
) -> None:
    name = pack.__name__
    stored = _convert(corpus.oci("slim", "gzip"), tmp_path, pack)
    skopeo_copy(f"oci:{tmp_path}", f"docker://{registry.host}/slim:{name}")
    with Proxy(registry.host) as proxy:
        target = f"registry:{proxy.host}/slim:{name}"
        report = pyimginspect.inspect(target)
        fetched = proxy.received
        whole = pyimginspect.inspect(target, verify=True)
    assert any(each.toc_digest for each in report.layers)
    assert plain(report) == plain(whole)
    assert fetched < stored


def _convert(source: Path, target: Path, pack: Any) -> int:
    """Write the image of a layout with other layers; return how many bytes those have."""
    top = json.loads((source / "index.json").read_text())["manifests"][0]
    document = json.loads((source / "blobs" / top["digest"].replace(":", "/")).read_text())
    config = source / "blobs" / document["config"]["digest"].replace(":", "/")
    packed: list[Packed] = [
        pack(gzip.decompress((source / "blobs" / each["digest"].replace(":", "/")).read_bytes()))
        for each in document["layers"]
    ]
    settings = json.loads(config.read_text())
    one = Image(layers=tuple(each.tar for each in packed), config=settings)
    settings["rootfs"]["diff_ids"] = [
        blob_name(tar).removeprefix("blobs/").replace("/", ":") for tar in one.layers
    ]
    data = manifest(
        descriptor(one.config_bytes, "config.v1+json"),
        [
            descriptor(each.blob, f"layer.v1.tar+{each.suffix}", annotations=each.annotations)
            for each in packed
        ],
    )
    (target / "blobs/sha256").mkdir(parents=True)
    for blob in (one.config_bytes, data, *(each.blob for each in packed)):
        (target / blob_name(blob)).write_bytes(blob)
    (target / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (target / "index.json").write_bytes(index(descriptor(data, "manifest.v1+json")))
    return sum(len(each.blob) for each in packed)
