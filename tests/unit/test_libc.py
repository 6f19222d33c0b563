"""The C library of an image and of a program, and its operating system."""

import pytest

from pyimginspect.inventory.facts import OsPackage
from pyimginspect.inventory.libc import find_libc, find_loaders, libc_of_program, wanted_libc
from pyimginspect.inventory.os_release import find_os
from pyimginspect.layers.elf import read_elf
from tests.elf import elf
from tests.images import Content, Link
from tests.pythons import cpython, inventory
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


def test_a_loader_of_the_same_library_is_no_foreign_one() -> None:
    other: dict[str, Content] = {"usr/lib/ld-linux.so.2": elf(machine="i386", bits=32)}
    assert find_libc(rootfs({**glibc(), **other, "bin/sh": SHELL})).foreign_loaders == ()


def test_a_linker_s_script_is_no_library() -> None:
    script: dict[str, Content] = {"usr/lib/x86_64-linux-gnu/libc.so.6": "/* GNU ld script */"}
    libc = find_libc(rootfs({**glibc(), **script, "bin/sh": SHELL}))
    assert (libc.flavor, libc.path, libc.version) == ("glibc", "", None)


def test_gcompat_is_musl_under_another_name() -> None:
    files = {
        **MUSL_FILES,
        "lib/ld-linux-x86-64.so.2": elf(needed=["libc.musl-x86_64.so.1"]),
        "lib64/ld-linux-x86-64.so.2": Link("../lib/ld-linux-x86-64.so.2"),
        "opt/tool": SHELL,
        "bin/sh": BUSYBOX,
    }
    system = rootfs(files)
    libc = libc_of_program(system, "opt/tool")
    assert libc.flavor == "musl"
    assert [(each.what, each.path) for each in libc.evidence[:2]] == [
        ("the executable's loader /lib64/ld-linux-x86-64.so.2", "opt/tool"),
        ("that loader is linked to musl", "lib/ld-linux-x86-64.so.2"),
    ]
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


TEXT_2_31 = b"\0GNU C Library (GNU libc) stable release version 2.31.\n"


@pytest.mark.parametrize(
    ("files", "programs", "flavor", "loader", "evidence"),
    [
        # a program decides before a library, and a loader that is there before one that is not
        ({"lib/a.so": elf(needed=["libc.so.6"]), "opt/app": BUSYBOX}, [], "musl",
         "lib/ld-musl-x86_64.so.1", ("the executable's loader " + MUSL, "opt/app")),
        ({"opt/app": SHELL}, [], "glibc", "lib64/ld-linux-x86-64.so.2",
         ("the executable's loader " + X86, "opt/app")),
        ({**glibc(), **{f"usr/{path}": data for path, data in MUSL_FILES.items()}}, [], "glibc",
         "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", None),
        # what a program that was asked for is linked to, if it is one and is there
        ({"bin/sh": SHELL, "opt/py": BUSYBOX}, ["gone", "opt/py"], "musl",
         "lib/ld-musl-x86_64.so.1", ("the executable's loader " + MUSL, "opt/py")),
        ({"bin/sh": SHELL, "opt/py": elf(static=True, executable=True)}, ["opt/py"], "glibc",
         "lib64/ld-linux-x86-64.so.2", ("the executable's loader " + X86, "bin/sh")),
        ({"a": elf(static=True, executable=True), "b": elf(static=True, executable=True)}, [],
         "none", "", ("all 2 executables are statically linked", "a")),
        ({"lib/libx.so": elf(), "a": elf(static=True, executable=True)}, [],
         "none", "", ("all 1 executables are statically linked", "a")),
        # Windows
        ({"Files/Python/python.exe": b"MZ"}, ["Files/Python/python.exe"], "ucrt", "",
         ("a program for Windows", "Files/Python/python.exe")),
        ({"Files/python": BUSYBOX}, ["Files/python"], "musl", "lib/ld-musl-x86_64.so.1",
         ("the executable's loader " + MUSL, "Files/python")),
        ({"opt/tool.exe": BUSYBOX}, ["opt/tool.exe"], "musl", "lib/ld-musl-x86_64.so.1",
         ("the executable's loader " + MUSL, "opt/tool.exe")),
    ],
)  # fmt: skip
def test_who_decides(
    files: dict[str, Content],
    programs: list[str],
    flavor: str,
    loader: str,
    evidence: tuple[str, str] | None,
) -> None:
    libc = find_libc(rootfs(files), programs)
    assert (libc.flavor, libc.loader) == (flavor, loader)
    if evidence is not None:
        assert (libc.evidence[0].what, libc.evidence[0].path) == evidence


def test_the_library_of_a_program_for_a_second_machine_is_of_that_machine() -> None:
    """Beside its loader is no library; of those elsewhere only one fits."""
    program = elf(machine="i386", bits=32, interp="/usr/lib/ld-linux.so.2", executable=True)
    old = elf(machine="i386", bits=32, soname="libc.so.6", extra=TEXT_2_31)
    files: dict[str, Content] = {
        **glibc("2.36"),
        "usr/lib/ld-linux.so.2": elf(machine="i386", bits=32),
        "usr/lib32/libc.so.6": old,
        "usr/lib32/libm.so.6": old,
        "opt/old": program,
    }
    libc = libc_of_program(rootfs(files), "opt/old")
    assert (libc.path, libc.version) == ("usr/lib32/libc.so.6", "2.31")
    del files["usr/lib32/libc.so.6"]
    libc = libc_of_program(rootfs(files), "opt/old")
    assert (libc.path, libc.version, libc.layer) == ("", None, None)


@pytest.mark.parametrize("names", [("ld-linux-x86-64.so.2", "z"), ("z", "ld-linux-x86-64.so.2")])
def test_musl_s_loader_under_the_name_of_glibc_s_is_musl_s(names: tuple[str, str]) -> None:
    """As Alpine's libc6-compat had it: whichever name is seen first."""
    files: dict[str, Content] = {f"lib/{name}": Link("ld-musl-x86_64.so.1") for name in names}
    assert find_loaders(rootfs({**files, "lib/ld-musl-x86_64.so.1": elf()})) == {
        "lib/ld-musl-x86_64.so.1": "musl"
    }
    moved: dict[str, Content] = {
        "lib/ld-musl-x86_64.so.1": Link("ld-linux-x86-64.so.2"),
        "lib/ld-linux-x86-64.so.2": elf(),
    }
    assert find_loaders(rootfs(moved)) == {"lib/ld-linux-x86-64.so.2": "musl"}


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [
        ("libc6", "2.36-9+deb12u4", "2.36"),
        ("glibc", "2.34-100.el9", "2.34"),
        ("glibc", "1:2.34", "2.34"),
        ("libc6", "unknown", None),
        ("musl", "1.2.5-r0", None),
        ("libc6-dev", "2.36-9", None),
    ],
)
def test_glibc_that_does_not_say_its_version_has_it_from_the_package(
    name: str, package: str, version: str | None
) -> None:
    library = "usr/lib/x86_64-linux-gnu/libc.so.6"
    files = {**glibc(), library: elf(soname="libc.so.6"), "bin/sh": SHELL}
    others = [
        OsPackage(manager="dpkg", name=each, version="9.9", layer=0) for each in ("zlib1g", "gcc")
    ]
    brought = OsPackage(manager="dpkg", name=name, version=package, layer=3)
    libc = find_libc(rootfs(files), packages=[*others, brought])
    assert (libc.version, libc.path) == (version, library)
    says = [(e.what, e.package, e.layer) for e in libc.evidence[1:]]
    assert says == ([(f"GNU C Library {package}, as dpkg has it", name, 3)] if version else [])


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
        (elf(needed=["libz.so.1"], executable=True), "unknown", "no dependency on a C library"),
        (elf(needed=["libc.so"]), "musl", "dependency on libc.so"),
        (elf(needed=["libc.so.6.1"]), "glibc", "dependency on libc.so.6.1"),
        (
            elf(needed=["libz.so.1"], verneed={"libz.so.1": ["ZLIB_1.2", "GLIBCXX_3.4"]}),
            "unknown",
            "no dependency on a C library",
        ),
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
        "usr/lib/ld-linux-text.so.2": "no ELF file",
        "usr/share/ld-linux.so.2": elf(),
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
        # as a shell reads it: nothing is escaped in single quotes, and one quote is none
        ({"etc/os-release": "ID='a\\b'\nVERSION_ID=\"a\\b\"\n"}, "a\\b", "ab"),
        ({"etc/os-release": 'ID="\nVERSION_ID=""\n'}, '"', ""),
        ({"etc/os-release": "ID=\"\"\nVERSION_ID=''\n"}, "", ""),
        ({"etc/os-release/": None, "etc/debian_version": "12.4\n"}, "debian", "12.4"),
        ({"etc/alpine-release": "3.20.3\n"}, "alpine", "3.20.3"),
        ({"etc/debian_version": "12.4\n"}, "debian", "12.4"),
        ({"etc/os-release": Link("nowhere")}, "", ""),
        ({}, "", ""),
    ],
)
def test_operating_systems(files: dict[str, Content], name: str, version: str) -> None:
    system = find_os(rootfs(files))
    assert (system.id, system.version_id) == (name, version)


@pytest.mark.parametrize(("top", "flavor"), [("usr/local", "glibc"), ("opt/py", "musl")])
def test_of_two_pythons_the_one_that_starts_decides(top: str, flavor: str) -> None:
    pythons = {**cpython("usr/local", "3.12.1"), **cpython("opt/py", "3.12.1", musl=True)}
    facts = inventory({**glibc(), **MUSL_FILES}, pythons, cmd=[f"/{top}/bin/python3", "-V"])
    assert (facts.startup.status, facts.libc.flavor) == ("starts", flavor)
