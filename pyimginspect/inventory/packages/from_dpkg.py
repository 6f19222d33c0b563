"""dpkg's packages, as the final file system has them and as each layer had them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from pyimginspect.inventory.facts import OsPackage, PackageEvent
from pyimginspect.inventory.licenses import debian_licenses
from pyimginspect.inventory.memoize import memoized_text
from pyimginspect.inventory.packages import dpkg
from pyimginspect.inventory.packages.dpkg import DpkgPackage
from pyimginspect.inventory.packages.history import (
    Identity,
    databases_by_layer,
    last_change,
    past,
)
from pyimginspect.inventory.packages.installation import Claim, Installation
from pyimginspect.inventory.packages.limits import left_out
from pyimginspect.inventory.packages.relations import names
from pyimginspect.rootfs import Node, RootFS

__all__ = ["installed_by_dpkg"]

_Packages = dict[Identity, DpkgPackage]
_Known = dict[str, DpkgPackage | None]


def installed_by_dpkg(rootfs: RootFS) -> Installation:
    """Read dpkg's database, one file (``status``) or one a package (``status.d``, distroless).

    ``automatic`` is what apt recorded last; distroless images have no apt that would tell.
    """
    known: _Known = {}
    texts = rootfs.texts
    live = _by_identity(dpkg.parse_status(texts.get(dpkg.STATUS, b""), known))
    automatic = _automatic(texts.get(dpkg.EXTENDED_STATES, b""))
    diversions = dpkg.parse_diversions(texts.get(dpkg.DIVERSIONS, b""))
    chosen = {identity: automatic(package) for identity, package in live.items()}
    paths = {identity: _listed(rootfs, package, diversions) for identity, package in live.items()}
    for path in filter(_is_stanza, rootfs.children(dpkg.STATUS_D)):
        for identity, package in _read(texts.get(path, b""), known).items():
            live[identity] = package
            paths[identity] = dpkg.parse_md5sums(texts.get(f"{path}.md5sums", b""))

    events, gone = past(
        rootfs,
        list(_snapshots(rootfs, known)),
        live,
        lambda package: package.version,
        # While `status` is there only files of `status.d` can have been deleted.
        (dpkg.STATUS_D,) if dpkg.STATUS in texts else (dpkg.STATUS, dpkg.STATUS_D),
    )
    claims = (
        Claim(
            package=msgspec.structs.replace(
                _describe(package, events.get(identity, ()), chosen.get(identity)),
                licenses=debian_licenses(rootfs, package.name),
            ),
            record=package,
            paths=paths[identity],
        )
        for identity, package in live.items()
    )
    removed = (_describe(package, events[identity], None) for identity, package in gone.items())
    return Installation(
        claims=tuple(claims),
        removed=tuple(removed),
        notes=tuple(left_out(dpkg.STATUS, texts.get(dpkg.STATUS, b""))),
    )


def _snapshots(rootfs: RootFS, known: _Known) -> Iterator[tuple[int, _Packages]]:
    whole: _Packages = {}
    single: dict[str, _Packages] = {}
    for layer, texts in databases_by_layer(rootfs, (dpkg.STATUS,)):
        for path, text in texts.items():
            if path == dpkg.STATUS:
                whole = _read(text, known)
            elif path.startswith(f"{dpkg.STATUS_D}/") and _is_stanza(path):
                single[path] = _read(text, known)
        merged = dict(whole)
        for packages in single.values():
            merged |= packages
        yield layer, merged


def _is_stanza(path: str) -> bool:
    return not path.endswith(".md5sums")


def _read(text: bytes, known: _Known) -> _Packages:
    return _by_identity(dpkg.parse_status(text, known))


def _by_identity(packages: Sequence[DpkgPackage]) -> _Packages:
    # Packages of two architectures are installed side by side.
    return {(package.name, package.architecture): package for package in packages}


def _automatic(extended_states: bytes) -> Callable[[DpkgPackage], bool]:
    """Tell what apt was asked for from what it brought along."""
    states = frozenset(dpkg.parse_automatic(extended_states))
    # apt records packages for all architectures under the one that the system has.
    anywhere = frozenset(name for name, _ in states)

    def automatic(package: DpkgPackage) -> bool:
        if package.architecture == "all":
            return package.name in anywhere
        return (package.name, package.architecture) in states

    return automatic


def _listed(
    rootfs: RootFS, package: DpkgPackage, diversions: Mapping[str, tuple[str, str]]
) -> Sequence[str]:
    """Return the paths of ``package``, those that another package diverted where they are now."""
    texts = rootfs.texts
    # The name has the architecture in it for Multi-Arch: same alone.
    data = texts.get(f"{dpkg.INFO}/{package.name}.list")
    if data is None:
        data = texts.get(f"{dpkg.INFO}/{package.name}:{package.architecture}.list", b"")
    paths = _paths(data, nodes=rootfs.nodes)
    diverted = diversions.keys() & paths
    if diverted:
        # The package that diverts keeps the name for its own file: dpkg-divert(1).
        now = {
            path: diversions[path][0] for path in diverted if diversions[path][1] != package.name
        }
        return [now.get(path, path) for path in paths]
    return paths


@memoized_text(most=1000, longest=50_000)
def _paths(data: bytes, *, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Return what :func:`dpkg.parse_list` does; paths of ``nodes`` are those, no copies of them."""
    find = nodes.get
    paths = dpkg.parse_list(data)
    return tuple([path if (node := find(path)) is None else node.path for path in paths])


def _describe(
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
        layer=last_change(history),
        history=history,
    )
