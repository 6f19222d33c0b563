"""From the texts in the layers to the packages of one package manager, each with its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from pyimginspect.inventory.facts import OsPackage, PackageEvent
from pyimginspect.inventory.packages import dpkg
from pyimginspect.inventory.packages.dpkg import DpkgPackage
from pyimginspect.inventory.packages.history import Identity, databases_by_layer, trace
from pyimginspect.inventory.packages.relations import names
from pyimginspect.model import Note
from pyimginspect.rootfs import RootFS

__all__ = ["Claim", "Installation", "dpkg_installation"]


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """A package, and the paths that it says are its own."""

    package: OsPackage
    paths: Sequence[str] = ()


class Installation(Struct, frozen=True, kw_only=True):
    """What one package manager has installed, and what some layer had and the image has not."""

    claims: tuple[Claim, ...] = ()
    removed: tuple[OsPackage, ...] = ()
    notes: tuple[Note, ...] = ()


# --- dpkg ---------------------------------------------------------------------------------------
def dpkg_installation(rootfs: RootFS) -> Installation:
    """Read dpkg's database (``status``, ``status.d``) as it is, and as each layer had it."""
    known: dict[str, DpkgPackage | None] = {}
    texts = rootfs.texts
    status = dpkg.parse_status(texts.get(dpkg.STATUS, b""), known)
    live = _by_identity(status)
    single: dict[Identity, str] = {}
    for path in rootfs.children(dpkg.STATUS_D):
        if not path.endswith(".md5sums"):
            found = _by_identity(dpkg.parse_status(texts.get(path, b""), known))
            single |= dict.fromkeys(found, path)
            live |= found

    snapshots = list(_dpkg_snapshots(rootfs, known))
    events = trace(
        (layer, {identity: package.version for identity, package in packages.items()})
        for layer, packages in snapshots
    )
    automatic = _dpkg_automatic(texts)
    diversions = dpkg.parse_diversions(texts.get(dpkg.DIVERSIONS, b""))
    claims = []
    for identity, package in live.items():
        if identity in single:
            paths = dpkg.parse_md5sums(texts.get(f"{single[identity]}.md5sums", b""))
            chosen = None
        else:
            paths = _dpkg_paths(texts, package, diversions)
            chosen = automatic(package)
        described = _describe_dpkg(package, events.get(identity, ()), chosen)
        claims.append(Claim(package=described, paths=paths))
    gone = {
        identity: package
        for _, packages in snapshots
        for identity, package in packages.items()
        if identity not in live
    }
    removed = [
        _describe_dpkg(package, events[identity], None) for identity, package in gone.items()
    ]
    return Installation(claims=tuple(claims), removed=tuple(removed))


def _by_identity(packages: Sequence[DpkgPackage]) -> dict[Identity, DpkgPackage]:
    return {(package.name, package.architecture): package for package in packages}


def _dpkg_snapshots(
    rootfs: RootFS, known: dict[str, DpkgPackage | None]
) -> Iterator[tuple[int, dict[Identity, DpkgPackage]]]:
    status: dict[Identity, DpkgPackage] = {}
    single: dict[str, dict[Identity, DpkgPackage]] = {}
    for layer, texts in databases_by_layer(rootfs, (dpkg.STATUS,)):
        for path, text in texts.items():
            if path == dpkg.STATUS:
                status = _by_identity(dpkg.parse_status(text, known))
            elif path.startswith(f"{dpkg.STATUS_D}/") and not path.endswith(".md5sums"):
                single[path] = _by_identity(dpkg.parse_status(text, known))
            else:
                # status-old is the database before the last change, of this layer or of another.
                continue
        merged = dict(status)
        for packages in single.values():
            merged |= packages
        yield layer, merged


class _Automatic:
    """Tells what apt was asked for from what it brought along."""

    def __init__(self, states: frozenset[tuple[str, str]]) -> None:
        self._states = states
        # apt records packages for all architectures under the one that the system has.
        self._names = frozenset(name for name, _ in states)

    def __call__(self, package: DpkgPackage) -> bool:
        if package.architecture == "all":
            return package.name in self._names
        return (package.name, package.architecture) in self._states


def _dpkg_automatic(texts: Mapping[str, bytes]) -> _Automatic:
    return _Automatic(frozenset(dpkg.parse_automatic(texts.get(dpkg.EXTENDED_STATES, b""))))


def _dpkg_paths(
    texts: Mapping[str, bytes], package: DpkgPackage, diversions: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Return the paths of ``package``, those that another package diverted where they are now."""
    data = texts.get(f"{dpkg.INFO}/{package.name}.list")
    if data is None:
        data = texts.get(f"{dpkg.INFO}/{package.name}:{package.architecture}.list", b"")
    paths = dpkg.parse_list(data)
    if not diversions.keys().isdisjoint(paths):
        here = {source: to for source, (to, keeper) in diversions.items() if keeper != package.name}
        paths = [here.get(path, path) for path in paths]
    return paths


def _describe_dpkg(
    package: DpkgPackage, history: tuple[PackageEvent, ...], automatic: bool | None
) -> OsPackage:
    return OsPackage(
        manager="dpkg",
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        source=package.source,
        maintainer=package.maintainer,
        section=package.section,
        automatic=automatic,
        essential=package.essential,
        depends=names(package.depends),
        recommends=names(package.recommends),
        suggests=names(package.suggests),
        conflicts=tuple(name for clause in names(package.conflicts) for name in clause),
        provides=tuple(name for clause in names(package.provides) for name in clause),
        installed_size=package.size,
        layer=_last_change(history),
        history=history,
    )


def _last_change(history: tuple[PackageEvent, ...]) -> int:
    """The layer that brought the version that is there now, or was there last."""
    return next((event.layer for event in history[::-1] if event.action != "removed"), 0)
