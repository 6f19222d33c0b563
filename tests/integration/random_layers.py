"""Random stacks of layers held against what a container engine makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from pyimginspect.changesets import apply_layers
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from tests.images import Image, image, layer
from tests.integration.engine import Engine, EngineError
from tests.integration.layer_engines import (
    View,
    by_containerd,
    by_docker,
    by_podman,
    by_us,
    without_modes,
)
from tests.stacks import Stack, blobs, refused_by_containerd

__all__ = ["ENGINES", "Outcome", "outcomes"]

T = TypeVar("T")
Look = Callable[[Mapping[str, Image]], dict[str, View]]
Shared = Sequence[Stack]
"""Stacks that share an image."""

# containerd unpacks the lowest layer without an overlay, and an opaque mark does more there
# (`test_an_opaque_mark_in_the_lowest_layer_of_containerd`): it gets another one below.
BELOW: Final = {"containerd": [layer({"base/": None})]}


class Outcome(NamedTuple):
    """What became of a stack: `differences` has a line for each path that an engine sees otherwise
    than we do, and is None where it refuses the stack."""

    stack: Stack
    differences: tuple[str, ...] | None


ENGINES: dict[str, Callable[[Engine, Path], Look]] = {
    "Docker": lambda engine, folder: partial(by_docker, engine, folder=folder),
    "containerd": lambda engine, folder: partial(by_containerd, engine, folder=folder),
    "Podman": lambda _, folder: partial(by_podman, folder=folder),
}
"""How to see images with an engine, by its name."""


def outcomes(name: str, look: Look, stacks: Sequence[Stack]) -> Iterator[Outcome]:
    """What engine `name` makes of each stack."""
    if name == "containerd":  # one that it refuses would spoil the image that it is in
        refused = {one.seed for one in stacks if refused_by_containerd(one)}
        yield from (Outcome(one, None) for one in stacks if one.seed in refused)
        stacks = [one for one in stacks if one.seed not in refused]
    together = [one for one in stacks if one.below]
    images: list[Shared] = [[one] for one in stacks if not one.below]
    below = BELOW.get(name, [])
    for shared, view in _views(look, [*images, together] if together else images, below):
        if view is None:
            yield from (Outcome(one, None) for one in shared)
        else:
            yield from _compared(name, shared, view)


def _views(
    look: Look, images: Sequence[Shared], below: list[bytes]
) -> Iterator[tuple[Shared, View | None]]:
    """What an engine sees of each image; no view of single stacks that it refuses."""
    named = {f"fuzz/{number}:1": shared for number, shared in enumerate(images)}
    try:
        found = look({tag: image(below + blobs(shared), tag=tag) for tag, shared in named.items()})
    except EngineError:
        # One that is refused spoils the archive that it is in.
        parts: list[Sequence[Shared]] = _halves(images)
        if len(images) == 1:
            parts = [[half] for half in _halves(images[0])]
        if len(images) == 1 and len(images[0]) == 1:
            yield images[0], None
            return
        for part in parts:
            yield from _views(look, part, below)
        return
    for name, view in found.items():
        yield named[name], view


def _halves(several: Sequence[T]) -> list[Sequence[T]]:
    middle = len(several) // 2
    return [several[:middle], several[middle:]]


def _compared(name: str, shared: Shared, theirs: View) -> Iterator[Outcome]:
    mine, implied = _ours(BELOW.get(name, []) + blobs(shared))
    if name == "containerd":
        mine, theirs = without_modes(mine, implied), without_modes(theirs, implied)
    lines: dict[str, list[str]] = {}
    for path in sorted(mine.keys() | theirs.keys()):
        if mine.get(path) != theirs.get(path):
            line = f"  {path!r}: {mine.get(path)}, not {theirs.get(path)}"
            lines.setdefault(path.partition("/")[0], []).append(line)
    for one in shared:
        tops = [one.below] if one.below else [*lines]
        yield Outcome(one, tuple(line for top in tops for line in lines.get(top, ())))


def _ours(layers: list[bytes]) -> tuple[View, set[str]]:
    """What we see, and the directories that no entry describes."""
    rootfs = apply_layers(
        [
            Layer(number=number, index=index_layer(BytesBlob(data=blob)).index)
            for number, blob in enumerate(layers)
        ]
    )
    return by_us(rootfs, tuple(layers)), {path for path in rootfs if rootfs[path].position < 0}
