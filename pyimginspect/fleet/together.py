"""Images of this machine's engines, saved several at once: what they share is sent once."""

from __future__ import annotations

from collections import deque

from pyimginspect.fleet.records import Target

__all__ = ["Together", "service_of"]

_MOST = 50
"""Images in one request, so that there are outcomes before all have been saved."""


def service_of(target: Target) -> str:
    """Return the engine that a target names, ``docker`` or ``podman``; empty for another place."""
    prefix = target.reference.partition(":")[0]
    return prefix if prefix in ("docker", "podman") else ""


class Together:
    """Targets that wait to be saved, by their engine; each engine saves one group at a time."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Target]] = {}
        self._saving: dict[str, tuple[Target, ...]] = {}

    def add(self, target: Target) -> None:
        """Have a target wait for the next group of its engine."""
        self._waiting.setdefault(service_of(target), deque()).append(target)

    def begin(self) -> list[tuple[str, tuple[Target, ...]]]:
        """Return the groups that engines should save now."""
        begun = []
        for service, waiting in self._waiting.items():
            if waiting and service not in self._saving:
                group = tuple(waiting.popleft() for _ in range(min(_MOST, len(waiting))))
                self._saving[service] = group
                begun.append((service, group))
        return begun

    def end(self, service: str) -> tuple[Target, ...]:
        """Return the group that an engine has saved, or could not."""
        return self._saving.pop(service)
