"""Where an interpreter has its standard library, its libpython and its third-party code.

Source: CPython's ``Modules/getpath.py``: from the executable's directory upwards, the first one
with ``lib/python3.X/os.py`` is the prefix (``lib64`` on Fedora's family); a standard library may
also be one zip file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from pyimginspect.inventory.loader import Loader
from pyimginspect.model import ElfFile
from pyimginspect.rootfs import RootFS

__all__ = [
    "LIBRARY_DIRECTORIES",
    "Layout",
    "above",
    "find_layout",
    "joined",
]

LIBRARY_DIRECTORIES = ("lib", "lib64")  # sys.platlibdir: Fedora and SUSE have lib64
# libpython3.11.so.1.0 is CPython's DT_SONAME, libpypy3.9-c.so PyPy's.
_LIBPYTHON = re.compile(
    r"libpython\d\.\d{1,2}[tdmu]{0,3}\.so(?:\.1\.0)?|libpypy[\w.-]*\.so(?:\.\d+)*"
)
_SERIES_DIRECTORY = re.compile(r"(?:python|pypy)(\d\.\d{1,2})t?d?")


class Layout(Struct, frozen=True, kw_only=True):
    """The directories of an installation; empty strings for what is not there.

    ``prefix`` is the directory that holds ``lib/python3.X``, ``stdlib`` the real path of the
    standard library: a directory, or a zip file. ``libpython`` is the shared library that a
    loader would give the executable; empty where Python is linked into the executable.
    """

    prefix: str = ""
    stdlib: str = ""
    libpython: str = ""
    series: str = ""


def joined(directory: str, name: str) -> str:
    """Return the path of ``name`` in ``directory``, which may be the root."""
    return f"{directory}/{name}" if directory else name


def above(path: str) -> Iterator[str]:
    """Yield the directories above ``path``, the nearest first, the root last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def find_layout(
    rootfs: RootFS,
    path: str,
    elf: ElfFile,
    implementation: str,
    series: str,
    abi: str,
    loader: Loader,
) -> Layout:
    """Find what belongs to the executable at ``path``, a real path."""
    libpython = _libpython(rootfs, path, elf, loader)
    names = _stdlib_names(implementation, series, abi)
    # An executable that was copied elsewhere finds its library by a run path, and its standard
    # library by the prefix compiled in: that is where the library lies.
    starts = [path, libpython] if libpython else [path]
    for start in starts:
        for prefix in above(start):
            stdlib = _stdlib_in(rootfs, prefix, names)
            if stdlib is None:
                continue
            match = _SERIES_DIRECTORY.fullmatch(stdlib.rpartition("/")[2])
            return Layout(
                prefix=prefix,
                stdlib=stdlib,
                libpython=libpython,
                series=match[1] if match else series,
            )
    return Layout(prefix=_bin_parent(path), libpython=libpython, series=series)


def _libpython(rootfs: RootFS, path: str, elf: ElfFile, loader: Loader) -> str:
    """Return the real path of the libpython that the executable would get, if it needs one."""
    names = [name for name in elf.needed if _LIBPYTHON.fullmatch(name)]
    if not names:
        return ""
    resolution = loader.program(path).resolution
    if not resolution.problem:
        return resolution.needed.get(names[0], "")
    # Without a loader nothing runs; it is still told whose library lies beside the executable.
    prefix = _bin_parent(path)
    places = (f"{joined(prefix, library)}/{names[0]}" for library in LIBRARY_DIRECTORIES)
    return next((real for real in map(rootfs.resolve, places) if real is not None), "")


def _bin_parent(path: str) -> str:
    return path.rpartition("/")[0].rpartition("/")[0]


def _stdlib_names(implementation: str, series: str, abi: str) -> tuple[str, ...]:
    """Return what the directory of the standard library may be called, the likeliest first."""
    if implementation == "pypy":
        # PyPy before 7.3.8 kept a tree of its own: lib-python/3 beside the executable.
        return (f"pypy{series}", f"lib-python/{series[:1] or '3'}")
    if not series:
        return ()
    # ABI_THREAD in Modules/getpath.py: free-threaded builds have lib/python3.13t.
    return (f"python{series}t", f"python{series}") if "t" in abi else (f"python{series}",)


def _stdlib_in(rootfs: RootFS, prefix: str, names: tuple[str, ...]) -> str | None:
    """Return the real path of the standard library below ``prefix``, if there is one."""
    for library in LIBRARY_DIRECTORIES:
        directory = joined(prefix, library)
        for name in names or _series_directories(rootfs, directory):
            if _has_os(rootfs, f"{directory}/{name}"):
                return rootfs.resolve(f"{directory}/{name}")
            # ZIP_LANDMARK in Modules/getpath.py, lib/python311.zip.
            archive = f"{directory}/{name.replace('.', '')}.zip"
            if archive in rootfs:
                return rootfs.resolve(archive)
    for name in names:
        if name.startswith("lib-python") and _has_os(rootfs, joined(prefix, name)):
            return rootfs.resolve(joined(prefix, name))
    return None


def _series_directories(rootfs: RootFS, directory: str) -> list[str]:
    """Return the only ``python3.X`` in a directory: an executable ``python`` may mean that."""
    names = [path.rpartition("/")[2] for path in rootfs.children(directory)]
    found = [name for name in names if _SERIES_DIRECTORY.fullmatch(name)]
    return found if len(found) == 1 else []


def _has_os(rootfs: RootFS, directory: str) -> bool:
    # STDLIB_LANDMARKS in Modules/getpath.py: the second where sources were deleted.
    return any(rootfs.resolve(f"{directory}/{name}") is not None for name in ("os.py", "os.pyc"))
