"""Digests in other algorithms than SHA-256: held against their content wherever the usual are."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyimginspect.errors import (
    DigestMismatchError,
    ManifestError,
    PyimginspectError,
    UnsupportedError,
)
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.layers.cache import Cache
from pyimginspect.layers.digests import Algorithms
from pyimginspect.model import Digest, Image, parse_digest
from pyimginspect.sources.opening import open_reference, open_stream
from pyimginspect.sources.options import Options
from tests.contract import assert_valid_image, content, one_line
from tests.images import compress, image, layer, tar
from tests.servers import FakeRegistry

LAYERS = (layer({"a": "1" * 5000}), layer({"b": "2" * 9000, "etc/os-release": "ID=debian\n"}))
OTHER = layer({"evil": "x"})
SHA256 = "sha256"
SHA512 = "sha512"
BLAKE3 = "blake3"  # registered, and not in Python's library


def named(data: bytes, algorithm: str = SHA256) -> str:
    """The digest of `data`; in an algorithm that is not known, one that looks like it."""
    sums = hashlib.sha256(data) if algorithm == BLAKE3 else hashlib.new(algorithm, data)
    return f"{algorithm}:{sums.hexdigest()}"


def oci(
    *,
    documents: str = SHA512,
    blobs: str = SHA512,
    diff_ids: str = SHA512,
    packed: bool = True,
    stored: tuple[bytes, ...] = LAYERS,
) -> dict[str, bytes]:
    """The files of a layout, each digest in the algorithm asked for.

    `stored` is what lies under the names of the layers, which need not be what they name.
    """

    def blob(data: bytes, algorithm: str, kind: str) -> dict[str, Any]:
        digest = named(data, algorithm)
        files[f"blobs/{digest.replace(':', '/')}"] = data
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": digest,
            "size": len(data),
        }

    def pack(data: bytes) -> bytes:
        return compress(data, "gzip") if packed else data

    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    one = image(LAYERS)
    config = one.with_config(
        rootfs={"type": "layers", "diff_ids": [named(data, diff_ids) for data in LAYERS]}
    ).config_bytes
    manifest = {
        "schemaVersion": 2,
        "config": blob(config, documents, "config.v1+json"),
        "layers": [blob(pack(data), blobs, "layer.v1.tar+gzip") for data in stored],
    }
    top = blob(json.dumps(manifest).encode(), documents, "manifest.v1+json")
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
    return files


def place(files: dict[str, bytes], how: str, where: Path) -> str:
    """Write a layout as a directory, or as an archive; return what finds it."""
    if how == "archive":
        (where / "image.tar").write_bytes(tar(files))
        return str(where / "image.tar")
    for name, data in files.items():
        path = where / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(where / "layout")


def opened(reference: str, **options: Any) -> Image:
    found = open_reference(reference, Options(**options)).image
    assert_valid_image(found)
    return found


def refused(reference: str, kind: type[PyimginspectError], *words: str, **options: Any) -> None:
    with pytest.raises(kind) as caught:
        open_reference(reference, Options(**options))
    one_line(str(caught.value))
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as opened:
        yield opened


def other_time(packed: bytes) -> bytes:
    """The same content in gzip, made at another time (RFC 1952, 2.3.1)."""
    return packed[:4] + b"\1" + packed[5:]


KINDS: list[dict[str, Any]] = [
    {},
    {"diff_ids": SHA256},
    {"blobs": SHA256},
    {"documents": SHA256, "blobs": SHA256},
    {"packed": False},
    {"packed": False, "diff_ids": SHA256},
]
KIND_IDS = ["all", "not diff IDs", "not blobs", "diff IDs alone", "plain", "plain, not diff IDs"]


# --- what is well-formed --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        named(b"", SHA256),
        named(b"", SHA512),
        named(b"", BLAKE3),
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
    ],
)
def test_digests(text: str) -> None:
    assert parse_digest(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        f"sha256:{'a' * 63}",
        f"sha256:{'A' * 64}",
        f"sha256:{'a' * 128}",
        f"sha512:{'a' * 64}",
        f"SHA256:{'a' * 64}",
        f"blake3:{'a' * 31}",
        f"blake3:{'a' * 1000}",
        f"{'a' * 65}:{'a' * 64}",
        f"+x:{'a' * 64}",
        f"blake3:../{'a' * 64}",
        f"bl..ke:{'a' * 64}",
        f"blake3:{'a' * 64}\n",
        f"{'a+' * 50_000}:",
    ],
)
def test_no_digests(text: str) -> None:
    with pytest.raises(ManifestError, match="is no digest"):
        parse_digest(text)


@pytest.mark.parametrize("packed", [True, False])
def test_a_layer_is_summed_up_as_it_is_asked_for(packed: bool) -> None:
    stored = compress(LAYERS[0], "gzip") if packed else LAYERS[0]
    both = Algorithms(digest=(SHA512,), diff_id=(SHA256,))
    indexed = index_layer(BytesBlob(data=stored), digests=True, algorithms=both)
    assert named(stored, SHA512) in indexed.digests
    assert named(LAYERS[0], SHA256) in indexed.diff_ids
    assert index_layer(BytesBlob(data=stored)).digests == ()


# --- layouts and archives -------------------------------------------------------------------------
@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("how", ["directory", "archive"])
@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_a_local_image(kind: dict[str, Any], how: str, verify: bool, tmp_path: Path) -> None:
    found = opened(place(oci(**kind), how, tmp_path), verify=verify)
    usual = opened(place(oci(documents=SHA256, blobs=SHA256, diff_ids=SHA256), how, tmp_path))
    assert [one.index.entries for one in found.layers] == [
        one.index.entries for one in usual.layers
    ]
    assert found.layers[0].diff_id == named(LAYERS[0], kind.get("diff_ids", SHA512))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("how", ["directory", "archive"])
def test_verifying_finds_another_blob(how: str, packed: bool, tmp_path: Path) -> None:
    """The blob is as long as the one that it stands in for."""
    files = oci(packed=packed)
    name = next(n for n, data in files.items() if data == LAYERS[0] or data[:2] == b"\x1f\x8b")
    files[name] = other_time(files[name]) if packed else LAYERS[0].replace(b"1111", b"3333", 1)
    reference = place(files, how, tmp_path)
    opened(reference)
    words = ("layer 0 (sha512:", f"the blob is {named(files[name], SHA512)[:19]}")
    refused(reference, DigestMismatchError, *words, verify=True)


@pytest.mark.parametrize("blobs", [SHA256, SHA512])
def test_verifying_finds_another_layer(blobs: str, tmp_path: Path) -> None:
    reference = place(oci(blobs=blobs, stored=(OTHER, LAYERS[1])), "directory", tmp_path)
    opened(reference)
    words = ("layer 0", f"the uncompressed layer is {named(OTHER, SHA512)[:19]}")
    refused(reference, DigestMismatchError, *words, verify=True)


def stream(files: dict[str, bytes], **options: Any) -> Image:
    data = io.BytesIO(tar(dict(sorted(files.items(), key=lambda item: item[0] == "index.json"))))
    return open_stream(data, Options(**options), name=None, reference="-").image


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[1], KINDS[4], KINDS[5]])
def test_a_stream(kind: dict[str, Any]) -> None:
    """Both possible algorithms of the diff ID are summed up: the manifest comes too late."""
    assert content(stream(oci(**kind), verify=True)) == content(stream(oci(**kind)))
    with pytest.raises(DigestMismatchError, match="the uncompressed layer is sha"):
        stream(oci(**{**kind, "stored": (OTHER, LAYERS[1])}), verify=True)


def test_a_stream_whose_names_do_not_tell() -> None:
    files = oci(blobs=SHA256)
    stream(files)
    with pytest.raises(UnsupportedError, match="'sha512', which was not known while it was read"):
        stream(files, verify=True)


# --- registries -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
def test_an_image_of_a_registry(kind: dict[str, Any], registry: FakeRegistry, cache: Cache) -> None:
    reference = registry.add("api", "1", image([]), files=oci(**kind))
    plain = opened(reference)
    assert opened(reference, cache=cache) == plain
    registry.requests.clear()
    assert opened(reference, cache=cache) == plain
    assert registry.asked("/blobs/") == [], "known by the digests that it has"


def test_a_registry_of_other_bytes(registry: FakeRegistry, cache: Cache) -> None:
    files = oci()
    reference = registry.add("api", "1", image([]), files=files)
    name = next(d for d, data in registry.blobs.items() if data[:2] == b"\x1f\x8b")
    registry.blobs[name] = other_time(registry.blobs[name])
    refused(reference, DigestMismatchError, "layer 0 (sha512:", "the blob is sha512:", cache=cache)
    assert cache.info().layers == 0


def test_a_lie_about_a_diff_id(registry: FakeRegistry, cache: Cache) -> None:
    reference = registry.add("api", "1", image([]), files=oci(stored=(OTHER, LAYERS[1])))
    refused(reference, DigestMismatchError, "the uncompressed layer is sha512:", cache=cache)
    assert cache.get(Digest(named(LAYERS[0], SHA512)), None) is None


def test_a_manifest_by_its_digest(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", image([]), files=oci())
    digest = named(registry.manifests["api", "1"], SHA512)
    assert opened(f"{reference}@{digest}").digest == digest
    registry.blobs[digest] += b" "
    refused(f"{reference}@{digest}", DigestMismatchError, "the document is sha512:")


def test_what_the_registry_says_of_the_manifest(registry: FakeRegistry) -> None:
    reference = registry.add("api", "1", image([]), files=oci())
    data = registry.manifests["api", "1"]
    registry.fail("manifests/1", [(200, {"Docker-Content-Digest": named(data, SHA512)}, data)])
    assert opened(reference).digest == named(data, SHA512)
    registry.fail("manifests/1", [(200, {"Docker-Content-Digest": "nothing"}, data)])
    assert opened(reference).digest == named(data, SHA256)
    registry.fail("manifests/1", [(200, {"Docker-Content-Digest": named(b"", SHA512)}, data)])
    refused(reference, DigestMismatchError, "the manifest is sha512:")
    registry.fail("manifests/1", [(200, {"Docker-Content-Digest": named(data, BLAKE3)}, data)])
    refused(reference, UnsupportedError, "blake3")


# --- the cache ------------------------------------------------------------------------------------
def test_documents_are_kept_under_their_own_digest(cache: Cache) -> None:
    cache.put_document(b"{}", SHA512)
    assert cache.get_document(Digest(named(b"{}", SHA512))) == b"{}"
    assert cache.get_document(Digest(named(b"{}"))) is None
    assert cache.get_document(Digest(named(b"{}", BLAKE3))) is None


def test_a_layer_under_either_name_is_found_under_that_name_alone(
    tmp_path: Path, cache: Cache
) -> None:
    """The key is the full digest, as it was computed: nobody has said that the two are one."""
    opened(place(oci(), "directory", tmp_path), cache=cache)
    assert cache.get(Digest(named(LAYERS[0], SHA512)), None) is not None
    assert cache.get(Digest(named(LAYERS[0], SHA256)), None) is None


# --- algorithms that are not known ----------------------------------------------------------------
UNKNOWN = "digests of 'blake3' cannot be checked, only those of sha256 and sha512"


@pytest.mark.parametrize("part", ["blobs", "diff_ids"])
def test_an_unknown_algorithm_of_layers(
    part: str, registry: FakeRegistry, tmp_path: Path, cache: Cache
) -> None:
    claimed: dict[str, Any] = {part: BLAKE3}
    files = oci(**claimed)
    reference = place(files, "directory", tmp_path)
    assert len(opened(reference, cache=cache).layers) == 2, "nobody asked for it to be checked"
    refused(reference, UnsupportedError, "layer 0", UNKNOWN, verify=True)
    remote = registry.add("api", "1", image([]), files=files)
    registry.requests.clear()
    refused(remote, UnsupportedError, "layer 0", UNKNOWN)
    assert len(registry.asked("/blobs/")) == 1, "the configuration, and no layer in vain"


def test_an_unknown_algorithm_of_documents(registry: FakeRegistry, tmp_path: Path) -> None:
    files = oci(documents=BLAKE3)
    refused(place(files, "directory", tmp_path), UnsupportedError, UNKNOWN)
    refused(registry.add("api", "1", image([]), files=files), UnsupportedError, UNKNOWN)
