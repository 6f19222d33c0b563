"""Layers on top of each other, against tables of cases and a naive replay."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect import changesets
from pyimginspect.changesets import LayerStack, apply_layers
from pyimginspect.errors import CorruptLayerError, LimitError
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.ledger import Ledger, build_ledger
from pyimginspect.model import Digest, Layer
from pyimginspect.plan.planned import PlannedRootFS
from pyimginspect.rootfs import RootFS
from tests.effort import examples
from tests.images import Content, Device, Directory, File, HardLink, Link, Tree, elf, layer


def stack(*trees: Tree) -> tuple[Layer, ...]:
    return tuple(
        Layer(number=number, index=index_layer(BytesBlob(data=layer(tree)), digests=True).index)
        for number, tree in enumerate(trees)
    )


def applied(*trees: Tree) -> RootFS:
    return apply_layers(stack(*trees))


def listing(rootfs: RootFS) -> dict[str, int]:
    """Every path that an entry describes, with the layer that put it there."""
    return {path: rootfs[path].layer for path in rootfs if rootfs[path].position >= 0}


NOTHING = Device(major=0, minor=0)
EMPTY = File("123", pax={"GNU.sparse.map": "0,0", "GNU.sparse.size": "0"})
MARKED = Directory(pax={"SCHILY.xattr.trusted.overlay.opaque": "y"})

CASES: dict[str, tuple[Sequence[Tree], dict[str, int]]] = {
    "nothing": ([], {}),
    "an empty layer": ([{}], {}),
    "one above the other": ([{"a": "1"}, {"b": "2"}], {"a": 0, "b": 1}),
    "the higher wins": ([{"a": "1"}, {"a": "2"}], {"a": 1}),
    "the last of one name wins": ([[("a", "1"), ("a", "2")]], {"a": 0}),
    "whiteout": ([{"d/": None, "d/a": "1"}, {"d/": None, "d/.wh.a": ""}], {"d": 1}),
    "whiteout in a directory that the layer does not describe": (
        [{"d/": None, "d/a": "1", "d/b": "1"}, {"d/.wh.a": ""}],
        {"d/b": 0},
    ),
    "whiteout of a directory": (
        [{"d/": None, "d/a": "1", "d/e/": None, "d/e/b": "2"}, {".wh.d": ""}],
        {},
    ),
    "whiteout of nothing": ([{"a": "1"}, {".wh.b": "", "x/.wh.y": ""}], {"a": 0}),
    "whiteout hides lower layers only": (
        [{"a": "old"}, {"a": "new", ".wh.a": ""}],
        {"a": 1},
    ),
    "whiteout and file the other way round": (
        [{"a": "old"}, {".wh.a": "", "a": "new"}],
        {"a": 1},
    ),
    "a directory made after its whiteout merges with the lower one": (
        [{"d/": None, "d/old": "1"}, {".wh.d": "", "d/": None, "d/new": "2"}],
        {"d": 1, "d/old": 0, "d/new": 1},
    ),
    "and so do those in it": (
        [
            {"d/": None, "d/e/": None, "d/e/old": "1"},
            {".wh.d": "", "d/": None, "d/.wh.e": "", "d/e/": None, "d/e/new": "2"},
        ],
        {"d": 1, "d/e": 1, "d/e/old": 0, "d/e/new": 1},
    ),
    "a link made after its directory's whiteout": (
        [{"d/": None, "d/old": "1"}, {".wh.d": "", "d": Link("e")}],
        {"d": 1},
    ),
    "a directory made before its whiteout holds what the layer has": (
        [{"d/": None, "d/old": "1"}, {"d/": None, "d/new": "2", ".wh.d": ""}],
        {"d": 1, "d/new": 1},
    ),
    "whiteout through a linked directory": (
        [{"usr/bin/ls": "1", "bin": Link("usr/bin")}, {"bin/.wh.ls": ""}],
        {"usr/bin/ls": 0},
    ),
    "whiteout through a linked directory of the same layer": (
        [{"usr/bin/ls": "1"}, {"usr/bin/": None, "bin": Link("usr/bin"), "bin/.wh.ls": ""}],
        {"bin": 1, "usr/bin": 1},
    ),
    "whiteout of a linked directory": (
        [{"usr/bin/": None, "bin": Link("usr/bin")}, {".wh.bin": ""}],
        {"usr/bin": 0},
    ),
    "opaque": (
        [{"d/": None, "d/a": "1", "d/e/b": "2"}, {"d/.wh..wh..opq": "", "d/c": "3"}],
        {"d/c": 1},
    ),
    "opaque hides what is in directories that the layer has too": (
        [
            {"d/": None, "d/e/": None, "d/e/f/old": "1", "d/e/g/": None},
            {"d/": None, "d/.wh..wh..opq": "", "d/e/f/": None, "d/e/f/new": "2"},
        ],
        {"d": 1, "d/e/f": 1, "d/e/f/new": 1},
    ),
    "opaque below another": (
        [{"d/e/old": "1", "d/old": "1"}, {"d/e/.wh..wh..opq": "", "d/.wh..wh..opq": ""}],
        {},
    ),
    "opaque through a link": (
        [{"usr/bin/ls": "1", "bin": Link("usr/bin")}, {"bin/.wh..wh..opq": ""}],
        {"usr/bin/ls": 0},
    ),
    "opaque wherever it stands": (
        [{"d/": None, "d/a": "1"}, {"d/": None, "d/c": "3", "d/.wh..wh..opq": ""}],
        {"d": 1, "d/c": 1},
    ),
    "opaque at the root hides nothing": (
        [{"a": "1", "b/c": "2"}, {".wh..wh..opq": "", "d": "3"}],
        {"a": 0, "b/c": 0, "d": 1},
    ),
    "aufs's own files are whiteouts, and directories of such names are directories": (
        [{".wh..wh.aufs": "", ".wh..wh.plnk/": None, ".wh..wh.plnk/1.2": "x", "a": "1"}],
        {".wh..wh.plnk/1.2": 0, "a": 0},
    ),
    "directory over directory merges": (
        [{"d/": None, "d/a": "1"}, {"d/": Directory(mode=0o700), "d/b": "2"}],
        {"d": 1, "d/a": 0, "d/b": 1},
    ),
    "file over directory replaces": ([{"d/": None, "d/a": "1"}, {"d": "2"}], {"d": 1}),
    "directory over file replaces": ([{"d": "1"}, {"d/": None, "d/a": "2"}], {"d": 1, "d/a": 1}),
    "directory over link replaces": (
        [{"usr/bin/": None, "usr/bin/x": "1", "bin": Link("usr/bin")}, {"bin/": None}],
        {"usr/bin": 0, "usr/bin/x": 0, "bin": 1},
    ),
    "a name replaces the lower link that it leads through": (
        [{"usr/bin/": None, "usr/bin/x": "1", "bin": Link("usr/bin")}, {"bin/y": "1"}],
        {"usr/bin": 0, "usr/bin/x": 0, "bin/y": 1},
    ),
    "on its way too": (
        [{"usr/lib/": None, "lib": Link("/usr/lib")}, {"lib/x/": None, "lib/x/y": "1"}],
        {"usr/lib": 0, "lib/x": 1, "lib/x/y": 1},
    ),
    "in a directory of the layer": (
        [{"d/": None, "d/usr/": None, "d/bin": Link("usr")}, {"d/": None, "d/bin/x": "1"}],
        {"d": 1, "d/usr": 0, "d/bin/x": 1},
    ),
    "a lower symbolic link loop": (
        [{"a": Link("b"), "b": Link("a")}, {"a/x": "1"}],
        {"b": 0, "a/x": 1},
    ),
    "a name goes through a link of its layer": (
        [{"usr/bin/": None, "bin": Link("usr/bin"), "bin/y": "1"}],
        {"usr/bin": 0, "bin": 0, "usr/bin/y": 0},
    ),
    "a link again, and then a name": (
        [
            {"usr/bin/": None, "usr/bin/x": "1", "bin": Link("usr/bin")},
            {"usr/bin/": None, "bin": Link("usr/bin"), "bin/y": "1"},
        ],
        {"usr/bin": 1, "bin": 1, "usr/bin/x": 0, "usr/bin/y": 1},
    ),
    "through an absolute link": (
        [{"usr/lib/": None, "lib": Link("/usr/lib"), "lib/x/": None, "lib/x/y": "1"}],
        {"usr/lib": 0, "lib": 0, "usr/lib/x": 0, "usr/lib/x/y": 0},
    ),
    "through a link that climbs too far": (
        [{"a/": None, "b": Link("../../../a"), "b/x": "1"}],
        {"a": 0, "b": 0, "a/x": 0},
    ),
    "through a link to what only a lower layer has": (
        [{"usr/": None, "usr/y": "1"}, {"bin": Link("usr"), "bin/x": "2"}],
        {"bin": 1, "usr/y": 0, "usr/x": 1},
    ),
    "a link that changes its mind": (
        [
            {"one/": None, "two/": None, "to": Link("one"), "to/a": "1"},
            {"two/": None, "to": Link("two"), "to/b": "2"},
        ],
        {"one": 0, "two": 1, "to": 1, "one/a": 0, "two/b": 1},
    ),
    "a directory of a lower layer without an entry": (
        [{"d/": Directory(mode=0o1777, uid=5), "d/a": "1"}, {"d/b": "2"}],
        {"d/a": 0, "d/b": 1},
    ),
    "whiteout in a directory that nobody has": ([{"a": "1"}, {"n/m/.wh.x": ""}], {"a": 0}),
    "opaque in a directory that nobody has": ([{"a": "1"}, {"n/m/.wh..wh..opq": ""}], {"a": 0}),
    "a second name of another mode and owner": (
        [{"a": File("1", mode=0o600), "b": HardLink("a", mode=0o755, uid=7, gid=8)}],
        {"a": 0, "b": 0},
    ),
    "a second name of a link": (
        [{"a": "1", "l": Link("a"), "b": HardLink("l", mode=0o755, uid=7, gid=8)}],
        {"a": 0, "l": 0, "b": 0},
    ),
    "a second name in an upper layer replaces": (
        [{"a": "1", "b": "2"}, {"c": "3", "a": HardLink("c", mode=0o755)}],
        {"a": 1, "b": 0, "c": 1},
    ),
    "a directory replaced by a link within a layer": (
        [[("d/", None), ("d/a", "1"), ("e/", None), ("d", Link("e")), ("d/b", "2")]],
        {"d": 0, "e": 0, "e/b": 0},
    ),
    "hard links": ([{"a": "1", "b": HardLink("a")}], {"a": 0, "b": 0}),
    "a hard link outlives its target": ([{"a": "1", "b": HardLink("a")}, {".wh.a": ""}], {"b": 0}),
    "a hard link to nothing is not there": ([{"b": HardLink("a")}], {}),
    "a hard link to itself is not there": ([{"b": HardLink("b")}], {}),
    "a hard link to a directory is not there": ([{"d/": None, "b": HardLink("d")}], {"d": 0}),
    "a link that changes its mind within a layer": (
        [
            [
                *(("one/", None), ("two/", None), ("to", Link("one")), ("to/a", "1")),
                *(("to", Link("two")), ("to/b", "2")),
            ]
        ],
        {"one": 0, "two": 0, "to": 0, "one/a": 0, "two/b": 0},
    ),
    "a directory behind a link that becomes a link": (
        [
            [
                *(("r/d/", None), ("e/", None), ("l", Link("r/d")), ("l/a", "1")),
                *(("r/d", Link("/e")), ("l/b", "2")),
            ]
        ],
        {"r/d": 0, "e": 0, "l": 0, "e/b": 0},
    ),
    "through a link that is not written plainly": (
        [{"a/b/": None, "l": Link("./a//../a/b/."), "l/x": "1"}],
        {"a/b": 0, "l": 0, "a/b/x": 0},
    ),
    "a link to a link in another directory": (
        [{"a/b/": None, "a/m": Link("b"), "l": Link("a/m"), "l/x": "1", "l/y": "2"}],
        {"a/b": 0, "a/m": 0, "l": 0, "a/b/x": 0, "a/b/y": 0},
    ),
    "a link that climbs to a neighbour": (
        [{"a/b/": None, "a/c/": None, "l": Link("a/b/../c"), "l/x": "1", "m": HardLink("l/x")}],
        {"a/b": 0, "a/c": 0, "l": 0, "a/c/x": 0, "m": 0},
    ),
    "a hard link to nowhere": ([{"x": "1", "b": HardLink("nowhere/x")}], {"x": 0}),
    "a hard link that climbs out of a file": (
        [{"f": "1", "d/x": "1", "l": Link("f/../d"), "h": HardLink("l/x")}],
        {"f": 0, "d/x": 0, "l": 0},
    ),
    "a hard link through links": (
        [{"a/f": "1", "l": Link("a"), "m/": None, "m/n": Link("../l"), "h": HardLink("m/n/f")}],
        {"a/f": 0, "l": 0, "m": 0, "m/n": 0, "h": 0},
    ),
    "a hard link below a file, behind a link to one, and to the root": (
        [{"f": "1", "l": Link("f"), "b": HardLink("f/x"), "c": HardLink("l/x"), "d": HardLink("")}],
        {"f": 0, "l": 0},
    ),
    "a whiteout of what the layer has made through a link": (
        [
            {"d/": None, "d/old": "1"},
            {"d/": None, "l": Link("d"), "d/e/": None, "l/.wh.e": "", "l/.wh.old": ""},
        ],
        {"d": 1, "l": 1, "d/e": 1},
    ),
    "a file used as a directory": ([{"a": "1"}, {"a/b": "2"}], {"a/b": 1}),
    "a device 0/0 is a whiteout of an overlay file system": (
        [
            {"d/a": "1", "e": "2", "f": "3", "x/y": "4"},
            {"d": NOTHING, "e": NOTHING, "l": HardLink("e"), "x/y": NOTHING, "x/z": "5"},
            {"f": NOTHING, "e": "6"},
        ],
        {"e": 2, "x/z": 1},
    ),
    "other devices are devices": (
        [{"a": "1", "b": "2"}, {"a": Device(block=True, major=0, minor=0), "b": Device(minor=0)}],
        {"a": 1, "b": 1},
    ),
    "a directory of an overlay file system may be marked as opaque": (
        [
            {"d/": None, "d/a": "1", "d/e/b": "2", "c": "3"},
            {"d": MARKED, "d/e/": None, "d/f": "4"},
            {"d/": None, "d/g": "5"},
        ],
        {"c": 0, "d": 2, "d/e": 1, "d/f": 1, "d/g": 2},
    ),
    "but for that of the root": ([{"a": "1"}, {"./": MARKED, "b": "1"}], {"": 1, "a": 0, "b": 1}),
    "a file of the layer in the place of a device 0/0 of it": (
        [{"a": "1"}, [("a", NOTHING), ("a", "2")]],
        {"a": 1},
    ),
    "dot files are files": ([{".whatever": "1", "d/.wh": "2"}], {".whatever": 0, "d/.wh": 0}),
}


@pytest.mark.parametrize("name", CASES)
def test_layers_put_together(name: str) -> None:
    trees, expected = CASES[name]
    rootfs = applied(*trees)
    assert listing(rootfs) == expected
    everything = [path for path in rootfs if path]
    assert sorted(node.path for node in rootfs.walk()) == everything
    parents = {path.rpartition("/")[0] for path in everything}
    assert rootfs.directories == tuple(sorted(parents))
    assert {child for parent in parents for child in rootfs.children(parent)} == {*everything}


def test_a_file_system_without_some_of_its_files() -> None:
    whole = applied({"a/x": "1", "a/y": "2"}, {"a/z": "3", "b": Link("a/x")})
    planned = PlannedRootFS(whole, {"a/x", "b", "not/there"})
    assert list(planned) == ["", "a", "a/y", "a/z"]
    assert len(planned) == 4
    assert planned.children("a") == ["a/y", "a/z"]
    assert [planned.get(path) is not None for path in ("a/x", "a/y", "b")] == [False, True, False]
    assert (planned.resolve("b"), whole.resolve("b")) == (None, "a/x")
    assert list(whole) == ["", "a", "a/x", "a/y", "a/z", "b"]


def test_what_is_known_of_files_goes_with_them() -> None:
    files: dict[str, Content] = {"pyvenv.cfg": "home = /bin", "lib.so": elf()}
    trees = {f"{top}/{name}": files[name] for top in ("x", "y") for name in files}
    whole = applied(trees)
    planned = PlannedRootFS(whole, {path for path in trees if path.startswith("x/")})
    for known in ("texts", "elf"):
        here, there = getattr(whole, known), getattr(planned, known)
        assert {**there} == {path: here[path] for path in here if path.startswith("y/")} != {}
        assert len(here) == 2 * len(there)


def test_the_root_is_there_from_the_beginning() -> None:
    root = applied({}, {"a": "1"})[""]
    assert (root.kind, root.layer, root.position) == ("directory", 0, -1)


@pytest.mark.parametrize(
    ("trees", "expected"),
    [
        ([{"a": "1", "a/b/c": "2"}], [("a file is used as a directory", "a", 0)]),
        ([{"a": "1"}, {"a/b": "2"}], []),
        ([{}, {"d/b": HardLink("a")}], [("hard link to no file", "d/b", 1)]),
        ([{"d/": None}, {"l": Link("d"), "b": HardLink("l/")}], []),
        ([{"d/": None, "b": HardLink("d")}], [("hard link to no file", "b", 0)]),
        ([{"a": "1", "b": HardLink("a")}, {"b": HardLink("a")}], []),
    ],
)
def test_what_no_engine_would_make_is_a_note(
    trees: Sequence[Tree], expected: list[tuple[str, str, int]]
) -> None:
    assert [(note.what, note.path, note.layer) for note in applied(*trees).notes] == expected


@pytest.mark.parametrize(("links", "followed"), [(40, True), (41, False)])
def test_as_many_links_are_followed_as_linux_follows(links: int, followed: bool) -> None:
    tree: dict[str, Content] = {"a/": None}
    tree |= {f"l{n}": Link(f"l{n + 1}" if n < links else "a") for n in range(1, links + 1)}
    tree["l1/x"] = "1"
    if followed:
        assert "a/x" in applied(tree)
        return
    with pytest.raises(CorruptLayerError, match="symbolic link loop"):
        applied(tree)


def test_the_limits_are_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    through: Tree = {"a/": None, "l": Link("a/../a"), "l/x": "1", "m": Link("a"), "m/y": "2"}
    monkeypatch.setattr(changesets, "_MOST_STEPS", 4)
    assert "a/y" in applied(through)
    monkeypatch.setattr(changesets, "_MOST_STEPS", 3)
    with pytest.raises(LimitError, match="through 3 directories, and more") as steps:
        applied(through)
    assert (steps.value.layer, steps.value.entry) == ("0", "m/y")
    implied: Tree = {"a/x": "1", "b/c/x": "2"}
    monkeypatch.setattr(changesets, "_MOST_IMPLIED", 5)
    assert "b/c/x" in applied(implied)
    monkeypatch.setattr(changesets, "_MOST_IMPLIED", 4)
    with pytest.raises(LimitError, match="no entry describes have") as names:
        applied(implied)
    assert (names.value.layer, names.value.entry) == ("0", "b/c/x")


def test_a_copy_leaves_the_original_alone() -> None:
    below, above = stack({"d/a": "123", "d/b": HardLink("d/a"), "l": Link("d")}, {"d/.wh.a": ""})
    bottom = LayerStack()
    bottom.apply(below)
    copy = bottom.copy()
    copy.apply(above)
    assert listing(copy.rootfs((below, above))) == {"d/b": 0, "l": 0}
    rootfs = bottom.rootfs((below,))
    assert listing(rootfs) == {"d/a": 0, "d/b": 0, "l": 0}
    assert rootfs.children("d") == ["d/a", "d/b"]
    assert rootfs.removals == ()


def test_a_copy_counts_on_from_where_the_original_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changesets, "_MOST_STEPS", 3)
    monkeypatch.setattr(changesets, "_MOST_IMPLIED", 3)
    below, links, deep = stack(
        {"a/": None, "l": Link("a/."), "l/x": "1", "b/x": "2"},
        {"a/": None, "l": Link("a/."), "l/y": "1"},
        {"bb/d/y": "2"},
    )
    for above in (links, deep):
        bottom = LayerStack()
        bottom.apply(below)
        with pytest.raises(LimitError):
            bottom.copy().apply(above)


@pytest.mark.parametrize("name", ["c", ".wh.c", ".wh..wh..opq"])
def test_directories_that_nobody_describes_are_there(name: str) -> None:
    rootfs = applied({}, {f"a/b/{name}": ""})
    assert [path for path in sorted(rootfs.nodes) if path != "a/b/c"] == ["", "a", "a/b"]
    assert rootfs["a/b"].kind == "directory"
    assert (rootfs["a/b"].layer, rootfs["a/b"].position) == (1, -1)


def attributes(rootfs: RootFS, path: str) -> tuple[int, int, int]:
    entry = rootfs[path].content.entry
    return entry.mode, entry.uid, entry.gid


def test_a_directory_without_an_entry_is_the_engines_and_not_the_lower_layers() -> None:
    rootfs = applied({"d/": Directory(mode=0o1777, uid=5, gid=6), "d/a": "1"}, {"d/b": "2"})
    assert attributes(rootfs, "d") == (0o755, 0, 0)
    assert rootfs.children("d") == ["d/a", "d/b"]


def test_the_last_name_of_a_file_says_its_mode_and_owner() -> None:
    rootfs = applied(
        {
            "a": File("1", mode=0o600),
            "b": HardLink("a", mode=0o755, uid=7, gid=8),
            "c": HardLink("a", mode=0o700, uid=9),
            "l": Link("a"),
            "m": HardLink("l", mode=0o600, uid=3),
            "other": File("2", mode=0o640),
        }
    )
    assert {attributes(rootfs, path) for path in "abc"} == {(0o700, 9, 0)}
    assert {attributes(rootfs, path) for path in "lm"} == {(0o777, 3, 0)}
    assert attributes(rootfs, "other") == (0o640, 0, 0)
    assert rootfs.hard_links == {(0, 0): ("a", "b", "c"), (0, 3): ("l", "m")}
    assert rootfs["b"].content is rootfs["a"]


def test_a_name_that_outlives_the_first_keeps_what_was_applied() -> None:
    rootfs = applied({"a": File("1", mode=0o600), "b": HardLink("a", mode=0o755)}, {".wh.a": ""})
    assert attributes(rootfs, "b") == (0o755, 0, 0)


@pytest.mark.parametrize(
    ("upper", "entry"),
    [
        ({"bin/tool": "2"}, "bin/tool"),
        ({"bin/x/tool": "2"}, "bin/x/tool"),
        ({"bin/": None}, "bin"),
        ({"bin/.wh.sh": ""}, "bin/.wh.sh"),
    ],
)
def test_directories_in_the_place_of_lower_links_are_remembered(upper: Tree, entry: str) -> None:
    lower = {"usr/bin/": None, "usr/bin/sh": "1", "bin": Link("usr/bin")}
    (found,) = applied(lower, upper).replaced_links
    assert (found.link.path, found.layer, found.entry.path) == ("bin", 1, entry)
    assert found.link.entry.target == "usr/bin"


@pytest.mark.parametrize(
    "trees",
    [
        [{"bin": Link("usr/bin")}, {"bin": "a file"}],
        [{"bin": Link("usr/bin")}, {"bin": Link("usr")}],
        [{"bin": Link("usr/bin")}, {".wh.bin": ""}, {"bin/": None}],
        [{"bin": "a file"}, {"bin/tool": "2"}],
        [[("usr/bin/", None), ("bin", Link("usr/bin")), ("bin/", None)]],
    ],
)
def test_other_ends_of_links_are_not(trees: Sequence[Tree]) -> None:
    assert applied(*trees).replaced_links == ()


@pytest.mark.parametrize(
    ("trees", "message"),
    [
        ([{"a": Link("b"), "b": Link("a"), "a/x": "1"}], "symbolic link loop"),
        ([{"a": Link("a"), "a/x": "1"}], "symbolic link loop"),
        ([{".wh...": ""}], "whiteout of nothing"),
        ([{"d/.wh.": ""}], "whiteout of nothing"),
    ],
)
def test_layers_that_no_engine_could_apply(trees: Sequence[Tree], message: str) -> None:
    with pytest.raises(CorruptLayerError, match=message) as caught:
        applied(*trees)
    assert caught.value.layer == str(len(trees) - 1)
    assert caught.value.entry


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("usr/bin/python3.11", "usr/bin/python3.11"),
        ("usr/bin/python3", "usr/bin/python3.11"),
        ("bin/python", "usr/bin/python3.11"),
        ("/bin/python", "usr/bin/python3.11"),
        ("usr/../bin/./python3", "usr/bin/python3.11"),
        ("bin", "usr/bin"),
        ("", ""),
        ("/", ""),
        ("usr/bin/python3/x", None),
        ("usr/bin/none", None),
        ("none/bin", None),
        ("dangling", None),
        ("circle/x", None),
    ],
)
def test_real_paths(path: str, real: str | None) -> None:
    rootfs = applied(
        {
            "usr/bin/python3.11": "x",
            "usr/bin/python3": Link("python3.11"),
            "usr/bin/python": Link("/bin/python3"),
            "bin": Link("usr/bin"),
            "dangling": Link("nowhere"),
            "circle": Link("circle"),
        }
    )
    assert rootfs.resolve(path) == real


def test_links_of_both_kinds_are_listed() -> None:
    rootfs = applied(
        {"a": "1", "b": HardLink("a"), "l": Link("a"), "gone": Link("a"), "c": "2"},
        {".wh.gone": "", "m": HardLink("l"), "d": HardLink("c")},
        {"c": "3", "bin": Link("usr/bin"), "bin/x": "4"},
    )
    assert rootfs.symlinks == ("bin", "l", "m")
    assert rootfs.hard_links == {(0, 0): ("a", "b"), (0, 2): ("l", "m"), (0, 4): ("d",)}


def test_facts_of_names_that_are_gone() -> None:
    rootfs = applied({"etc/os-release": "x", "b": HardLink("etc/os-release")}, {".wh.b": ""})
    assert rootfs.texts == {"etc/os-release": b"x"}


def test_facts_follow_the_files() -> None:
    rootfs = applied(
        {
            "usr/lib/a.so": elf(soname="a"),
            "usr/lib/gone.so": elf(soname="gone"),
            "lib": Link("usr/lib"),
            "etc/os-release": "ID=old\n",
        },
        {
            "usr/lib/": None,
            "lib": Link("usr/lib"),
            "lib/b.so": elf(soname="b"),
            "usr/lib/b2.so": HardLink("usr/lib/b.so"),
            "usr/lib/.wh.gone.so": "",
            "etc/os-release": "ID=new\n",
        },
    )
    assert {path: fact.soname for path, fact in rootfs.elf.items()} == {
        "usr/lib/a.so": "a",
        "usr/lib/b.so": "b",
        "usr/lib/b2.so": "b",
    }
    assert rootfs.texts == {"etc/os-release": b"ID=new\n"}
    assert rootfs["usr/lib/b2.so"].content == rootfs["usr/lib/b.so"]
    assert [node.path for node in rootfs.walk("usr")] == [
        "usr/lib",
        "usr/lib/a.so",
        "usr/lib/b.so",
        "usr/lib/b2.so",
    ]
    assert rootfs.children("etc") == ["etc/os-release"]


# --- the ledger -----------------------------------------------------------------------------------
def books(*trees: Tree) -> Ledger:
    return build_ledger(applied(*trees))


LEDGER: dict[str, tuple[Sequence[Tree], dict[tuple[int, str], tuple[str, int, int]]]] = {
    "nothing lost": ([{"a": "12345"}, {"b": "1"}], {}),
    "deleted": ([{"a": "12345"}, {".wh.a": ""}], {(0, "a"): ("removed", 1, 5)}),
    "deleted with its directory": (
        [{"d/a": "123", "d/b": "45"}, {".wh.d": ""}],
        {(0, "d/a"): ("removed", 1, 3), (0, "d/b"): ("removed", 1, 2)},
    ),
    "hidden by an opaque directory": (
        [{"d/a": "123"}, {"d/.wh..wh..opq": "", "d/b": "1"}],
        {(0, "d/a"): ("removed", 1, 3)},
    ),
    "the same again": ([{"a": "123"}, {"a": "123"}], {(0, "a"): ("unchanged", 1, 3)}),
    "chown": ([{"a": "123"}, {"a": File("123", uid=5)}], {(0, "a"): ("metadata_changed", 1, 3)}),
    "touch": ([{"a": "123"}, {"a": File("123", mtime=5)}], {(0, "a"): ("metadata_changed", 1, 3)}),
    "changed": ([{"a": "123"}, {"a": "124"}], {(0, "a"): ("content_changed", 1, 3)}),
    "grown": ([{"a": "123"}, {"a": "1234"}], {(0, "a"): ("content_changed", 1, 3)}),
    "emptied": ([{"a": "123"}, {"a": ""}], {(0, "a"): ("content_changed", 1, 3)}),
    "replaced by a link": ([{"a": "123"}, {"a": Link("b")}], {(0, "a"): ("content_changed", 1, 3)}),
    "directory replaced by a file": (
        [{"d/a": "123"}, {"d": "1"}],
        {(0, "d/a"): ("content_changed", 1, 3)},
    ),
    "twice in one layer": ([[("a", "123"), ("a", "12")]], {(0, "a"): ("repeated", 0, 3)}),
    "over and over": (
        [{"a": "1"}, {"a": "12"}, {"a": "123"}],
        {(0, "a"): ("content_changed", 1, 1), (1, "a"): ("content_changed", 2, 2)},
    ),
    "deleted and written anew": (
        [{"a": "123"}, {".wh.a": ""}, {"a": "123"}],
        {(0, "a"): ("removed", 1, 3)},
    ),
    "a second name keeps it": ([{"a": "123", "b": HardLink("a")}, {".wh.a": ""}], {}),
    "until that goes too": (
        [{"a": "123", "b": HardLink("a")}, {".wh.a": ""}, {".wh.b": ""}],
        {(0, "a"): ("removed", 2, 3)},
    ),
    "aufs's own files": ([{".wh..wh.aufs": "123"}], {(0, ".wh..wh.aufs"): ("removed", 0, 3)}),
    "deleted and written anew in one layer": (
        [{"a": "123"}, {".wh.a": "", "a": "123"}],
        {(0, "a"): ("unchanged", 1, 3)},
    ),
    "whiteout and directory in one layer": ([{"d/a": "123"}, {".wh.d": "", "d/": None}], {}),
    "nothing is lost with an empty file": ([{"a": ""}, {".wh.a": ""}], {}),
    "the same again, as a second name of another file": (
        [{"a": "123"}, {"c": "123", "a": HardLink("c", mode=0o644)}],
        {(0, "a"): ("unchanged", 1, 3)},
    ),
    "replaced by a second name of a lower layer's file": (
        [{"a": "123", "c": "123"}, {"a": HardLink("c", mode=0o644)}],
        {(0, "a"): ("content_changed", 1, 3)},
    ),
    "replaced by a second name of a link": (
        [
            {"a": EMPTY},
            {"l": Link("x"), "a": HardLink("l")},
        ],
        {(0, "a"): ("content_changed", 1, 3)},
    ),
    "a second name made again": (
        [{"a": "123", "b": HardLink("a")}, {"b": HardLink("a")}, {".wh.a": ""}, {".wh.b": ""}],
        {(0, "a"): ("removed", 3, 3)},
    ),
    "the third name is the last": (
        [
            {"a": "123", "b": HardLink("a"), "c": HardLink("b")},
            *({".wh.a": ""}, {".wh.c": ""}, {".wh.b": ""}),
        ],
        {(0, "a"): ("removed", 3, 3)},
    ),
    "a file that its own layer uses as a directory": (
        [{"a": "123", "a/b": "1"}],
        {(0, "a"): ("repeated", 0, 3)},
    ),
    "a directory in the place of a file": (
        [{"a": "123"}, {"a/": None}],
        {(0, "a"): ("content_changed", 1, 3)},
    ),
    "a whiteout that holds bytes": ([{".wh.a": "123"}], {(0, ".wh.a"): ("removed", 0, 3)}),
}


@pytest.mark.parametrize("name", LEDGER)
def test_losses(name: str) -> None:
    trees, expected = LEDGER[name]
    ledger = books(*trees)
    assert {
        (wasted.layer, wasted.path): (wasted.account, wasted.removed_in, wasted.size)
        for wasted in ledger.wasted_files
    } == expected
    assert ledger.waste == sum(size for _, _, size in expected.values())


def test_the_accounts_of_a_layer() -> None:
    below: list[tuple[str, Content]] = [
        *(("same", "1"), ("touched", "12"), ("changed", "1234"), ("other", "1234")),
        *(("removed", "12345678"), ("more", "12345678"), ("twice", "1" * 16), ("twice", "1" * 32)),
        ("kept", "1" * 64),
    ]
    above: Tree = {
        "same": "1",
        "touched": File("12", uid=1),
        "changed": "1235",
        "other": "123",
        ".wh.removed": "",
        ".wh.more": "",
    }
    ledger = books(below, above)
    account = ledger.layers[0]
    assert (account.unchanged, account.metadata_changed, account.content_changed) == (1, 2, 8)
    assert (account.removed, account.repeated, account.not_compared) == (16, 16, 0)
    assert (account.overwritten, account.waste, account.live) == (11, 43, 96)
    assert (account.stored, ledger.layers[1].stored, ledger.stored) == (139, 10, 149)
    assert (ledger.layers[1].waste, ledger.waste) == (0, 43)


def test_a_directory_that_no_entry_describes_is_as_docker_makes_it() -> None:
    node = applied({"d/a": "123"})["d"]
    entry = node.entry
    assert (node.kind, node.position, node.layer) == ("directory", -1, 0)
    assert (entry.mode, entry.uid, entry.gid) == (0o755, 0, 0)
    assert (entry.size, entry.stored, entry.offset, entry.mtime) == (0, 0, 0, 0)


def test_directories_by_their_names_have_something_in_them() -> None:
    system = applied({"b/x/f": "", "a/x/x/f": "", "x/f": "", "c/x": Directory(), "d/x": ""})
    assert system.directories_by_name == {
        "": [""],
        "a": ["a"],
        "b": ["b"],
        "c": ["c"],
        "d": ["d"],
        "x": ["a/x", "a/x/x", "b/x", "x"],
    }


def test_the_files_of_a_directory_are_those_that_are_no_links_and_no_directories() -> None:
    tree: Tree = {"d/a": "", "d/b/c": "", "d/l": Link("a"), "e": HardLink("d/a"), "d/h": ""}
    system = applied(tree, {"d/h": HardLink("d/a"), "d/k": HardLink("d/l"), "d/.wh.a": ""})
    assert system.files("d") == ["d/h"]
    assert system.files("") == ["e"]
    assert system.files("d/a") == system.files("nowhere") == []


def test_archives_are_found_by_their_endings_alone() -> None:
    names = (
        "lib.a",
        "d/x.jar",
        "d/x.a/x.jar",
        "d/.a",
        "x.aa",
        "x.jar.b",
        "b/a",
        "\udcff.a",
        "d/a\n.a",
    )
    system = applied(dict.fromkeys(names, "") | {"gone.a": ""}, {".wh.gone.a": ""})
    assert {ending: sorted(paths) for ending, paths in system.archives.items()} == {
        ".a": ["d/.a", "d/a\n.a", "d/x.a", "lib.a", "\udcff.a"],
        ".jar": ["d/x.a/x.jar", "d/x.jar"],
    }
    assert applied({}).archives == {".a": [], ".jar": []}


def test_a_removal_names_what_took_the_place() -> None:
    below: Tree = {"d/a": "123", "b": "12", "c": "1", "e": "1", "f": "1"}
    above: Tree = {".wh.c": "", "d": "x", "b": "12", "e": Link("b"), "f": NOTHING}
    assert [
        (removal.position, removal.how, removal.successor, removal.removed_in)
        for removal in applied({}, below, above).removals
    ] == [
        (0, "overwritten", -1, 2),
        (1, "overwritten", 2, 2),
        (2, "removed", -1, 2),
        (3, "overwritten", -1, 2),
        (4, "removed", -1, 2),
    ]


@pytest.mark.parametrize(
    ("tables", "sums", "asked", "account"),
    [
        ("both", (5, 5), (1, 2), "unchanged"),  # of two tables the digests are compared
        ("both", (5, 6), (1, 1), "content_changed"),
        ("lower", (5, 9), (9, 0), "unchanged"),  # of one alone the content is asked for
        ("lower", (9, 9), (8, 0), "content_changed"),
        ("upper", (9, 5), (0, 9), "unchanged"),
        ("upper", (9, 9), (0, 8), "content_changed"),
        ("neither", (5, 5), (1, 2), "unchanged"),
        ("lower", (9, 9), None, "not_compared"),
        ("upper", (9, 9), None, "not_compared"),
        ("both", (9, 9), None, "unchanged"),
    ],
)
def test_what_a_table_of_contents_says_compares_with_its_like_alone(
    tables: str, sums: tuple[int, int], asked: tuple[int, int] | None, account: str
) -> None:
    layers = []
    for number, each in enumerate(stack({"a": "123"}, {"a": "123"})):
        has = tables == "both" or tables == ("lower", "upper")[number]
        digest = Digest(f"sha256:{'0' * 64}") if has else None
        index = msgspec.structs.replace(each.index, checksums={0: sums[number]}, toc_digest=digest)
        layers.append(msgspec.structs.replace(each, index=index))
    checksum = (lambda layer, position: asked[layer] + position) if asked else None
    (wasted,) = build_ledger(apply_layers(layers), checksum).wasted_files
    assert wasted.account == account


def test_losses_are_in_the_order_of_layers_and_paths() -> None:
    below = [("c", "123"), ("a", "1"), ("b", "12")]  # as they stand in the archive
    ledger = books(below, {".wh.c": "", "a": "1", "d": "x"}, {".wh.b": ""}, {".wh.a": "", "d": "y"})
    assert [(wasted.layer, wasted.path) for wasted in ledger.wasted_files] == [
        (0, "a"), (0, "b"), (0, "c"), (1, "a"), (1, "d"),
    ]  # fmt: skip


def test_without_checksums_nobody_knows_whether_it_changed() -> None:
    layers = tuple(
        Layer(number=n, index=index_layer(BytesBlob(data=layer({"a": text}))).index)
        for n, text in enumerate(["123", "124"])
    )
    rootfs = apply_layers(layers)
    ledger = build_ledger(rootfs)
    assert [wasted.account for wasted in ledger.wasted_files] == ["not_compared"]
    account = ledger.layers[0]
    assert account.not_compared == account.overwritten == account.waste == 3
    sums = {(0, 0): 1, (1, 0): 1}
    told = build_ledger(rootfs, lambda number, position: sums[number, position])
    assert [wasted.account for wasted in told.wasted_files] == ["unchanged"]


# --- laws -----------------------------------------------------------------------------------------
NAMES = st.sampled_from(["a", "b", "c", "d"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.text("xyz", max_size=4).map(File)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, File | Directory]]:
    """Entries with their parents before them, and whiteouts."""
    tree: list[tuple[str, File | Directory]] = []
    for path in draw(st.lists(PATHS, max_size=6)):
        kind = draw(st.sampled_from(["file", "directory", "whiteout", "opaque"]))
        parent, slash, name = path.rpartition("/")
        if kind == "whiteout":
            tree.append((f"{parent}{slash}.wh.{name}", File("")))
        elif kind == "opaque":
            tree.append((f"{path}/.wh..wh..opq", File("")))
        else:
            tree.append((path, draw(FILES) if kind == "file" else Directory()))
    return tree


Flat = dict[str, str | None]


def drop(state: Flat, path: str, *, itself: bool = True) -> None:
    for known in list(state):
        if (itself and known == path) or known.startswith(f"{path}/"):
            del state[known]


def unpacked(tree: Sequence[tuple[str, File | Directory]]) -> tuple[Flat, set[str], set[str]]:
    """What an engine makes of one layer: all that it holds, what it hides, opaque directories.

    One path twice, once as a file, is nothing that Docker takes: the first one hides already.
    """
    upper: Flat = {}
    hidden: set[str] = set()
    files: set[str] = set()
    opaque: set[str] = set()
    for path, item in tree:
        parent, slash, name = path.rpartition("/")
        parts = path.split("/")
        for end in range(1, len(parts)):
            upper["/".join(parts[:end])] = None
        if name == ".wh..wh..opq":
            opaque.add(parent)
        elif name.startswith(".wh."):
            victim = f"{parent}{slash}{name[4:]}"
            (opaque if victim in upper else hidden).add(victim)
        else:
            content = str(item.data) if isinstance(item, File) else None
            if not (content is None and upper.get(path, "") is None):
                drop(upper, path)
            upper[path] = content
            if content is not None:
                files.add(path)
    return upper, (hidden - upper.keys()) | files, opaque


def replay(all_trees: Sequence[Sequence[tuple[str, File | Directory]]]) -> Flat:
    """The same rules, carried out on a flat dictionary the slow way, one layer over another."""
    state: Flat = {}
    for tree in all_trees:
        upper, hidden, opaque = unpacked(tree)
        for path in hidden:
            drop(state, path)
        for path in opaque:
            if upper.get(path, "") is None:
                drop(state, path, itself=False)
        for path, content in sorted(upper.items()):
            if not (content is None and state.get(path, "") is None):
                drop(state, path)
            state[path] = content
    return state


@examples(300)
@given(st.lists(trees(), max_size=4))
def test_the_fold_equals_a_slow_replay(
    all_trees: list[list[tuple[str, File | Directory]]],
) -> None:
    tars = [layer(tree) for tree in all_trees]
    rootfs = applied(*all_trees)

    def content(path: str) -> str | None:
        node = rootfs[path]
        if node.kind == "directory":
            return None
        start = node.entry.offset
        return tars[node.layer][start : start + node.size].decode()

    assert {path: content(path) for path in rootfs if path} == replay(all_trees)


@examples(300)
@given(st.lists(trees(), max_size=5))
def test_the_accounts_add_up(all_trees: list[list[tuple[str, File | Directory]]]) -> None:
    layers = stack(*all_trees)
    rootfs = apply_layers(layers)
    ledger = build_ledger(rootfs)
    for account, one in zip(ledger.layers, layers, strict=True):
        assert account.stored == one.index.stored == account.live + account.waste
    live = sum(node.size for node in rootfs.nodes.values() if node.kind == "file")
    assert sum(account.live for account in ledger.layers) == live
    assert ledger.waste == sum(wasted.size for wasted in ledger.wasted_files)


@pytest.mark.parametrize("known", ["before", "after", "neither", "both"])
def test_one_checksum_alone_does_not_tell(known: str) -> None:
    rootfs = applied({"a": "1"}, {"a": "1"})
    layers = []
    for number, each in enumerate(rootfs.layers):
        has = known == "both" or known == ("before", "after")[number]
        index = msgspec.structs.replace(each.index, checksums={0: 7} if has else {})
        layers.append(msgspec.structs.replace(each, index=index))
    (wasted,) = build_ledger(apply_layers(layers)).wasted_files
    assert wasted.account == ("unchanged" if known == "both" else "not_compared")


def test_what_a_whiteout_stores_is_lost_and_nothing_takes_its_place() -> None:
    (removal,) = applied({"b": "1"}, {".wh.a": "12"}).removals
    assert (removal.layer, removal.removed_in, removal.how) == (1, 1, "removed")
    assert removal.successor == -1
