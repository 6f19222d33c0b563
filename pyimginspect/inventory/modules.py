"""What a distribution is imported by, and whether that is still in the image.

Sources: the import system of the Python language reference (regular and namespace packages),
PEP 3147 (``__pycache__`` alone is not imported from), PEP 420 (namespace packages).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from pyimginspect.inventory.memoize import memoized
from pyimginspect.rootfs import RootFS, target_of

__all__ = ["MissingModules", "find_missing_modules", "importable_names", "module_at"]

_BYTECODE = (".py", ".pyc")
# Names that no application imports; some wheels carry them along by mistake.
_DISPENSABLE = frozenset(
    {"benchmark", "benchmarks", "build", "conftest", "demo", "demos", "doc", "docs", "example",
     "examples", "sample", "samples", "scripts", "setup", "test", "testing", "tests", "tools"}
)  # fmt: skip


# Packages that go by a name that images are slimmed by, and that their own package imports:
# boto3/resources/factory.py, botocore/client.py, pandas/testing.py.
_IMPORTED = ("boto3.docs", "botocore.docs", "pandas._testing")


class MissingModules(Struct, frozen=True, kw_only=True):
    """The modules and packages that a distribution brought and that are not in the image.

    ``modules`` are dotted names, ``paths`` the files that each would be imported from.
    ``links`` are paths of symbolic links among or above them that lead nowhere, with their
    targets. ``rest`` says whether a directory of the first name is still there, which Python
    imports as an empty namespace package.
    """

    modules: tuple[str, ...]
    paths: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    rest: bool = False


def find_missing_modules(
    rootfs: RootFS,
    location: str,
    files: Iterable[str],
    absent: Iterable[str],
    sights: Iterable[Sequence[str]],
) -> MissingModules | None:
    """Return what of the modules among ``files`` cannot be imported any more, if any is lost.

    ``absent`` are those of the files that are not there; ``sights`` the directories that each
    Python which imports the distribution looks into. Submodules do not count, but for those that
    the package is known to import, nor do test suites and examples; of packages that share a
    namespace only the loss of all does.
    """
    gone = set(absent)
    if not any(path.endswith((*_BYTECODE, ".so")) for path in gone):
        return None
    # The test is whether an import works: another directory may have the module as well.
    places = {place for sight in sights for place in sight} - {location}
    missing = {
        name: paths
        for name, paths in _removed(rootfs, location, files, gone).items()
        # A directory that lost its __init__ would count as a namespace package in its own place.
        if not module_at(rootfs, location, name, namespaces=False)
        and not any(module_at(rootfs, place, name) for place in places)
    }
    if not missing:
        return None
    names = sorted(missing)
    paths = sorted(itertools.chain.from_iterable(missing.values()))
    links = {link for path in paths if (link := _dead_link(rootfs, path)) is not None}
    top = rootfs.resolve(f"{location}/{names[0].replace('.', '/')}")
    return MissingModules(
        modules=tuple(names),
        paths=tuple(paths),
        links=tuple((link, target_of(rootfs[link])) for link in sorted(links)),
        rest=top is not None and rootfs[top].kind == "directory",
    )


def _removed(
    rootfs: RootFS, location: str, files: Iterable[str], gone: set[str]
) -> Mapping[str, Sequence[str]]:
    """Return the public modules that nothing is left of, by name, and the files they had."""
    units = _units(location, files)
    # What has private modules alone is imported by those.
    public = {name: u for name, u in units.items() if not _is_private(name)} or units
    removed: dict[str, Sequence[str]] = {
        name: paths
        for name, paths in public.items()
        if gone.issuperset(paths) and not _legacy(rootfs, paths)
    }
    if len(removed) == len(public):
        return removed
    # Submodules, and packages that share a namespace with one that is left, do not count.
    removed = {name: paths for name, paths in removed.items() if "." not in name}
    for name in _IMPORTED:
        path = f"{location}/{name.replace('.', '/')}/__init__.py"
        if path in gone and name.partition(".")[0] not in removed:
            removed[name] = [path]
    return removed


def importable_names(location: str, files: Iterable[str]) -> set[str]:
    """Return the dotted names of what an application could import of these files."""
    return {name for name in _units(location, files) if not _is_private(name)}


def module_at(rootfs: RootFS, directory: str, name: str, *, namespaces: bool = True) -> bool:
    """Whether ``directory`` has a module or a package of a dotted name to import.

    With ``namespaces``, a directory without ``__init__`` is one if it holds any module.
    """
    parent, _, last = f"{directory}/{name.replace('.', '/')}".rpartition("/")
    real = rootfs.resolve(parent)
    if real is None:
        return False
    for path in _listing(rootfs, real).get(last, ()):
        target = rootfs.resolve(path)
        if target is None:
            continue
        _, dot, ending = path.rpartition("/")[2].partition(".")
        if dot:
            # `cpython-311-x86_64-linux-gnu.so`, `abi3.so` or `so`.
            if ending in ("py", "pyc") or ending.endswith("so"):
                return True
        elif rootfs[target].kind == "directory" and _is_package(rootfs, target, namespaces):
            return True
    return False


def _listing(rootfs: RootFS, directory: str) -> dict[str, list[str]]:
    """Return the paths in a directory by what each is before its first full stop."""
    known = _listings(rootfs)
    if directory not in known:
        known[directory] = {}
        for path in rootfs.children(directory):
            stem = path.rpartition("/")[2].partition(".")[0]
            known[directory].setdefault(stem, []).append(path)
    return known[directory]


@memoized
def _listings(rootfs: RootFS) -> dict[str, dict[str, list[str]]]:
    """Return the listings of the directories that were asked for: they are so again and again."""
    return {}


def _is_package(rootfs: RootFS, directory: str, namespaces: bool) -> bool:
    for path in rootfs.children(directory):
        first = path.rpartition("/")[2].startswith("__init__.")
        if rootfs.resolve(path) is None:
            continue
        if path.endswith((*_BYTECODE, ".so")) and (first or namespaces):
            return True
    return False


def _units(location: str, files: Iterable[str]) -> dict[str, list[str]]:
    """Return what can be imported by itself, by its dotted name, and the files that make it one.

    A package with ``__init__`` is one, whatever is below it; without, each of its modules is.
    """
    prefix = f"{location}/" if location else ""
    packages: dict[str, list[str]] = {}
    modules: list[tuple[str, str, str]] = []
    for path in files:
        if not path.startswith(prefix) or not path.endswith((".py", ".so")):
            continue
        directory, _, file = path[len(prefix) :].rpartition("/")
        stem = file.partition(".")[0]
        # Nothing below `numpy.libs` or `../../bin` can be named in an import statement.
        if not all(part.isidentifier() for part in (*filter(None, directory.split("/")), stem)):
            continue
        if stem == "__init__" and directory:
            packages.setdefault(directory, []).append(path)
        else:
            modules.append((directory, stem, path))
    found: dict[str, list[str]] = {}
    for directory, paths in packages.items():
        if not _has_above(packages, directory.rpartition("/")[0]):
            found[directory.replace("/", ".")] = paths
    for directory, stem, path in modules:
        if not _has_above(packages, directory):
            found.setdefault(f"{directory}/{stem}".strip("/").replace("/", "."), []).append(path)
    return found


def _has_above(packages: Mapping[str, object], directory: str) -> bool:
    while directory:
        if directory in packages:
            return True
        directory = directory.rpartition("/")[0]
    return False


def _is_private(name: str) -> bool:
    first = name.partition(".")[0]
    return first.startswith("_") or first.lower() in _DISPENSABLE


def _legacy(rootfs: RootFS, paths: Iterable[str]) -> bool:
    """Whether bytecode stands in the place of a source: ``compileall -b``, then no sources."""
    return any(path.endswith(".py") and rootfs.resolve(f"{path}c") is not None for path in paths)


def _dead_link(rootfs: RootFS, path: str) -> str | None:
    """Return the symbolic link at or above a path, if that is why nothing is there."""
    while path:
        node = rootfs.get(path)
        if node is not None:
            return path if node.kind == "symlink" and rootfs.resolve(path) is None else None
        path = path.rpartition("/")[0]
    return None
