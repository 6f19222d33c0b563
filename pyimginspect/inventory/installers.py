"""Who installed a distribution.

In this order: the OS package that owns its metadata; conda's record of an installed package; what
``INSTALLER`` says (conda often lets pip write ``pip``, Debian 12 writes nothing); the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import msgspec
from msgspec import Struct

from pyimginspect.decoding import from_json
from pyimginspect.inventory.memoize import memoized
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.rootfs import RootFS

__all__ = ["Installation", "Installers", "conda_prefixes", "direct_url"]

_NAMES = {"debian": "dpkg"}
"""What INSTALLER says, where the package manager goes by another name here."""

# PEP 610 asks installers to leave them out; a report must not pass on what one of them wrote.
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
# All that the specification of direct_url.json registers.
_VERSION_CONTROL = frozenset({"git", "hg", "svn", "bzr"})


class Installation(Struct, frozen=True, kw_only=True):
    """Who installed it, the OS package if one did, and whether somebody asked for it by name."""

    installer: str = ""
    package: str = ""
    requested: bool | None = None


class _CondaRecord(Struct):
    """The parts of ``conda-meta/*.json`` that matter here."""

    name: str = ""
    files: list[str] = []
    requested_spec: str = ""


class Installers:
    """Tells who installed what, from the records that the package managers keep."""

    def __init__(self, rootfs: RootFS, packages: PackageDatabase) -> None:
        self._rootfs = rootfs
        self._packages = packages

    def of(self, text: str, metadata: str) -> Installation:
        """Tell who installed the distribution with this ``METADATA`` in this ``.dist-info``."""
        owners = self._packages.owner(text)
        if owners:
            package = self._packages[owners[0]]
            asked = None if package.automatic is None else not package.automatic
            return Installation(installer=package.manager, package=owners[0], requested=asked)
        if text in self._conda:
            return Installation(installer="conda", requested=self._conda[text] or None)
        said = self._rootfs.texts.get(f"{metadata}/INSTALLER", b"")
        installer = said.decode("utf-8", "replace").strip().lower()[:100]
        installer = _NAMES.get(installer, installer)
        requested = None
        # Both write REQUESTED (PEP 376); of an installer that does not, its absence means nothing.
        if installer in ("pip", "uv"):
            requested = f"{metadata}/REQUESTED" in self._rootfs
        return Installation(installer=installer, requested=requested)

    @cached_property
    def _conda(self) -> dict[str, bool]:
        """The metadata that conda installed, and whether it was asked for."""
        installed = {}
        for path in self._conda_records():
            try:
                record = from_json(self._rootfs.texts[path], _CondaRecord)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            prefix = path.rpartition("/")[0].removesuffix("conda-meta")
            # What came as a dependency may have the text `None` there.
            asked = bool(record.requested_spec) and record.requested_spec != "None"
            for file in record.files:
                if file.endswith(("/METADATA", "/PKG-INFO", ".egg-info")):
                    installed[prefix + file] = asked
        return installed

    def _conda_records(self) -> Iterator[str]:
        rootfs = self._rootfs
        for directory in rootfs.directories_by_name.get("conda-meta", ()):
            for path in rootfs.children(directory):
                if path.endswith(".json") and path in rootfs.texts:
                    yield path


@memoized
def conda_prefixes(rootfs: RootFS) -> tuple[str, ...]:
    """Return the directories, each with ``/`` at its end, that conda installs to."""
    return tuple(
        directory.removesuffix("conda-meta")
        for directory in rootfs.directories_by_name.get("conda-meta", ())
        if "/" in directory and f"{directory}/history" in rootfs
    )


class _VcsInfo(Struct):
    vcs: str = ""
    commit_id: str = ""


class _DirectUrl(Struct):
    """``direct_url.json`` (PEP 610)."""

    url: str = ""
    vcs_info: _VcsInfo | None = None


def direct_url(data: bytes) -> str:
    """Return where ``direct_url.json`` says that a distribution was installed from.

    As pip freezes it: ``git+https://…@commit`` for version control. Credentials are left out.
    """
    try:
        found = from_json(data, _DirectUrl) if data else _DirectUrl()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    url = _CREDENTIALS.sub("", found.url)
    if found.vcs_info is not None and found.vcs_info.vcs in _VERSION_CONTROL:
        url = f"{found.vcs_info.vcs}+{url}@{found.vcs_info.commit_id}"
    return url
