"""Layers that are being read: who has each, and who waits for it.

A layer may be fetched from several images' places, its carriers. They take turns: what one of
them gets wrong is that image's failure, and the next is asked.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pyimginspect.errors import LayerError
from pyimginspect.fleet.work import Planned

__all__ = ["Carrier", "LayersUnderWay"]


class Carrier(NamedTuple):
    """An image that has the layer, and at which position."""

    planned: Planned
    position: int


class _Reading:
    """One layer that is being read, from the first of its carriers."""

    def __init__(self) -> None:
        self.carriers: deque[Carrier] = deque()
        self.waiting: dict[str, BaseException | None] = {}  # image keys: what their carrier said


class LayersUnderWay:
    """The layers that are being read, by identity."""

    def __init__(self) -> None:
        self._readings: dict[str, _Reading] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._readings

    def add(self, identity: str, planned: Planned, position: int) -> bool:
        """Have an image wait for a layer that it has; return whether it is to be read now."""
        new = identity not in self._readings
        # In the order in which they came: the first is the one that is asked.
        reading = self._readings.setdefault(identity, _Reading())
        reading.carriers.append(Carrier(planned, position))
        reading.waiting[planned.key] = None
        return new

    def carrier(self, identity: str) -> Carrier:
        """Return who is asked for the layer now."""
        return self._readings[identity].carriers[0]

    def arrived(self, identity: str) -> list[str]:
        """Return who waited for a layer that has been read, or that nobody can read."""
        return list(self._readings.pop(identity).waiting)

    def refused(self, identity: str, error: BaseException) -> list[tuple[str, BaseException]]:
        """Go on to the next carrier; return the images that fail, and why.

        An image whose own layer is not as its digest says, or damaged, fails; one whose registry
        did not answer waits for what the others have. Without a next, all fail.
        """
        reading = self._readings[identity]
        carrier = reading.carriers.popleft()
        key = carrier.planned.key
        failed: list[tuple[str, BaseException]] = []
        # The bytes themselves are wrong: this image has no other.
        if isinstance(error, LayerError):
            reading.waiting.pop(key, None)
            failed.append((key, error))
        elif key in reading.waiting:
            reading.waiting[key] = error
        if not reading.carriers:
            del self._readings[identity]
            failed += [(waits, own or error) for waits, own in reading.waiting.items()]
        return failed
