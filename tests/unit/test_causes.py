"""Why bytes are stored in vain: by cause, by owner, and which of two copies can be spared."""

import pytest

from pyimginspect.inventory.derived.causes import Cause, find_causes
from pyimginspect.inventory.derived.differences import changed_directories, differing_paths
from pyimginspect.inventory.derived.wasted_files import find_wasted, places_of
from pyimginspect.plan import make_plan
from pyimginspect.policy.settings import Policy
from tests.images import (
    Content,
    Directory,
    File,
    HardLink,
    Link,
    Package,
    debian_base,
    image,
    layer,
)
from tests.inventories import DEBIAN_STEP, apt, taken
from tests.rpms import Value, header, sqlite_database
from tests.unit.rules.causes import (
    GIT,
    INFO,
    MB,
    SITE,
    Tree,
    again,
    causes,
    inventory,
    left_under,
    no_git,
    on_base,
    waived,
    wheel,
    without,
)


def test_a_directory_that_goes_as_a_whole_is_one_owner() -> None:
    tree = {f"build/venv/lib/{n}/METADATA": File(b"x" * 10) for n in range(5)}
    found = inventory(tree, {".wh.build": ""})
    assert causes(found) == [("deleted", "/build", 50)]


def test_of_a_distribution_that_stays_the_directory_is_the_owner() -> None:
    tree = wheel("six", "1.17.0", core=MB, tests=b"t" * 500)
    found = inventory(tree, {f"{SITE}/six/.wh.tests.py": ""})
    assert causes(found) == [("deleted", "/usr/local/lib", 500)]


def test_owners_beyond_the_largest_are_told_in_one() -> None:
    trees = [wheel(f"dist{n:02}", "1.0", core=b"x" * (100 + n)) for n in range(25)]
    every = {path: content for tree in trees for path, content in tree.items()}
    gone = without(
        *(name for n in range(25) for name in (f"dist{n:02}", f"dist{n:02}-1.0.dist-info"))
    )
    found = find_causes(inventory(every, gone))
    assert [len(cause.owners) for cause in found] == [1] * 20 + [5]
    assert sum(cause.freed.size for cause in found) == sum(
        wasted.size for cause in found for wasted in cause.wasted_files
    )


def test_what_the_base_has_already_is_stored_again_in_vain() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/old": File(b"n" * 9),
        "usr/lib/new/a": "1",
        "usr/lib/new/b": "2",
    }
    found = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    finding = again(found)
    assert (finding.saving, finding.savings, finding.layers) == (1_000_000, {1: 1_000_000}, (0, 1))
    assert finding.message.endswith("identical to the files in the base image")
    assert finding.fix == (
        "COPY only the files that the layers below do not have, in place of COPY /usr /usr:"
        " /usr/lib/new, /usr/lib/old"
    )


def test_a_copy_that_brings_nothing_is_to_be_dropped() -> None:
    found = on_base({"usr/lib/big.so": File(MB)}, steps=("COPY /usr /usr # buildkit",))
    assert (
        again(found).fix == "Drop COPY /usr /usr: the layers below already have all of its files."
    )


def test_a_copy_with_a_name_of_its_own_is_needed() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/other.so": HardLink("usr/lib/big.so"),
    }
    found = on_base(copy, steps=("COPY /usr /usr # buildkit",))
    assert [cause.freed.size for cause in find_causes(found)] == [0]


def test_hard_links_copied_as_hard_links_are_the_same_again() -> None:
    pair: dict[str, Content] = {"usr/bin/perl": File(MB), "usr/bin/perl5": HardLink("usr/bin/perl")}
    base: dict[str, Content] = {**debian_base(), **pair}
    one = image([base, pair], history=[DEBIAN_STEP, "COPY /usr /usr # buildkit"])
    assert [(c.kind, c.freed.size) for c in find_causes(taken(one))] == [("again", 1_000_000)]


def test_of_three_copies_two_are_spared() -> None:
    tree: Tree = {"app/data": File(MB)}
    found = inventory(tree, tree, tree)
    assert {each for cause in find_causes(found) for each in cause.freed.contents} == {
        (4, 0),
        (6, 0),
    }


@pytest.mark.parametrize(
    ("mode", "uid", "changed"), [(0o755, 0, []), (0o1777, 0, ["s/dir"]), (0o755, 1000, ["s/dir"])]
)
def test_a_copy_that_changes_a_directory_is_not_dropped(
    mode: int, uid: int, changed: list[str]
) -> None:
    same: dict[str, Content] = {"usr/lib/big.so": File(MB), "s/dir/": None}
    copy: dict[str, Content] = {**same, "s/dir/": Directory(mode=mode, uid=uid)}
    one = image([{**debian_base(), **same}, copy], history=[DEBIAN_STEP, "COPY / /"])
    found = taken(one)
    (cause,) = [each for each in find_causes(found) if each.kind == "again"]
    assert changed_directories(found, cause) == changed
    (edit,) = [each for each in make_plan(found).edits if each.layer == 1]
    assert (edit.level, bool(edit.operations)) == (("review", False) if changed else ("safe", True))
    said = "Set the owner and mode of /s/dir where it is made" if changed else "Drop COPY / /:"
    assert again(found).fix.startswith(said)


def test_differing_paths_hold_nothing_that_is_there_already() -> None:
    copy: dict[str, Content] = {
        "usr/lib/big.so": File(MB),
        "usr/lib/x/y/new": "1",
        "opt/app/main": "2",
        "opt/app/lib/util": "3",
    }
    (cause,) = find_causes(on_base(copy, steps=("COPY / /",)))
    assert differing_paths(on_base(copy, steps=("COPY / /",)), cause) == ["opt", "usr/lib/x"]


@pytest.mark.parametrize(
    ("base", "copy", "expected"),
    [
        # Links, empty files and directories that are there already need not be copied again.
        ({"s/link": Link("a"), "s/empty": "", "s/dir/": None},
         {"s/link": Link("a"), "s/empty": "", "s/dir/": None, "s/new": "1"}, ["s/new"]),
        ({"s/link": Link("a")}, {"s/link": Link("b")}, ["s/link"]),
        ({"s/empty": ""}, {"s/empty": "1"}, ["s/empty"]),
        ({"s/full": "1"}, {"s/full": ""}, ["s/full"]),
        ({"s/x": ""}, {"s/x": Link("x")}, ["s/x"]),
        ({}, {"s/link": Link("a"), "t/dir/": None}, ["s/link", "t"]),
        ({"s/dir/one": "1"}, {"s/dir/": None, "s/dir/two": "2"}, ["s/dir"]),
        # A name of a file that is there already is no new file, one of a new file is.
        ({}, {"usr/lib/more.so": HardLink("usr/lib/big.so")}, []),
        ({}, {"s/new": "1", "s/name": HardLink("s/new")}, ["s/name", "s/new"]),
        # An empty file of another owner or mode is another file: a lock, a marker.
        ({"s/empty": ""}, {"s/empty": File("", mode=0o600)}, ["s/empty"]),
        ({"s/empty": ""}, {"s/empty": File("", uid=1000)}, ["s/empty"]),
    ],
)  # fmt: skip
def test_what_is_the_same_need_not_be_copied(base: Tree, copy: Tree, expected: list[str]) -> None:
    same: dict[str, Content] = {"usr/lib/big.so": File(MB), "s/same": File(MB)}
    one = image(
        [{**debian_base(), **same, **base},
         {**same, **copy}],
        history=[DEBIAN_STEP, "COPY / /"],
    )  # fmt: skip
    found = taken(one)
    (cause,) = [each for each in find_causes(found) if each.kind == "again"]
    assert differing_paths(found, cause) == expected


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["a/b/c/d/e"], ["/a/b/c"]),
        (["a/b/c"], ["/a/b/c"]),
        (["a/b/c/d/e/one", "a/b/c/d/e/two"], ["/a/b/c/d/e"]),
        (["a/b/c/d/one", "a/b/x/two"], ["/a/b"]),
        # Nothing in common: the top directories, most bytes first, then by name.
        (["a/one", "b/c/d/e/three", "b/c/d/four", "x/two"], ["/b/c/d", "/a/one", "/x/two"]),
        (["top", "a/one"], ["/a/one", "/top"]),
    ],
)
def test_the_places_of_what_was_wasted(paths: list[str], places: list[str]) -> None:
    made = dict.fromkeys(paths, "1")
    gone = {f".wh.{path.partition('/')[0]}": "" for path in paths}
    assert places_of(find_wasted(inventory(made, gone))) == places


def test_what_is_deleted_late_is_freed_with_the_copies_below_it() -> None:
    tree: Tree = {"tmp/x": File(MB)}
    found = inventory(tree, tree, {"tmp/.wh.x": ""})
    freed = {each for cause in find_causes(found) for each in cause.freed.contents}
    assert freed == {(4, 0), (5, 0)}


def test_a_cause_names_its_layers() -> None:
    (cause,) = find_causes(inventory({"a": "1"}, {"b": "2"}, {".wh.a": "", ".wh.b": ""}))
    assert isinstance(cause, Cause)
    assert (cause.owner.name, cause.removed_in, cause.makers, cause.size) == ("/", 6, (4, 5), 2)


def test_what_is_allowed_of_one_owner_hides_no_other() -> None:
    scipy = wheel("scipy", "1.15.2", core=MB)
    gone = no_git() | without("scipy", "scipy-1.15.2.dist-info")
    found = inventory(apt(GIT, manual=["git"]), scipy, gone)
    git = ("git", "git-*")
    assert left_under(found, Policy(name="p", allowed_packages=git)) == ["scipy"]
    assert left_under(found, Policy(name="p", allowed_packages=("git",))) == ["scipy", "git"]
    assert left_under(found, waived(packages=git)) == ["scipy"]
    assert left_under(found, waived(paths=("usr/bin/git",))) == ["scipy", "git"]
    assert left_under(found, waived(paths=("usr/bin/git", "usr/share/git*"))) == ["scipy"]


def apk_database(*names: str) -> str:
    return "".join(f"P:{name}\nV:1-r0\nA:x86_64\nF:usr/bin\nR:{name}\n\n" for name in names)


def test_packages_of_apk_are_owners_too() -> None:
    db = "lib/apk/db/installed"
    base: dict[str, Content] = {"etc/alpine-release": "3.20.3\n", db: apk_database("busybox")}
    made: dict[str, Content] = {
        "usr/bin/git": File(MB),
        "usr/bin/jq": File(b"j" * 500),
        db: apk_database("busybox", "git", "jq"),
    }
    gone: dict[str, Content] = {"usr/bin/.wh.git": "", "usr/bin/.wh.jq": "", db: base[db]}
    steps = ["ADD alpine-minirootfs-3.20.3-x86_64.tar.gz / # buildkit", "RUN add", "RUN del"]
    found = taken(image([base, made, gone], history=steps))
    assert causes(found) == [("deleted", "git", 1_000_000), ("deleted", "jq", 500)]


@pytest.mark.parametrize("emptied", [False, True])
def test_packages_of_rpm_are_owners_too(emptied: bool) -> None:
    db = "usr/lib/sysimage/rpm/rpmdb.sqlite"

    def rpm(name: str) -> bytes:
        values: dict[str, Value] = {
            "name": name, "version": "1", "release": "1", "arch": "x86_64",
            "dirindexes": [0], "basenames": [name], "dirnames": ["/usr/bin/"],
        }  # fmt: skip
        return header(values)

    base: dict[str, Content] = {
        "etc/os-release": "ID=fedora\nVERSION_ID=41\n", db: sqlite_database([rpm("bash")]),
        "usr/bin/bash": "b",
    }  # fmt: skip
    made: dict[str, Content] = {
        "usr/bin/git": File(MB), db: sqlite_database([rpm("bash"), rpm("git")])
    }  # fmt: skip
    if emptied:
        made["var/lib/rpm/rpmdb.sqlite"] = sqlite_database([])
    gone = {"usr/bin/.wh.git": "", db: base[db]}
    found = taken(image([base, made, gone], history=["ADD fedora /", "RUN in", "RUN out"]))
    assert ("deleted", "git", 1_000_000) in causes(found)


def test_what_a_layer_stores_twice_is_its_own_waste() -> None:
    twice = layer([("a", "123"), ("a", "12"), ("b", "1"), (".wh.b", "")])
    one = image([layer(debian_base()), twice], history=[DEBIAN_STEP, "COPY a /"])
    assert causes(taken(one)) == [("overwritten", "/a", 3)]


@pytest.mark.parametrize("info", ["acme-1.0.egg-info", "acme-1.0-py3.13.egg-info"])
def test_distributions_of_setuptools_have_their_own_list(info: str) -> None:
    made: dict[str, Content] = {
        f"{SITE}/acme/core.py": File(b"c" * 700),
        f"{SITE}/{info}/PKG-INFO": "Name: acme\n",
        f"{SITE}/{info}/installed-files.txt": "../acme/core.py\nPKG-INFO\n",
        f"{SITE}/other/core.py": File(b"o" * 50),
    }
    found = inventory(made, without("acme", info, "other"))
    assert [(name, size) for _, name, size in causes(found)] == [
        ("acme", 700 + sum(len(str(made[path])) for path in made if info in path)),
        ("/usr/local/lib", 50),
    ]


def packed(name: str, *paths: str, **fields: str) -> dict[str, Package]:
    return {name: {**fields, "files": {path: File(name * 100) for path in paths}}}


GIT1, GIT2 = (packed("git", "usr/bin/git", Version=version) for version in "12")
GIT2["git"] = {**GIT2["git"], "files": {"usr/bin/git": "2"}}
TOOL = {**packed("tool", "usr/bin/tool", Depends="alib"), **packed("alib", "usr/lib/alib")}
GONE = {f"{INFO}/.wh.{name}.list": "" for name in ("alib", "git", "tool")}
NO_GIT, NO_TOOL = {"usr/bin/.wh.git": ""}, {"usr/bin/.wh.tool": "", "usr/lib/.wh.alib": ""}
OLD_NAMES: dict[str, Package] = {"git": {"files": ["bin/git"]}}
META = f"{SITE}/six-1.17.0.dist-info"
SIX: dict[str, Content] = {
    **wheel("six", "1.17.0"),
    f"{SITE}/six.py": "#",
    f"{SITE}/__pycache__/six.cpython-313.pyc": "c",
    f"{META}/RECORD": "six.py,,\n",
    f"{META}/INSTALLER": "pip",
}
NO_SIX = {
    **without("six.py", "six-1.17.0.dist-info"),
    f"{SITE}/__pycache__/.wh.six.cpython-313.pyc": "",
}
LONE = {path: SIX[path] for path in (f"{SITE}/six.py", f"{META}/METADATA")}
TEXT = str(SIX[f"{META}/METADATA"])
ENV: dict[str, Content] = {
    **wheel("six", "1", core=b"c"),
    "opt/env/lib/a-1.dist-info/METADATA": "Name: a",
    "opt/env/lib/b.py": "b",
    "opt/my-info/a": "n",
    "opt/my-info/b": "n",
}


def deep(count: int, *, gone: bool = False) -> dict[str, Content]:
    """So many directories, with two files each."""
    if gone:
        return {f"a/b/c/.wh.{number}": "" for number in range(count)}
    return {f"a/b/c/{number}/{name}": "1" for number in range(count) for name in "xy"}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # What is compiled of a module that a RECORD lists.
        ([SIX, NO_SIX], [("deleted", "six")]),
        # Without a RECORD, what goes with it from the same directory.
        ([LONE, without("six.py", "six-1.17.0.dist-info")], [("deleted", "six")]),
        # A part of the metadata of what is still there, and what pip has installed again.
        ([SIX, {f"{META}/.wh.INSTALLER": ""}], [("deleted", "/usr/local/lib")]),
        ([SIX, {f"{META}/METADATA": File(TEXT, uid=1000)}], [("rewritten", "/usr/local/lib")]),
        ([SIX, {f"{META}/METADATA": File(TEXT, mtime=1)}], [("replaced", "six")]),
        # An environment that goes as a whole, and a directory that looks like metadata.
        ([ENV, {"opt/.wh.env": "", "opt/.wh.my-info": ""}],
         [("deleted", "/opt/env"), ("deleted", "/opt/my-info")]),
        # Packages: by what layer they were removed or upgraded, with what they needed.
        ([apt({**GIT1, **TOOL}), {**apt({}, below=TOOL), "usr/bin/tool": "mine", **NO_GIT, **GONE},
          {**apt({}), **NO_TOOL}],
         [("deleted", "git"), ("overwritten", "/usr/bin/tool"), ("deleted", "tool")]),
        ([apt(GIT1), apt(GIT2), {"usr/bin/git": "mine"}],
         [("replaced", "git"), ("overwritten", "/usr/bin/git")]),
        # With merged /usr, a package may list what it has by the old name.
        ([{**apt(OLD_NAMES), "usr/bin/git": "g" * 100}, {**apt({}), **NO_GIT, **GONE}],
         [("deleted", "git")]),
        # So many directories are distinguished.
        ([deep(12), deep(12, gone=True)],
         [("deleted", f"/a/b/c/{name}") for name in sorted(map(str, range(12)))]),
        ([deep(13), deep(13, gone=True)], [("deleted", "/a/b/c")]),
    ],
)  # fmt: skip
def test_whose_files_were_wasted(layers: list[Tree], expected: list[tuple[str, str]]) -> None:
    found = [(each.kind, each.owner.name) for each in find_causes(inventory(*layers))]
    assert found == expected


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (File("a", mtime=1), "again"),
        (File("b", mtime=1), "overwritten"),
        (File("a", mode=0o755), "rewritten"),
    ],
)
def test_what_a_copy_stores_again(second: File, kind: str) -> None:
    found = inventory({"app/x": "a"}, {"app/x": second}, steps=("RUN a", "COPY x /app/x"))
    assert [each.kind for each in find_causes(found)] == [kind]


def test_files_of_several_directories_under_one_name_are_all_counted() -> None:
    made = {f"a/b/c/{number}/x": "12345" for number in range(3)}
    found = inventory(made, {f"a/b/c/.wh.{number}": "" for number in range(3)})
    assert causes(found) == [("deleted", "/a/b/c", 15)]
