"""dpkg's files: what counts as installed, which paths are named, what apt was asked for."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.inventory.packages.dpkg import (
    DpkgPackage,
    parse_automatic,
    parse_diversions,
    parse_list,
    parse_md5sums,
    parse_status,
)
from pyimginspect.inventory.packages.from_apk import installed_by_apk
from pyimginspect.inventory.packages.from_dpkg import installed_by_dpkg
from pyimginspect.inventory.packages.from_rpm import installed_by_rpm
from pyimginspect.inventory.packages.installation import Installation
from pyimginspect.inventory.packages.relations import (
    Relation,
    compare_versions,
    names,
    read_relations,
)
from pyimginspect.rootfs import RootFS
from tests.systems import rootfs

STATUS = b"""\
Package: python3
Status: install ok installed
Priority: optional
Section: python
Installed-Size: 81
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Multi-Arch: allowed
Source: python3-defaults (3.11.2-1)
Version: 3.11.2-1+b1
Provides: python3-profiler
Depends: python3.11 (>= 3.11.2-1~), libpython3-stdlib (= 3.11.2-1+b1)
Pre-Depends: python3-minimal (= 3.11.2-1+b1)
Suggests: python3-doc (>= 3.11.2-1~), python3-tk
Description: interactive high-level object-oriented language (default python3 version)
 Depends: this is a line of a text and no field
 .
 Version: nor is this

Package: git
Status: deinstall ok config-files
Architecture: amd64
Version: 1:2.39.5-0+deb12u1

Package: base-files
Essential: yes
Status: hold ok installed
Architecture: amd64
Version: 12.4+deb12u9
"""


def test_a_stanza_becomes_a_package() -> None:
    assert parse_status(STATUS)[0] == DpkgPackage(
        name="python3",
        version="3.11.2-1+b1",
        architecture="amd64",
        source="python3-defaults",
        source_version="3.11.2-1",
        maintainer="Matthias Klose <doko@debian.org>",
        section="python",
        priority="optional",
        multi_arch="allowed",
        size=81 * 1024,
        depends="python3-minimal (= 3.11.2-1+b1), "
        "python3.11 (>= 3.11.2-1~), libpython3-stdlib (= 3.11.2-1+b1)",
        suggests="python3-doc (>= 3.11.2-1~), python3-tk",
        provides="python3-profiler",
    )


def test_only_installed_packages_count() -> None:
    packages = parse_status(STATUS)
    assert [package.name for package in packages] == ["python3", "base-files"]
    assert [package.essential for package in packages] == [False, True]
    assert [package.held for package in packages] == [False, True]


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("install ok installed", True),
        ("deinstall ok installed", True),
        ("install ok triggers-pending", True),
        ("install ok triggers-awaited", True),
        ("install reinstreq half-installed", False),
        ("install ok unpacked", False),
        ("install ok half-configured", False),
        ("deinstall ok config-files", False),
        ("purge ok not-installed", False),
        ("", False),
    ],
)
def test_states(status: str, counts: bool) -> None:
    stanza = f"Package: x\nStatus: {status}\nVersion: 1\n"
    assert bool(parse_status(stanza.encode())) is counts


def test_a_distroless_stanza_has_no_status() -> None:
    (package,) = parse_status(b"Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n")
    assert (package.name, package.version) == ("libc6", "2.36-9")


def test_what_a_stanza_leaves_out_is_empty() -> None:
    assert parse_status(b"Package: x\nVersion: 1\n") == [
        DpkgPackage(name="x", version="1", source="x", source_version="1")
    ]


def test_folded_relations_are_joined() -> None:
    text = b"Package: x\nVersion: 1\nDepends: a,\n b (>= 2),\n c:any,\n\td\nSection: x\n"
    (package,) = parse_status(text)
    assert names(package.depends) == (("a",), ("b",), ("c",), ("d",))
    assert package.section == "x"


def test_known_stanzas_are_read_once() -> None:
    known: dict[str, DpkgPackage | None] = {}
    first, second = parse_status(STATUS, known), parse_status(STATUS, known)
    assert all(one is other for one, other in zip(first, second, strict=True))


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    parse_status(b"Package: x\nDepends: " + data)
    parse_list(data)
    parse_md5sums(data)
    parse_diversions(data)
    list(parse_automatic(data))


@pytest.mark.parametrize(
    ("digits", "size"),
    [("81", 81 * 1024), ("9" * 12, (10**12 - 1) * 1024), ("9" * 13, 0), ("9" * 5000, 0), ("x", 0)],
)
def test_sizes_beyond_reason_are_none(digits: str, size: int) -> None:
    (package,) = parse_status(f"Package: x\nInstalled-Size: {digits}".encode())
    assert package.size == size


def test_paths_of_a_list() -> None:
    assert parse_list(b"/.\n/usr\n/usr/bin\n/usr/bin/a b\n/lib/x\xff\n") == [
        "usr",
        "usr/bin",
        "usr/bin/a b",
        "lib/x\udcff",
    ]


def test_paths_of_md5sums() -> None:
    digest = b"0" * 32
    lines = [digest + b"  usr/lib/a b", digest + b"  usr/lib/a  b", digest + b"  ./etc/x", b"none"]
    assert parse_md5sums(b"\n".join(lines)) == ["usr/lib/a b", "usr/lib/a  b", "etc/x"]


def test_diversions() -> None:
    text = b"/usr/bin/pg_config\n/usr/bin/pg_config.libpq-dev\npostgresql-common\n/a\n/b\n:\n"
    assert parse_diversions(text) == {
        "usr/bin/pg_config": ("usr/bin/pg_config.libpq-dev", "postgresql-common"),
        "a": ("b", ":"),
    }


def test_extended_states() -> None:
    text = (
        b"Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\n"
        b"Package: curl\nArchitecture: amd64\nAuto-Installed: 0\n\n"
    )
    assert list(parse_automatic(text)) == [("libc6", "amd64")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a", [(Relation("a"),)]),
        ("a (>= 1.2~)", [(Relation("a", ">=", "1.2~"),)]),
        ("a(<<2)", [(Relation("a", "<<", "2"),)]),
        ("a (< 2)", [(Relation("a", "<=", "2"),)]),
        ("a:any (= 1:2-3)", [(Relation("a", "=", "1:2-3", "any"),)]),
        ("a [amd64 arm64] <!nocheck>, b", [(Relation("a"),), (Relation("b"),)]),
        ("a | b (>> 3) , c", [(Relation("a"), Relation("b", ">>", "3")), (Relation("c"),)]),
        (", ,a,", [(Relation("a"),)]),
    ],
)
def test_relations(text: str, expected: list[tuple[Relation, ...]]) -> None:
    assert list(read_relations(text)) == expected
    assert names(text) == tuple(tuple(one.name for one in clause) for clause in expected)


@pytest.mark.parametrize(
    ("text", "clauses", "alternatives"), [("a," * 5001, 5000, 1), ("a|" * 101, 1, 100)]
)
def test_of_a_field_as_no_package_has_the_first_relations_are_read(
    text: str, clauses: int, alternatives: int
) -> None:
    for found in (list(read_relations(text)), names(text)):
        assert (len(found), len(found[0])) == (clauses, alternatives)


@pytest.mark.parametrize(
    "ordered",
    [
        # The examples of deb-version(7), and of Debian Policy 5.6.12.
        ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a"],
        ["1.0~beta1~svn1245", "1.0~beta1", "1.0"],
        ["2.36-9", "2.36-9+deb12u9", "2.36-9+deb12u10", "2.36-10"],
        ["9.9", "1:0.1", "2:0"],
        ["1.2a", "1.2+", "1.2.3"],
        ["1-1", "1-1.1", "1-2", "1.0-1"],
    ],
)
def test_versions_in_order(ordered: list[str]) -> None:
    for number, one in enumerate(ordered):
        for other in ordered[number + 1 :]:
            assert compare_versions(one, other) < 0 < compare_versions(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1.0-0"),
        ("0:1", "1"),
        ("1.01", "1.1"),
        # No version has a number of more than 64 digits: the rest of it is passed over.
        ("1" * 64, "1" * 65),
    ],
)
def test_equal_versions(one: str, other: str) -> None:
    assert compare_versions(one, other) == 0 == compare_versions(other, one)


@pytest.mark.parametrize("read", [installed_by_dpkg, installed_by_apk, installed_by_rpm])
def test_without_a_database_nothing_is_installed(read: Callable[[RootFS], Installation]) -> None:
    assert read(rootfs({"etc/os-release": "ID=none\n"})) == Installation()
