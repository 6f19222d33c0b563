"""Layers applied as their indexes arrive, in whatever order, while others are still being read."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pyimginspect.errors import PyimginspectError
from pyimginspect.model import Layer, LayerIndex

if TYPE_CHECKING:
    from pyimginspect.changesets import LayerStack
    from pyimginspect.rootfs import RootFS

__all__ = ["ArrivingLayers"]


class ArrivingLayers:
    """The file system of the lowest layers that have arrived, as far as none of them is missing.

    Whether it is needed shows later: what cannot be applied is no error before then.
    """

    def __init__(self) -> None:
        self._arrived: dict[int, LayerIndex] = {}
        self._applied: list[LayerIndex] = []
        self._failed = False

    def add(self, number: int, index: LayerIndex) -> None:
        """Take the index of a layer, and apply all whose turn it is."""
        self._arrived[number] = index
        while not self._failed and (number := len(self._applied)) in self._arrived:
            try:
                self._stack.apply(Layer(number=number, index=self._arrived[number]))
            except PyimginspectError:
                self._failed = True
            self._applied.append(self._arrived[number])

    @cached_property
    def _stack(self) -> LayerStack:
        from pyimginspect.changesets import LayerStack

        return LayerStack()

    def rootfs(self, layers: tuple[Layer, ...]) -> RootFS:
        """Return the file system of an image's layers; only once.

        Raises what :func:`~pyimginspect.changesets.apply_layers` raises.
        """
        from pyimginspect.changesets import apply_layers

        applied = self._applied
        # The very objects: comparing all their entries would cost what was saved.
        known = [layer.index is index for layer, index in zip(layers, applied, strict=False)]
        if self._failed or len(known) < len(applied) or not all(known):
            return apply_layers(layers)
        for layer in layers[len(applied) :]:
            self._stack.apply(layer)
        return self._stack.rootfs(layers)
