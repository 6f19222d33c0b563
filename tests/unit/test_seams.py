"""Resolving, reading and folding apart: in other processes, and with the same report."""

import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pyimginspect
from pyimginspect.api import open_resolved
from pyimginspect.errors import ArchiveError, DigestMismatchError, LayerError, PyimginspectError
from pyimginspect.layers.cache import Cache
from pyimginspect.model import LayerIndex
from pyimginspect.sources.files import resolve_stream
from pyimginspect.sources.options import Options
from pyimginspect.sources.reading import read_layer, read_layers
from pyimginspect.sources.resolve import resolve
from pyimginspect.sources.resolved import (
    Carrier,
    FileCarrier,
    RegistryCarrier,
    Resolved,
    StreamCarrier,
)
from tests.images import (
    compress,
    docker25_archive,
    docker_archive,
    elf,
    image,
    layer,
    oci_archive,
    oci_layout,
)
from tests.servers import FakeEngine, FakeRegistry

BASE = layer({"etc/os-release": "ID=debian\nVERSION_ID=12\n", "bin/sh": elf(), "a": "1" * 9000})
TOP = layer({"usr/bin/python3.11": elf(soname="x"), "a": "2" * 9000, "b": "1" * 9000})
SAMPLE = image([BASE, TOP, layer(), BASE], tag="acme/api:1.4")


@contextmanager
def saved(path: Path, data: bytes) -> Iterator[str]:
    path.write_bytes(data)
    yield str(path)


@contextmanager
def in_layout(path: Path) -> Iterator[str]:
    oci_layout(SAMPLE, path, compression="gzip")
    yield str(path)


@contextmanager
def in_registry(path: Path) -> Iterator[str]:
    with FakeRegistry() as registry:
        yield registry.add("acme/api", "1.4", SAMPLE)


@contextmanager
def in_engine(path: Path) -> Iterator[str]:
    with FakeEngine() as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.address)
        patch.setenv("DOCKER_CONFIG", str(path))
        for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT"):
            patch.delenv(name, raising=False)
        for name in ("acme/api:1.4", SAMPLE.config_digest):
            archive = docker_archive(SAMPLE)
            engine.add(name, archive, SAMPLE.config_digest, *SAMPLE.tags)
        yield "docker:acme/api:1.4"


@contextmanager
def in_directory(path: Path) -> Iterator[str]:
    path.mkdir()
    with tarfile.open(fileobj=io.BytesIO(BASE)) as archive:
        archive.extractall(path, filter="data")
    yield f"rootfs:{path}"


def archive(build: Callable[..., bytes], **options: Any) -> Callable[[Path], Any]:
    return lambda path: saved(path, build(SAMPLE, **options))


PLACES: dict[str, tuple[Callable[[Path], Any], type[Carrier]]] = {
    "docker archive": (archive(docker_archive), FileCarrier),
    "docker 25 archive": (archive(docker25_archive), FileCarrier),
    "oci archive": (archive(oci_archive, compression="gzip"), FileCarrier),
    "oci layout": (in_layout, FileCarrier),
    "compressed archive": (
        lambda p: saved(p, compress(docker_archive(SAMPLE), "gzip")),
        StreamCarrier,
    ),
    "registry": (in_registry, RegistryCarrier),
    "engine": (in_engine, StreamCarrier),
    "root file system": (lambda p: saved(p, BASE), FileCarrier),
    "compressed root file system": (lambda p: saved(p, compress(BASE, "zstd")), StreamCarrier),
    "directory": (in_directory, StreamCarrier),
}


def roundtrip(resolved: Resolved) -> Resolved:
    """What another process gets, by pickle and by MessagePack."""
    data = msgspec.msgpack.encode(resolved)
    decoded = msgspec.msgpack.decode(data, type=Resolved)
    assert decoded == resolved == pickle.loads(pickle.dumps(resolved))
    return decoded


def report(resolved: Resolved, indexes: dict[int, LayerIndex]) -> str:
    return open_resolved(resolved, indexes).report().to_json()


@pytest.mark.parametrize("place", PLACES)
def test_layers_read_one_by_one_give_the_same_report(place: str, tmp_path: Path) -> None:
    put, kind = PLACES[place]
    with put(tmp_path / "image") as reference:
        expected = pyimginspect.inspect(reference).to_json()
        resolved = roundtrip(resolve(reference, Options()))
        assert isinstance(resolved.carrier, kind)
        assert [ref.number for ref in resolved.layers] == [*range(len(resolved.layers))]
        assert bool(resolved.indexed) == (resolved.carrier.at_once or resolved.source == "rootfs")
        indexes = {}
        for ref in resolved.layers:
            assert ref.size is not None
            index = read_layer(resolved.carrier, ref, Options())
            assert index is not None
            indexes[ref.number] = index
        assert report(resolved, indexes) == expected
        assert read_layers(resolved.carrier, resolved.layers, Options()) == indexes


@pytest.mark.parametrize("place", PLACES)
def test_a_layer_goes_into_the_cache_and_comes_from_it(place: str, tmp_path: Path) -> None:
    put, kind = PLACES[place]
    with put(tmp_path / "image") as reference, Cache(tmp_path / "cache") as cache:
        resolved = resolve(reference, Options())
        options = Options(cache=cache)
        for ref in resolved.layers:
            read_layer(resolved.carrier, ref, options)
            index = cache.get(ref.diff_id, ref.digest)
            # What is sought through in a file is held against no digest, so it is not kept.
            plain = kind is FileCarrier and "docker" in place
            assert (index is None) == (plain or resolved.source == "rootfs")


WORKER = """
import pickle, sys
from pyimginspect.sources.options import Options
from pyimginspect.sources.reading import read_layer
carrier, refs = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps([read_layer(carrier, ref, Options()) for ref in refs]))
"""


@pytest.mark.parametrize("place", ["docker archive", "compressed archive", "registry"])
def test_another_process_in_another_directory_reads_the_layers(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    put, _ = PLACES[place]
    with put(Path("image")) as reference:
        resolved = resolve(reference, Options())
        refs = resolved.layers[:2]
        done = subprocess.run(
            [sys.executable, "-c", WORKER],
            input=pickle.dumps((resolved.carrier, refs)),
            capture_output=True,
            check=True,
            cwd=tmp_path / "elsewhere",
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        here = [read_layer(resolved.carrier, ref, Options()) for ref in refs]
        assert pickle.loads(done.stdout) == here


def test_a_stream_is_gone(tmp_path: Path) -> None:
    data = io.BytesIO(docker_archive(SAMPLE))
    with Cache(tmp_path) as cache:
        options = Options(cache=cache)
        resolved = resolve_stream(data, options, name=None, reference="-")
        assert sorted(resolved.indexed) == [0, 1, 2, 3]
        first = resolved.layers[0]
        assert read_layer(resolved.carrier, first, options) == resolved.indexed[0].index
        with pytest.raises(ArchiveError, match="cannot be read again"):
            read_layer(resolved.carrier, first, Options())


def test_another_image_has_come_to_the_place(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(compress(docker_archive(SAMPLE), "gzip"))
    resolved = resolve(str(path), Options())
    path.write_bytes(compress(docker_archive(image([{"other": "x"}])), "gzip"))
    with pytest.raises(PyimginspectError, match="another image"):
        read_layer(resolved.carrier, resolved.layers[1], Options())


def test_a_layer_is_held_against_its_digests() -> None:
    with FakeRegistry() as registry:
        reference = registry.add("acme/api", "1.4", SAMPLE)
        resolved = resolve(reference, Options())
        ref = resolved.layers[1]
        assert ref.digest is not None
        data = registry.blobs[ref.digest]
        registry.blobs[ref.digest] = data[:-1] + bytes([data[-1] ^ 1])
        with pytest.raises(LayerError) as caught:
            read_layer(resolved.carrier, ref, Options())
        assert caught.value.layer is not None
        assert caught.value.layer.startswith("1 (sha256:")
        other = resolved.layers[0]
        lie = msgspec.structs.replace(other, diff_id=resolved.layers[1].diff_id)
        with pytest.raises(DigestMismatchError):
            read_layer(resolved.carrier, lie, Options())


def test_a_foreign_layer_that_nobody_has() -> None:
    with FakeRegistry() as registry:
        reference = registry.add("acme/api", "1.4", SAMPLE)
        resolved = resolve(reference, Options())
        absent = msgspec.structs.replace(resolved.layers[0], foreign=True, absent=True)
        assert read_layer(resolved.carrier, absent, Options()) is None
