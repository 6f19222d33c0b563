"""Applications that PyInstaller froze: programs with a Python of their own.

In a directory, libpython and a zip file of the modules that start Python lie beside the program,
since version 6 in ``_internal``. A program that is one single file unpacks the same when it runs;
its last bytes tell (:mod:`pyimginspect.layers.pyinstaller`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.inventory.interpreters.executables import Executable
from pyimginspect.inventory.interpreters.layout import Layout
from pyimginspect.rootfs import RootFS

__all__ = ["find_bundles", "is_frozen"]

# The modules that start before PyInstaller's own importer, which reads all others from the program.
_MODULES = "base_library.zip"

# The letters are ABI flags of PEP 3149, and t that of the free-threaded builds of PEP 703.
_LIBPYTHON = re.compile(r"libpython(\d\.\d{1,2})[tdmu]{0,3}\.so(?:\.1\.0)?")


def find_bundles(rootfs: RootFS) -> Iterator[Executable]:
    """Yield the interpreters of frozen applications, each once, by the path of the program."""
    found = [*_directories(rootfs)]
    yield from found
    yield from _single_files(rootfs, {each.layout.prefix for each in found})


def is_frozen(executable: Executable) -> bool:
    """Whether the executable is a frozen application, which imports what was frozen with it."""
    stdlib = executable.layout.stdlib
    return bool(executable.elf.frozen_python) or stdlib.endswith(f"/{_MODULES}")


def _directories(rootfs: RootFS) -> Iterator[Executable]:
    for path in rootfs.elf:
        directory, _, name = path.rpartition("/")
        match = _LIBPYTHON.fullmatch(name)
        modules = f"{directory}/{_MODULES}"
        if match is None or modules not in rootfs:
            continue
        programs = [
            each
            for each in rootfs.children(_home(directory))
            if each in rootfs.elf and rootfs.elf[each].interpreter and each != path
        ]
        # Tools may have come with them; and PyInstaller's archive may be a file beside the program.
        programs = [each for each in programs if rootfs.elf[each].frozen_python] or programs
        program = programs[0] if programs else path
        yield Executable(
            path=program,
            aliases=tuple(programs[1:]),
            implementation="cpython",
            series=match[1],
            abi="",
            elf=rootfs.elf[program],
            layout=Layout(prefix=directory, stdlib=modules, libpython=path, series=match[1]),
        )


def _home(directory: str) -> str:
    """Return the directory of the program whose libpython is in ``directory``."""
    above, _, name = directory.rpartition("/")
    return above if name == "_internal" else directory


def _single_files(rootfs: RootFS, prefixes: set[str]) -> Iterator[Executable]:
    homes = {_home(prefix) for prefix in prefixes}
    found: dict[tuple[int, int], list[str]] = {}
    for path, elf in rootfs.elf.items():
        # The program of an application in a directory ends in the same mark as a single file does.
        if elf.frozen_python and path.rpartition("/")[0] not in homes:
            content = rootfs[path].content
            found.setdefault((content.layer, content.position), []).append(path)
    for paths in found.values():
        path, *others = sorted(paths)
        elf = rootfs.elf[path]
        yield Executable(
            path=path,
            aliases=tuple(others),
            implementation="cpython",
            series=elf.frozen_python,
            abi="",
            elf=elf,
            layout=Layout(prefix=path.rpartition("/")[0], series=elf.frozen_python),
        )
