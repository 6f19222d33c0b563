"""What a stage of its own would hand to the final one: files, and packages that they need."""

from __future__ import annotations

from collections.abc import Collection

from pyimginspect.inventory.build_tools import brought
from pyimginspect.inventory.caches import INFORMATION
from pyimginspect.inventory.journals import is_journal
from pyimginspect.inventory.leftovers import files_of_packages, without
from pyimginspect.inventory.packages import dependency_graph
from pyimginspect.plan.workshop import Workshop

__all__ = ["build_results", "runtime_packages", "stray_bytecode"]

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


def build_results(shop: Workshop, first: int, last: int) -> list[str]:
    """Return what layers ``first`` to ``last`` made: directories that are new, else files, sorted.

    Left out is what packages bring, with what their scripts make of it, and what is debris.
    """
    rootfs, packages = shop.inventory.rootfs, shop.packages
    installed = [p.key for p in packages.packages if brought(p) >= shop.base]
    owned = files_of_packages(rootfs, packages, installed) | {*stray_bytecode(shop, first, last)}
    debris = tuple(f"{c.path}/" for c in shop.inventory.caches if c.kind not in INFORMATION)
    chosen = set()
    others: set[str] = set()  # directories that hold something not chosen
    leaves = []
    parents = {path.rpartition("/")[0] for path in rootfs.nodes}
    for path, node in rootfs.nodes.items():
        if node.kind == "directory" and path in parents:
            continue
        if path and first <= node.layer <= last:
            generated = is_journal(path) or path.startswith((*debris, *_GENERATED))
            if not (generated or path in owned or packages.owner(path) or _scripted(shop, path)):
                chosen.add(path)
                continue
        leaves.append(path)
    for path in leaves:
        while path and (path := path.rpartition("/")[0]) not in others:
            others.add(path)
    return sorted({_top(path, others) for path in chosen})


def _top(path: str, others: Collection[str]) -> str:
    """Return the highest directory above ``path`` that holds nothing else than what is chosen."""
    parent = path.rpartition("/")[0]
    while parent and parent not in others:
        path, parent = parent, parent.rpartition("/")[0]
    return path


def _scripted(shop: Workshop, path: str) -> bool:
    """Whether a link or an empty directory is a package's, made as it was installed."""
    if not path.startswith(_OF_PACKAGES) or path.startswith("usr/local/"):
        return False
    rootfs = shop.inventory.rootfs
    node = rootfs[path]
    if node.kind != "symlink":
        return node.kind == "directory"
    target = node.content.entry.target
    real = rootfs.resolve(target if target.startswith("/") else f"{path}/../{target}")
    return real is None or "etc/alternatives/" in target or bool(shop.packages.owner(real))


def stray_bytecode(shop: Workshop, first: int, last: int) -> list[str]:
    """Return bytecode that layers ``first`` to ``last`` compiled of modules of layers below them.

    Running Python as root writes it; nobody asked for it.
    """
    rootfs = shop.inventory.rootfs
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
    shop: Workshop, first: int, last: int, left_out: Collection[str]
) -> list[tuple[str, str]]:
    """Return manager and name of the packages that the final stage has to install itself."""
    dropped = {tool.package for tool in shop.inventory.build_tools if tool.package}
    dropped |= {package.key for package in shop.packages.packages if package.name in left_out}
    going, kept = without(shop.inventory, dependency_graph(shop.packages), dropped)
    proven = {proof.package for proof in kept}
    return sorted(
        {
            (package.manager, package.name)
            for package in shop.packages.packages
            if first <= brought(package) <= last
            and package.key not in going
            and (package.automatic is False or package.key in proven)
            and not package.virtual
        }
    )
