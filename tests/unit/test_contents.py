"""Whose bytes go with some paths, held to what the changesets themselves say of a deletion."""

from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.inventory.contents import Contents
from tests.images import Content, HardLink
from tests.systems import rootfs

NAMES = ["a", "b", "d/a", "d/b", "e"]


@st.composite
def trees(draw: st.DrawFn) -> list[dict[str, Content]]:
    """Layers of files, of hard links to files of the same layer, and of both stored again."""
    layers = []
    for number in range(draw(st.integers(1, 3))):
        files = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
        tree: dict[str, Content] = {
            name: f"{number}{name}" * draw(st.integers(0, 3)) for name in files
        }
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
            if name not in tree:
                tree[name] = HardLink(draw(st.sampled_from(files)))
        layers.append(tree)
    return layers


@given(trees(), st.sets(st.sampled_from(NAMES)))
def test_what_goes_with_paths_is_what_a_layer_of_whiteouts_removes(
    layers: list[dict[str, Content]], names: set[str]
) -> None:
    before = rootfs(*layers)
    chosen = sorted(name for name in names if name in before)
    whiteouts = {
        f"{parent}{slash}.wh.{name}": ""
        for parent, slash, name in (path.rpartition("/") for path in chosen)
    }
    after = rootfs(*layers, whiteouts)
    removed = {
        (removal.layer, removal.position)
        for removal in after.removals
        if removal.removed_in == len(layers) and removal.layer < len(layers)
    }
    contents = Contents(before)
    assert contents.behind(chosen) == removed
    assert contents.stored_behind(chosen) == contents.by_layer(removed)
    assert contents.size(removed) == sum(contents.by_layer(removed).values())


def test_content_with_a_name_elsewhere_stays() -> None:
    found = rootfs({"cache/x": "12345", "lib/x": HardLink("cache/x"), "cache/y": "1"})
    contents = Contents(found)
    assert contents.by_layer(contents.behind(["cache/x", "cache/y"])) == {0: 1}
    assert contents.by_layer(contents.behind(["cache/x", "lib/x"])) == {0: 5}
