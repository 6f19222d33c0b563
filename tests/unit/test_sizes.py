"""The map of stored bytes: every byte in one area, the large ones by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.facts import Area, BuildTool, Cache, Interpreter, Use
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.sizes import map_sizes, uses_of
from pyimginspect.model import Entry, Layer, LayerIndex
from pyimginspect.rootfs import RootFS


def rootfs(*layers: dict[str, int]) -> RootFS:
    """Layers of files by path and size."""
    return apply_layers(
        Layer(
            number=number,
            index=LayerIndex(
                size=0, entries=tuple(_entry(path, size) for path, size in files.items())
            ),
        )
        for number, files in enumerate(layers)
    )


def _entry(path: str, size: int) -> Entry:
    return Entry(
        path=path,
        kind="file",
        mode=0o644,
        uid=0,
        gid=0,
        size=size,
        stored=size,
        offset=0,
        mtime=0,
    )


def areas(found: tuple[Area, ...]) -> list[tuple[int, str, int, str, int]]:
    return [(area.layer, area.path, area.size, area.use, area.files) for area in found]


@pytest.mark.parametrize(
    ("layers", "uses", "expected"),
    [
        pytest.param([], {}, [], id="nothing"),
        pytest.param([{"a": 0}], {}, [], id="empty files"),
        pytest.param([{"a": 5}], {}, [(0, "a", 5, "live", 0)], id="one file"),
        pytest.param([{"a": 1}], {}, [(0, "a", 1, "live", 0)], id="one file of one byte"),
        pytest.param(
            [{"usr/bin/cc": 9_000_000, "usr/a": 1, "usr/lib/b": 2, "c": 3}],
            {},
            [
                (0, "", 3, "live", 1),
                (0, "usr", 3, "live", 2),
                (0, "usr/bin/cc", 9_000_000, "live", 0),
            ],
            id="small files are summed up where the nearest large directory is",
        ),
        pytest.param(
            [{"big": 9_000_000, "v/u/a/x": 800, "v/u/a/y": 800, "v/w/b/x": 800, "v/w/b/y": 800}],
            {},
            [(0, "big", 9_000_000, "live", 0), (0, "v", 3_200, "live", 4)],
            id="a directory is as large as all that is below it",
        ),
        pytest.param(
            [{"usr/lib/gcc/cc1": 7, "usr/lib/x": 8}],
            {"usr/lib/gcc": "build-tool"},
            [(0, "usr/lib/gcc/cc1", 7, "build-tool", 0), (0, "usr/lib/x", 8, "live", 0)],
            id="a directory's use holds below it",
        ),
        pytest.param(
            [{"c/keep": 7, "c/x": 8}],
            {"c": "cache", "c/keep": "second-python"},
            [(0, "c/keep", 7, "second-python", 0), (0, "c/x", 8, "cache", 0)],
            id="the nearest use counts",
        ),
        pytest.param(
            [{"a": 5, "b": 6, "c": 7}, {"a": 8, ".wh.b": 0}],
            {"a": "cache"},
            [
                (0, "a", 5, "overwritten", 0),
                (0, "b", 6, "removed", 0),
                (0, "c", 7, "live", 0),
                (1, "a", 8, "cache", 0),
            ],
            id="what is lost is not in use",
        ),
        pytest.param(
            [{"big": 9_000_000, "d/e/f": 1, "d/e/g": 2}, {"d/e/f": 1}],
            {},
            [
                (0, "", 2, "live", 1),
                (0, "", 1, "overwritten", 1),
                (0, "big", 9_000_000, "live", 0),
                (1, "", 1, "live", 1),
            ],
            id="a rest is told apart by use",
        ),
    ],
)
def test_areas(
    layers: list[dict[str, int]],
    uses: dict[str, Use],
    expected: list[tuple[int, str, int, str, int]],
) -> None:
    assert areas(map_sizes(rootfs(*layers), uses)) == expected


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        # All in all nine million bytes, of which three thousand are one part of three thousand.
        ([1500, 1500], "v"),
        ([1500, 1499], ""),
    ],
)
def test_a_directory_is_shown_from_one_part_of_three_thousand_on(
    sizes: list[int], shown: str
) -> None:
    first, second = sizes
    files = {"big": 9_000_000 - first - second, "v/a/x": first, "v/b/y": second}
    assert (0, shown, first + second, "live", 2) in areas(map_sizes(rootfs(files), {}))


def test_below_sixteen_directories_all_is_summed_up() -> None:
    deepest = "/".join(["d"] * 16)
    files = {"big": 8_997_000, f"{deepest}/e/a": 1500, f"{deepest}/e/b": 1500}
    found = areas(map_sizes(rootfs(files), {}))
    assert found == [(0, "big", 8_997_000, "live", 0), (0, deepest, 3000, "live", 2)]


def test_deep_trees_are_summed_up_and_end() -> None:
    deep = "d/" * 5_000
    assert areas(map_sizes(rootfs({f"{deep}a": 1, f"{deep}b": 2, "big": 900_000}), {})) == [
        (0, "", 3, "live", 2),
        (0, "big", 900_000, "live", 0),
    ]


def test_a_large_image_has_few_areas() -> None:
    files = {f"d{n % 211}/e{n % 13}/f{n}": 1_000 + n for n in range(20_000)}
    found = map_sizes(rootfs(files), {})
    assert len(found) < 3_000
    assert sum(area.size for area in found) == sum(files.values())


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(NAMES, st.integers(0, 10_000), max_size=12)


@given(st.lists(FILES, max_size=4), st.dictionaries(NAMES, st.just("cache")))
def test_the_areas_of_a_layer_add_up_to_what_it_stores(
    layers: list[dict[str, int]], uses: dict[str, Use]
) -> None:
    fs = rootfs(*layers)
    found = map_sizes(fs, uses)
    for layer in fs.layers:
        mine = [area for area in found if area.layer == layer.number]
        assert sum(area.size for area in mine) == layer.index.stored
        keys = [(area.path, area.use) for area in mine if area.files]
        assert len(keys) == len(set(keys))
    wasted = sum(area.size for area in found if area.use in ("overwritten", "removed", "repeated"))
    assert wasted == sum(
        fs.layers[removal.layer].index.entries[removal.position].stored for removal in fs.removals
    )


@pytest.mark.parametrize(("primary", "effective"), [(True, False), (False, True)])
def test_uses_of_facts(primary: bool, effective: bool) -> None:
    """The first Python is the primary one, whatever PATH leads to; else that which it leads to."""
    first = Interpreter(
        path="usr/local/bin/python3",
        version="3.13.1",
        layer=0,
        primary=primary,
        effective=effective,
        stdlib="usr/local/lib/python3.13",
        libpython="usr/local/lib/libpython3.13.so.1.0",
        site_packages=("shared",),
    )
    second = Interpreter(
        path="usr/bin/python3.11",
        version="3.11.2",
        layer=1,
        effective=not effective,
        stdlib="usr/lib/python3.11",
        site_packages=("shared", "usr/lib/dist"),
        packages=("python3.11-minimal",),
    )
    packages = PackageDatabase(
        files_by_key={
            "python3.11-minimal": frozenset({"usr/bin/python3.11", "usr/share/doc/python"}),
            "gcc": frozenset({"usr/bin/gcc"}),
        }
    )
    tools = [
        BuildTool(name="gcc", category="compiler", package="gcc", layer=1),
        BuildTool(name="cc", category="compiler", path="opt/cc", layer=1),
    ]
    cache = Cache(kind="pip", path="root/.cache/pip", size=1, files=1, layers={1: 1})
    bytecode = Cache(kind="bytecode", path="usr", size=1, files=1, layers={1: 1})
    assert uses_of(packages, tools, [cache, bytecode], [second, first]) == {
        "usr/bin/python3.11": "second-python",
        "usr/lib/python3.11": "second-python",
        "usr/lib/dist": "second-python",
        "usr/share/doc/python": "second-python",
        "usr/bin/gcc": "build-tool",
        "opt/cc": "build-tool",
        "root/.cache/pip": "cache",
    }
