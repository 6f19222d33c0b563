"""The images that a Docker Engine or a Podman service has."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

from pyimginspect.fleet.references.choice import Skipped
from pyimginspect.sources.daemon import list_images

__all__ = ["installed_images"]


def installed_images(
    service: Literal["docker", "podman"], pattern: str, skipped: Skipped
) -> Iterator[str]:
    """Return a reference to each image of ``docker`` or ``podman`` whose name has ``pattern``.

    An image of several names is one reference; one without a name is left out, and counted.
    Raises :class:`DaemonError`.
    """
    for identity, names in list_images(service):
        wanted = sorted(name for name in names if fnmatchcase(name, pattern))
        # The first by name, so that it is the same on every run.
        if wanted:
            yield f"{service}:{wanted[0]}"
        elif not names:
            skipped.add("images without a name", identity)
