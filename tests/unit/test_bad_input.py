"""Whatever is wrong with its input, a source says so in one line: what, where, what to do."""

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimginspect.errors import (
    ArchiveError,
    CorruptLayerError,
    DigestMismatchError,
    ImageNotFoundError,
    LayerError,
    LimitError,
    ManifestError,
    PyimginspectError,
    SourceError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)
from pyimginspect.layers import Limits
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from tests.contract import assert_valid_image, content, one_line
from tests.images import (
    Compression,
    Content,
    Image,
    Link,
    compress,
    docker25_archive,
    docker_archive,
    image,
    kaniko_archive,
    layer,
    oci_archive,
    oci_files,
    oci_layout,
    tar,
)
from tests.layouts import FIXTURES, blob_name, descriptor, index, layout, manifest

SMALL = image([{"etc/": None, "etc/name": "x" * 600}, {"second": "y"}], tag="small:1")
Form = Callable[[Image], bytes]


def wrapped(build: Form, how: Compression) -> Form:
    return lambda one: compress(build(one), how)


FORMS: dict[str, Form] = {
    "docker": docker_archive,
    "docker 25": docker25_archive,
    "kaniko": kaniko_archive,
    "oci gzip": oci_archive,
    "oci zstd": lambda one: oci_archive(one, compression="zstd"),
    "docker in gzip": wrapped(docker_archive, "gzip"),
    "docker in zstd": wrapped(docker_archive, "zstd"),
    "docker in xz": wrapped(docker_archive, "xz"),
    "oci in bzip2": wrapped(oci_archive, "bzip2"),
}


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(data)
    return path


def refused(
    path: Path | str, kind: type[PyimginspectError], *words: str, **options: object
) -> PyimginspectError:
    """Open what must be refused with an error of `kind` whose one line has these words."""
    with pytest.raises(kind) as caught:
        open_reference(str(path), Options(**options))  # type: ignore[arg-type]
    message = str(caught.value)
    one_line(message)
    assert str(path).partition(":")[0] in message, "the message names the image"
    for word in words:
        assert word in message
    return caught.value


# --- no image at all ------------------------------------------------------------------------------
def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.tar", ImageNotFoundError, "no such file")


def test_a_directory_that_is_no_layout(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    refused(tmp_path, ArchiveError, "index.json", "rootfs:")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text, and more than a block of it\n" * 50,
        b"x",
        bytes(100),
        gzip.compress(b"plain text\n" * 100),
        b"\x1f\x8b\x08 but then no gzip",
        b"\x7fELF" + bytes(2000),
    ],
    ids=["empty", "text", "one byte", "zeros", "text in gzip", "only a magic", "a program"],
)
def test_a_file_that_is_no_archive(data: bytes, tmp_path: Path) -> None:
    refused(write(tmp_path, data), SourceError)


@pytest.mark.parametrize("wrap", [None, "gzip"])
def test_an_archive_of_something_else(wrap: Compression, tmp_path: Path) -> None:
    path = write(tmp_path, compress(tar({"src/a.py": "import b\n", "README": "Hello"}), wrap))
    refused(path, ArchiveError, "no manifest.json and no index.json")


@pytest.mark.parametrize(
    ("prefix", "build"), [("docker-archive:", oci_archive), ("oci-archive:", docker_archive)]
)
def test_another_kind_than_was_said(prefix: str, build: Form, tmp_path: Path) -> None:
    path = write(tmp_path, build(SMALL))
    with pytest.raises(ArchiveError, match=r"no (index|manifest)\.json"):
        open_reference(f"{prefix}{path}", Options())


@pytest.mark.parametrize("name", ["ggcr-no_manifest.tar", "ggcr-null_manifest.tar"])
def test_real_archives_without_a_manifest(name: str) -> None:
    path = FIXTURES / "archives" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    refused(path, SourceError, "manifest.json")


# --- documents ------------------------------------------------------------------------------------
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"null", "lists no image"),
        (b"[]", "lists no image"),
        (b"[{}]", "Config"),
        (b"{", "not JSON"),
        (b"\xff[", "not JSON"),
        (DEEP, "not JSON"),
        (b'[{"Config": 5, "Layers": []}]', "not as specified"),
        (b'[{"Config": "absent.json", "Layers": []}]', "absent.json"),
        (b'[{"Config": "config.json", "Layers": null}]', "names 0 layers, its configuration 2"),
        (b'[{"Config": "config.json", "Layers": ["a"]}]', "names 1 layers, its configuration 2"),
        (b'[{"Config": "config.json", "Layers": ["a", "b"]}]', "layer 0"),
        (b'[{"Config": "round", "Layers": []}]', "loop"),
        (b'[{"Config": "../../etc/passwd", "Layers": []}]', "etc/passwd"),
        (b'[{"Config": "text", "Layers": []}]', "absent"),
    ],
    ids=str,
)
@pytest.mark.parametrize("wrap", [None, "gzip"])
def test_a_bad_docker_manifest(document: bytes, words: str, wrap: None, tmp_path: Path) -> None:
    tree: dict[str, Content] = {
        "config.json": SMALL.config_bytes,
        "round": Link("trip"),
        "trip": Link("round"),
        "manifest.json": document,
    }
    refused(write(tmp_path, compress(tar(tree), wrap)), SourceError, words)


@pytest.mark.parametrize("absent", ["config", "layer", "manifest"])
@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_an_absent_blob(absent: str, how: str, tmp_path: Path) -> None:
    files = layout(SMALL, SMALL.layers)
    top = json.loads(files["index.json"])["manifests"][0]["digest"]
    name = {
        "config": blob_name(SMALL.config_bytes),
        "layer": blob_name(SMALL.layers[1]),
        "manifest": "blobs/" + top.replace(":", "/"),
    }[absent]
    del files[name]
    words = "layer 1 (sha256:" if absent == "layer" else "absent"
    refused(place(files, how, tmp_path), ManifestError, words)


def place(files: dict[str, bytes], how: str, tmp_path: Path) -> Path:
    if how != "directory":
        return write(tmp_path, compress(tar(files), "gzip" if how == "stream" else None))
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def changed(files: dict[str, bytes], what: str) -> dict[str, bytes]:
    """The layout with a blob whose bytes are others than its name says."""
    if what == "layer":
        name = blob_name(SMALL.layers[0])
        return {**files, name: files[name].replace(b"x" * 600, b"z" * 600)}
    if what == "config":
        name = blob_name(SMALL.config_bytes)
        return {**files, name: files[name].replace(b"RUN layer 0", b"RUN other 0")}
    name = "blobs/" + json.loads(files["index.json"])["manifests"][0]["digest"].replace(":", "/")
    return {**files, name: files[name].replace(b"schemaVersion", b"schemaversion")}


@pytest.mark.parametrize("what", ["config", "manifest"])
@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_document_that_is_not_what_its_digest_names(what: str, how: str, tmp_path: Path) -> None:
    files = changed(layout(SMALL, SMALL.layers), what)
    refused(place(files, how, tmp_path), DigestMismatchError, f"{what[:6]}", "not sha256:")


@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_layer_that_is_not_what_its_digest_names(how: str, tmp_path: Path) -> None:
    files = changed(layout(SMALL, SMALL.layers), "layer")
    path = place(files, how, tmp_path)
    refused(path, DigestMismatchError, "layer 0 (sha256:", "the blob is", verify=True)
    assert_valid_image(open_reference(str(path), Options()).image)


@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_layer_that_is_not_its_diff_id(how: str, tmp_path: Path) -> None:
    blobs = [compress(SMALL.layers[1], "gzip")] * 2
    path = place(layout(SMALL, blobs), how, tmp_path)
    refused(path, DigestMismatchError, "layer 0 (", "uncompressed layer", verify=True)


@pytest.mark.parametrize("build", [docker_archive, kaniko_archive, wrapped(docker_archive, "gzip")])
def test_a_docker_archive_that_is_not_its_diff_ids(build: Form, tmp_path: Path) -> None:
    lying = SMALL.with_config(
        rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64, SMALL.diff_ids[1]]}
    )
    path = write(tmp_path, build(lying))
    refused(path, DigestMismatchError, "layer 0 (sha256:", verify=True)


def test_a_configuration_that_is_not_its_image_id(tmp_path: Path) -> None:
    name = SMALL.config_digest[7:] + ".json"
    tree: dict[str, Content] = {
        name: SMALL.config_bytes.replace(b"RUN layer 0", b"RUN other 0"),
        "a": SMALL.layers[0],
        "b": SMALL.layers[1],
        "manifest.json": json.dumps([{"Config": name, "Layers": ["a", "b"]}]),
    }
    path = write(tmp_path, tar(tree))
    refused(path, DigestMismatchError, "configuration", verify=True)


@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_blob_of_another_size_than_its_manifest_says(how: str, tmp_path: Path) -> None:
    path = place(layout(SMALL, SMALL.layers, layer={"size": 7}), how, tmp_path)
    refused(path, DigestMismatchError, "layer 0", "not 7")


def broken_layouts() -> dict[str, tuple[dict[str, bytes], type[PyimginspectError], str]]:
    settings = SMALL.config_bytes
    blobs = SMALL.layers
    kind = "application/vnd.oci.image.layer.v1.tar"

    def of(document: bytes, *more: bytes) -> dict[str, bytes]:
        files = {"index.json": index(descriptor(document, "manifest.v1+json"))}
        return {**files, **{blob_name(one): one for one in (document, *more)}}

    config = descriptor(settings, "config.v1+json")
    layers = [descriptor(one, "layer.v1.tar") for one in blobs]
    deep: dict[str, bytes] = {}
    top = manifest(config, layers)
    for _ in range(8):
        deep[blob_name(top)] = top
        top = index(descriptor(top, "index.v1+json"))
    return {
        "an index of nothing": ({"index.json": b"{}"}, ManifestError, "no image"),
        "an index of null": ({"index.json": b"null"}, ManifestError, "not as specified"),
        "an index that is no JSON": ({"index.json": b"{'a'}"}, ManifestError, "not JSON"),
        "a nested index that never ends": ({**deep, "index.json": top}, ManifestError, "deep"),
        "a digest of no kind": (
            {"index.json": index({"digest": "md5:12", "size": 1, "mediaType": "x"})},
            ManifestError,
            "md5:12",
        ),
        "a digest that is a path": (
            {"index.json": index({"digest": "sha256:../../../etc/passwd", "size": 1})},
            ManifestError,
            "is no digest",
        ),
        "no configuration": (of(b'{"schemaVersion":2}'), ManifestError, "no configuration"),
        "schema 1": (of(b'{"schemaVersion":1}'), UnsupportedError, "schema 1"),
        "a configuration that is no JSON": (
            of(manifest(descriptor(b"<html>", "config.v1+json"), layers), b"<html>", *blobs),
            ManifestError,
            "not JSON",
        ),
        "more layers than diff IDs": (
            of(manifest(config, layers * 2), settings, *blobs),
            ManifestError,
            "names 4 layers, its configuration 2",
        ),
        "an encrypted layer": (
            of(manifest(config, [{**layers[0], "mediaType": f"{kind}+encrypted"}] * 2), settings),
            UnsupportedError,
            "encrypted",
        ),
        "an erofs layer": (
            of(manifest(config, [{**layers[0], "mediaType": "x/erofs"}] * 2), settings),
            UnsupportedError,
            "erofs",
        ),
        "data that is no base64": (
            of(manifest({**config, "data": "!"}, layers)),
            ManifestError,
            "base64",
        ),
        "data that is something else": (
            of(manifest({**config, "data": "e30="}, layers)),
            DigestMismatchError,
            "configuration",
        ),
        "documents of 5 MiB": ({"index.json": b"{" + b" " * (5 << 20) + b"}"}, SourceError, "json"),
    }


@pytest.mark.parametrize("name", broken_layouts())
@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_broken_layout(name: str, how: str, tmp_path: Path) -> None:
    files, kind, words = broken_layouts()[name]
    refused(place(files, how, tmp_path), kind, words)


def test_a_layout_reads_nothing_outside_itself(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(SMALL.config_bytes)
    inside = tmp_path / "layout"
    inside.mkdir()
    for name in ("../secret.json", str(tmp_path / "secret.json")):
        (inside / "manifest.json").write_text(json.dumps([{"Config": name, "Layers": []}]))
        refused(inside, PyimginspectError)


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
@pytest.mark.parametrize("name", ["index.json", "blob"])
@pytest.mark.parametrize("what", ["/dev/zero", "fifo", "directory"])
def test_a_layout_of_odd_files_does_not_hang(name: str, what: str, tmp_path: Path) -> None:
    root = oci_layout(SMALL, tmp_path / "oci")
    blob = "blobs/" + SMALL.config_digest.replace(":", "/")
    path = root / (blob if name == "blob" else name)
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    else:
        path.symlink_to(what)
    refused(root, SourceError)


# --- damage ---------------------------------------------------------------------------------------
def cuts(data: bytes, form: str) -> range:
    return range(0, len(data), 512) if " in " not in form else range(0, len(data), 97)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("verify", [False, True])
def test_an_archive_cut_off_anywhere(form: str, verify: bool, tmp_path: Path) -> None:
    """A typed error, or, where nothing but the end was lost, the image as it was."""
    data = FORMS[form](SMALL)
    expected = content(open_reference(str(write(tmp_path, data)), Options()).image)
    outcomes = []
    for length in cuts(data, form):
        path = write(tmp_path, data[:length])
        try:
            found = open_reference(str(path), Options(verify=verify)).image
        except PyimginspectError as exc:
            one_line(str(exc))
            named = str(path) in str(exc)
            assert named
            outcomes.append("error")
        else:
            assert content(found) == expected, f"a wrong result after {length} bytes"
            outcomes.append("correct")
    assert outcomes.count("error") > 5
    assert "correct" not in outcomes[: len(outcomes) * 9 // 10], "only the very end may be absent"


@pytest.mark.parametrize("form", ["docker", "docker 25", "oci gzip", "docker in gzip"])
def test_a_layer_cut_off_in_a_whole_archive(form: str, tmp_path: Path) -> None:
    """Not the archive is truncated, but a layer in it, and the documents agree with that.

    Cut between two members it may be a layer without end blocks: a note says so.
    """
    wrap: Compression = "gzip" if " in " in form else None
    end = len(SMALL.layers[0]) - 1024
    between = [*headers(SMALL.layers[0]), end] if "oci" not in form else []
    for length in range(512, end + 512, 512):
        blob = SMALL.layers[0][:length]
        if "oci" in form:
            packed = compress(SMALL.layers[0], "gzip")
            blob = packed[: len(packed) * length // len(SMALL.layers[0])]
        path = write(tmp_path, compress(tar(layout(SMALL, [blob, SMALL.layers[1]])), wrap))
        if length in between:
            (note,) = open_reference(str(path), Options()).image.layers[0].index.notes
            assert "ends without the zero blocks" in note.what
        else:
            refused(path, LayerError, "layer 0 (sha256:")


@pytest.mark.parametrize(
    "tree",
    [
        {"../usr/bin/x": "1", "../etc/os-release": "ID=debian\n"},
        {"../": None, "../app/x": "1"},
        {"a/../../usr/bin/x": "1"},
        {"./": None, "/../etc/passwd": "1"},
    ],
)
@pytest.mark.parametrize("wrap", [None, "gzip"])
def test_names_that_lead_out_of_a_root_file_system(
    tree: dict[str, str | None], wrap: Compression, tmp_path: Path
) -> None:
    """It is an archive for certain, and what is wrong with it is told."""
    path = write(tmp_path, compress(layer(tree), wrap))
    name = next(name for name in tree if ".." in name)
    refused(path, ArchiveError, name, "leads out of the image")
    refused(f"rootfs:{path}", UnsafePathError, name, "leads out of the image")


def headers(archive: bytes) -> list[int]:
    """Where the headers of a tar archive's members are, by the magic that all have."""
    return [at for at in range(0, len(archive), 512) if archive[at + 257 : at + 262] == b"ustar"]


@pytest.mark.parametrize("form", ["docker", "docker 25", "oci gzip", "docker in gzip"])
def test_flipped_bytes_in_headers(form: str, tmp_path: Path) -> None:
    build = FORMS[form]
    wrap: Compression = "gzip" if " in " in form else None
    data = docker_archive(SMALL) if wrap else build(SMALL)
    expected = content(open_reference(str(write(tmp_path, data)), Options()).image)
    errors = 0
    for at in headers(data):
        for offset in [*range(0, 345, 23), *range(148, 156)]:
            damaged = bytearray(data)
            damaged[at + offset] ^= 0x41
            path = write(tmp_path, compress(bytes(damaged), wrap))
            try:
                found = open_reference(str(path), Options()).image
            except PyimginspectError as exc:
                one_line(str(exc))
                errors += 1
            else:
                assert content(found) == expected, f"byte {offset} of the header at {at}"
    assert errors > len(headers(data)) * 15


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz", "bzip2"])
def test_flipped_bytes_in_compressed_layers(compression: str, tmp_path: Path) -> None:
    """What a checksum of the format misses, the digest catches where it is asked for."""
    packed = compress(SMALL.layers[0], compression)  # type: ignore[arg-type]
    files = layout(SMALL, [packed, SMALL.layers[1]])
    for at in range(0, len(packed), 7):
        damaged = bytearray(packed)
        damaged[at] ^= 0x55
        path = write(tmp_path, tar({**files, blob_name(packed): bytes(damaged)}))
        refused(path, LayerError, "layer 0 (sha256:", verify=True)


# --- hostile layers -------------------------------------------------------------------------------
def header(name: bytes, size: bytes = b"00000000000", flag: bytes = b"0") -> bytes:
    """One header block, its fields as given."""
    block = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s247s",
        name, b"0000644", b"0000000", b"0000000", size, b"00000000000", b" " * 8, flag, b"",
        b"ustar\00000", b"",
    )  # fmt: skip
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def base256(number: int) -> bytes:
    return b"\x80" + number.to_bytes(11, "big")


ZIP_BOMB = gzip.compress(bytes(4 << 20), 9)
NASTY = b"a\nb\x1b[31mred\x07\xe2\x80\xae.txt"


@pytest.mark.parametrize(
    ("blob", "kind", "words"),
    [
        (header(b"big", base256(1 << 63)) + bytes(1024), LayerError, ["entry 'big'"]),
        (header(b"big", base256((1 << 88) - 1)) + bytes(1024), LayerError, ["entry 'big'"]),
        (header(b"big", b"77777777777") + bytes(1024), TruncatedError, ["entry 'big'"]),
        (header(b"neg", b"-0000000001") + bytes(1024), LayerError, ["entry 'neg'"]),
        (header(b"odd", b"0000000000x") + bytes(1024), CorruptLayerError, ["entry 'odd'"]),
        (header(b"pax", base256(1 << 40), b"x") + bytes(1024), LimitError, ["extended header"]),
        (header(b"../../etc/passwd") + bytes(1024), UnsafePathError, ["../../etc/passwd"]),
        (header(b"odd", flag=b"V") + bytes(1024), CorruptLayerError, ["entry 'odd'"]),
        (header(b"a") + bytes(512) + header(b"b") + bytes(1024), CorruptLayerError, ["zero block"]),
        (header(NASTY, b"z") + bytes(1024), CorruptLayerError, [r"a\nb\x1b[31mred\x07\u202e.txt"]),
        (ZIP_BOMB, LimitError, ["bomb"]),
        (b"not a layer at all, but text\n" * 100, CorruptLayerError, []),
    ],
    ids=[
        "2^63 bytes", "2^88 bytes", "8 GiB", "negative", "no number", "pax of 2^40", "escaping",
        "a volume header", "hidden behind zeros", "control characters", "bomb", "text",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["archive", "stream", "directory"])
def test_a_hostile_layer(
    blob: bytes, kind: type[PyimginspectError], words: list[str], how: str, tmp_path: Path
) -> None:
    path = place(layout(SMALL, [SMALL.layers[0], blob]), how, tmp_path)
    limits = Limits(expansion_floor=1 << 20)
    refused(path, kind, "layer 1 (sha256:", *words, limits=limits)


def test_names_with_control_characters_are_kept_as_they_are(tmp_path: Path) -> None:
    name = "a\nb\x1b[31m"
    (one,) = open_reference(
        str(write(tmp_path, docker_archive(image([{name: "x"}])))), Options()
    ).image.layers
    assert [entry.path for entry in one.index.entries] == [name]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "layers",
    [[], [b""], [layer()], [b"", layer({"a": "1"}), b""]],
    ids=["no layer", "no bytes", "no entries", "some"],
)
def test_empty_layers_are_no_error(form: str, layers: list[bytes], tmp_path: Path) -> None:
    found = open_reference(str(write(tmp_path, FORMS[form](image(layers)))), Options()).image
    assert_valid_image(found)
    assert len(found.layers) == len(layers)


def test_members_in_a_circle(tmp_path: Path) -> None:
    tree: dict[str, Content] = {
        "config.json": SMALL.config_bytes,
        "a": Link("b"),
        "b": Link("a"),
        "manifest.json": json.dumps([{"Config": "config.json", "Layers": ["a", "b"]}]),
    }
    wraps: tuple[Compression, ...] = (None, "gzip")
    for wrap in wraps:
        path = write(tmp_path, compress(tar(tree), wrap))
        refused(path, ArchiveError, "layer 0", "loop")


def many_entries(count: int) -> bytes:
    """A gzip layer of `count` entries of one name, small itself."""
    step = 10_000
    return gzip.compress(header(b"same") * step) * (count // step) + gzip.compress(bytes(1024))


def test_more_entries_than_the_limit(tmp_path: Path) -> None:
    path = place(layout(image(["x"[:0].encode()]), [many_entries(50_000)]), "archive", tmp_path)
    refused(path, LimitError, "40,000", limits=Limits(entries=40_000))


MEASURE = """
import resource, sys
from pyimginspect.sources.options import Options
from pyimginspect.sources.opening import open_reference
found = open_reference(sys.argv[1], Options())
print(len(found.image.layers[0].index.entries), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_a_million_entries_of_one_name(tmp_path: Path) -> None:
    blob = many_entries(1_000_000)
    path = place(layout(image([b""]), [blob]), "archive", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 1_000_000
    assert kilobytes < 600_000


def test_files_of_a_layout_are_only_read(tmp_path: Path) -> None:
    """Nothing is written: not beside the image, and not into it."""
    path = write(tmp_path, docker_archive(SMALL)[:3000])
    refused(path, ArchiveError)
    assert os.listdir(tmp_path) == ["image.tar"]
    assert oci_files(SMALL)["index.json"]
