"""Whether the files of distributions are as RECORD says, and whose else they are.

Contents are compared by their length: an index does not hold the hashes that RECORD does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from pyimginspect.inventory.modules import MissingModules
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.model import Note
from pyimginspect.rootfs import Node, RootFS

__all__ = ["Changed", "RecordChecks", "Survey", "compare_claims", "survey"]

# Directories and files that images are slimmed by; nothing that runs misses them.
_OPTIONAL = (
    "/__pycache__/", "/tests/", "/test/", "/idle_test/", "/testing/", "/docs/", "/doc/",
    "/examples/", "/benchmarks/", ".dist-info/licenses/", ".dist-info/sboms/",
)  # fmt: skip
_OPTIONAL_ENDS = (
    ".pyc", ".pyo", ".pyi", ".c", ".cc", ".cpp", ".h", ".hpp", ".cuh", ".pxd", ".pyx", ".pxi",
    ".a", ".md", ".rst", ".txt", "/LICENSE", "/COPYING", "/NOTICE", "/AUTHORS", "/py.typed",
)  # fmt: skip
# Bytecode is made again whenever it is out of date, and installers write the others.
_UNCOMPARED = (
    ".pyc", ".pyo", ".dist-info/INSTALLER", ".dist-info/REQUESTED", ".dist-info/RECORD",
    ".dist-info/direct_url.json",
)  # fmt: skip


class Changed(Struct, frozen=True, kw_only=True, gc=False):
    """A file that has not the length that RECORD gives it."""

    path: str
    recorded: int
    size: int


class Survey(Struct, frozen=True, kw_only=True):
    """The files of one distribution as they are: how many, and the bytes stored for them.

    ``missing`` are those that are not there, but for what is often deleted to save space;
    ``outside`` those of them outside of the directory that is imported from: programs, manual
    pages, configuration. ``changed`` are those of another length than recorded, ``absent`` all
    that nothing is found at, the optional ones and links that lead nowhere among them.
    """

    size: int
    count: int
    missing: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    absent: tuple[str, ...] = ()


class RecordChecks(Struct, frozen=True, kw_only=True):
    """What does not hold of RECORDs; distributions are named by the path of their metadata.

    ``missing``, ``outside`` and ``changed`` are as in :class:`Survey`. ``missing_modules`` has the
    distributions that cannot be imported for want of their files. ``shared`` are files that
    several distributions say are theirs, ``owned`` those of a distribution that an OS package,
    which did not install it, says are its own. All are in the order of paths. ``notes`` say what
    was not examined.
    """

    missing: Mapping[str, tuple[str, ...]] = {}
    outside: Mapping[str, tuple[str, ...]] = {}
    changed: Mapping[str, tuple[Changed, ...]] = {}
    missing_modules: Mapping[str, MissingModules] = {}
    shared: Mapping[str, tuple[str, ...]] = {}
    owned: Mapping[str, tuple[str, ...]] = {}
    notes: tuple[Note, ...] = ()


def survey(
    rootfs: RootFS, sizes: Mapping[str, str], location: str = "", record: Node | None = None
) -> Survey:
    """Look at the files of a distribution in ``location``, which ``record`` lists.

    ``sizes`` are as recorded, empty where they are not.
    """
    present, other, absent = _find(rootfs, sizes)
    changed = _changes(other, sizes, record)
    missing = []
    for path in absent:
        real = rootfs.resolve(path)
        if real is None:
            missing.append(path)
        elif rootfs[real].kind == "file":
            present.append(rootfs[real])
    inside = f"{location}/" if location else ""
    wanted = sorted(path for path in missing if not _optional(path))
    outside = [path for path in wanted if not path.startswith(inside)]
    return Survey(
        size=_stored(rootfs, present),
        count=len(present),
        missing=tuple(path for path in wanted if path.startswith(inside)),
        outside=tuple(path for path in outside if not _moved(rootfs, path, location)),
        changed=tuple(changed),
        absent=tuple(missing),
    )


def _find(rootfs: RootFS, sizes: Mapping[str, str]) -> tuple[list[Node], list[Node], list[str]]:
    """Return the files that are recorded, those of them of another length, and what is absent.

    That is what is not there by that name, or is a link to follow.
    """
    present: list[Node] = []
    other: list[Node] = []
    absent: list[str] = []
    nodes = rootfs.nodes
    for path, recorded in sizes.items():
        node = nodes.get(path)
        if node is None:
            absent.append(path)
            continue
        entry = node.entry
        if entry.kind == "file":
            present.append(node)
            if recorded and recorded != str(entry.size):
                other.append(node)
        elif entry.kind == "symlink":
            absent.append(path)
        elif entry.kind != "directory":
            present.append(node)
    return present, other, absent


def _stored(rootfs: RootFS, files: Collection[Node]) -> int:
    """Return the bytes that layers store for files, content with several names once."""
    stored = 0
    for node in files:
        if node.origin is not None:
            return sum(stored_by_layer(rootfs, [each.path for each in files]).values())
        if node.entry.kind == "file":
            stored += node.entry.stored
    return stored


def _optional(path: str) -> bool:
    return path.endswith(_OPTIONAL_ENDS) or any(part in path for part in _OPTIONAL)


def _moved(rootfs: RootFS, path: str, location: str) -> bool:
    """Whether ``pip install --target`` put the file below the directory that it installed to.

    It records such files (``../../bin/NAME``) before it moves them, and where they were then.
    """
    above = location
    while above and not path.startswith(f"{above}/"):
        above = above.rpartition("/")[0]
    rest = path[len(above) + 1 :] if above else path
    return rootfs.resolve(f"{location}/{rest}") is not None


def _changes(files: Iterable[Node], sizes: Mapping[str, str], record: Node | None) -> list[Changed]:
    changes = []
    for node in files:
        recorded = sizes[node.path]
        # Eighteen digits are below 2**63; RECORD may have anything in this column.
        if not (recorded.isascii() and recorded.isdecimal() and len(recorded) < 19):
            continue
        if node.path.endswith(_UNCOMPARED) or (record is not None and _is_older(node, record)):
            continue
        if int(recorded) != node.size:  # "010" is written so by nobody, and still means 10
            changes.append(Changed(path=node.path, recorded=int(recorded), size=node.size))
    return sorted(changes, key=lambda change: change.path)


def _is_older(node: Node, record: Node) -> bool:
    """Whether a file was there when its RECORD was written, which installers do last.

    What RECORD says of it is then the wheel's own error, which pip does not check (its
    ``install_wheel`` copies the rows), and no change.
    """
    content = node.content
    return content.layer == record.layer and content.entry.mtime < record.entry.mtime


def compare_claims(
    rootfs: RootFS,
    packages: PackageDatabase,
    claims: Mapping[str, Mapping[str, object]],
    packaged: Mapping[str, str],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return ``shared`` and ``owned`` of :class:`RecordChecks`.

    ``claims`` are the files of each distribution, ``packaged`` the OS package of each or empty.
    """
    seen: set[str] = set()
    again: set[str] = set()
    owned: dict[str, tuple[str, ...]] = {}
    for metadata, files in claims.items():
        again.update(seen.intersection(files))
        seen.update(files)
        if not packaged[metadata]:
            taken = packages.owners.keys() & files.keys()
            if taken:
                owned[metadata] = tuple(sorted(taken))
    shared: dict[str, list[str]] = {path: [] for path in sorted(again) if path in rootfs}
    for metadata, files in claims.items():
        for path in shared.keys() & files.keys():
            shared[path].append(metadata)
    return {path: tuple(whose) for path, whose in shared.items()}, owned
