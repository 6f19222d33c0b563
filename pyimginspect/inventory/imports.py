"""What of a distribution's compiled files its import depends on.

What decides is what ``import`` does in the container. Which modules a package imports is in its
Python code, which is not read; so this says what the files themselves, and a table of packages
whose code was read, allow to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Literal

from msgspec import Struct

from pyimginspect.inventory.loader import Resolution
from pyimginspect.inventory.records import files_of
from pyimginspect.inventory.tables import read_table
from pyimginspect.inventory.wheels import Wheel, is_opened
from pyimginspect.rootfs import RootFS

__all__ = ["Use", "judge", "unneeded"]


class Use(Struct, frozen=True, kw_only=True):
    """What an import makes of a file that does not load.

    ``import`` fails for it; it is ``optional``: other files do without it; or it is ``preloaded``,
    because another distribution has what it needs and loads that first; or ``nothing`` opens it.
    ``reason`` says how that is known, as a sentence without an end.
    """

    kind: Literal["import", "optional", "preloaded", "nothing"] = "import"
    reason: str = ""


class Guard(Struct, frozen=True, kw_only=True):
    """Modules whose import a distribution guards, and does without.

    ``modules`` are paths without endings, as in RECORD. ``source`` is the file that guards them,
    ``instead`` what is used in their place.
    """

    distribution: str
    modules: tuple[str, ...]
    source: str
    instead: str


class _Table(Struct, frozen=True, kw_only=True):
    guarded: tuple[Guard, ...]


@cache
def _guards() -> Mapping[str, tuple[Guard, ...]]:
    found: dict[str, tuple[Guard, ...]] = {}
    for row in read_table("native_libraries", _Table).guarded:
        found[row.distribution] = (*found.get(row.distribution, ()), row)
    return found


def unneeded(wheel: Wheel, paths: Collection[str]) -> Use | None:
    """Return why an import does without all these modules, ``None`` if it may not."""
    rows = _guards().get(wheel.distribution.name.lower().replace("_", "-"), ())
    reason = ""
    for path in paths:
        # `x/_c.cpython-311-….so` is `x/_c` in the table, which holds for every Python.
        inside = path.removeprefix(f"{wheel.distribution.location}/").partition(".")[0]
        row = next((row for row in rows if inside in row.modules), None)
        if row is None:
            return None
        reason = f"{row.source} falls back to {row.instead} where that import fails"
    return Use(kind="optional", reason=reason) if reason else None


def judge(
    rootfs: RootFS, wheel: Wheel, tried: Mapping[str, Resolution], brought: Collection[str]
) -> dict[str, Use]:
    """Return what an import makes of those of a distribution's files that do not load.

    ``tried`` are either its modules or its libraries. ``brought`` are the names of all libraries
    that distributions bring: what is missing of those, other Python code may load first.
    """
    failing = [path for path, resolution in tried.items() if not resolution.loads]
    uses: dict[str, Use] = {}
    rest = []
    for path in failing:
        known = unneeded(wheel, (path,))
        if not is_opened(wheel.distribution.location, path):
            uses[path] = Use(kind="nothing")
        elif known is not None:
            uses[path] = known
        elif path in wheel.modules and _waits(tried[path], brought):
            reason = "a distribution of this image has that library, and may load it first"
            uses[path] = Use(kind="preloaded", reason=reason)
        else:
            rest.append(path)
    if rest:
        others = [path for path in tried if path not in failing]
        modules = rest[0] in wheel.modules
        judged = (_of_modules if modules else _of_libraries)(rootfs, wheel, rest, others)
        uses |= dict.fromkeys(rest, judged)
    return uses


def _of_modules(rootfs: RootFS, wheel: Wheel, failing: list[str], others: list[str]) -> Use:
    """Return what an import makes of extension modules that do not load.

    It is not for a part of them that the rest does without, unless they are most of what was
    compiled, or imported by their own names.
    """
    location = wheel.distribution.location
    # A module beside the packages, as cffi's _cffi_backend is, gets imported by its own name.
    own = any(path.rpartition("/")[0] == location for path in failing)
    # A rule that was tried on 67 distributions: docs/decisions/imports.md.
    if not others or own or _bytes(rootfs, failing) > _bytes(rootfs, others):
        return Use()
    return _others_load(failing, others, "extension modules")


def _of_libraries(rootfs: RootFS, wheel: Wheel, failing: list[str], others: list[str]) -> Use:
    """Return what an import makes of libraries that do not load, and that no module needs.

    One that loads is the alternative to all others (``libx_cpu.so``, ``libx_cuda.so``).
    """
    if not _has_code(rootfs, wheel):
        return Use(kind="nothing")
    if wheel.modules:
        return Use(kind="optional", reason="none of its extension modules needs that library")
    return _others_load(failing, others, "libraries") if others else Use()


def _others_load(failing: list[str], others: list[str], kind: str) -> Use:
    total = len(failing) + len(others)
    reason = f"{len(others)} of its {total} {kind} load, /{others[0]} among them"
    return Use(kind="optional", reason=reason)


def _bytes(rootfs: RootFS, paths: Iterable[str]) -> int:
    return sum(rootfs[path].size for path in paths)


def _waits(resolution: Resolution, brought: Collection[str]) -> bool:
    """Whether all that a file misses is what some distribution brings."""
    failures = resolution.failures
    if not failures or resolution.problem or resolution.mismatches:
        return False
    return all(each.name in brought and not each.broken for each in failures)


def _has_code(rootfs: RootFS, wheel: Wheel) -> bool:
    """Whether a distribution has Python code of its own, to open its libraries."""
    paths = files_of(rootfs, wheel.distribution.location, wheel.distribution.metadata)
    sources = (rootfs.get(path) for path in paths if path.endswith(".py"))
    # An empty __init__.py opens no library.
    return any(node is not None and node.size for node in sources)
