"""rpm's packages in an image: versions, histories, and what stands in for a database."""

from collections.abc import Mapping

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.packages import PackageDatabase, find_os_packages
from pyimginspect.inventory.packages.rpm import (
    full_version,
    parse_dnf5_reasons,
    parse_manifest,
    source_name,
)
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer, RpmPackage
from tests.images import Content, Link, layer
from tests.rpms import Value, bdb_database, header, sqlite_database

DATABASE = "usr/lib/sysimage/rpm/rpmdb.sqlite"

MANIFEST = (
    "openssl-libs\t1.1.1k-17.cm2\t1660000000\t1650000000\tMicrosoft Corporation\t(none)\t2500000"
    "\tx86_64\t0\topenssl-1.1.1k-17.cm2.src.rpm\n"
    "mariner-release\t2.0-18.cm2\t1660000001\t1650000001\t(none)\t2\t100\tnoarch\t2\t(none)\n"
    "not a package\n"
)


def packages(*trees: Mapping[str, Content]) -> PackageDatabase:
    indexes = (index_layer(BytesBlob(data=layer(tree))).index for tree in trees)
    return find_os_packages(
        apply_layers(Layer(number=number, index=index) for number, index in enumerate(indexes))
    )


def rpm(name: str, version: str = "1", release: str = "1", **values: Value) -> bytes:
    fields: dict[str, Value] = {"name": name, "version": version, "release": release}
    return header({**fields, "arch": "x86_64", **values})


def owning(name: str, *paths: str) -> bytes:
    return rpm(
        name,
        dirindexes=list(range(len(paths))),
        basenames=[path.rpartition("/")[2] for path in paths],
        dirnames=[f"{path.rpartition('/')[0]}/" for path in paths],
    )


@pytest.mark.parametrize(
    ("package", "version"),
    [
        (RpmPackage(name="a", version="1"), "1"),
        (RpmPackage(name="a", version="1", release="2.el9"), "1-2.el9"),
        (RpmPackage(name="a", version="1", release="2", epoch=0), "1-2"),
        (RpmPackage(name="a", version="1", release="2", epoch=3), "3:1-2"),
    ],
)
def test_full_versions(package: RpmPackage, version: str) -> None:
    assert full_version(package) == version


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("bash-5.1.8-9.el9.src.rpm", "bash"),
        ("python3.11-3.11.2-1.src.rpm", "python3.11"),
        ("gcc-toolset-13-13.0-2.nosrc.rpm", "gcc-toolset-13"),
        ("", ""),
    ],
)
def test_source_names(source: str, name: str) -> None:
    assert source_name(RpmPackage(name="x", version="1", source=source)) == name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1-2 3 4 v 5 6 x", RpmPackage(
            name="a", version="1", release="2", epoch=5, architecture="x", vendor="v", size=6)),
        ("a 1 (none) 4 (none) (none) (none) (none) 0", RpmPackage(name="a", version="1")),
        ("a 1 3 4 v 5 6 x 5 s-1-1.src.rpm z", RpmPackage(
            name="a", version="1", epoch=5, architecture="x", vendor="v", size=6,
            source="s-1-1.src.rpm")),
        (f"a 1 {'9' * 18} 4 v 5 {'9' * 19} x", RpmPackage(
            name="a", version="1", epoch=5, architecture="x", vendor="v", size=0)),
        ("a 1-2 3 4 v 5 6", None),
        (" 1-2 3 4 v 5 6 x", None),
    ],
)  # fmt: skip
def test_a_line_of_a_manifest(line: str, expected: RpmPackage | None) -> None:
    found = parse_manifest(line.replace(" ", "\t").encode())
    assert found == ([] if expected is None else [expected])


def test_manifest() -> None:
    assert parse_manifest(MANIFEST.encode()) == [
        RpmPackage(
            name="openssl-libs",
            version="1.1.1k",
            release="17.cm2",
            architecture="x86_64",
            vendor="Microsoft Corporation",
            source="openssl-1.1.1k-17.cm2.src.rpm",
            size=2500000,
        ),
        RpmPackage(
            name="mariner-release",
            version="2.0",
            release="18.cm2",
            epoch=2,
            architecture="noarch",
            size=100,
        ),
    ]


@pytest.mark.parametrize(
    "text", ["", "not toml [", "packages = 1", "[packages]\na = 1", "a=" + "[" * 5000]
)
def test_strange_reasons_are_none(text: str) -> None:
    assert parse_dnf5_reasons(text.encode()) == {}


def test_history_and_owners() -> None:
    base: dict[str, Content] = {
        DATABASE: sqlite_database([owning("bash", "/bin/bash"), rpm("gone"), rpm("old")]),
        "bin": Link("usr/bin"),
        "usr/bin/bash": "12345",
    }
    upper = {DATABASE: sqlite_database([owning("bash", "/bin/bash"), rpm("old", "2"), rpm("new")])}
    database = packages(base, {"x": ""}, upper)
    assert [
        (p.key, p.version, p.layer, p.size, p.automatic, [(e.layer, e.action) for e in p.history])
        for p in database.packages
    ] == [
        ("bash", "1-1", 0, 5, None, [(0, "installed")]),
        ("new", "1-1", 2, 0, None, [(2, "installed")]),
        ("old", "2-1", 2, 0, None, [(0, "installed"), (2, "upgraded")]),
    ]
    assert [p.key for p in database.removed] == ["gone"]
    assert database.owner("usr/bin/bash") == ("bash",)


def test_several_versions_of_a_kernel() -> None:
    first = sqlite_database([rpm("kernel", "5"), rpm("bash")])
    second = sqlite_database([rpm("kernel", "5"), rpm("kernel", "6"), rpm("bash")])
    database = packages({DATABASE: first}, {DATABASE: second})
    assert [(p.key, p.layer) for p in database.packages] == [
        ("bash", 0),
        ("kernel=5-1:x86_64", 0),
        ("kernel=6-1:x86_64", 1),
    ]


def test_a_database_that_moved() -> None:
    old = "var/lib/rpm/Packages"
    database = packages(
        {old: bdb_database([rpm("bash")])},
        {"var/lib/rpm/.wh.Packages": "", DATABASE: sqlite_database([rpm("bash"), rpm("dnf")])},
    )
    assert [(p.key, p.layer) for p in database.packages] == [("bash", 0), ("dnf", 1)]
    assert database.removed == ()


@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_database_that_higher_layers_leave_alone(above: int) -> None:
    base = {DATABASE: sqlite_database([rpm("bash")])}
    assert [(p.key, p.layer) for p in packages(base, *[{"x": ""}] * above).packages] == [
        ("bash", 0)
    ]


def test_a_deleted_database_is_the_end_of_its_packages() -> None:
    base = {DATABASE: sqlite_database([rpm("bash")])}
    database = packages(base, {"x": ""}, {"usr/lib/sysimage/.wh.rpm": ""})
    assert database.packages == ()
    assert [(p.key, [(e.layer, e.action) for e in p.history]) for p in database.removed] == [
        ("bash", [(0, "installed"), (2, "removed")])
    ]


def test_of_two_databases_in_one_layer_the_one_with_more_packages_counts() -> None:
    old, both = "var/lib/rpm/Packages", [rpm("bash"), rpm("dnf")]
    for first, second in ((both[:1], both), (both, both[:1])):
        layer = {old: bdb_database(first), DATABASE: sqlite_database(second)}
        assert [p.key for p in packages(layer).packages] == ["bash", "dnf"]


def test_a_database_that_moved_and_was_deleted_is_the_old_one_again() -> None:
    old = "var/lib/rpm/Packages"
    database = packages(
        {old: bdb_database([rpm("bash")])},
        {DATABASE: sqlite_database([rpm("bash"), rpm("dnf")])},
        {"usr/lib/sysimage/rpm/.wh.rpmdb.sqlite": ""},
    )
    assert [(p.key, p.layer) for p in database.packages] == [("bash", 0)]
    assert [p.key for p in database.removed] == ["dnf"]


def test_a_manifest_in_place_of_a_database() -> None:
    database = packages({"var/lib/rpmmanifest/container-manifest-2": MANIFEST})
    assert [(p.manager, p.key, p.version) for p in database.packages] == [
        ("rpm", "mariner-release", "2:2.0-18.cm2"),
        ("rpm", "openssl-libs", "1.1.1k-17.cm2"),
    ]


@pytest.mark.parametrize(("log", "told"), [("", False), ("frames", True)])
def test_a_log_that_holds_something_is_told(log: str, told: bool) -> None:
    database = packages({DATABASE: sqlite_database([rpm("bash")]), f"{DATABASE}-wal": log})
    assert [note.path for note in database.notes] == [f"{DATABASE}-wal"] * told


def test_a_damaged_database_is_no_package_and_no_crash() -> None:
    assert packages({DATABASE: b"SQLite format 3\0 and nothing more"}).packages == ()
