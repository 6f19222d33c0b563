"""Whether the files of distributions are as RECORD says, and whose else they are.

Contents are compared by their length: an index does not hold the hashes that RECORD does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["Changed", "RecordChecks", "Survey", "compare_claims", "survey"]

# Directories and files that images are slimmed by; nothing that runs misses them.
_OPTIONAL = ("/__pycache__/", "/tests/", "/test/", "/idle_test/", "/testing/", "/docs/", "/doc/")
_OPTIONAL_ENDS = (".pyc", ".pyo", ".pyi", ".c", ".h", ".pxd", ".md", ".rst", ".txt")


class Changed(Struct, frozen=True, kw_only=True, gc=False):
    """A file that has not the length that RECORD gives it."""

    path: str
    recorded: int
    size: int


class Survey(Struct, frozen=True, kw_only=True):
    """The files of one distribution as they are: how many, and the bytes stored for them.

    ``missing`` are those that are not there, but for what is often deleted to save space;
    ``changed`` those of another length than recorded.
    """

    size: int
    count: int
    missing: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()


class RecordChecks(Struct, frozen=True, kw_only=True):
    """What does not hold of RECORDs; distributions are named by the path of their metadata.

    ``missing`` and ``changed`` are as in :class:`Survey`. ``shared`` are files that several
    distributions say are theirs, ``owned`` those of a distribution that an OS package, which did
    not install it, says are its own. All are in the order of paths. ``notes`` say what was not
    looked at.
    """

    missing: Mapping[str, tuple[str, ...]] = {}
    changed: Mapping[str, tuple[Changed, ...]] = {}
    shared: Mapping[str, tuple[str, ...]] = {}
    owned: Mapping[str, tuple[str, ...]] = {}
    notes: tuple[Note, ...] = ()


def survey(rootfs: RootFS, sizes: Mapping[str, str]) -> Survey:
    """Look at the files of a distribution; ``sizes`` are as recorded, empty where they are not."""
    total = 0
    files, absent, other = [], [], []
    linked = False
    nodes = rootfs.nodes
    for path, recorded in sizes.items():
        node = nodes.get(path)
        if node is None:
            absent.append(path)
            continue
        entry = node.entry
        if entry.kind == "file":
            total += entry.stored
            if recorded and recorded != str(entry.size):
                other.append(path)
        elif entry.kind == "directory":
            continue
        linked = linked or node.origin is not None
        files.append(path)
    missing = []
    for path in absent:
        real = rootfs.resolve(path)  # it may lead through a link
        if real is None:
            missing.append(path)
        elif rootfs[real].kind == "file":
            total += rootfs[real].entry.stored
            files.append(real)
    if linked:
        total = sum(stored_by_layer(rootfs, files).values())
    return Survey(
        size=total,
        count=len(files),
        missing=tuple(sorted(path for path in missing if not _optional(path))),
        changed=tuple(_changes(rootfs, sizes, sorted(other))),
    )


def _optional(path: str) -> bool:
    return path.endswith(_OPTIONAL_ENDS) or any(part in path for part in _OPTIONAL)


def _changes(rootfs: RootFS, sizes: Mapping[str, str], paths: Iterable[str]) -> list[Changed]:
    changes = []
    for path in paths:
        recorded = sizes[path]
        if recorded.isascii() and recorded.isdecimal() and len(recorded) < 19:
            size = rootfs[path].size
            if int(recorded) != size:  # "010" is written so by nobody, and still means 10
                changes.append(Changed(path=path, recorded=int(recorded), size=size))
    return changes


def compare_claims(
    rootfs: RootFS,
    packages: PackageDatabase,
    claims: Mapping[str, Iterable[str]],
    packaged: Mapping[str, str],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return ``shared`` and ``owned`` of :class:`RecordChecks`.

    ``claims`` are the files of each distribution, ``packaged`` the OS package of each or empty.
    """
    shared: dict[str, list[str]] = {}
    owned: dict[str, tuple[str, ...]] = {}
    first: dict[str, str] = {}
    for metadata, files in claims.items():
        mine = dict.fromkeys(files, metadata)
        for path in first.keys() & mine.keys():
            shared.setdefault(path, [first[path]]).append(metadata)
        first |= mine
        if not packaged[metadata]:
            taken = packages.owners.keys() & mine.keys()
            if taken:
                owned[metadata] = tuple(sorted(taken))
    live = {path: tuple(shared[path]) for path in sorted(shared) if path in rootfs}
    return live, owned
