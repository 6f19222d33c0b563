"""Layers applied as they arrive: the same file system as of all layers at once."""

import itertools

import pytest

from pyimginspect.arriving_layers import ArrivingLayers
from pyimginspect.changesets import apply_layers
from pyimginspect.errors import CorruptLayerError
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.images import layer


def layers(*trees: dict[str, object]) -> tuple[Layer, ...]:
    return tuple(
        Layer(number=number, index=index_layer(BytesBlob(data=layer(tree))).index)  # type: ignore[arg-type]
        for number, tree in enumerate(trees)
    )


def seen(rootfs: RootFS) -> tuple[object, ...]:
    return rootfs.nodes, rootfs.removals, rootfs.symlinks, rootfs.notes


IMAGE = layers({"etc/a": "1", "etc/b": "2"}, {"etc/.wh.a": "", "etc/b": "3"}, {"etc/a": "4"})
CORRUPT = layers({"a": "1"}, {".wh...": ""}, {"b": "2"})


@pytest.mark.parametrize("arrived", [*itertools.permutations(range(3)), (0, 1), (1, 2), (2,), ()])
def test_in_whatever_order_they_arrive(arrived: tuple[int, ...]) -> None:
    arriving = ArrivingLayers()
    for number in arrived:
        arriving.add(number, IMAGE[number].index)
    assert seen(arriving.rootfs(IMAGE)) == seen(apply_layers(IMAGE))


@pytest.mark.parametrize("arrived", [(0, 1, 2), (0,), ()])
def test_a_layer_that_cannot_be_applied_fails_when_it_is_asked_for(arrived: tuple[int]) -> None:
    arriving = ArrivingLayers()
    for number in arrived:
        arriving.add(number, CORRUPT[number].index)
    with pytest.raises(CorruptLayerError, match="whiteout of nothing"):
        arriving.rootfs(CORRUPT)


@pytest.mark.parametrize("image", [IMAGE[:1], (IMAGE[0], *CORRUPT[2:])])
def test_layers_that_are_others_in_the_end(image: tuple[Layer, ...]) -> None:
    """Those of Windows are rewritten once all are there."""
    arriving = ArrivingLayers()
    for each in IMAGE:
        arriving.add(each.number, each.index)
    assert seen(arriving.rootfs(image)) == seen(apply_layers(image))
