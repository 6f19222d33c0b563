"""Which operating system the image's files are of."""

from __future__ import annotations

import re

from pyimginspect.inventory.facts import OperatingSystem
from pyimginspect.model import Evidence
from pyimginspect.rootfs import RootFS

__all__ = ["OS_RELEASE", "find_os"]

OS_RELEASE = ("etc/os-release", "usr/lib/os-release")  # os-release(5): the first that is there
# Files that say a version and nothing else, for images that lost their os-release.
_VERSION_FILES = (("etc/alpine-release", "alpine"), ("etc/debian_version", "debian"))
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_ESCAPE = re.compile(r"\\(.)")


def find_os(rootfs: RootFS) -> OperatingSystem:
    """Return what ``os-release`` says, or else the files of Alpine and Debian that say less."""
    for path in OS_RELEASE:
        found = _text(rootfs, path)
        if found is not None:
            fields = _fields(found[0])
            return OperatingSystem(
                # os-release(5) has this default for ID.
                id=fields.get("ID", "linux"),
                version_id=fields.get("VERSION_ID", ""),
                codename=fields.get("VERSION_CODENAME", ""),
                pretty_name=fields.get("PRETTY_NAME", ""),
                id_like=tuple(fields.get("ID_LIKE", "").split()),
                evidence=(found[1],),
            )
    for path, name in _VERSION_FILES:
        found = _text(rootfs, path)
        if found is not None:
            version = found[0].strip().split("\n")[0]
            return OperatingSystem(id=name, version_id=version, evidence=(found[1],))
    return OperatingSystem()


def _text(rootfs: RootFS, path: str) -> tuple[str, Evidence] | None:
    real = rootfs.resolve(path)
    if real is None or real not in rootfs.texts:
        return None
    text = rootfs.texts[real].decode("utf-8", "replace")
    return text, Evidence(what=f"/{path} says so", path=real, layer=rootfs[real].layer)


def _fields(text: str) -> dict[str, str]:
    """Read assignments as os-release(5) has them: of a shell, without any expansion."""
    fields = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if not match:
            continue
        name, value = match.groups()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            quote, value = value[0], value[1:-1]
            # A shell keeps backslashes in single quotes.
            fields[name] = value if quote == "'" else _ESCAPE.sub(r"\1", value)
        else:
            fields[name] = _ESCAPE.sub(r"\1", value)
    return fields
