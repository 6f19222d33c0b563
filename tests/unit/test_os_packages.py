"""From layers to packages: which layer brought each, and whose each file is."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.packages import PackageDatabase, find_os_packages, limits
from pyimginspect.inventory.packages.limits import split_records
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.images import Content, HardLink, Link, layer
from tests.rpms import header, sqlite_database
from tests.trees import BASE_PACKAGES, debian_base, debian_python, dpkg_status


def rootfs(trees: Sequence[Mapping[str, Content]]) -> RootFS:
    return apply_layers(
        Layer(number=number, index=index_layer(BytesBlob(data=layer(tree))).index)
        for number, tree in enumerate(trees)
    )


def packages(*trees: Mapping[str, Content]) -> PackageDatabase:
    return find_os_packages(rootfs(trees))


def history(database: PackageDatabase, key: str) -> list[tuple[int, str, str]]:
    every = {package.key: package for package in (*database.packages, *database.removed)}
    return [(event.layer, event.action, event.version) for event in every[key].history]


A1 = {"a": {"Version": "1"}}
A2 = {"a": {"Version": "2"}}
B = {"b": {"Version": "1"}}


def test_each_package_has_the_layer_that_brought_it() -> None:
    database = packages(debian_base(), {"app": "x"}, debian_python())
    assert {package.key: package.layer for package in database.packages} == {
        "base-files": 0,
        "dash": 0,
        "libc6": 0,
        "libpython3-stdlib": 2,
        "libpython3.11-minimal": 2,
        "libpython3.11-stdlib": 2,
        "python3": 2,
        "python3-minimal": 2,
        "python3.11": 2,
        "python3.11-minimal": 2,
    }
    assert [p.key for p in database.packages if p.automatic is False] == [
        "base-files",
        "dash",
        "libc6",
        "python3",
    ]
    assert [p.key for p in database.packages if p.essential] == ["base-files", "dash"]
    assert ("python3" in database, "python3-venv" in database) == (True, False)
    assert database["python3.11-minimal"].depends == (("libc6",), ("libpython3.11-minimal",))


@pytest.mark.parametrize(
    ("databases", "key", "expected"),
    [
        ([A1], "a", [(0, "installed", "1")]),
        ([A1, A1], "a", [(0, "installed", "1")]),
        ([A1, A2], "a", [(0, "installed", "1"), (1, "upgraded", "2")]),
        ([A2, A1, A1], "a", [(0, "installed", "2"), (1, "upgraded", "1")]),
        ([A1, B], "a", [(0, "installed", "1"), (1, "removed", "1")]),
        (
            [A1, B, {**A1, **B}],
            "a",
            [(0, "installed", "1"), (1, "removed", "1"), (2, "installed", "1")],
        ),
    ],
)
def test_history(
    databases: list[dict[str, dict[str, str]]], key: str, expected: list[tuple[int, str, str]]
) -> None:
    database = packages(*(dpkg_status(each) for each in databases))
    assert history(database, key) == expected


def test_a_removed_package_has_the_layer_that_brought_its_last_version() -> None:
    (gone,) = packages({"x": ""}, dpkg_status(A1), dpkg_status(A2), dpkg_status(B)).removed
    assert (gone.version, gone.layer) == ("2", 2)
    (gone,) = packages({"x": ""}, dpkg_status(A1), dpkg_status(B)).removed
    assert (gone.version, gone.layer) == ("1", 1)


def test_a_package_of_two_architectures_is_two_packages() -> None:
    tree = dpkg_status({"libc6": {"Multi-Arch": "same", "files": ["usr/lib/a/libc.so"]}})
    foreign = "\n\nPackage: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n"
    tree["var/lib/dpkg/status"] = str(tree["var/lib/dpkg/status"]) + foreign
    tree["var/lib/dpkg/info/libc6:i386.list"] = (
        "/.\n/usr/lib/i\n/usr/lib/i/libc.so\n/usr/share/doc\n"
    )
    database = packages({"usr/lib/a/libc.so": "a", "usr/lib/i/libc.so": "iii", **tree})
    assert [(p.key, p.size) for p in database.packages] == [("libc6:amd64", 1), ("libc6:i386", 3)]
    assert database.owner("usr/lib/i/libc.so") == ("libc6:i386",)


def test_owners_through_merged_usr() -> None:
    database = packages(debian_base())
    loader = "usr/lib64/ld-linux-x86-64.so.2"
    assert database.files("libc6") == (
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/x86_64-linux-gnu/libm.so.6",
        loader,
    )
    assert database.owner(loader) == ("libc6",)
    # The links that merge /usr stand where packages name directories: they belong to none.
    assert database.owner("lib") == database.owner("usr/lib") == ()


def test_a_link_that_leads_to_a_directory_has_an_owner() -> None:
    database = packages(
        {
            **dpkg_status({"data": {"files": {"usr/share/data/x": "x"}}}),
            "usr/share/doc/data": Link("../data"),
            "var/lib/dpkg/info/data.list": "/.\n/usr\n/usr/share/data\n/usr/share/doc/data\n",
        }
    )
    assert database.files("data") == ("usr/share/doc/data",)


def test_files_that_are_gone_belong_to_no_one() -> None:
    database = packages(
        dpkg_status({"a": {"files": {"usr/share/doc/a": "text", "usr/bin/a": "abc"}}}),
        {"usr/share/doc/.wh.a": ""},
    )
    assert database.files("a") == ("usr/bin/a",)
    assert database["a"].size == 3


def test_a_hard_link_counts_once() -> None:
    tree = dpkg_status({"perl": {"files": {"usr/bin/perl": "12345", "usr/bin/perl5": "12345"}}})
    tree["usr/bin/perl5"] = HardLink("usr/bin/perl")
    database = packages(tree)
    assert database.files("perl") == ("usr/bin/perl", "usr/bin/perl5")
    assert database["perl"].size == 5


def test_a_name_of_a_file_that_another_package_owns_has_its_size() -> None:
    tree = dpkg_status({"a": {"files": {"usr/bin/x": "12345"}}, "b": {"files": ["usr/bin/y"]}})
    database = packages({**tree, "usr/bin/y": HardLink("usr/bin/x")})
    assert (database["a"].size, database["b"].size) == (5, 5)


def test_a_shared_file_has_both_owners() -> None:
    files = {"usr/share/doc/x": "x"}
    database = packages(dpkg_status({name: {"files": files} for name in "cab"}))
    assert database.owner("usr/share/doc/x") == ("a", "b", "c")


def test_a_diverted_file_belongs_under_its_new_name() -> None:
    database = packages(
        {
            **dpkg_status(
                {
                    "common": {"files": {"usr/bin/pg_config": "wrapper"}},
                    "libpq-dev": {"files": ["usr/bin/pg_config"]},
                }
            ),
            "usr/bin/pg_config.libpq-dev": "original",
            "var/lib/dpkg/diversions": (
                "/usr/bin/pg_config\n/usr/bin/pg_config.libpq-dev\ncommon\n"
            ),
        }
    )
    assert database.owner("usr/bin/pg_config") == ("common",)
    assert database.owner("usr/bin/pg_config.libpq-dev") == ("libpq-dev",)


DISTROLESS = "var/lib/dpkg/status.d"


def test_distroless() -> None:
    zeros = "0" * 32
    database = packages(
        {
            f"{DISTROLESS}/base": "Package: base-files\nVersion: 12\nArchitecture: amd64\n",
            f"{DISTROLESS}/base.md5sums": f"{zeros}  etc/debian_version\n",
            "etc/debian_version": "12.9\n",
        },
        {
            f"{DISTROLESS}/libc6": "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n",
            f"{DISTROLESS}/libc6.md5sums": f"{zeros}  lib/libc.so.6\n",
            "lib/libc.so.6": "libc",
        },
    )
    assert [(p.key, p.version, p.layer, p.size, p.automatic) for p in database.packages] == [
        ("base-files", "12", 0, 5, None),
        ("libc6", "2.36-9", 1, 4, None),
    ]
    assert database.owner("etc/debian_version") == ("base-files",)


def test_checksums_are_no_stanza_whatever_they_say() -> None:
    database = packages(
        {
            f"{DISTROLESS}/base": "Package: base-files\nVersion: 12\n",
            f"{DISTROLESS}/base.md5sums": "Package: x\nVersion: 1\n",
        }
    )
    assert [package.key for package in (*database.packages, *database.removed)] == ["base-files"]


@pytest.mark.parametrize(
    ("architecture", "recorded", "automatic"),
    [
        ("amd64", "amd64", True),
        ("amd64", "i386", False),  # that is the other libc6, which somebody's game brought
        ("all", "amd64", True),  # apt records it under the architecture of the system
        ("all", "", False),
    ],
)
def test_what_apt_recorded_as_automatic(architecture: str, recorded: str, automatic: bool) -> None:
    name = "a" if recorded else "b"
    states = f"Package: {name}\nArchitecture: {recorded}\nAuto-Installed: 1\n\n"
    tree = dpkg_status({"a": {"Architecture": architecture}})
    database = packages({**tree, "var/lib/apt/extended_states": states})
    assert database["a"].automatic is automatic


@pytest.mark.slow
def test_a_database_without_end_is_cut_off_and_told() -> None:
    stanzas = "\n\n".join(f"Package:{number}" for number in range(50_010))
    database = packages({"var/lib/dpkg/status": stanzas})
    assert len(database.packages) == 50_000
    assert [note.what for note in database.notes] == [
        "only the first 50,000 records of the package database were read"
    ]


def test_how_many_records_are_read() -> None:
    assert len(split_records(b"\n\n" * 60_000)) == 50_000


RECORDS = {
    "var/lib/dpkg/status": "Package: {}\nStatus: install ok installed\nVersion: 1\n",
    "lib/apk/db/installed": "P:{}\nV:1\n",
    "usr/lib/apk/db/installed": "P:{}\nV:1\n",
}


@pytest.mark.parametrize("path", RECORDS)
# Empty lines at the end are no record: apk writes one, and a database may just fit.
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_cut_off_is_noted(
    path: str, end: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_MOST_PACKAGES", 2)
    records = "\n".join(RECORDS[path].format(f"p{n}") for n in range(number))
    database = packages({path: records + end})
    assert [package.name for package in database.packages] == ["p0", "p1"][:number]
    told = [(path, "only the first 2 records of the package database were read")]
    assert [(note.path, note.what) for note in database.notes] == (told if number > 2 else [])


def test_packages_that_are_no_longer_installed_are_records_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "_MOST_PACKAGES", 2)
    gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    stanzas = [gone, *(RECORDS["var/lib/dpkg/status"].format(name) for name in "ab")]
    database = packages({"var/lib/dpkg/status": "\n".join(stanzas)})
    assert [package.name for package in database.packages] == ["a"]
    assert len(database.notes) == 1


def test_rpm_reads_what_the_layer_found_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_PACKAGES", 2)
    rows = [header({"name": name, "version": "1"}) for name in "abc"]
    database = packages({"var/lib/rpm/rpmdb.sqlite": sqlite_database(rows)})
    assert (len(database.packages), database.notes) == (3, ())


def test_without_a_database_there_is_nothing() -> None:
    database = packages({"bin/sh": "x"})
    assert (database.packages, database.removed, database.notes) == ((), (), ())
    assert database.owner("bin/sh") == ()
    assert database.get("libc6") is None


def test_the_database_of_the_base_is_a_real_one() -> None:
    assert {package.key for package in packages(debian_base()).packages} == set(BASE_PACKAGES)


@pytest.mark.parametrize(
    ("base", "deleted", "gone"),
    [
        (dpkg_status({**A1, **B}), "var/lib/dpkg/.wh.status", ["a", "b"]),
        (dpkg_status({**A1, **B}), "var/lib/.wh.dpkg", ["a", "b"]),
        (
            {f"var/lib/dpkg/status.d/{name}": f"Package: {name}\nVersion: 1\n" for name in "ab"},
            "var/lib/dpkg/.wh.status.d",
            ["a", "b"],
        ),
        (
            {f"var/lib/dpkg/status.d/{name}": f"Package: {name}\nVersion: 1\n" for name in "ab"},
            "var/lib/dpkg/status.d/.wh.a",
            ["a"],
        ),
    ],
)
def test_the_layer_that_deletes_a_database_removes_its_packages(
    base: Mapping[str, Content], deleted: str, gone: list[str]
) -> None:
    database = packages(base, {"x": "x"}, {deleted: ""}, {".wh.x": ""})
    assert [package.name for package in database.removed] == gone
    assert {history(database, name)[-1][:2] for name in gone} == {(2, "removed")}


SINGLE: Mapping[str, Content] = {
    f"var/lib/dpkg/status.d/{name}": f"Package: {name}\nVersion: 1\n" for name in "ab"
}
WHOLE = dpkg_status({**A1, **B})


@pytest.mark.parametrize(
    ("base", "replacing"),
    [
        (WHOLE, {"var/lib/dpkg/status": ""}),
        (WHOLE, {"var/lib/dpkg/status": Link("/dev/null")}),
        (WHOLE, {"var/lib/dpkg/status/x": ""}),
        (WHOLE, {"var/lib/dpkg": Link("/nowhere")}),
        (WHOLE, {"var/lib/dpkg": ""}),
        (WHOLE, {"var": ""}),
        (WHOLE, {"var/lib/dpkg/.wh..wh..opq": ""}),
        (SINGLE, {"var/lib/dpkg/status.d/.wh..wh..opq": ""}),
        (SINGLE, {"var/lib/dpkg/status.d": ""}),
        (SINGLE, {"var/lib/dpkg/status.d/a": "", "var/lib/dpkg/status.d/b": Link("a")}),
    ],
)
def test_the_layer_that_puts_something_else_in_place_of_a_database_removes_its_packages(
    base: Mapping[str, Content], replacing: Mapping[str, Content]
) -> None:
    database = packages(base, {"x": "x"}, replacing, {".wh.x": ""})
    assert [package.name for package in database.removed] == ["a", "b"]
    assert [history(database, name)[-1][:2] for name in "ab"] == [(2, "removed")] * 2
