"""apk's database: records, virtual packages, and the world that was asked for."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.packages import PackageDatabase, find_os_packages
from pyimginspect.inventory.packages.apk import (
    ApkPackage,
    capability,
    parse_installed,
    parse_world,
)
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from tests.images import Content, layer

FIXTURES = Path(
    os.environ.get("PYIMGINSPECT_FIXTURES")
    or Path(__file__).resolve().parents[3] / "shared" / "fixtures"
)

MUSL = """\
C:Q1cBmpvvsDUaMB9zpAWeZqtHo/Muw=
P:musl
V:1.2.5-r0
A:x86_64
S:407278
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Timo Teräs <timo.teras@iki.fi>
t:1711398088
c:c97e1b1c0d5da6a2d7fc6ed8fb3ba3c1e9ad3ea2
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1eFl1hNbUc7nmuyVqyQFUyBFlKNY=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q17yJ3JFNypA4mxhJJr0ou6CzsJVI=
F:
R:top
"""
BUILD_DEPS = """\
C:Q1q==
P:.build-deps
V:20241122.091612
A:noarch
S:0
I:0
T:virtual meta package
D:musl-utils=1.2.5-r0 !gcompat so:libz.so.1
"""


def record(name: str, **letters: str) -> str:
    return f"P:{name}\nV:1\n" + "".join(f"{key}:{value}\n" for key, value in letters.items())


def packages(*trees: dict[str, Content]) -> PackageDatabase:
    layers = (index_layer(BytesBlob(data=layer(tree))).index for tree in trees)
    return find_os_packages(
        apply_layers(Layer(number=number, index=index) for number, index in enumerate(layers))
    )


def test_what_a_record_leaves_out_is_empty() -> None:
    assert parse_installed(b"P:x\nV:1\n") == [ApkPackage(name="x", version="1", origin="x")]


def test_a_record_becomes_a_package() -> None:
    assert parse_installed(MUSL.encode()) == [
        ApkPackage(
            name="musl",
            version="1.2.5-r0",
            architecture="x86_64",
            origin="musl",
            maintainer="Timo Teräs <timo.teras@iki.fi>",
            license="MIT",
            size=667648,
            provides=("so:libc.musl-x86_64.so.1=1",),
            files=("lib/ld-musl-x86_64.so.1", "lib/libc.musl-x86_64.so.1", "top"),
        )
    ]


@pytest.mark.parametrize(
    ("name", "letters", "expected"),
    [
        ("build-deps", {"T": "virtual meta package"}, (True, 0, ())),
        (".build-deps", {}, (True, 0, ())),
        ("a", {"T": "no virtual meta package"}, (False, 0, ())),
        ("a", {"I": "9" * 15}, (False, 10**15 - 1, ())),
        ("a", {"I": "9" * 16}, (False, 0, ())),
        ("a", {"I": "-5"}, (False, 0, ())),
        ("a", {"F": "x", "R": "y"}, (False, 0, ("x/y",))),
    ],
)
def test_parts_of_a_record(
    name: str, letters: dict[str, str], expected: tuple[bool, int, tuple[str, ...]]
) -> None:
    (found,) = parse_installed(record(name, **letters).encode())
    assert (found.virtual, found.size, found.files) == expected


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    parse_installed(b"P:x\nI:" + data)
    parse_world(data)


@pytest.mark.parametrize(
    ("dependency", "expected"),
    [
        ("musl", "musl"),
        ("musl=1.2.5-r0", "musl"),
        ("python3~3.11", "python3"),
        ("a>=1", "a"),
        ("a<2", "a"),
        ("a><Q1abc=", "a"),
        ("!gcompat", "gcompat"),
        ("a@edge", "a"),
        ("so:libc.musl-x86_64.so.1", "so:libc.musl-x86_64.so.1"),
        ("cmd:pip3=23.1", "cmd:pip3"),
        (".build-deps=20241122.091612", ".build-deps"),
    ],
)
def test_capabilities(dependency: str, expected: str) -> None:
    assert capability(dependency) == expected


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_what_was_asked_for(path: str) -> None:
    world = "musl .build-deps=20241122.091612 cmd:tool !nothing\n"
    database = packages(
        {
            path: f"{MUSL}\n{record('tool', p='cmd:tool=1')}\n",
            "etc/apk/world": "musl\n",
            "lib/libc.musl-x86_64.so.1": "1234",
        },
        {
            path: "\n".join((MUSL, record("tool", p="cmd:tool=1"), BUILD_DEPS, record("nothing"))),
            "etc/apk/world": world,
        },
    )
    assert [(p.key, p.automatic, p.virtual, p.layer, p.size) for p in database.packages] == [
        (".build-deps", False, True, 1, 0),
        ("musl", False, False, 0, 4),
        ("nothing", True, False, 1, 0),
        ("tool", False, False, 0, 0),
    ]
    virtual = database[".build-deps"]
    assert virtual.depends == (("musl-utils",), ("so:libz.so.1",))
    assert virtual.conflicts == ("gcompat",)
    assert database.owner("lib/libc.musl-x86_64.so.1") == ("musl",)


def test_a_database_that_moved_below_usr() -> None:
    """As an upgrade to Alpine 3.23 does it; of two databases the one below `usr` is apk's."""
    old, new = "lib/apk/db/installed", "usr/lib/apk/db/installed"
    newer = f"{record('musl')}\n{record('tool')}"
    both: tuple[dict[str, Content], ...] = ({new: newer, "lib/apk/.wh.db": ""}, {new: newer})
    for moved in both:
        database = packages({old: f"{MUSL}\n{record('old')}"}, moved)
        here = {package.name: package for package in database.packages}
        assert (here["musl"].version, here["tool"].layer) == ("1", 1)
        assert [(e.layer, e.action) for e in here["musl"].history] == [
            (0, "installed"),
            (1, "upgraded"),
        ]
        assert ("old" in here) is (len(moved) == 1)


def test_a_deleted_package_is_remembered() -> None:
    path = "lib/apk/db/installed"
    database = packages({path: f"{MUSL}\n{BUILD_DEPS}"}, {path: MUSL})
    (gone,) = database.removed
    assert gone.name == ".build-deps"
    assert [(event.layer, event.action) for event in gone.history] == [
        (0, "installed"),
        (1, "removed"),
    ]


def test_a_deleted_database_is_the_end_of_its_packages() -> None:
    for top in ("lib/apk", "usr/lib/apk"):
        base: dict[str, Content] = {f"{top}/db/installed": MUSL}
        for deleted in (f"{top}/.wh.db", f"{top}/db/.wh.installed"):
            database = packages(base, {"x": ""}, {deleted: ""}, {"y": ""})
            assert database.packages == ()
            assert [(event.layer, event.action) for event in database.removed[0].history] == [
                (0, "installed"),
                (2, "removed"),
            ]


def test_a_database_that_is_deleted_twice_ends_with_the_last_time() -> None:
    database = packages(
        {"lib/apk/db/installed": MUSL},
        {"lib/apk/.wh.db": ""},
        {"lib/apk/db/installed": MUSL},
        {"x": ""},
        {"lib/apk/db/.wh.installed": ""},
        {"x": ""},
    )
    assert database.packages == ()
    assert [(event.layer, event.action) for event in database.removed[0].history] == [
        (0, "installed"),
        (4, "removed"),
    ]


def test_the_real_alpine() -> None:
    folder = FIXTURES / "alpine"
    if not folder.is_dir():
        pytest.skip(f"no fixtures in {FIXTURES}")
    blob = BytesBlob(data=(folder / "minirootfs-3.20.3-x86_64.tar.gz").read_bytes())
    database = find_os_packages(apply_layers([Layer(number=0, index=index_layer(blob).index)]))
    # The world asks for libc-utils, which no package is called any more: musl-utils provides it.
    world = (folder / "world").read_text().replace("libc-utils", "musl-utils")
    assert [p.key for p in database.packages if not p.automatic] == sorted(world.split())
    assert len(database.packages) == 14
    assert database["musl"].version == "1.2.5-r0"
    assert database.owner("lib/ld-musl-x86_64.so.1") == ("musl",)
    assert database.owner("bin/busybox") == ("busybox",)
