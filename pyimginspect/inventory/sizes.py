"""Where the bytes of an image are: layer by layer, directory by directory, and what for.

The whole tree of a large image has tens of thousands of files; a picture of it needs the large
ones by name and of the rest only the sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.facts import Area, BuildTool, Cache, Interpreter, Use
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.model import Entry, Layer
from pyimginspect.rootfs import RootFS

__all__ = ["map_sizes", "uses_of"]

_FINEST = 3000  # shares of the image: what is smaller is not shown by itself
_DEEPEST = 16  # directories: what is below is summed up
_TOP = ""


def uses_of(
    packages: PackageDatabase,
    build_tools: Iterable[BuildTool],
    caches: Iterable[Cache],
    interpreters: Iterable[Interpreter],
) -> dict[str, Use]:
    """Return what paths of the final file system are for; a directory's holds for all below.

    The first Python is the primary one, else the effective one, or the first of all where
    none is; what belongs to any other is ``second-python``. Bytecode and tests, which
    lie among what is used, are live.
    """
    uses: dict[str, Use] = {}
    pythons = sorted(interpreters, key=lambda python: (not python.primary, not python.effective))
    for python in pythons[1:]:
        for path in (python.path, python.stdlib, python.libpython, *python.site_packages):
            uses[path] = "second-python"
        for package in python.packages:
            uses.update(dict.fromkeys(packages.files(package), "second-python"))
    # Pythons of one package manager may share a directory: it is live if the first one has it.
    for python in pythons[:1]:
        for path in (python.path, python.stdlib, python.libpython, *python.site_packages):
            uses.pop(path, None)
    for tool in build_tools:
        if tool.package:
            uses.update(dict.fromkeys(packages.files(tool.package), "build-tool"))
        elif tool.path:
            uses[tool.path] = "build-tool"
    uses.update({cache.path: "cache" for cache in caches if cache.kind not in INFORMATION})
    # A path that is not known (there may be no libpython) is empty, and so is that of the root.
    uses.pop(_TOP, None)
    return uses


def map_sizes(rootfs: RootFS, uses: Mapping[str, Use]) -> tuple[Area, ...]:
    """Return the areas of all layers; those of a layer add up to the bytes that it stores.

    Sorted by layer, path and use.
    """
    stored = sum(layer.index.stored for layer in rootfs.layers)
    least = max(1, stored // _FINEST)
    wasted: dict[int, dict[int, Use]] = {}
    for removal in rootfs.removals:
        wasted.setdefault(removal.layer, {})[removal.position] = removal.how
    lookup = _Uses(uses)
    areas: list[Area] = []
    for layer in rootfs.layers:
        areas += _map_layer(layer, wasted.get(layer.number, {}), lookup, least)
    return tuple(areas)


def _map_layer(layer: Layer, wasted: Mapping[int, Use], lookup: _Uses, least: int) -> list[Area]:
    files = [(n, entry) for n, entry in enumerate(layer.index.entries) if entry.stored]
    shown = _Shown([entry for _, entry in files], least)
    sums: dict[tuple[str, Use], list[int]] = {}
    areas = []
    for position, entry in files:
        use = wasted.get(position) or lookup.of(entry.path)
        if entry.stored >= least:
            areas.append(Area(layer=layer.number, path=entry.path, size=entry.stored, use=use))
            continue
        rest = sums.setdefault((shown.above(entry.path), use), [0, 0])
        rest[0] += entry.stored
        rest[1] += 1
    areas += [
        Area(layer=layer.number, path=path, size=size, use=use, files=number)
        for (path, use), (size, number) in sums.items()
    ]
    return sorted(areas, key=lambda area: (area.path, area.use, area.files, area.size))


class _Uses:
    """Looks up what a path is for: by itself, or by the nearest directory above it."""

    def __init__(self, uses: Mapping[str, Use]) -> None:
        self._uses = uses
        self._directories: dict[str, Use] = {_TOP: "live"}

    def of(self, path: str) -> Use:
        use = self._uses.get(path)
        return use if use is not None else self._of_directory(path.rpartition("/")[0])

    def _of_directory(self, path: str) -> Use:
        asked = []
        while path not in self._directories and path not in self._uses:
            asked.append(path)
            path = path.rpartition("/")[0]
        use = self._uses.get(path) or self._directories[path]
        self._directories.update(dict.fromkeys(asked, use))
        return use


class _Shown:
    """The directories of a layer that are large enough to be shown."""

    def __init__(self, files: Iterable[Entry], least: int) -> None:
        sums: dict[str, int] = {}
        for entry in files:
            parent = entry.path.rpartition("/")[0]
            sums[parent] = sums.get(parent, 0) + entry.stored
        # From the deepest up, so that every sum is complete before it is handed on.
        for path in _with_parents(sums):
            if path:
                parent = path.rpartition("/")[0]
                sums[parent] = sums.get(parent, 0) + sums[path]
        self._large = {
            path for path, size in sums.items() if size >= least and path.count("/") < _DEEPEST
        }
        self._above: dict[str, str] = {}

    def above(self, path: str) -> str:
        """Return the nearest directory above ``path`` that is shown."""
        parent = path.rpartition("/")[0]
        known = self._above.get(parent)
        if known is None:
            known = parent
            while known and known not in self._large:
                known = known.rpartition("/")[0]
            self._above[parent] = known
        return known


def _with_parents(paths: Iterable[str]) -> list[str]:
    """Return directories and all above them, the deepest first."""
    found = {_TOP}
    for path in paths:
        while path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return sorted(found, key=lambda path: path.count("/"), reverse=True)
