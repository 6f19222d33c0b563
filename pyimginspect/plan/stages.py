"""What a stage of its own would hand to the final one: files, and packages that they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.derived.leftovers import bytecode_of, files_of_packages, without
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.inventory.records import files_of
from pyimginspect.plan.context import Context
from pyimginspect.plan.records import Edit

__all__ = [
    "Results",
    "build_results",
    "is_generated",
    "is_scripted",
    "runtime_packages",
    "stray_bytecode",
]

# What maintainer scripts and running programs leave: it comes back with them, or nobody wants it.
_GENERATED = (
    "dev",
    "etc/alternatives/",
    "etc/python3",
    "etc/systemd/",
    "proc",
    "sys",
    "tmp",
    "var/lib/python",
    "var/lib/systemd/",
    "var/tmp",
)
_OF_PACKAGES = ("bin/", "etc/", "lib/", "sbin/", "usr/", "var/")


_LITTLE = 64 << 10
"""Bytes of the base that a directory may hold and be copied whole: a list would be out of date
with the next requirement."""
_FEW = 2
"""Paths of one directory that are rather named one by one."""


class Results(NamedTuple):
    """What a build made: ``paths``, sorted, of directories and files.

    ``spare`` are, by the path of a Python, the distributions among them that the base has too.
    """

    paths: list[str]
    spare: Mapping[str, list[str]]


def build_results(
    context: Context, first: int, last: int, uninstalls: Iterable[Edit] = ()
) -> Results:
    """Return what layers ``first`` to ``last`` made: directories that are new, else files.

    Left out is what packages bring, with what their scripts make of it, what is debris, and the
    distributions that ``uninstalls`` take away.
    Directories of Python's own prefix are taken whole where the base has little in them besides
    distributions that can be uninstalled.
    """
    rootfs, packages = context.inventory.rootfs, context.packages
    installed = [p.key for p in packages.packages if p.installed_in >= context.base]
    owned = files_of_packages(rootfs, packages, installed) | {*stray_bytecode(context, first, last)}
    debris = tuple(f"{c.path}/" for c in context.inventory.caches if c.kind not in INFORMATION)
    gone = _distributions_of(context, uninstalls)
    chosen = set()
    others: set[str] = set()  # directories that hold something not chosen
    leaves = []
    parents = {path.rpartition("/")[0] for path in rootfs.nodes}
    for path, node in rootfs.nodes.items():
        if path in gone or (node.kind == "directory" and path in parents):
            continue
        if path and first <= node.layer <= last:
            generated = is_journal(path) or path.startswith(debris) or is_generated(path)
            if not (
                generated or path in owned or packages.owner(path) or is_scripted(context, path)
            ):
                chosen.add(path)
                continue
        leaves.append(path)
    for path in leaves:
        while path and (path := path.rpartition("/")[0]) not in others:
            others.add(path)
    tops = {_top(path, others) for path in chosen}
    spare = [each for each in _spare(context, first) if chosen.isdisjoint(each.files)]
    spared = {path for each in spare for path in each.files}
    whole = _whole(context, tops, (path for path in leaves if path not in spared))
    tops = {next((place for place in _above(path) if place in whole), path) for path in tops}
    return Results(sorted(tops), _by_python(each for each in spare if each.location in tops))


def _distributions_of(context: Context, uninstalls: Iterable[Edit]) -> set[str]:
    """Return the files of the distributions that these edits take out of environments."""
    inventory = context.inventory
    taken = {(edit.layer, name) for edit in uninstalls for name in edit.packages}
    files: set[str] = set()
    for each in inventory.distributions:
        if (each.layer, each.name) in taken and not each.package:
            own = files_of(inventory.rootfs, each.location, each.metadata)
            files.update(own, bytecode_of(inventory.rootfs, own))
    return files


def _above(path: str) -> Iterator[str]:
    """Yield the directories above ``path``, the highest first."""
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)


def _whole(context: Context, tops: Iterable[str], leaves: Iterable[str]) -> set[str]:
    """Return directories of Pythons that hold several of ``tops`` and few bytes of ``leaves``."""
    inventory = context.inventory
    homes = {python.prefix for python in inventory.interpreters} - {"", "usr"} | {"usr/local"}
    below = (*(f"{home}/" for home in sorted(homes)),)
    counts = Counter(place for path in tops if path.startswith(below) for place in _above(path))
    sizes: Counter[str] = Counter()
    for path in leaves:
        if path.startswith(below):
            content = inventory.rootfs[path].content
            sizes.update(dict.fromkeys(_above(path), content.entry.stored))
    return {
        place
        for place, count in counts.items()
        if count > _FEW and sizes[place] <= _LITTLE and place.startswith(below)
    }


class _Spare(NamedTuple):
    """A distribution that the base has, with the Python that can uninstall it."""

    python: str
    name: str
    location: str
    files: tuple[str, ...]


def _spare(context: Context, first: int) -> Iterator[_Spare]:
    """Yield the distributions below layer ``first`` that pip can uninstall."""
    inventory = context.inventory
    pythons = [python.path for python in inventory.interpreters]
    with_pip = {path for d in inventory.distributions if d.name == "pip" for path in d.interpreters}
    for each in inventory.distributions:
        python = next((path for path in pythons if path in each.interpreters), None)
        if each.layer >= first or each.package or python is None or python not in with_pip:
            continue
        files = files_of(inventory.rootfs, each.location, each.metadata)
        compiled = bytecode_of(inventory.rootfs, files)
        yield _Spare(python, each.name, each.location, (*files, *compiled))


def _by_python(spare: Iterable[_Spare]) -> dict[str, list[str]]:
    """Return the names by Python, that of pip, which does the work, the last."""
    found: dict[str, list[str]] = {}
    for each in spare:
        found.setdefault(each.python, []).append(each.name)
    return {
        python: sorted(names, key=lambda name: (name == "pip", name))
        for python, names in sorted(found.items())
    }


def _top(path: str, others: Collection[str]) -> str:
    """Return the highest directory above ``path`` that holds nothing else than what is chosen."""
    parent = path.rpartition("/")[0]
    while parent and parent not in others:
        path, parent = parent, parent.rpartition("/")[0]
    return path


def is_generated(path: str) -> bool:
    """Whether maintainer scripts or running programs leave a file there."""
    return path.startswith(_GENERATED)


def is_scripted(context: Context, path: str) -> bool:
    """Whether a link or an empty directory is a package's, made as it was installed."""
    if not path.startswith(_OF_PACKAGES):
        return False
    rootfs = context.inventory.rootfs
    node = rootfs[path]
    if node.kind == "directory":  # below /usr/local too (Debian Policy 9.1.2)
        return True
    if node.kind != "symlink" or path.startswith("usr/local/"):
        return False
    target = node.content.entry.target
    real = rootfs.resolve(target if target.startswith("/") else f"{path}/../{target}")
    return real is None or "etc/alternatives/" in target or bool(context.packages.owner(real))


def stray_bytecode(context: Context, first: int, last: int) -> list[str]:
    """Return bytecode that layers ``first`` to ``last`` compiled of modules of layers below them.

    Running Python as root writes it; nobody asked for it.
    """
    rootfs = context.inventory.rootfs
    nodes = rootfs.nodes
    sources = {
        entry.path.rpartition("/")[0]
        for layer in rootfs.layers[:first]
        for entry in layer.index.entries
        if entry.path.endswith(".py")
    }
    places = {
        f"{real}/" if real else "" for real in map(rootfs.resolve, sources) if real is not None
    }
    found = []
    for place in sorted(places):
        for path in rootfs.children(f"{place}__pycache__"):
            if path.endswith(".pyc") and first <= nodes[path].content.layer <= last:
                stem = path.rpartition("/")[2].partition(".")[0]
                source = nodes.get(f"{place}{stem}.py")
                if source is not None and source.content.layer < first:
                    found.append(path)
    return found


def runtime_packages(
    context: Context, first: int, last: int, left_out: Collection[str]
) -> list[tuple[str, str]]:
    """Return manager and name of the packages that the final stage has to install itself."""
    dropped = {tool.package for tool in context.inventory.build_tools if tool.package}
    dropped |= {package.key for package in context.packages.packages if package.name in left_out}
    going, kept = without(context.inventory, dependency_graph(context.packages), dropped)
    proven = {proof.package for proof in kept}
    return sorted(
        {
            (package.manager, package.name)
            for package in context.packages.packages
            if first <= package.installed_in <= last
            and package.key not in going
            and (package.automatic is False or package.key in proven)
            and not package.virtual
        }
    )
