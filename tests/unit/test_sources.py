"""Saved images of every kind: the same image comes out, whatever it was packed in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimginspect.errors import ImageNotFoundError, ManifestError, PlatformError, UnsupportedError
from pyimginspect.model import Platform
from pyimginspect.sources.opened import Opened
from pyimginspect.sources.opening import open_reference
from pyimginspect.sources.options import Options
from pyimginspect.sources.platforms import host_platform
from tests.contract import assert_valid_image, content
from tests.images import (
    Compression,
    Content,
    File,
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
    oci_archive,
    oci_layout,
    tar,
)
from tests.layouts import FIXTURES, blob_name, layout

BASE = layer(
    {
        "bin/": None,
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        "bin/sh": elf(needed=["libc.so.6"]),
        "bin/run": File("#!/usr/bin/python3\n", mode=0o755),
        "data": bytes(range(256)) * 200,
    }
)
TOP = layer({"app/": None, "app/link": Link("../data"), "etc/.wh.os-release": ""})
SAMPLE = image(
    [BASE, TOP, layer(), BASE],
    history=["ADD base", "ENV A=1", "COPY app", "RUN true", "ADD base again"],
    labels={"org.example": "x"},
    tag="acme/api:1.4",
)
PATHS = [
    ["bin", "etc/os-release", "bin/sh", "bin/run", "data"],
    ["app", "app/link", "etc/.wh.os-release"],
    [],
    ["bin", "etc/os-release", "bin/sh", "bin/run", "data"],
]

COMPRESSIONS: tuple[Compression, ...] = (None, "gzip", "zstd", "xz", "bzip2")


def oci(compression: Compression) -> Callable[[Image], bytes]:
    return lambda one: oci_archive(one, compression=compression)


ARCHIVES: dict[str, tuple[Callable[[Image], bytes], str]] = {
    "docker": (docker_archive, "docker-archive"),
    "docker, manifest first": (
        lambda one: docker_archive(one, manifest_first=True),
        "docker-archive",
    ),
    "docker 25": (docker25_archive, "docker-archive"),
    "kaniko": (kaniko_archive, "docker-archive"),
    **{f"oci {name or 'plain'}": (oci(name), "oci-archive") for name in COMPRESSIONS},
}


def opened(path: Path | str, **options: object) -> Opened:
    result = open_reference(str(path), Options(**options))  # type: ignore[arg-type]
    assert_valid_image(result.image)
    return result


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "image"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("wrap", COMPRESSIONS)
@pytest.mark.parametrize("form", ARCHIVES)
@pytest.mark.parametrize("verify", [False, True])
def test_one_image_in_every_archive(
    form: str, wrap: Compression, verify: bool, tmp_path: Path
) -> None:
    build, source = ARCHIVES[form]
    path = write(tmp_path, compress(build(SAMPLE), wrap))
    found = opened(path, verify=verify).image
    assert found.source == source
    assert [[e.path for e in one.index.entries] for one in found.layers] == PATHS
    assert [one.history and one.history.created_by for one in found.layers] == [
        "ADD base",
        "COPY app",
        "RUN true",
        "ADD base again",
    ]
    assert found.config.labels == {"org.example": "x"}
    assert found.config_digest == SAMPLE.config_digest
    assert "acme/api:1.4" in found.names
    reference = opened(write(tmp_path, docker_archive(SAMPLE))).image
    assert content(found) == content(reference)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_layout_directory(compression: Compression, tmp_path: Path) -> None:
    path = oci_layout(SAMPLE, tmp_path / "oci", compression=compression)
    found = opened(path).image
    assert found.source == "oci"
    reference = opened(write(tmp_path, docker_archive(SAMPLE))).image
    assert content(found) == content(reference)


def test_a_layout_may_have_symlinked_blobs(tmp_path: Path) -> None:
    path = oci_layout(SAMPLE, tmp_path / "oci")
    blobs = path / "blobs"
    blobs.rename(tmp_path / "elsewhere")
    (blobs / "sha256").mkdir(parents=True)
    for blob in (tmp_path / "elsewhere" / "sha256").iterdir():
        (blobs / "sha256" / blob.name).symlink_to(blob)
    assert [[e.path for e in one.index.entries] for one in opened(path).image.layers] == PATHS


@pytest.mark.parametrize(
    "how",
    [
        {"compression": "gzip", "parts": 3},
        {"compression": "zstd", "parts": 3},
        {"compression": "zstd", "parts": 2, "skippable": b"a chunk"},
        {"compression": "xz", "parts": 2},
        {"compression": "bzip2", "parts": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("verify", [False, True])
def test_layers_of_several_members(how: dict[str, object], verify: bool, tmp_path: Path) -> None:
    blobs = [compress(blob, **how) for blob in SAMPLE.layers]  # type: ignore[arg-type]
    found = opened(write(tmp_path, tar(layout(SAMPLE, blobs))), verify=verify).image
    assert [[e.path for e in one.index.entries] for one in found.layers] == PATHS


@pytest.mark.parametrize(
    ("tree", "left"),
    [
        pytest.param(
            {"a": "1", ".prefetch.landmark": b"\x0f", "bin/x": elf(), "stargz.index.json": "{}"},
            ["a", "bin/x"],
            id="eStargz",
        ),
        pytest.param(
            {".no.prefetch.landmark": b"\x0f", "a": "1", "stargz.index.json": "{}"},
            ["a"],
            id="eStargz without prefetching",
        ),
        pytest.param(
            {"stargz.index.json": "{}", ".prefetch.landmark": "x", "a": "1"},
            ["stargz.index.json", ".prefetch.landmark", "a"],
            id="only names like it",
        ),
        pytest.param({"x/stargz.index.json": "{}"}, ["x/stargz.index.json"], id="elsewhere"),
        pytest.param({"d/": None, "stargz.index.json": "{}"}, ["d"], id="after a directory"),
    ],
)
def test_markers_of_estargz_are_no_files_of_the_image(
    tree: dict[str, Content], left: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, oci_archive(image([tree])))
    (one,) = opened(path).image.layers
    assert [entry.path for entry in one.index.entries] == left
    assert [one.index.entries[n].path for n in one.index.elf] == [p for p in left if p == "bin/x"]


# --- which image ----------------------------------------------------------------------------------
FIRST = image([{"first": "1"}], tag=["acme/api:1.4", "acme/api:latest"])
SECOND = image([{"second": "2"}], tag="registry.example:5000/acme/web:2")


def only_file(found: Opened) -> str:
    return found.image.layers[0].index.entries[0].path


@pytest.mark.parametrize("build", [docker_archive, docker25_archive, oci("gzip")])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("acme/api:1.4", "first"),
        ("acme/api", "first"),
        ("docker.io/acme/api:latest", "first"),
        ("1.4", "first"),
        ("2", "second"),
        ("registry.example:5000/acme/web:2", "second"),
    ],
)
def test_one_of_several_images_by_name(
    build: Callable[..., bytes], name: str, file: str, tmp_path: Path
) -> None:
    data = (
        build([FIRST, SECOND])
        if build not in (docker_archive, docker25_archive)
        else build(FIRST, SECOND)
    )
    assert only_file(opened(f"{write(tmp_path, data)}:{name}")) == file


@pytest.mark.parametrize("name", ["", ":acme/api:2", ":web"])
def test_several_images_are_listed(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, docker_archive(FIRST, SECOND))
    with pytest.raises(ImageNotFoundError) as caught:
        opened(f"{path}{name}")
    for tag in (*FIRST.tags, *SECOND.tags):
        assert tag in str(caught.value)


def test_one_image_under_two_tags_is_one(tmp_path: Path) -> None:
    found = opened(write(tmp_path, oci_archive(FIRST))).image
    assert set(found.names) >= set(FIRST.tags)


def platforms(*names: str, **options: object) -> Index:
    images = tuple(image([{name.replace("/", "-"): "x"}], platform=name) for name in names)
    return Index(images=images, **options)  # type: ignore[arg-type]


MULTI = platforms("linux/amd64", "linux/arm64", "linux/arm/v7", absent=("linux/s390x",))


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("linux/amd64", "linux-amd64"),
        ("linux/arm64", "linux-arm64"),
        ("linux/arm64/v8", "linux-arm64"),
        ("linux/aarch64", "linux-arm64"),
        ("linux/x86_64", "linux-amd64"),
        ("linux/arm", "linux-arm-v7"),
        ("linux/arm/v7", "linux-arm-v7"),
    ],
)
@pytest.mark.parametrize("wrap", [None, "gzip"])
def test_the_platform_asked_for(wanted: str, file: str, wrap: Compression, tmp_path: Path) -> None:
    path = write(tmp_path, compress(oci_archive(MULTI), wrap))
    found = opened(path, platform=Platform.parse(wanted))
    assert only_file(found) == file
    assert Platform.parse(wanted).accepts(found.image.platform)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "linux-amd64"), ("aarch64", "linux-arm64"), ("armv7l", "linux-arm-v7")],
)
def test_the_platform_of_this_machine(
    machine: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert only_file(opened(write(tmp_path, oci_archive(MULTI)))) == expected


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("armv5tejl", "linux/arm/v5"),
        ("armv6l", "linux/arm/v6"),
        ("armv7l", "linux/arm/v7"),
        ("armv8l", "linux/arm/v7"),
        *((f"i{number}86", "linux/386") for number in "3456"),
        ("loongarch64", "linux/loong64"),
        ("ppc64le", "linux/ppc64le"),
        ("riscv64", "linux/riscv64"),
        ("", "linux/amd64"),
    ],
)
def test_what_the_kernel_calls_a_machine_and_images_do(
    machine: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert str(host_platform()) == platform


@pytest.mark.parametrize(
    "wanted", ["linux/riscv64", "windows/amd64", "linux/arm/v6", "linux/arm64/v9"]
)
def test_no_such_platform_lists_those_there_are(wanted: str, tmp_path: Path) -> None:
    path = write(tmp_path, oci_archive(MULTI))
    with pytest.raises(PlatformError) as caught:
        opened(path, platform=Platform.parse(wanted))
    assert "linux/amd64, linux/arm/v7, linux/arm64, linux/s390x" in str(caught.value)
    assert "unknown" not in str(caught.value)


@pytest.mark.parametrize("build", [docker_archive, docker25_archive, oci_archive])
def test_another_platform_than_the_only_one(
    build: Callable[[Image], bytes], tmp_path: Path
) -> None:
    path = write(tmp_path, build(SAMPLE))
    with pytest.raises(PlatformError, match="linux/amd64"):
        opened(path, platform=Platform.parse("linux/arm64"))


def test_the_only_image_of_an_index_needs_no_platform(tmp_path: Path) -> None:
    """An export of a containerd store: one platform is there, attestations beside it."""
    path = write(tmp_path, oci_archive(platforms("linux/arm64")))
    assert only_file(opened(path)) == "linux-arm64"


def test_inline_data_of_a_descriptor_stands_for_its_blob(tmp_path: Path) -> None:
    files = layout(SAMPLE, SAMPLE.layers, inline=True)
    assert len([name for name in files if name.startswith("blobs/")]) == len(set(SAMPLE.layers))
    found = opened(write(tmp_path, tar(files))).image
    assert found.config_digest == SAMPLE.config_digest
    assert [[e.path for e in one.index.entries] for one in found.layers] == PATHS


def test_of_many_platforms_only_one_is_there(tmp_path: Path) -> None:
    """What a containerd store exports of an image that was pulled for one platform."""
    path = write(
        tmp_path, oci_archive(platforms("linux/riscv64", absent=("linux/amd64", "linux/arm64")))
    )
    assert only_file(opened(path)) == "linux-riscv64"
    with pytest.raises(ManifestError, match="absent"):
        opened(path, platform=Platform.parse("linux/amd64"))


# --- layers that are not there --------------------------------------------------------------------
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def test_a_foreign_layer_may_be_absent(tmp_path: Path) -> None:
    windows = image([{"Files/base": "x"}, {"Files/app": "y"}], platform="windows/amd64")
    files = layout(windows, windows.layers, layer={"mediaType": FOREIGN})
    del files[blob_name(windows.layers[0])]
    base, app = opened(write(tmp_path, tar(files))).image.layers
    assert (base.absent, app.absent) == (True, False)
    assert base.blob_size == len(windows.layers[0])
    assert [entry.path for entry in app.index.entries] == ["Files/app"]


def test_a_foreign_layer_of_a_docker_archive(tmp_path: Path) -> None:
    """go-containerregistry leaves foreign layers out and names them in LayerSources."""
    windows = image([{"Files/base": "x"}, {"Files/app": "y"}], platform="windows/amd64", tag="w:1")
    sources = {windows.diff_ids[0]: {"mediaType": FOREIGN, "digest": digest(b"b"), "size": 9}}
    names = [f"{diff_id[7:]}.tar" for diff_id in windows.diff_ids]
    entry = {"Config": "config.json", "RepoTags": ["w:1"], "Layers": names}
    tree: dict[str, Content] = {
        "config.json": windows.config_bytes,
        names[1]: windows.layers[1],
        "manifest.json": json.dumps([{**entry, "LayerSources": sources}]),
    }
    for data in (tar(tree), compress(tar(tree), "gzip")):
        found = opened(write(tmp_path, data)).image
        assert [one.absent for one in found.layers] == [True, False]


# --- real data ------------------------------------------------------------------------------------
def fixture(name: str) -> Path:
    path = FIXTURES / "archives" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def listing(found: Opened) -> list[tuple[object, ...]]:
    return [
        (one.number, e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target)
        for one in found.image.layers
        for e in one.index.entries
    ]


def test_one_real_image_in_three_compressions() -> None:
    kinds = ("gzip", "zstd", "estargz")
    first, *others = (
        listing(opened(fixture(f"dive-test-oci-{kind}-image.tar"), verify=True)) for kind in kinds
    )
    assert first
    assert others == [first, first]


def test_a_real_classic_archive() -> None:
    found = opened(fixture("dive-test-docker-image.tar"), verify=True).image
    assert len(found.layers) == 14
    assert found.names == ("dive-test:latest",)
    paths = {entry.path for one in found.layers for entry in one.index.entries}
    assert {"root/saved.txt", "root/example/somefile2.txt"} <= paths


def test_a_real_archive_of_docker_25() -> None:
    found = opened(fixture("ggcr-hello-world-v25.tar"), verify=True).image
    assert found.source == "docker-archive"
    assert [[e.path for e in one.index.entries] for one in found.layers] == [["hello"]]


def test_a_real_archive_of_two_images() -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        opened(fixture("ggcr-test_bundle.tar"))
    listed = str(caught.value)
    names = ("test_image_1", "test_image_2")
    for name in names:
        assert name in listed
        assert opened(f"{fixture('ggcr-test_bundle.tar')}:{name}").image.names == (name,)


def test_a_directory_of_skopeos_own_kind(tmp_path: Path) -> None:
    """`skopeo copy … dir:PATH` and `podman save --format docker-dir` write one."""
    (tmp_path / "manifest.json").write_text('{"schemaVersion": 2, "config": {}, "layers": []}')
    with pytest.raises(UnsupportedError, match=r"skopeo copy dir:PATH oci:LAYOUT"):
        open_reference(str(tmp_path), Options())
