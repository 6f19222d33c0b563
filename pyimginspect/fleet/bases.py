"""File systems of the layers that several images begin with, kept to put further layers on."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import takewhile

from pyimginspect.changesets import LayerStack
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS

__all__ = ["SharedBases"]

_MOST_NODES = 60_000  # of all that is kept: a path takes some 150 bytes beside its entry
_MOST_CHAINS = 100  # images that the next ones are compared with

_Chain = tuple[str, ...]


class SharedBases:
    """Applies layers as :func:`~pyimginspect.changesets.apply_layers` does, shared ones once.

    Layers are distinguished by their diff IDs, which must have been verified. What two images begin
    with is kept when the second of them is built, and the base that was not used for longest
    goes first.
    """

    def __init__(self, most_nodes: int = _MOST_NODES) -> None:
        self._most = most_nodes
        self._nodes = 0
        self._stacks: OrderedDict[_Chain, LayerStack] = OrderedDict()
        self._chains: deque[_Chain] = deque(maxlen=_MOST_CHAINS)

    def apply(self, layers: tuple[Layer, ...]) -> RootFS:
        """Return the file system of ``layers``. Raises what ``apply_layers`` does."""
        chain = _chain(layers)
        shared = max((_common(chain, other) for other in self._chains), default=0)
        base = self._longest(chain)
        # Copied, since layers change the stack that they are put on.
        stack = self._stacks[base].copy() if base else LayerStack()
        for layer in layers[len(base) :]:
            stack.apply(layer)
            # Only what a second image begins with: most chains are of one image.
            if layer.number + 1 == shared and _is_worth_it(layers[len(base) : shared], stack):
                self._keep(chain[:shared], stack)
        if chain not in self._chains:
            self._chains.append(chain)
        return stack.rootfs(layers)

    def clear(self) -> None:
        """Keep nothing any more."""
        self._stacks.clear()
        self._chains.clear()
        self._nodes = 0

    def _longest(self, chain: _Chain) -> _Chain:
        fitting = [kept for kept in self._stacks if chain[: len(kept)] == kept]
        best = max(fitting, key=len, default=())
        if best:
            self._stacks.move_to_end(best)
        return best

    def _keep(self, chain: _Chain, stack: LayerStack) -> None:
        if len(stack.nodes) > self._most:
            return
        self._stacks[chain] = stack.copy()
        self._nodes += len(stack.nodes)
        while self._nodes > self._most:
            _, dropped = self._stacks.popitem(last=False)
            self._nodes -= len(dropped.nodes)


def _is_worth_it(added: tuple[Layer, ...], stack: LayerStack) -> bool:
    """Whether copying a stack is far less work than putting its last layers on once more."""
    return 4 * sum(len(layer.index.entries) for layer in added) >= len(stack.nodes)


def _chain(layers: tuple[Layer, ...]) -> _Chain:
    """Return the diff IDs of the lowest layers, as far as all are known and there.

    What was read by a table of contents is recognized by that too, since no diff ID vouches for it.
    """
    known = takewhile(lambda layer: layer.diff_id is not None and not layer.absent, layers)
    return tuple(f"{layer.diff_id}{layer.index.toc_digest}" for layer in known)


def _common(one: _Chain, other: _Chain) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
