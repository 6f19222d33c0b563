"""The Pythons of Windows images: ``python.exe``, below ``Files/``, laid out as python.org's.

They link the Universal C Runtime, which is part of Windows: which libc they want is no question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.inventory.facts import Interpreter
from pyimginspect.model import Evidence, ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["find_windows_interpreters"]

# A layer of Windows has its file system here, beside Hives/ and UtilityVM/.
_FILES = "Files/"
# NTFS finds a name whatever its case.
_EXECUTABLE = re.compile(r"(?P<prefix>Files/(?:.*/)?)python\.exe", re.IGNORECASE)
# From Go's names, which configurations of images have, to those that ELF files are given here.
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}


def find_windows_interpreters(rootfs: RootFS, config: ImageConfig) -> tuple[Interpreter, ...]:
    """Find every ``python.exe`` that no virtual environment has put there, sorted by path."""
    if config.platform.os != "windows":
        return ()
    found = {}
    for path, version in rootfs.strings.items():
        match = _EXECUTABLE.fullmatch(path)
        if match is None:
            continue
        prefix = match["prefix"].rstrip("/")
        # PEP 405: python.exe of an environment lies in Scripts\, or beside pyvenv.cfg.
        in_environment = f"{prefix.rpartition('/')[0]}/pyvenv.cfg" in rootfs
        if not in_environment and f"{prefix}/pyvenv.cfg" not in rootfs:
            found[prefix] = path, version
    start = next((prefix for prefix in _search_path(config) if prefix in found), None)
    return tuple(
        _describe(rootfs, config, path, version, prefix, effective=prefix == start)
        for prefix, (path, version) in sorted(found.items())
    )


def _search_path(config: ImageConfig) -> Iterator[str]:
    """Yield the directories of ``PATH`` as paths of the layers (``C:\\Python`` → ``Files/Python``).

    Images for Windows seldom set one, since their registry does; python.org's installer then
    stands where the official images have it.
    """
    for name, value in config.environment().items():
        if name.upper() == "PATH":  # names of variables have no case in Windows
            for directory in value.split(";"):
                if directory[1:3] in (":\\", ":/"):
                    yield _FILES + directory[3:].replace("\\", "/").strip("/")
    yield f"{_FILES}Python"


def _describe(
    rootfs: RootFS, config: ImageConfig, path: str, version: str, prefix: str, *, effective: bool
) -> Interpreter:
    major, minor = version.split(".")[:2]
    library = f"{prefix}/python{major}{minor}.dll"
    stdlib, sites = f"{prefix}/Lib", f"{prefix}/Lib/site-packages"
    node = rootfs[path].content
    owned = [path, library, *_below(rootfs, stdlib, without=sites)]
    return Interpreter(
        path=path,
        version=version,
        origin="python.org",
        prefix=prefix,
        stdlib=stdlib if stdlib in rootfs else "",
        libpython=library if library in rootfs else "",
        site_packages=(sites,) if sites in rootfs else (),
        architecture=_ARCHITECTURES.get(config.platform.architecture, ""),
        libc="ucrt",
        layer=node.layer,
        size=sum(rootfs[each].content.entry.stored for each in owned if each in rootfs),
        effective=effective,
        effective_reason="it is the first that Windows would find" if effective else "",
        evidence=(Evidence(what=f"its file version is {version}", path=path, layer=node.layer),),
    )


def _below(rootfs: RootFS, top: str, *, without: str) -> Iterator[str]:
    return (node.path for node in rootfs.walk(top) if not node.path.startswith(f"{without}/"))
