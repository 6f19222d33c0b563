"""The builders of ELF files and trees, held by readelf, pyelftools and dpkg."""

import base64
import csv
import hashlib
import io
import shutil
import subprocess
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
    Content,
    File,
    Link,
    debian_base,
    debian_python,
    dist_info,
    dpkg_status,
    elf,
    official_env,
    official_python,
)


def tree_content(tree: dict[str, Content], path: str) -> str:
    found = tree[path]
    assert isinstance(found, str)
    return found


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
    brought = debian_python(more={"python3-yaml": {"Depends": "python3"}}, manual=["python3-yaml"])
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
