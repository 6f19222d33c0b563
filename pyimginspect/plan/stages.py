"""What a build leaves that no final stage copies: traces of packages, stray bytecode."""

from __future__ import annotations

from pyimginspect.plan.context import Context

__all__ = [
    "is_generated",
    "is_scripted",
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
# Where packages have their files (FHS); below /usr/local links are made by a user.
_OF_PACKAGES = ("bin/", "etc/", "lib/", "sbin/", "usr/", "var/")


def is_generated(path: str) -> bool:
    """Whether maintainer scripts or running programs leave a file there."""
    return path.startswith(_GENERATED)


def is_scripted(context: Context, path: str) -> bool:
    """Whether a link is a package's, made as it was installed."""
    if not path.startswith(_OF_PACKAGES):
        return False
    rootfs = context.inventory.rootfs
    node = rootfs[path]
    if node.kind != "symlink" or path.startswith("usr/local/"):
        return False
    target = node.content.entry.target
    real = rootfs.resolve(path)
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
