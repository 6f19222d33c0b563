"""What distributions say that they bundle: the SBOMs of PEP 770.

``.dist-info/sboms/*.json`` are documents in CycloneDX or SPDX format. ``auditwheel repair`` lists
the packages of the build system whose libraries it copied; Pillow and others list what they build
themselves; maturin lists crates, which are linked into the extension and are no libraries of
their own. Sources: PEP 770, CycloneDX 1.4–1.6 (JSON), SPDX 2.2–2.3 (JSON).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from pyimginspect.decoding import from_builtins, from_json
from pyimginspect.inventory.facts import Bundled
from pyimginspect.rootfs import RootFS

__all__ = ["bundled_in", "named_after", "read_sbom"]

_T = TypeVar("_T")
_MOST = 2_000
"""Components of one document that are examined."""
# Crates, modules of other languages and the distribution itself are no native libraries.
_OTHERS = frozenset({"cargo", "gem", "golang", "hackage", "maven", "npm", "nuget", "pypi", "swift"})
# CycloneDX's `type` is in lower case, SPDX's `primaryPackagePurpose` in upper; SPDX 2.2 has no such
# field.
_KINDS = frozenset({"", "library", "framework", "LIBRARY", "FRAMEWORK"})
_PURL = re.compile(r"pkg:([a-z0-9.+-]+)/")
_LONGEST = 500


class _Component(msgspec.Struct):
    name: str = ""
    version: str = ""
    type: str = ""
    purl: str = ""


class _Reference(msgspec.Struct):
    referenceType: str = ""  # noqa: N815 - as SPDX spells it
    referenceLocator: str = ""  # noqa: N815


class _Package(msgspec.Struct):
    name: str = ""
    versionInfo: str = ""  # noqa: N815
    primaryPackagePurpose: str = ""  # noqa: N815
    externalRefs: list[_Reference] = []  # noqa: N815


class _Document(msgspec.Struct):
    """A document of either format; what is of another shape is left out."""

    components: list[Any] = []
    packages: list[Any] = []


def bundled_in(rootfs: RootFS, metadata: str) -> tuple[tuple[Bundled, ...], tuple[Bundled, ...]]:
    """Return what the SBOMs in a ``.dist-info`` list, sorted by name: native libraries, all else.

    The latter are crates, modules of other languages, distributions.
    """
    listed = _listed(rootfs, metadata)
    native = tuple(filter(_is_native, listed))
    return native, tuple(each for each in listed if not _is_native(each))


def _listed(rootfs: RootFS, metadata: str) -> list[Bundled]:
    found: dict[tuple[str, str, bool], Bundled] = {}
    for path in rootfs.children(f"{metadata}/sboms"):
        for each in _read(rootfs.texts.get(path, b""), path):
            found.setdefault((each.name, each.version, _is_native(each)), each)
    return [found[key] for key in sorted(found)]


def _is_native(each: Bundled) -> bool:
    match = _PURL.match(each.purl)
    return match is None or match[1] not in _OTHERS


def named_after(library: str, bundled: Iterable[Bundled]) -> Bundled | None:
    """Return what an SBOM calls a library of this soname: ``krb5-libs`` of ``libkrb5.so.3``."""
    wanted = _plain(library.partition(".so")[0])
    return next((each for each in bundled if _plain(each.name) == wanted), None)


def _plain(name: str) -> str:
    return re.sub(r"^lib|[-_]?libs?$", "", name.lower())


def read_sbom(data: bytes, path: str) -> Iterator[Bundled]:
    """Yield the native libraries of a document; nothing of one that is neither format."""
    return filter(_is_native, _read(data, path))


def _read(data: bytes, path: str) -> Iterator[Bundled]:
    try:
        document = from_json(data, _Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for each in _as(_Component, document.components):
        yield from _kept(each.name, each.version, each.type, each.purl, path)
    for package in _as(_Package, document.packages):
        purls = (
            ref.referenceLocator for ref in package.externalRefs if ref.referenceType == "purl"
        )
        purpose = package.primaryPackagePurpose
        yield from _kept(package.name, package.versionInfo, purpose, next(purls, ""), path)


def _as(kind: type[_T], items: Iterable[Any]) -> Iterator[_T]:
    # One by one, so that a component of another shape takes no other with it.
    for item in list(items)[:_MOST]:
        with suppress(msgspec.ValidationError):
            yield from_builtins(item, kind)


def _kept(name: str, version: str, kind: str, purl: str, path: str) -> Iterator[Bundled]:
    if not name or kind not in _KINDS:
        return
    yield Bundled(name=name[:_LONGEST], version=version[:_LONGEST], purl=purl[:_LONGEST], path=path)
