"""The C library of an image and of a program, and its operating system."""

import pytest

from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.libc import find_libc, find_loaders, libc_of_program, wanted_libc
from pyimginspect.inventory.os_release import find_os
from pyimginspect.layers.elf import read_elf
from tests.elf import elf
from tests.images import Content, Link
from tests.systems import MUSL, MUSL_FILES, X86, glibc, rootfs
from tests.unit.test_elf import Content as Bytes

SHELL = elf(interp=X86, needed=["libc.so.6"], executable=True, base=0x400000)
BUSYBOX = elf(interp=MUSL, needed=["libc.musl-x86_64.so.1"])


def test_debian() -> None:
    libc = find_libc(rootfs({**glibc(), "bin/sh": SHELL}))
    assert (libc.flavor, libc.version, libc.layer) == ("glibc", "2.36", 0)
    assert libc.path == "usr/lib/x86_64-linux-gnu/libc.so.6"
    assert libc.loader == "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert libc.foreign_loaders == ()
    assert [(e.what, e.path, e.layer) for e in libc.evidence] == [
        ("the executable's loader /lib64/ld-linux-x86-64.so.2", "bin/sh", 0),
        ("GNU C Library 2.36, it says", "usr/lib/x86_64-linux-gnu/libc.so.6", 0),
    ]


def test_alpine() -> None:
    libc = find_libc(rootfs({**MUSL_FILES, "bin/busybox": BUSYBOX, "bin/sh": Link("busybox")}))
    assert (libc.flavor, libc.version, libc.path) == ("musl", "1.2.5", "lib/ld-musl-x86_64.so.1")


def test_a_later_layer_brings_another_version() -> None:
    libc = find_libc(rootfs({**glibc("2.31"), "bin/sh": SHELL}, glibc("2.36")))
    assert (libc.version, libc.layer) == ("2.36", 1)


def test_the_interpreter_decides_in_a_mixed_image() -> None:
    files = {**glibc(), "bin/sh": SHELL, "usr/bin/python3.11": BUSYBOX}
    files["usr/lib/ld-musl-x86_64.so.1"] = MUSL_FILES["lib/ld-musl-x86_64.so.1"]
    system = rootfs(files)
    assert find_libc(system).flavor == "glibc"
    assert find_libc(system).foreign_loaders == ("usr/lib/ld-musl-x86_64.so.1",)
    libc = find_libc(system, ["usr/bin/python3.11"])
    assert (libc.flavor, libc.version) == ("musl", "1.2.5")
    assert libc.foreign_loaders == ("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",)


def test_gcompat_is_musl_under_another_name() -> None:
    files = {
        **MUSL_FILES,
        "lib/ld-linux-x86-64.so.2": elf(needed=["libc.musl-x86_64.so.1"]),
        "lib64/ld-linux-x86-64.so.2": Link("../lib/ld-linux-x86-64.so.2"),
        "opt/tool": SHELL,
        "bin/sh": BUSYBOX,
    }
    system = rootfs(files)
    assert libc_of_program(system, "opt/tool").flavor == "musl"
    assert find_libc(system).foreign_loaders == ("lib/ld-linux-x86-64.so.2",)


def test_musl_that_does_not_say_its_version_has_it_from_the_package() -> None:
    files = {**MUSL_FILES, "lib/ld-musl-x86_64.so.1": elf(), "bin/sh": BUSYBOX}
    package = OsPackage(manager="apk", name="musl", version="1.2.5-r1", layer=0)
    libc = find_libc(rootfs(files), packages=[package])
    assert libc.version == "1.2.5"
    assert libc.evidence[-1].what == "musl 1.2.5-r1, as apk has it"


@pytest.mark.parametrize(
    ("files", "flavor"),
    [
        ({}, "unknown"),
        ({"app": elf(static=True, executable=True)}, "none"),
        ({"app": elf(interp=MUSL)}, "musl"),
        ({"Files/Windows/System32/kernel32.dll": b"MZ"}, "ucrt"),
        (glibc(), "glibc"),
        ({"lib/libx.so": elf()}, "unknown"),
    ],
)
def test_images_without_a_shell(files: dict[str, Content], flavor: str) -> None:
    assert find_libc(rootfs(files)).flavor == flavor


@pytest.mark.parametrize(
    ("data", "flavor", "why"),
    [
        (SHELL, "glibc", "loader /lib64/ld-linux-x86-64.so.2"),
        (BUSYBOX, "musl", "loader /lib/ld-musl-x86_64.so.1"),
        (elf(needed=["libm.so.6", "libc.so.6"]), "glibc", "dependency on libc.so.6"),
        (elf(needed=["libc.musl-aarch64.so.1"]), "musl", "dependency on libc.musl-aarch64.so.1"),
        (elf(needed=["ld-linux-aarch64.so.1"]), "glibc", "dependency on ld-linux-aarch64.so.1"),
        (
            elf(needed=["libm.so.6"], verneed={"libm.so.6": ["GLIBC_2.29"]}),
            "glibc",
            "need of GLIBC_2.29 from libm.so.6",
        ),
        (elf(needed=["libz.so.1"]), "unknown", "no dependency on a C library"),
        (elf(static=True, executable=True), "none", "statically linked"),
    ],
)
def test_what_a_file_was_linked_for(data: bytes, flavor: str, why: str) -> None:
    assert wanted_libc(read_elf(Bytes(data))) == (flavor, why)


def test_loaders_of_every_kind_are_found_once() -> None:
    files: dict[str, Content] = {
        **glibc(),
        "usr/lib/i386-linux-gnu/ld-linux.so.2": elf(machine="i386", bits=32),
        "usr/lib/ld-musl-x86_64.so.1": Link("x86_64-linux-musl/libc.so"),
        "usr/lib/x86_64-linux-musl/libc.so": elf(),
        "opt/lib/ld-linux-x86-64.so.2": elf(),
        "usr/lib/ld-linux-broken.so.2": Link("nowhere"),
    }
    assert find_loaders(rootfs(files)) == {
        "usr/lib/i386-linux-gnu/ld-linux.so.2": "glibc",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "glibc",
        "usr/lib/x86_64-linux-musl/libc.so": "musl",
    }


# --- the operating system -------------------------------------------------------------------------
OS_RELEASE = """\
# a comment
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME='Debian GNU/Linux'
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian
ID_LIKE="one two"
not a line
"""


def test_os_release_behind_its_link() -> None:
    system = find_os(
        rootfs(
            {"usr/lib/os-release": OS_RELEASE}, {"etc/os-release": Link("../usr/lib/os-release")}
        )
    )
    assert (system.id, system.version_id, system.codename) == ("debian", "12", "bookworm")
    assert system.pretty_name == "Debian GNU/Linux 12 (bookworm)"
    assert system.id_like == ("one", "two")
    assert [(e.what, e.path, e.layer) for e in system.evidence] == [
        ("/etc/os-release says so", "usr/lib/os-release", 0)
    ]


@pytest.mark.parametrize(
    ("files", "name", "version"),
    [
        ({"usr/lib/os-release": "ID=wolfi\nVERSION_ID=20230201\n"}, "wolfi", "20230201"),
        ({"etc/os-release": 'ID="a\\"b"\n'}, 'a"b', ""),
        ({"etc/os-release": "NAME=x\n"}, "linux", ""),
        ({"etc/alpine-release": "3.20.3\n"}, "alpine", "3.20.3"),
        ({"etc/debian_version": "12.4\n"}, "debian", "12.4"),
        ({"etc/os-release": Link("nowhere")}, "", ""),
        ({}, "", ""),
    ],
)
def test_operating_systems(files: dict[str, Content], name: str, version: str) -> None:
    system = find_os(rootfs(files))
    assert (system.id, system.version_id) == (name, version)
