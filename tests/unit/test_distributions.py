"""Installed distributions: which there are, where, by whom, how large, and who sees them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.inventory.distributions import normalized
from pyimginspect.inventory.facts import Distribution
from pyimginspect.inventory.installers import conda_prefixes, direct_url
from pyimginspect.inventory.packages.from_dpkg import installed_by_dpkg
from pyimginspect.inventory.records import Row, place_of, read_record, recorded, rows_of
from tests.images import (
    Content,
    HardLink,
    Link,
    debian_base,
    debian_python,
    dist_info,
    official_python,
)
from tests.pythons import apk_database, conda_python, cpython, inventory, stored, venv
from tests.systems import rootfs

Tree = Mapping[str, Content]
SITE = "usr/local/lib/python3.13/site-packages"
LOCAL = "usr/local/bin/python3.13"
BASE: tuple[Tree, ...] = (debian_base(), official_python("3.13.1"))


def distributions(*trees: Tree, **config: Any) -> list[Distribution]:
    """What the layers above the base add; pip is the base's."""
    found = inventory(*BASE, *trees, **config).distributions
    return [each for each in found if each.location != SITE or each.name != "pip"]


def distribution(*trees: Tree, **config: Any) -> Distribution:
    (found,) = distributions(*trees, **config)
    return found


def test_what_pip_installs() -> None:
    tree = dist_info(
        "Foo.Bar_baz",
        "2.0",
        {"foo/__init__.py": "x" * 50, "../../../bin/foo": "#!/usr/local/bin/python3.13\n"},
        tags=("cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux2014_x86_64"),
    )
    assert distribution({"app": ""}, tree) == Distribution(
        name="foo-bar-baz",
        version="2.0",
        location=SITE,
        metadata=f"{SITE}/foo_bar_baz-2.0.dist-info",
        size=stored(rootfs(tree), "usr/local"),
        files=7,
        installer="pip",
        requested=True,
        tags=("cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux2014_x86_64"),
        interpreters=(LOCAL,),
        layer=3,
    )


EGG = "Metadata-Version: 1.0\nName: Egg\nVersion: 0.9\n\nName: not this\n"


@pytest.mark.parametrize(
    ("tree", "size", "files"),
    [
        ({f"{SITE}/Egg-0.9-py3.13.egg-info": EGG}, len(EGG), 1),
        (
            {
                f"{SITE}/Egg.egg-info/PKG-INFO": EGG,
                f"{SITE}/Egg.egg-info/top_level.txt": "egg\n_egg\n",
                f"{SITE}/egg/__init__.py": "12345",
                f"{SITE}/_egg.py": "123",
            },
            len(EGG) + 9 + 5 + 3,
            4,
        ),
        # names that are no names of modules, and would stand for all that lies there
        (
            {
                f"{SITE}/Egg.egg-info/PKG-INFO": EGG,
                f"{SITE}/Egg.egg-info/top_level.txt": "egg\n.\n..\ndata/egg\n",
                f"{SITE}/egg/__init__.py": "12345",
                f"{SITE}/data/egg/other.py": "123",
                f"{SITE}/another.py": "123",
            },
            len(EGG) + 18 + 5,
            3,
        ),
        (
            {
                f"{SITE}/Egg.egg-info/PKG-INFO": EGG,
                f"{SITE}/Egg.egg-info/installed-files.txt": "PKG-INFO\n../egg/__init__.py\n",
                f"{SITE}/egg/__init__.py": "12345",
                f"{SITE}/egg/other.py": "123",
            },
            len(EGG) + 5,
            2,
        ),
        (
            {
                f"{SITE}/easy-install.pth": "./Egg-0.9-py3.13.egg\n",
                f"{SITE}/Egg-0.9-py3.13.egg/EGG-INFO/PKG-INFO": EGG,
                f"{SITE}/Egg-0.9-py3.13.egg/EGG-INFO/top_level.txt": "egg",
                f"{SITE}/Egg-0.9-py3.13.egg/egg/__init__.py": "12345",
            },
            len(EGG) + 3 + 5,
            3,
        ),
    ],
)
def test_eggs(tree: Tree, size: int, files: int) -> None:
    found = distribution(tree)
    assert (found.name, found.version) == ("egg", "0.9")
    assert (found.size, found.files) == (size, files)
    assert (found.interpreters, found.installer, found.requested) == ((LOCAL,), "", None)


@pytest.mark.parametrize(("sharing", "files"), [(3, 3), (50, 3), (51, 2)])
def test_a_namespace_that_very_many_share_is_of_none(sharing: int, files: int) -> None:
    """To walk through one for each would take the square of the time."""
    tree: dict[str, Content] = {f"{SITE}/ns/x.py": "12345"}
    for number in range(sharing):
        tree[f"{SITE}/d{number}.egg-info/PKG-INFO"] = f"Name: d{number}\nVersion: 1\n"
        tree[f"{SITE}/d{number}.egg-info/top_level.txt"] = "ns\n"
    assert {each.files for each in distributions(tree)} == {files}


@pytest.mark.parametrize(
    ("link", "url"),
    [("/src/egg\n.", "file:///src/egg"), ("src/egg\n", ""), ("/nowhere\n", ""), ("\n", "")],
)
def test_sources_that_are_used_as_they_are(link: str, url: str) -> None:
    tree = {
        "src/egg/Egg.egg-info/PKG-INFO": EGG,
        f"{SITE}/easy-install.pth": "/src/egg\n",
        f"{SITE}/Egg.egg-link": link,
    }
    assert distribution(tree).direct_url == url


def test_contents_with_several_names_count_once() -> None:
    tree = {
        **dist_info("foo", files={"foo/a.py": "x" * 1000, "foo/b.py": "x" * 1000}),
        f"{SITE}/foo/b.py": HardLink(f"{SITE}/foo/a.py"),
    }
    found = distribution(tree)
    assert found.files == 7
    assert found.size == stored(rootfs(tree), SITE)


def test_content_that_has_its_other_name_elsewhere_counts_too() -> None:
    tree = dist_info("foo", files={"foo/a.py": "x" * 1000, "foo/b.py": "y" * 100})
    linked: Tree = {
        "root/.local/a.py": "x" * 1000,
        **tree,
        f"{SITE}/foo/a.py": HardLink("root/.local/a.py"),
    }
    assert distribution(linked).size == distribution(tree).size


# --- what is no distribution of the image ---------------------------------------------------------
@pytest.mark.parametrize(
    "tree",
    [
        dist_info("inner", site=f"{SITE}/setuptools/_vendor"),
        dist_info("fixture", site=f"{SITE}/foo/tests/data"),
        dist_info("cached", site="opt/conda/pkgs/foo-1.0-py313_0/site-packages")
        | {"opt/conda/pkgs/foo-1.0-py313_0/info/index.json": "{}"},
        {"src/app/app.egg-info/PKG-INFO": EGG},
        {f"{SITE}/foo-1.0.dist-info/sboms/bom.cdx.json": "{}"},
        {f"{SITE}/METADATA": "Name: x\n"},
        {"usr/local/lib/python3.13/lib-dynload/Python-3.13.egg-info": EGG.replace("Egg", "Python")},
        {"usr/local/lib/python3.13/wsgiref.egg-info": EGG.replace("Egg", "wsgiref")},
    ],
)
def test_what_is_no_distribution(tree: Tree) -> None:
    assert distributions(tree) == []


@pytest.mark.parametrize(
    ("tree", "config", "seen_by"),
    [
        (dist_info("app", site="srv/deps"), {}, ()),
        (dist_info("app", site="srv/deps"), {"env": ["PYTHONPATH=/srv/deps"]}, (LOCAL,)),
        ({"src/app.egg-info/PKG-INFO": EGG, f"{SITE}/app.pth": "/src\n"}, {}, (LOCAL,)),
        (dist_info("app", site="opt/old/lib/python3.9/site-packages"), {}, ()),
        (dist_info("app", site="root/.local/lib/python3.13/site-packages"), {}, (LOCAL,)),
        (dist_info("app", site="root/.local/lib/python3.13/site-packages"), {"user": "x"}, ()),
        (
            {
                **venv("env", "/usr/local/bin"),
                **dist_info("app", site="env/lib/python3.13/site-packages"),
            },
            {},
            ("env",),
        ),
        ({**venv("env", "/usr/local/bin", system=True), **dist_info("app")}, {}, ("env", LOCAL)),
        (
            {
                **venv("env", "/nowhere"),
                **dist_info("app", site="env/lib/python3.13/site-packages"),
            },
            {},
            ("env",),
        ),
    ],
)
def test_who_sees_a_distribution(
    tree: Tree, config: Mapping[str, Any], seen_by: tuple[str, ...]
) -> None:
    assert distribution(tree, **config).interpreters == seen_by


def test_what_comes_first_on_the_path_hides_the_rest() -> None:
    found = distributions(
        dist_info("foo", "1.0"),
        {
            **venv("env", "/usr/local/bin", system=True),
            **dist_info("foo", "2.0", site="env/lib/python3.13/site-packages"),
        },
    )
    assert [(each.version, each.interpreters) for each in found] == [
        ("1.0", (LOCAL,)),
        ("2.0", ("env",)),
    ]


def test_what_lies_in_the_standard_library_is_seen_by_environments_too() -> None:
    """As PyPy has some there."""
    egg = {"usr/local/lib/python3.13/Egg.egg-info": EGG}
    assert distribution(egg).interpreters == (LOCAL,)
    assert distribution({**venv("env", "/usr/local/bin"), **egg}).interpreters == ("env", LOCAL)


def test_distributions_are_sorted_by_name_wherever_they_are() -> None:
    sites = ("opt/a/site-packages", "opt/b/site-packages")
    found = distributions(dist_info("zoo", site=sites[0]), dist_info("foo", site=sites[1]))
    assert [(each.name, each.location) for each in found] == [("foo", sites[1]), ("zoo", sites[0])]


@pytest.mark.parametrize("mark", ["RECORD", "INSTALLER"])
def test_either_mark_of_an_installer_makes_it_an_installed_one(mark: str) -> None:
    info = "srv/deps/app-1.0.dist-info"
    found = distribution({f"{info}/METADATA": "Name: app\n", f"{info}/{mark}": "x\n"})
    assert (found.name, found.location) == ("app", "srv/deps")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/var/uv/x.dist-info/METADATA", ("foo", "3")),
        # what cannot be read is named by its directory
        ("/var/uv", ("named", "1.5")),
        ("/nowhere", ("named", "1.5")),
    ],
)
def test_metadata_that_is_a_link(target: str, expected: tuple[str, str]) -> None:
    """As uv makes one with UV_LINK_MODE=symlink."""
    info = f"{SITE}/named-1.5.dist-info"
    tree: dict[str, Content] = {
        "var/uv/x.dist-info/METADATA": "Name: Foo\nVersion: 3\n",
        "var/uv/x.dist-info/WHEEL": "Tag:py3-none-any\n",
        f"{info}/METADATA": Link(target),
        f"{info}/WHEEL": Link("/var/uv/x.dist-info/WHEEL"),
    }
    assert distributions({**tree, f"{info}/INSTALLER": "uv\n"}) == [], "nothing lists its files"
    found = distribution({**tree, f"{info}/RECORD": "x.py,,\n"})
    assert (found.name, found.version) == expected
    assert found.tags == ("py3-none-any",)


def test_two_versions_in_one_directory_are_both_there() -> None:
    found = distributions(dist_info("foo", "1.0"), dist_info("foo", "2.0"))
    assert [each.version for each in found] == ["1.0", "2.0"]


# --- who installed it -----------------------------------------------------------------------------
DEBIAN_SITE = "usr/lib/python3/dist-packages"


def debian(installer: str | None, automatic: bool = False) -> dict[str, Content]:
    files = dist_info("foo", site=DEBIAN_SITE, installer=installer, record=False, requested=False)
    manual = ["python3"] if automatic else ["python3", "python3-foo"]
    return debian_python("3.11.2", more={"python3-foo": {"files": files}}, manual=manual)


CONDA = conda_python("opt/conda", "3.12.4")
CONDA_SITE = "opt/conda/lib/python3.12/site-packages"


def conda(installer: str = "conda", **record: object) -> dict[str, Content]:
    files = dist_info("foo", site=CONDA_SITE, installer=installer)
    names = [path.removeprefix("opt/conda/") for path in files]
    text = json.dumps({"name": "foo", "files": names, **record})
    return {**CONDA, **files, "opt/conda/conda-meta/foo-1.0-0.json": text}


@pytest.mark.parametrize(
    ("tree", "installer", "package", "requested"),
    [
        (dist_info("foo"), "pip", "", True),
        (dist_info("foo", requested=False), "pip", "", False),
        (dist_info("foo", installer="uv"), "uv", "", True),
        (dist_info("foo", installer=None), "", "", None),
        (dist_info("foo", installer="Poetry 1.8"), "poetry 1.8", "", None),
        (debian(None), "dpkg", "python3-foo", True),
        (debian("debian", automatic=True), "dpkg", "python3-foo", False),
        (debian("pip"), "dpkg", "python3-foo", True),
        (dist_info("foo", installer="debian", requested=False), "dpkg", "", None),
        (conda(), "conda", "", None),
        (conda("pip", requested_spec="foo"), "conda", "", True),
        (conda("pip", requested_spec="None"), "conda", "", None),
        ({**CONDA, **dist_info("foo", site=CONDA_SITE)}, "pip", "", True),
        (
            {
                **dist_info("foo"),
                f"{SITE}/foo-1.0.dist-info/direct_url.json": '{"files": ["/METADATA"]}',
            },
            "pip",
            "",
            True,
        ),
        (dist_info("foo", installer="x" * 101), "x" * 100, "", None),
        (
            {
                **cpython("usr", "3.12.12"),
                **apk_database(
                    {"py3-foo": dist_info("foo", site="usr/lib/python3.12/site-packages")}
                ),
            },
            "apk",
            "py3-foo",
            True,
        ),
    ],
)
def test_who_installed_it(tree: Tree, installer: str, package: str, requested: bool | None) -> None:
    found = distribution(tree)
    assert (found.installer, found.package, found.requested) == (installer, package, requested)


def test_what_a_package_owns_is_the_size_where_there_is_no_record() -> None:
    tree = debian(None)
    assert distribution(tree).size == stored(rootfs(tree), DEBIAN_SITE)


def test_a_package_with_several_distributions_shares_no_files_among_them() -> None:
    """PyPy's standard library has metadata of modules that are distributions elsewhere."""
    files = {
        f"{DEBIAN_SITE}/one.egg-info": "Name: one\nVersion: 1\n",
        f"{DEBIAN_SITE}/two.egg-info": "Name: two\nVersion: 2\n",
        f"{DEBIAN_SITE}/big.py": "x" * 1000,
    }
    found = inventory(debian_base(), debian_python("3.11.2", more={"lib": {"files": files}}))
    assert [(each.name, each.files) for each in found.distributions] == [("one", 1), ("two", 1)]
    assert found.records.shared == {}


def test_conda_installs_where_it_keeps_a_history() -> None:
    tree = {
        "opt/conda/conda-meta/history": "",
        "opt/other/conda-meta/x-1.0-0.json": "{}",
        "root/log/history": "",
    }
    assert conda_prefixes(rootfs(tree)) == ("opt/conda/",)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"files": 1}', b"[" * 100_000, b"\xff"])
def test_broken_records_of_conda(data: bytes) -> None:
    tree = {**conda("pip"), "opt/conda/conda-meta/foo-1.0-0.json": data}
    assert distribution(tree).installer == "pip"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"url": "https://example.org/foo.whl", "archive_info": {}}',
            "https://example.org/foo.whl",
        ),
        (b'{"url": "file:///src", "dir_info": {"editable": true}}', "file:///src"),
        (
            b'{"url": "https://me:secret@example.org/foo.git",'
            b' "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "git+https://example.org/foo.git@abc",
        ),
        (b'{"url": "https://x/y", "vcs_info": {"vcs": "rm -rf", "commit_id": "1"}}', "https://x/y"),
        (b'{"url": "https://me:one@x/https://me:two@y"}', "https://x/https://y"),
        (b'{"url": 3}', ""),
        (b"{", ""),
        (b"", ""),
    ],
)
def test_direct_urls(data: bytes, expected: str) -> None:
    assert direct_url(data) == expected


# --- metadata and RECORD --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("metadata", "name", "version"),
    [
        ("Name: Foo\nVersion: 3\n\n", "foo", "3"),
        ("Name: Foo\r\nVersion: 3\r\n\r\nName: bar\r\n", "foo", "3"),
        ("Summary: x\n\nName: bar\n", "named", "1.5"),
        ("Name: Foo\n", "foo", "1.5"),
        ("Version: 3\n", "named", "3"),
        ("Name: Foo\nName: bar\nVersion: 3\nVersion: 4\n", "foo", "3"),
        ("", "named", "1.5"),
        ("\0\x1b[31m\n", "named", "1.5"),
    ],
)
def test_name_and_version(metadata: str, name: str, version: str) -> None:
    # An empty METADATA is no text that an index keeps.
    tree = {f"{SITE}/named-1.5.dist-info/METADATA": metadata or "\n"}
    found = distribution(tree)
    assert (found.name, found.version) == (name, version)


@pytest.mark.parametrize(
    ("record", "files"),
    [
        ("foo.py,sha256=x,3\n", 1),
        ("foo.py,sha256=x,3\r\nbar.py,,\r\n", 2),
        ('"foo.py",sha256=x,3\n"a,b.py",,\n', 2),
        ("foo.py\nfoo.py\n", 1),
        ("./foo.py,,\nsub/../bar.py,,\n", 2),
        (f"/{SITE}/foo.py,,\n", 1),
        ("../../../../../../../../etc/debian_version,,\n", 1),
        ("missing.py,,\n", 0),
        ('"unclosed\nfoo.py,,\n', 0),
        ("\0,,\n\xff,,\n,,\n", 0),
        ("link,,\nsub,,\n", 1),
        ('foo.py,,\n"' + "x" * 200_000 + '",,\nbar.py,,\n', 1),
    ],
)
def test_records(record: str, files: int) -> None:
    tree: Tree = {
        f"{SITE}/x-1.0.dist-info/METADATA": "Name: x\nVersion: 1.0\n",
        f"{SITE}/x-1.0.dist-info/RECORD": record,
        f"{SITE}/foo.py": "123",
        f"{SITE}/bar.py": "123",
        f"{SITE}/a,b.py": "123",
        f"{SITE}/sub/": None,
        f"{SITE}/link": Link("foo.py"),
    }
    found = distribution(tree)
    assert found.files == files


def test_more_files_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note says of which distributions; their names are told all the same."""
    monkeypatch.setattr("pyimginspect.inventory.distributions._MOST_FILES", 12)
    found = inventory(*BASE, dist_info("foo"), dist_info("zoo"))
    assert [each.name for each in found.distributions] == ["foo", "pip", "zoo"]
    assert [note.path for note in found.records.notes] == [f"{SITE}/zoo-1.0.dist-info"]


def test_paths_of_the_file_system_are_no_copies_in_what_lists_them() -> None:
    listed = "var/lib/dpkg/info/foo.list"
    status = "Package: foo\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    found = inventory(
        *BASE,
        dist_info("foo", files={"foo/module.py": ""}),
        {"var/lib/dpkg/status": status, listed: "/.\n/usr\n/usr/foo.txt\n/usr/gone\n"},
        {"usr/foo.txt": "x"},
    )
    nodes = found.rootfs.nodes
    rows = recorded(found.rootfs, SITE, f"{SITE}/foo-1.0.dist-info")
    assert rows is not None
    claims = installed_by_dpkg(found.rootfs).claims
    paths = [*rows, *(path for claim in claims for path in claim.paths)]
    assert {f"{SITE}/foo/module.py", "usr/foo.txt", "usr/gone"} <= set(paths)
    assert all(nodes[path].path is path for path in paths if path in nodes)


def test_a_record_of_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimginspect.inventory.records._MOST_ROWS", 2)
    assert list(rows_of(b"a,,1\nb,,2\nc,,3\n", "x")) == ["x/a", "x/b"]
    assert [row.path for row in read_record(b'"a",,1\nb,,2\nc,,3\n')] == ["a", "b"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_path_that_is_listed_twice_with_different_sizes_has_none(quote: str) -> None:
    record = f"{quote}a{quote},,1\n\n,,5\nb,,2\na,,3\nb,,2\nc,,\n"
    assert rows_of(record.encode(), "x") == {"x/a": "", "x/b": "2", "x/c": ""}


def test_of_a_record_200_000_rows_are_read() -> None:
    assert list(rows_of(b"a,,\n" * 199_999 + b"b,,\nc,,\n", "x")) == ["x/a", "x/b"]


@pytest.mark.parametrize(
    ("location", "path", "place"),
    [
        ("usr/lib", "foo/a.py", "usr/lib/foo/a.py"),
        ("", "foo/a.py", "foo/a.py"),
        ("usr/lib", "foo//a.py", "usr/lib/foo/a.py"),
        ("usr/lib", "./a.py", "usr/lib/a.py"),
        ("usr/lib", "../bin/foo", "usr/bin/foo"),
        ("usr/lib", "foo/", "usr/lib/foo"),
        ("usr/lib", "foo/.", "usr/lib/foo"),
        ("usr/lib", "foo/..", "usr/lib"),
        ("usr/lib", "foo.", "usr/lib/foo."),
        ("usr/lib", "/etc/foo", "etc/foo"),
    ],
)
def test_the_place_of_a_path_in_a_record(location: str, path: str, place: str) -> None:
    assert place_of(location, path) == place


@given(st.binary(max_size=300))
def test_no_record_is_too_strange(data: bytes) -> None:
    for row in read_record(data):
        assert row.path
        assert not place_of("a/b", row.path).startswith("/")


@pytest.mark.parametrize(
    ("location", "path", "place"),
    [
        ("lib", "a/b.py", "lib/a/b.py"),
        ("", "a/b.py", "a/b.py"),
        ("lib", "a//b.py", "lib/a/b.py"),
        ("lib", "./a/./b.py", "lib/a/b.py"),
        ("lib", "a/", "lib/a"),
        ("lib", "a/.", "lib/a"),
        ("lib", "..", ""),
        ("lib", "../bin/run", "bin/run"),
        ("lib", "/bin/run", "bin/run"),
        ("lib", "...", "lib/..."),
    ],
)
def test_the_place_of_what_a_record_lists(location: str, path: str, place: str) -> None:
    assert place_of(location, path) == place


@given(st.text(alphabet="ab./", min_size=1, max_size=20))
def test_a_place_is_never_above_the_root(path: str) -> None:
    place = place_of("usr/lib", path)
    assert ".." not in place.split("/")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a.py,sha256=abc,10\n", [Row("a.py", "sha256=abc", 10)]),
        (b"a.py,,\nb.py\n", [Row("a.py"), Row("b.py")]),
        (b'"a ""b"".py",,-3\n', [Row('a "b".py')]),
        (b"a.py,x," + b"9" * 4000 + b"\n", [Row("a.py", "x")]),
        # No file is as long as a number of 19 digits.
        (b"a.py,x," + b"9" * 19 + b"\n", [Row("a.py", "x")]),
        (b"a.py,x," + b"9" * 18 + b"\n", [Row("a.py", "x", 10**18 - 1)]),
        (b"a.py,x\n", [Row("a.py", "x")]),
    ],
)
def test_rows(data: bytes, expected: list[Row]) -> None:
    assert list(read_record(data)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Foo", "foo"), ("a.b_c--d", "a-b-c-d"), ("ruamel.yaml.clib", "ruamel-yaml-clib")],
)
def test_normalized(name: str, expected: str) -> None:
    assert normalized(name) == expected
