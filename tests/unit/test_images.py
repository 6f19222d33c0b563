"""The builders are held by other people's readers: tarfile, readelf, pyelftools, dpkg."""

import base64
import csv
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pytest
from elftools.elf.dynamic import Dynamic, DynamicSection, DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from tests.elf import MACHINES
from tests.images import (
    BASE_PACKAGES,
    Compression,
    Content,
    Device,
    Fifo,
    File,
    HardLink,
    Image,
    Index,
    Link,
    compress,
    debian_base,
    debian_python,
    digest,
    dist_info,
    docker25_archive,
    docker_archive,
    dpkg_status,
    elf,
    image,
    kaniko_archive,
    layer,
    names,
    oci_archive,
    oci_files,
    oci_layout,
    official_env,
    official_python,
)
from tests.tars import MTIME, Format

LONG = "/".join(["a-directory-of-a-rather-long-name"] * 8) + "/file"


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), errorlevel=2) as opened:
        return {member.name: member for member in opened}


def content(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        extracted = opened.extractfile(name)
        assert extracted is not None
        return extracted.read()


def tree_content(tree: dict[str, Content], path: str) -> str:
    found = tree[path]
    assert isinstance(found, str)
    return found


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


@pytest.mark.parametrize("fmt", ["pax", "gnu"])
@pytest.mark.parametrize("name", [LONG, "umlaut-\u00e4", "raw-\udcff", "new\nline", "./dotted"])
def test_names_are_stored_as_written(fmt: Format, name: str) -> None:
    assert names(layer({name: "x"}, fmt=fmt)) == [name]


def test_extended_headers_and_pairs_with_a_name_twice() -> None:
    xattr = {"SCHILY.xattr.user.key": "value"}
    data = layer([("a", File("1", pax=xattr)), ("a", "22")])
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        assert [(m.name, m.size, m.pax_headers) for m in opened] == [("a", 1, xattr), ("a", 2, {})]


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


# --- ELF ------------------------------------------------------------------------------------------
FORMS: list[tuple[str, Literal[32, 64], Literal["little", "big"]]] = [
    ("x86_64", 64, "little"),
    ("i386", 32, "little"),
    ("arm", 32, "little"),
    ("arm", 32, "big"),
    ("aarch64", 64, "little"),
    ("ppc64", 64, "big"),
    ("s390x", 64, "big"),
    ("s390x", 32, "big"),
    ("riscv64", 64, "little"),
]
PYELFTOOLS_NAMES = {
    "i386": "EM_386",
    "ppc64": "EM_PPC64",
    "s390x": "EM_S390",
    "arm": "EM_ARM",
    "x86_64": "EM_X86_64",
    "aarch64": "EM_AARCH64",
    "riscv64": "EM_RISCV",
}
EVERYTHING: dict[str, Any] = {
    "needed": ["libc.so.6", "libm.so.6"],
    "soname": "libx.so.1",
    "rpath": "/old",
    "runpath": "$ORIGIN/../lib",
    "interp": "/lib64/ld.so",
    "verneed": {"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34"], "libm.so.6": ["GLIBC_2.29"]},
    "verdef": ["X_1", "X_2"],
    "build_id": bytes(range(20)),
    "stack_size": 1 << 20,
    "extra": b"\x003.13.1\0",
}
SHAPES: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "nothing": {},
    "static": {"static": True},
    "one library": {"needed": ["libc.so"]},
    "at an address": {**EVERYTHING, "base": 0x400000, "executable": True},
    "definitions only": {"verdef": ["Y"], "soname": "liby.so"},
    "no sections": {**EVERYTHING, "sections": False},
}


def tagged(dynamic: Dynamic, name: str) -> list[Any]:
    """The entries of one tag; pyelftools gives each an attribute that its types do not know."""
    return list(dynamic.iter_tags(name))


@pytest.mark.parametrize(("machine", "bits", "endian"), FORMS)
def test_readelf_accepts_every_shape_without_a_warning(
    machine: str, bits: Literal[32, 64], endian: Literal["little", "big"], tmp_path: Path
) -> None:
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("no readelf command")
    paths = []
    for number, shape in enumerate(SHAPES.values()):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(elf(machine=machine, bits=bits, endian=endian, **shape))
    command = [readelf, "-W", "-h", "-l", "-S", "-d", "-V", "-n", "-s", *map(str, paths)]
    seen = subprocess.run(command, capture_output=True, text=True, check=True)
    assert seen.stderr == ""
    assert "corrupt" not in seen.stdout
    for line in ("[libm.so.6]", "[libx.so.1]", "[$ORIGIN/../lib]", "[/old]", "Name: GLIBC_2.34"):
        assert line in seen.stdout
    assert bytes(range(20)).hex() in seen.stdout


@pytest.mark.parametrize(("machine", "bits", "endian"), FORMS)
def test_pyelftools_reads_back_what_was_asked_for(
    machine: str, bits: Literal[32, 64], endian: Literal["little", "big"]
) -> None:
    data = elf(machine=machine, bits=bits, endian=endian, base=0x10000, **EVERYTHING)
    file = ELFFile(io.BytesIO(data))
    assert file.header["e_machine"] == PYELFTOOLS_NAMES[machine]
    assert (file.elfclass, file.little_endian) == (bits, endian == "little")
    segments = {segment.header["p_type"]: segment for segment in file.iter_segments()}
    interp = segments["PT_INTERP"]
    assert isinstance(interp, InterpSegment)
    assert interp.get_interp_name() == "/lib64/ld.so"
    assert segments["PT_GNU_STACK"].header["p_memsz"] == 1 << 20
    dynamic = segments["PT_DYNAMIC"]
    assert isinstance(dynamic, DynamicSegment)
    assert [tag.needed for tag in tagged(dynamic, "DT_NEEDED")] == EVERYTHING["needed"]
    assert [tag.soname for tag in tagged(dynamic, "DT_SONAME")] == ["libx.so.1"]
    assert [tag.rpath for tag in tagged(dynamic, "DT_RPATH")] == ["/old"]
    assert [tag.runpath for tag in tagged(dynamic, "DT_RUNPATH")] == ["$ORIGIN/../lib"]
    needs = file.get_section_by_name(".gnu.version_r")
    assert isinstance(needs, GNUVerNeedSection)
    assert {
        need.name: [version.name for version in versions]
        for need, versions in needs.iter_versions()
    } == EVERYTHING["verneed"]


def test_every_machine_is_tried() -> None:
    assert {machine for machine, _, _ in FORMS} == set(MACHINES)


# --- trees ----------------------------------------------------------------------------------------
def test_record_has_true_hashes_and_sizes() -> None:
    tree = dist_info("Foo-Bar", "2.0", {"foo_bar/__init__.py": "x = 1\n"}, requires=["six>=1"])
    site = "usr/local/lib/python3.13/site-packages/"
    info = f"{site}foo_bar-2.0.dist-info/"
    rows = list(csv.reader(io.StringIO(tree_content(tree, f"{info}RECORD"))))
    assert [site + path for path, _, _ in rows] == list(tree)
    for path, hashed, size in rows[:-1]:
        data = tree_content(tree, site + path).encode()
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert (hashed, int(size)) == (f"sha256={expected}", len(data))
    assert rows[-1][1:] == ["", ""]
    metadata = Parser().parsestr(tree_content(tree, f"{info}METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("Foo-Bar", "2.0")
    assert metadata.get_all("Requires-Dist") == ["six>=1"]
    assert tree_content(tree, f"{info}INSTALLER") == "pip\n"


def test_a_distribution_can_lack_what_is_optional() -> None:
    bare = dist_info("a", "1", {}, installer=None, requested=False, record=False, site="s")
    assert sorted(bare) == ["s/a-1.dist-info/METADATA", "s/a-1.dist-info/WHEEL"]
    local = dist_info("a", "1", {}, tags=["cp313-cp313-linux_x86_64"], direct_url="file:///src")
    assert "Root-Is-Purelib: false" in next(
        text for path, text in local.items() if path.endswith("WHEEL") and isinstance(text, str)
    )
    assert any(path.endswith("direct_url.json") for path in local)


def test_dpkg_reads_the_database(tmp_path: Path) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("no dpkg-query command")
    for below in ({}, BASE_PACKAGES):
        admin = tmp_path / str(len(below))
        for path, text in debian_python("3.11.2", below=below).items():
            if path.startswith("var/lib/dpkg/"):
                target = admin / path.removeprefix("var/lib/dpkg/")
                target.parent.mkdir(parents=True, exist_ok=True)
                assert isinstance(text, str)
                target.write_text(text)
        command = ["dpkg-query", "--admindir", str(admin)]
        shown = subprocess.run([*command, "-W"], capture_output=True, text=True, check=True)
        packages = {line.split("\t")[0] for line in shown.stdout.splitlines()}
        assert {"python3", "python3.11-minimal", "libpython3.11-stdlib:amd64"} <= packages
        assert ("dash" in packages) == bool(below)
        owner = subprocess.run(
            [*command, "-S", "/usr/bin/python3.11"], capture_output=True, text=True, check=True
        )
        assert owner.stdout == "python3.11-minimal: /usr/bin/python3.11\n"


def test_packages_below_are_in_the_database_alone() -> None:
    tree = dpkg_status(
        {"git": {"files": {"usr/bin/git": "x"}}}, below={"dash": {"files": ["bin/dash"]}}
    )
    assert "Package: dash\n" in tree_content(tree, "var/lib/dpkg/status")
    assert sorted(tree) == ["usr/bin/git", "var/lib/dpkg/info/git.list", "var/lib/dpkg/status"]
    assert tree_content(tree, "var/lib/dpkg/info/git.list") == "/.\n/usr\n/usr/bin\n/usr/bin/git\n"


def test_automatic_packages_are_what_apt_would_remove() -> None:
    alone = tree_content(debian_python(), "var/lib/apt/extended_states")
    assert "Package: python3-minimal\n" in alone
    assert "Package: python3\n" not in alone
    brought = debian_python(more={"python3-yaml": {"Depends": "python3"}})
    assert "Package: python3\n" in tree_content(brought, "var/lib/apt/extended_states")


@pytest.mark.parametrize(("musl", "libc"), [(False, "libc.so.6"), (True, "libc.musl-x86_64.so.1")])
def test_an_official_python_hangs_together(musl: bool, libc: str) -> None:
    tree = official_python("3.12.8", musl=musl)
    executable = tree["usr/local/bin/python3.12"]
    library = tree["usr/local/lib/libpython3.12.so.1.0"]
    assert isinstance(executable, File)
    assert isinstance(library, File)
    assert isinstance(library.data, bytes)
    assert isinstance(executable.data, bytes)
    assert b"\x003.12.8\0" in library.data
    assert b"3.12.8" not in executable.data
    dynamic = ELFFile(io.BytesIO(executable.data)).get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    assert [tag.needed for tag in tagged(dynamic, "DT_NEEDED")] == ["libpython3.12.so.1.0", libc]
    patchlevel = tree_content(tree, "usr/local/include/python3.12/patchlevel.h")
    assert '#define PY_VERSION      \t"3.12.8"\n' in patchlevel
    for path, link in tree.items():
        if isinstance(link, Link):
            assert str(PurePosixPath(path).parent / link.target) in tree
    assert "PYTHON_VERSION=3.12.8" in official_env("3.12.8")


def test_the_variant_of_the_base_is_told_by_its_dpkg_configuration() -> None:
    assert "slim" in tree_content(debian_base(), "etc/dpkg/dpkg.cfg.d/docker")
    assert "slim" not in tree_content(debian_base(slim=False), "etc/dpkg/dpkg.cfg.d/docker")
