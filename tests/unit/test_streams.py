"""Archives that go by once, and root file systems: by their first members, in any order."""

import io
import os
import random
import sys
import tarfile
import zlib
from pathlib import Path

import pytest

from pyimginspect.errors import (
    ArchiveError,
    CorruptLayerError,
    DigestMismatchError,
    LimitError,
    PlatformError,
)
from pyimginspect.layers import Limits
from pyimginspect.layers.cache import Cache
from pyimginspect.model import Digest, LayerIndex, Platform
from pyimginspect.sources import streams
from pyimginspect.sources.detection import Contents, contents_of, is_tar
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_reference, open_stream
from pyimginspect.sources.options import Options
from tests.contract import assert_valid_image, content, notes
from tests.images import (
    Compression,
    Content,
    Device,
    Fifo,
    File,
    HardLink,
    Link,
    compress,
    docker25_archive,
    docker_archive,
    elf,
    image,
    layer,
    oci_archive,
    oci_files,
    tar,
)

SAMPLE = image(
    [{"node_modules/a": "1" * 3000}, {"[": "2", "{": "3"}, {"null": "4"}, layer(), {"b": "5"}],
    tag="acme/api:1.4",
)


def opened(data: bytes, **options: object) -> Opened:
    found = open_stream(io.BytesIO(data), Options(**options), name=None, reference="-")  # type: ignore[arg-type]
    assert_valid_image(found.image)
    return found


def shuffled(files: dict[str, bytes], seed: int) -> bytes:
    names = sorted(files)
    random.Random(seed).shuffle(names)
    return tar({name: files[name] for name in names})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_members_in_any_order(seed: int, compression: Compression, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(docker_archive(SAMPLE))
    expected = content(open_reference(str(path), Options()).image)
    assert (
        content(opened(shuffled(oci_files(SAMPLE, compression=compression), seed)).image)
        == expected
    )


def test_first_entries_that_look_like_documents() -> None:
    """A layer may begin with a file called `[`, and coreutils has one."""
    found = opened(docker_archive(SAMPLE)).image
    assert [[e.path for e in one.index.entries] for one in found.layers] == [
        ["node_modules/a"],
        ["[", "{"],
        ["null"],
        [],
        ["b"],
    ]


def test_a_repeated_member_is_its_last_one() -> None:
    old = image([{"old": "1"}], tag="app:1")
    new = image([{"new": "2"}], tag="app:1")
    members = [("a.tar", old.layers[0]), ("a.tar", new.layers[0]), ("c.json", new.config_bytes)]
    manifest = ("manifest.json", b'[{"Config":"c.json","Layers":["a.tar"]}]')
    found = opened(tar([*members, manifest])).image
    assert [e.path for e in found.layers[0].index.entries] == ["new"]


def test_a_damaged_layer_that_nobody_asks_for() -> None:
    files = oci_files(SAMPLE, compression="gzip")
    files[f"blobs/sha256/{'0' * 64}"] = compress(SAMPLE.layers[0], "gzip")[:-9]
    assert len(opened(tar(files)).image.layers) == 5


def test_too_many_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_ALL_DOCUMENTS", 10_000)
    junk = {f"blobs/sha256/{n:064x}": b"{" + b" " * 2000 for n in range(9)}
    with pytest.raises(LimitError, match="10,000"):
        opened(tar({**junk, **oci_files(SAMPLE)}))


# --- layers from the cache ------------------------------------------------------------------------
@pytest.mark.parametrize("build", [docker25_archive, oci_archive])
def test_layers_named_by_their_digest_are_not_read_again(build: object, tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        first = opened(build(SAMPLE), cache=cache)  # type: ignore[operator]
        marked = LayerIndex(size=len(SAMPLE.layers[0]))
        cache.put(Digest(SAMPLE.diff_ids[0]), None, marked)
        second = opened(build(SAMPLE), cache=cache)  # type: ignore[operator]
        third = opened(build(SAMPLE), cache=cache, verify=True)  # type: ignore[operator]
    assert second.image.layers[0].index == marked, "it came from the cache"
    assert second.image.layers[1:] == first.image.layers[1:]
    assert third == first


def test_a_member_named_like_another_layer(tmp_path: Path) -> None:
    """The name promises a layer that the cache holds, and the configuration another one."""
    well_known = image([{"good": "1"}])
    files = {
        "config.json": SAMPLE.with_config(
            rootfs={"type": "layers", "diff_ids": [SAMPLE.diff_ids[0]]}, history=None
        ).config_bytes,
        f"{well_known.diff_ids[0][7:]}.tar": SAMPLE.layers[0],
        "manifest.json": (
            f'[{{"Config":"config.json","Layers":["{well_known.diff_ids[0][7:]}.tar"]}}]'
        ).encode(),
    }
    with Cache(tmp_path) as cache:
        opened(docker25_archive(well_known), cache=cache)
        with pytest.raises(DigestMismatchError, match="named"):
            opened(tar(files), cache=cache)


# --- what a tar archive is ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["manifest.json"], "saved"),
        (["oci-layout"], "saved"),
        (["blobs/sha256/x"], "saved"),
        (["./blobs/", "./index.json"], "saved"),
        (["0" * 64 + "/layer.tar"], "saved"),
        (["0" * 64 + ".tar.gz"], "saved"),
        (["sha256:" + "0" * 64], "saved"),
        (["bin/sh"], "rootfs"),
        (["./", "./usr/"], "rootfs"),
        ([".dockerenv", "app"], "rootfs"),
        (["app/x", "etc/passwd"], "rootfs"),
        (["Files/Windows/x"], "rootfs"),
        (["README", "src/x.py"], "unknown"),
        ([], "unknown"),
    ],
)
def test_what_first_members_tell(names: list[str], expected: Contents) -> None:
    data = tar({name: None if name.endswith("/") else "x" for name in names})
    assert contents_of(data) == expected
    assert contents_of(data[: len(data) - 1100]) in (expected, "unknown")


def test_headers_are_told_by_their_checksum() -> None:
    data = tar({"{": "x"})
    assert is_tar(data[:512])
    assert not is_tar(data[:511])
    assert not is_tar(b"{" + data[1:100] + b"!" + data[101:512])
    assert not is_tar(bytes(512))


# --- root file systems ----------------------------------------------------------------------------
TREE: dict[str, Content] = {
    "app/main.py": "print()\n",
    "bin/python": elf(machine="aarch64", needed=["libc.so.6"]),
    "etc/": None,
    "etc/os-release": "ID=debian\n",
    "usr/bin/run": File("#!/bin/sh\n", mode=0o755),
    "usr/bin/walk": Link("run"),
    "usr/bin/same": HardLink("usr/bin/run"),
}


@pytest.mark.parametrize("wrap", [None, "gzip", "zstd"])
@pytest.mark.parametrize("how", ["path", "stream", "prefix"])
def test_a_root_file_system_in_an_archive(wrap: Compression, how: str, tmp_path: Path) -> None:
    data = compress(tar(TREE), wrap)
    path = tmp_path / "export.tar"
    path.write_bytes(data)
    if how == "stream":
        found = opened(data)
    else:
        prefix = "rootfs:" if how == "prefix" else ""
        found = open_reference(f"{prefix}{path}", Options())
    assert_valid_image(found.image)
    (only,) = found.image.layers
    assert found.image.source == "rootfs"
    assert [e.path for e in only.index.entries] == [n.rstrip("/") for n in TREE]
    assert found.image.platform == Platform(architecture="arm64")
    position = next(n for n, e in enumerate(only.index.entries) if e.path == "app/main.py")
    assert zlib.crc32(b"print()\n") in (
        found.checksum(0, position),
        (only.index.checksums or {}).get(position),
    )


def test_an_archive_of_programs_alone_needs_the_prefix(tmp_path: Path) -> None:
    path = tmp_path / "scratch.tar"
    path.write_bytes(tar({"server": elf()}))
    with pytest.raises(ArchiveError, match="rootfs:"):
        open_reference(str(path), Options())
    assert open_reference(f"rootfs:{path}", Options()).image.source == "rootfs"


def test_another_platform_than_the_programs_are_for(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    path.write_bytes(tar(TREE))
    with pytest.raises(PlatformError, match="linux/arm64"):
        open_reference(str(path), Options(platform=Platform.parse("linux/amd64")))


def test_a_damaged_root_file_system(tmp_path: Path) -> None:
    data = bytearray(tar(TREE))
    data[600 * 2 : 600 * 2 + 300] = bytes(300)
    path = tmp_path / "export.tar"
    path.write_bytes(data)
    with pytest.raises(CorruptLayerError, match=r"layer 0 \(root file system\)"):
        open_reference(f"rootfs:{path}", Options())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_a_directory_is_what_tar_makes_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    tree: dict[str, Content] = {
        **TREE,
        "run/pipe": Fifo(),
        "etc/loop": Link("loop"),
        "caf\udce9": "x",
    }
    if os.geteuid() == 0:
        tree["dev/null"] = Device()
    with tarfile.open(fileobj=io.BytesIO(tar(tree))) as archive:
        archive.extractall(root, filter="fully_trusted")
    (root / "etc/outside").symlink_to("/etc/passwd")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(root, arcname="")
    expected = opened(packed.getvalue()).image.layers[0].index
    found = open_reference(str(root), Options()).image
    assert_valid_image(found)

    def listed(index: LayerIndex) -> list[tuple[object, ...]]:
        return sorted(
            (e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target, e.device, e.mtime)
            for e in index.entries
            if e.path
        )

    assert listed(found.layers[0].index) == listed(expected)
    assert found.platform.architecture == "arm64"
    assert notes(found) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_what_cannot_be_read_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc/secret").mkdir(parents=True)
    (tmp_path / "usr").mkdir()
    (tmp_path / "etc/shadow").write_text("x" * 700)
    (tmp_path / "etc/hosts").write_text("y")
    real_open, real_list = os.open, os.listdir

    def refuse(path: str, *rest: int, **more: int) -> int:
        if str(path).endswith("shadow"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *rest, **more)

    def no_list(path: str) -> list[str]:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real_list(path)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "listdir", no_list)
    found = open_reference(str(tmp_path), Options()).image
    (only,) = found.layers
    assert [(e.path, e.size) for e in only.index.entries] == [
        ("etc", 0),
        ("etc/hosts", 1),
        ("etc/secret", 0),
        ("etc/shadow", 700),
        ("usr", 0),
    ]
    assert sorted((note.path, note.what) for note in only.index.notes) == [
        ("etc/secret", "the directory could not be read: Permission denied"),
        ("etc/shadow", "its content could not be read: Permission denied"),
    ]


def test_what_is_mounted_in_a_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/proc/kcore` alone has 128 TiB."""
    for name in ("etc/os-release", "proc/kcore", "proc/1/maps"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    real = os.lstat

    def look(path: str) -> os.stat_result:
        found = real(path)
        return os.stat_result((*found[:2], found.st_dev + ("/proc" in path), *found[3:]))

    monkeypatch.setattr("os.lstat", look)
    (only,) = open_reference(f"rootfs:{tmp_path}", Options()).image.layers
    assert [entry.path for entry in only.index.entries] == ["etc", "etc/os-release", "proc"]
    assert [(note.path, note.what) for note in only.index.notes] == [
        ("proc", "what is mounted there is not read")
    ]


def test_a_limit_of_entries_holds_for_directories(tmp_path: Path) -> None:
    for name in ("etc", "usr", "bin"):
        (tmp_path / name).mkdir()
    with pytest.raises(LimitError, match="2 entries"):
        open_reference(str(tmp_path), Options(limits=Limits(entries=2)))
