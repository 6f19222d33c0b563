"""The Pythons of an image: which there are, which version, and from where."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.interpreters.bundles import find_bundles, is_frozen
from pyimginspect.inventory.interpreters.executables import Executable, find_executables
from pyimginspect.inventory.interpreters.origins import find_origin, is_externally_managed
from pyimginspect.inventory.interpreters.versions import version_of
from pyimginspect.inventory.interpreters.windows import find_windows_interpreters
from pyimginspect.inventory.libc import libc_of_program
from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.inventory.search_path import (
    expand,
    home_of,
    lambda_directories,
    python_path,
    site_directories,
)
from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["find_interpreters", "interpreter_files"]

# Debian's packages install into dist-packages, which a Python built from source does not read.
_SITES = ("site-packages", "dist-packages")


def find_interpreters(
    rootfs: RootFS, config: ImageConfig, packages: PackageDatabase
) -> tuple[Interpreter, ...]:
    """Find every Python interpreter of the final file system, sorted by path.

    Links, hard links, the names that a merged ``/usr`` doubles, virtual environments and conda's
    package cache are no further ones. Which one is ``effective`` is for others to say.
    """
    executables = (*find_executables(rootfs, config.environment()), *find_bundles(rootfs))
    executables = tuple(sorted(executables, key=lambda each: each.path))
    found = tuple(_describe(rootfs, each, config, packages) for each in executables)
    return (*found, *find_windows_interpreters(rootfs, config))


def _describe(
    rootfs: RootFS,
    executable: Executable,
    config: ImageConfig,
    packages: PackageDatabase,
) -> Interpreter:
    layout = executable.layout
    version, evidence = version_of(rootfs, executable, packages, config.environment())
    origin = find_origin(rootfs, executable, packages)
    libc = libc_of_program(rootfs, executable.path, packages.packages)
    files = interpreter_files(rootfs, executable.path, layout.libpython, layout.stdlib)
    return Interpreter(
        path=executable.path,
        version=version,
        implementation=executable.implementation,
        origin=origin.name,
        aliases=executable.aliases,
        prefix=layout.prefix,
        stdlib=layout.stdlib,
        libpython=layout.libpython,
        site_packages=_site_packages(rootfs, executable, config, packages),
        architecture=executable.elf.machine,
        libc=libc.flavor,
        libc_version=libc.version,
        packages=_owners(executable, packages),
        layer=rootfs[executable.path].content.layer,
        size=sum(stored_by_layer(rootfs, files).values()),
        externally_managed=is_externally_managed(rootfs, executable),
        evidence=(*evidence, *origin.evidence),
    )


def _owners(executable: Executable, packages: PackageDatabase) -> tuple[str, ...]:
    """Return the packages that own the executable, its other names, or its own library."""
    layout = executable.layout
    # Debian splits one Python over python3.11-minimal, libpython3.11-minimal and
    # libpython3.11-stdlib.
    paths = (executable.path, *executable.aliases, layout.libpython, f"{layout.stdlib}/os.py")
    return tuple(sorted({key for path in paths for key in packages.owner(path)}))


def _site_packages(
    rootfs: RootFS, executable: Executable, config: ImageConfig, packages: PackageDatabase
) -> tuple[str, ...]:
    if is_frozen(executable):
        return ()  # it imports what was frozen with it
    environment = config.environment()
    series = executable.series
    owners = packages.owner(executable.path)
    name = f"{'pypy' if executable.implementation == 'pypy' else 'python'}{series}"
    # In the order of sys.path: PYTHONPATH, then what site.py adds, the user's own directory first.
    places = [
        *python_path(environment, config.working_dir),
        *lambda_directories(executable.path, series, environment),
        f"{home_of(config.user, environment)}/.local/lib/{name}/site-packages",
        *site_directories(
            executable.layout.prefix,
            executable.layout.stdlib,
            series,
            executable.implementation,
            executable.abi,
            packages[owners[0]].manager if owners else "",
        ),
    ]
    return expand(rootfs, places)


def interpreter_files(
    rootfs: RootFS, executable: str, libpython: str, stdlib: str
) -> tuple[str, ...]:
    """Return the paths of an interpreter's own files: third-party code is none of them."""
    files = [path for path in (executable, libpython) if path in rootfs]
    # A zip file in place of the directory: ZIP_LANDMARK in Modules/getpath.py.
    if stdlib and rootfs[stdlib].kind == "file":
        files.append(stdlib)
    elif stdlib:
        files += _files_below(rootfs, stdlib)
    return tuple(files)


def _files_below(rootfs: RootFS, top: str) -> Iterator[str]:
    todo = [top]
    while todo:
        for path in rootfs.children(todo.pop()):
            kind = rootfs[path].kind
            if kind == "file":
                yield path
            elif kind == "directory" and path.rpartition("/")[2] not in _SITES:
                todo.append(path)
