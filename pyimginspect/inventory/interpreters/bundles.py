"""Applications that PyInstaller froze into a directory: a program with a Python of its own.

The program is PyInstaller's own; libpython and a zip file of the modules that start Python lie
beside it, since version 6 in ``_internal``. A program that is one single file unpacks the same when
it runs; nothing but its last bytes tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyimginspect.inventory.interpreters.executables import Executable
from pyimginspect.inventory.interpreters.layout import Layout
from pyimginspect.rootfs import RootFS

__all__ = ["MODULES", "find_bundles"]

MODULES = "base_library.zip"

_LIBPYTHON = re.compile(r"libpython(\d\.\d{1,2})[tdmu]{0,3}\.so(?:\.1\.0)?")


def find_bundles(rootfs: RootFS) -> Iterator[Executable]:
    """Yield the interpreters of frozen applications, by the path of the program."""
    for path in rootfs.elf:
        directory, _, name = path.rpartition("/")
        match = _LIBPYTHON.fullmatch(name)
        modules = f"{directory}/{MODULES}"
        if match is None or modules not in rootfs:
            continue
        place = directory
        if directory.rpartition("/")[2] == "_internal":
            place = directory.rpartition("/")[0]
        programs = [
            each
            for each in rootfs.children(place)
            if each in rootfs.elf and rootfs.elf[each].interpreter and each != path
        ]
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
