"""File systems built on shared bases are those that are built of all layers."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyimginspect.changesets import LayerStack, apply_layers
from pyimginspect.errors import CorruptLayerError
from pyimginspect.fleet.bases import SharedBases
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.layers.digests import digest_of
from pyimginspect.model import Digest, Layer
from pyimginspect.rootfs import RootFS
from tests.effort import examples
from tests.images import Content, Directory, HardLink, Link, Tree, layer
from tests.unit.test_changesets import trees


def built(*contents: Tree) -> list[Layer]:
    """Layers whose diff ID tells their content, as a digest does."""
    made = []
    for number, tree in enumerate(contents):
        data = layer(tree)
        index = index_layer(BytesBlob(data=data)).index
        made.append(Layer(number=number, index=index, diff_id=Digest(digest_of(data))))
    return made


def facts(rootfs: RootFS) -> tuple[object, ...]:
    return (
        dict(rootfs.nodes),
        {path: rootfs.children(path) for path in ["", *rootfs]},
        rootfs.removals,
        rootfs.notes,
        rootfs.replaced_links,
        rootfs.symlinks,
        dict(rootfs.hard_links),
        rootfs.layers,
    )


def applied_layers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of layers that are put on a stack from now on."""
    numbers: list[int] = []
    apply = LayerStack.apply

    def counted(self: LayerStack, layer: Layer) -> None:
        numbers.append(layer.number)
        apply(self, layer)

    monkeypatch.setattr(LayerStack, "apply", counted)
    return numbers


BASE: dict[str, Content] = {f"usr/lib/f{n}": "x" for n in range(40)}


def test_what_two_images_begin_with_is_applied_for_the_first_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = [tuple(built(BASE, {f"app/{n}": "y"})) for n in range(4)]
    numbers = applied_layers(monkeypatch)
    bases = SharedBases()
    for layers in images:
        bases.apply(layers)
    assert numbers == [0, 1, 0, 1, 1, 1]


def test_the_longest_base_counts_and_a_small_addition_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = {f"opt/g{n}": "x" for n in range(30)}
    bases = SharedBases()
    for n in range(3):
        bases.apply(tuple(built(BASE, large, {f"app/{n}": "y"})))
    numbers = applied_layers(monkeypatch)
    bases.apply(tuple(built(BASE, large, {"etc/small": "z"}, {"app": "y"})))
    bases.apply(tuple(built(BASE, large, {"etc/small": "z"}, {"app2": "y"})))
    bases.apply(tuple(built(BASE, large, {"etc/small": "z"}, {"app3": "y"})))
    assert numbers == [2, 3] * 3


UPPER: dict[str, dict[str, Content]] = {
    "nothing": {},
    "a whiteout": {"usr/lib/.wh.f1": ""},
    "an opaque directory": {"usr/lib/.wh..wh..opq": "", "usr/lib/new": "n"},
    "a directory for a link": {"lib/x": "x"},
    "a file for a directory": {"usr": "gone"},
    "another name of lower content": {"usr/lib/again": HardLink("usr/lib/f2")},
    "the header of lower content": {"usr/lib/more": HardLink("usr/lib/hard")},
    "a file with further names": {"usr/lib/f3": "changed", "n": HardLink("usr/lib/f3")},
    "a mode": {"usr/lib": Directory(mode=0o700)},
}


@pytest.mark.parametrize("upper", UPPER.values(), ids=UPPER)
def test_every_change_to_a_base_leaves_it_alone(upper: dict[str, Content]) -> None:
    base = {**BASE, "lib": Link("usr/lib"), "usr/lib/hard": HardLink("usr/lib/f1")}
    bases = SharedBases()
    for top in ({"a": "1"}, {"a": "2"}, upper, {"a": "3"}, {**upper, "b": "4"}):
        layers = tuple(built(base, top))
        assert facts(bases.apply(layers)) == facts(apply_layers(layers))


@examples(100)
@given(st.lists(st.lists(st.sampled_from(range(4)), max_size=4), max_size=6), st.data())
def test_any_images_are_as_if_each_was_alone(images: list[list[int]], data: st.DataObject) -> None:
    drawn = [data.draw(trees()) for _ in range(4)]
    bases = SharedBases(most_nodes=20)
    for numbers in images:
        layers = tuple(built(*(drawn[number] for number in numbers)))
        assert facts(bases.apply(layers)) == facts(apply_layers(layers))


def test_what_is_kept_has_a_bound() -> None:
    bases = SharedBases(most_nodes=100)
    for base in range(6):
        for n in range(3):
            bases.apply(tuple(built({f"b{base}/{m}": "x" for m in range(30)}, {f"a{n}": ""})))
        assert sum(len(stack.nodes) for stack in bases._stacks.values()) == bases._nodes <= 100
    assert len(bases._stacks) == 3
    bases.clear()
    assert not bases._stacks
    assert bases._nodes == 0


@pytest.mark.parametrize("absent", [True, False])
def test_layers_that_are_not_known_are_not_shared(
    absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer that is absent has nothing of what others with its diff ID have."""
    known, other = built(BASE, {"a": "b"})
    lowest = Layer(
        number=0,
        index=other.index if absent else known.index,
        diff_id=known.diff_id if absent else None,
        absent=absent,
    )
    upper = Layer(number=1, index=other.index, diff_id=other.diff_id)
    bases = SharedBases()
    for lower in (known, known, lowest, lowest):
        layers = (lower, upper)
        assert facts(bases.apply(layers)) == facts(apply_layers(layers))


def test_a_layer_that_cannot_be_applied_spoils_no_base() -> None:
    good = [tuple(built(BASE, {f"app/{n}": "y"})) for n in range(3)]
    bad = tuple(built(BASE, {".wh...": ""}))
    bases = SharedBases()
    for layers in good:
        bases.apply(layers)
    with pytest.raises(CorruptLayerError):
        bases.apply(bad)
    assert facts(bases.apply(good[0])) == facts(apply_layers(good[0]))


def test_order_of_layers_counts() -> None:
    one, other = {**BASE, "f": "one"}, {**BASE, "f": "other"}
    bases = SharedBases()
    orders: Sequence[tuple[Tree, ...]] = [(one, other), (other, one), (one, other, {"z": ""})]
    for order in [*orders, *orders]:
        layers = tuple(built(*order))
        assert facts(bases.apply(layers)) == facts(apply_layers(layers))
