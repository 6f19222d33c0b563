"""Names for what layers lost: packages, distributions, or else the directories it was in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pyimginspect.inventory.facts import Loss
from pyimginspect.inventory.packages import PackageDatabase

__all__ = ["top_directories", "what_was_lost"]

_METADATA = re.compile(r"/([^/]+?)-[^/-]+\.(?:dist-info|egg-info)/(?:METADATA|PKG-INFO)$")
_DEPTH = 3


def what_was_lost(losses: Sequence[Loss], packages: PackageDatabase, killer: int) -> list[str]:
    """Return what layer ``killer`` took away, in the words of who knows it, never empty.

    These are the packages that the databases show as removed there, those first that were asked
    for; the Python distributions whose metadata went; or the directories that lost most.
    """
    removed = [
        package
        for package in packages.removed
        if package.history and package.history[-1].layer == killer
    ]
    # Whoever was asked for is named before what came along; databases no longer tell, but what
    # nothing else among the removed depends on was.
    needed = {name for package in removed for names in package.depends for name in names}
    found = sorted(package.name for package in removed if package.name not in needed)
    found += sorted(package.name for package in removed if package.name in needed)
    found += sorted(
        {match[1].replace("_", "-") for loss in losses if (match := _METADATA.search(loss.path))}
    )
    return found or top_directories(losses)


def top_directories(losses: Iterable[Loss]) -> list[str]:
    """Return the directories, at most three levels deep, that lost bytes, most bytes first."""
    sizes: dict[str, int] = {}
    for loss in losses:
        parts = loss.path.split("/")
        top = "/" + "/".join(parts[:_DEPTH] if len(parts) > _DEPTH else parts)
        sizes[top] = sizes.get(top, 0) + loss.size
    return sorted(sizes, key=lambda top: (-sizes[top], top))
