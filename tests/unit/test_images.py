"""The packers of layers and images are held by the readers that everybody uses."""

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from tests.images import (
    Compression,
    Content,
    Device,
    Directory,
    Fifo,
    File,
    HardLink,
    Image,
    Index,
    Link,
    compress,
    digest,
    docker25_archive,
    docker_archive,
    elf,
    image,
    kaniko_archive,
    layer,
    names,
    oci_archive,
    oci_files,
    oci_layout,
)
from tests.inventories import on_slim, read
from tests.tars import MTIME, Format, Sparse

LONG = "/".join(["a-directory-of-a-rather-long-name"] * 8) + "/file"


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), errorlevel=2) as opened:
        return {member.name: member for member in opened}


def content(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        extracted = opened.extractfile(name)
        assert extracted is not None
        return extracted.read()


# --- layers ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("fmt", ["pax", "gnu", "ustar"])
def test_tarfile_reads_every_kind_of_entry_back(fmt: Format) -> None:
    data = layer(
        {
            "bin/": None,
            "bin/sh": File("#!", mode=0o755, uid=10, gid=20, mtime=5),
            "bin/ash": Link("sh"),
            "bin/bash": HardLink("bin/sh"),
            "dev/null": Device(major=1, minor=3),
            "dev/sda": Device(block=True, major=8, minor=0, mode=0o660),
            "run/pipe": Fifo(),
            "etc/.wh.passwd": "",
        },
        fmt=fmt,
    )
    found = members(data)
    shell = found["bin/sh"]
    assert (shell.mode, shell.uid, shell.gid, shell.mtime, shell.size) == (0o755, 10, 20, 5, 2)
    assert found["bin"].isdir()
    assert (found["bin/ash"].issym(), found["bin/ash"].linkname) == (True, "sh")
    assert (found["bin/bash"].islnk(), found["bin/bash"].linkname) == (True, "bin/sh")
    assert (found["dev/null"].ischr(), found["dev/null"].devmajor, found["dev/null"].devminor) == (
        True,
        1,
        3,
    )
    assert (found["dev/sda"].isblk(), found["dev/sda"].mode) == (True, 0o660)
    assert found["run/pipe"].isfifo()
    assert found["etc/.wh.passwd"].isreg()
    assert found["bin"].mtime == MTIME


@pytest.mark.parametrize(
    "name", ["a", "a/b/", "x" * 100, "d" * 99 + "/", "x" * 101, "é", "./a", "//", "\udcff", "a\nb"]
)
def test_what_is_written_without_tarfile_is_what_it_writes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents: list[Content] = ["text", b"\0\1", "é", Directory(mode=0o700), Device(), Fifo()]
    contents += [File("x", mode=mode) for mode in (0, 0o755, 0o104755)]
    contents += [File("x", uid=uid, gid=7) for uid in (-1, 5, 8**7 - 1, 8**7)]
    contents += [File("x", mtime=mtime) for mtime in (-5, 0, 8**11)]
    contents += [File("x", uname="root"), File("x", pax={"a": "b"}), HardLink("q"), HardLink("q/")]
    contents += [Link(target) for target in ("", "t", "t" * 100, "t" * 101, "é")]
    plain = (str, bytes) if name.endswith("/") else ()
    pairs = [(name, each) for each in contents if not isinstance(each, plain)]
    quick = layer(pairs)
    monkeypatch.setattr("tests.tars._plain_entry", lambda *_: None)
    assert quick == layer(pairs)


@pytest.mark.parametrize("fmt", ["pax", "gnu"])
@pytest.mark.parametrize("name", [LONG, "umlaut-\u00e4", "raw-\udcff", "new\nline", "./dotted"])
def test_names_are_stored_as_written(fmt: Format, name: str) -> None:
    assert names(layer({name: "x"}, fmt=fmt)) == [name]


def test_extended_headers_and_pairs_with_a_name_twice() -> None:
    xattr = {"SCHILY.xattr.user.key": "value"}
    data = layer([("a", File("1", pax=xattr)), ("a", "22")])
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        assert [(m.name, m.size, m.pax_headers) for m in opened] == [("a", 1, xattr), ("a", 2, {})]


def test_sparse_files_are_in_pax_alone() -> None:
    tree = {"a/s": Sparse(b"data", start=1024, size=3000, mode=0o600)}
    with tarfile.open(fileobj=io.BytesIO(layer(tree))) as opened:
        (member,) = opened
        stored = opened.extractfile(member)
        assert (member.name, member.size, member.mode) == ("a/s", 3000, 0o600)
        assert stored is not None
        assert stored.read() == (bytes(1024) + b"data").ljust(3000, b"\0")
    with pytest.raises(ValueError, match="sparse"):
        layer(tree, fmt="gnu")


def test_gnu_tar_accepts_a_layer(tmp_path: Path) -> None:
    (tmp_path / "layer.tar").write_bytes(layer({"a/": None, LONG: "x", "link": Link("a")}))
    tool = shutil.which("tar")
    if tool is None:
        pytest.skip("no tar command")
    listed = subprocess.run(
        [tool, "tf", tmp_path / "layer.tar"], capture_output=True, text=True, check=True
    )
    assert (listed.stdout.splitlines(), listed.stderr) == (["a/", LONG, "link"], "")


def test_an_empty_layer_is_two_blocks_of_zeros() -> None:
    assert layer() == bytes(1024)


def test_content_under_a_name_with_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="ends with a slash"):
        layer({"a/": "text"})


@pytest.mark.parametrize(
    ("compression", "magic", "tool"),
    [
        ("gzip", b"\x1f\x8b\x08", "gzip"),
        ("zstd", b"\x28\xb5\x2f\xfd", "zstd"),
        ("xz", b"\xfd7zXZ", "xz"),
        ("bzip2", b"BZh", "bzip2"),
    ],
)
@pytest.mark.parametrize("parts", [1, 3])
def test_the_usual_tools_decompress_what_was_compressed(
    compression: Compression, magic: bytes, tool: str, parts: int
) -> None:
    data = bytes(range(256)) * 20
    packed = compress(data, compression, parts=parts)
    assert packed.startswith(magic)
    assert packed.count(magic) >= parts
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} command")
    unpacked = subprocess.run([tool, "-dc"], input=packed, capture_output=True, check=True)
    assert unpacked.stdout == data


def test_skippable_frames_stand_before_each_zstd_frame() -> None:
    assert compress(b"ab", "zstd", parts=2, skippable=b"note").count(b"\x50\x2a\x4d\x18") == 2
    assert compress(b"", None) == b""


# --- images ---------------------------------------------------------------------------------------
def sample() -> Image:
    return image(
        [{"a": "1"}, {"b": "2"}, {"a": "1"}],
        history=["ADD a /", "ENV A=1", "RUN b", {"created_by": "COPY a", "comment": "x"}],
        entrypoint=["/a"],
        platform="linux/arm64/v8",
        tag=["app:1", "registry.example:5000/app:2"],
    )


def test_the_config_document_describes_the_layers() -> None:
    one = sample()
    assert one.config["rootfs"]["diff_ids"] == [digest(blob) for blob in one.layers]
    assert [entry.get("empty_layer", False) for entry in one.config["history"]] == [
        False,
        True,
        False,
        False,
    ]
    assert one.platform == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    assert one.config["config"]["Entrypoint"] == ["/a"]
    assert json.loads(one.config_bytes) == one.config
    assert "history" not in image([{"a": "1"}], history=()).config
    assert one.with_config(history=None, os="plan9").config.keys() == one.config.keys() - {
        "history"
    }


def test_a_classic_archive_names_files_that_are_there_and_links_repeated_layers() -> None:
    one = sample()
    archive = docker_archive(one)
    found = members(archive)
    (entry,) = json.loads(content(archive, "manifest.json"))
    assert entry["RepoTags"] == ["app:1", "registry.example:5000/app:2"]
    assert content(archive, entry["Config"]) == one.config_bytes
    assert [content(archive, path) for path in entry["Layers"]] == list(one.layers)
    assert [found[path].issym() for path in entry["Layers"]] == [False, False, True]
    top = PurePosixPath(entry["Layers"][-1]).parent.name
    assert json.loads(content(archive, "repositories")) == {
        "app": {"1": top},
        "registry.example:5000/app": {"2": top},
    }
    assert names(archive)[-2:] == ["manifest.json", "repositories"]
    assert names(docker_archive(one, manifest_first=True))[0] == "manifest.json"


def test_two_images_in_one_archive_share_their_layers() -> None:
    first = image([{"a": "1"}], tag="app:1")
    second = image([{"a": "1"}, {"b": "2"}], tag="app:2")
    archive = docker_archive(first, second)
    assert [entry["RepoTags"] for entry in json.loads(content(archive, "manifest.json"))] == [
        ["app:1"],
        ["app:2"],
    ]
    assert sum(name.endswith("layer.tar") for name in names(archive)) == 2


def test_a_docker_25_archive_has_both_forms() -> None:
    one = sample()
    archive = docker25_archive(one)
    (entry,) = json.loads(content(archive, "manifest.json"))
    assert content(archive, entry["Config"]) == one.config_bytes
    assert [content(archive, path) for path in entry["Layers"]] == list(one.layers)
    assert json.loads(content(archive, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    assert {"blobs", "blobs/sha256", "index.json"} <= set(names(archive))


def test_a_kaniko_archive_names_its_blobs_by_digest() -> None:
    one = image([{"a": "1"}])
    (entry,) = json.loads(content(kaniko_archive(one), "manifest.json"))
    assert entry["Config"] == one.config_digest
    packed = content(kaniko_archive(one), entry["Layers"][0])
    assert digest(packed) == "sha256:" + entry["Layers"][0].removesuffix(".tar.gz")


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    data = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert (digest(data), len(data)) == (descriptor["digest"], descriptor["size"])
    return data


@pytest.mark.parametrize("compression", [None, "gzip", "zstd", "xz", "bzip2"])
def test_an_oci_layout_holds_by_its_own_digests(compression: Compression) -> None:
    one = sample()
    files = oci_files(one, compression=compression)
    roots = json.loads(files["index.json"])["manifests"]
    assert [root["annotations"]["io.containerd.image.name"] for root in roots] == list(one.tags)
    manifest = json.loads(blob(files, roots[0]))
    assert blob(files, manifest["config"]) == one.config_bytes
    assert [blob(files, item) for item in manifest["layers"]] == [
        compress(item, compression) for item in one.layers
    ]


def test_an_index_has_platforms_attestations_and_absent_blobs() -> None:
    index = Index(
        images=(image([{"a": "1"}]), image([{"a": "2"}], platform="linux/arm64/v8")),
        absent=("linux/s390x",),
    )
    files = oci_files(index)
    (root,) = json.loads(files["index.json"])["manifests"]
    entries = json.loads(blob(files, root))["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == [
        "amd64",
        "arm64",
        "s390x",
        "unknown",
        "unknown",
    ]
    with pytest.raises(KeyError):
        blob(files, entries[2])
    for subject, attestation in zip(entries[:2], entries[3:], strict=True):
        blob(files, attestation)
        assert attestation["annotations"]["vnd.docker.reference.digest"] == subject["digest"]


def test_the_layout_is_the_same_as_directory_and_archive(tmp_path: Path) -> None:
    one = sample()
    root = oci_layout(one, tmp_path / "oci", compression="zstd")
    archive = oci_archive(one, compression="zstd")
    written = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.json")}
    assert written == {"index.json": content(archive, "index.json")}
    assert sorted(names(archive)) == sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
    )


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert docker_archive(sample()) == docker_archive(sample())
    assert oci_archive(sample(), compression="gzip") == oci_archive(sample(), compression="gzip")


def test_an_inventory_is_of_what_the_archive_gives() -> None:
    one = on_slim({"a": "b", "bin/x": elf(needed=["libc.so.6"])}, {}, {"a": Link("c"), ".wh.b": ""})
    stream = io.BytesIO(docker_archive(one))
    assert read(one) == open_stream(stream, Options(), name=None, reference="app:1")
