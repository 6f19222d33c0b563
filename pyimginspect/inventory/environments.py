"""Virtual environments: where they are, what they rest on, and whether that is still there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pyimginspect.inventory.cache_places import in_cache
from pyimginspect.inventory.facts import Environment, Interpreter
from pyimginspect.inventory.interpreters.executables import python_name
from pyimginspect.inventory.packages.ownership import stored_by_layer
from pyimginspect.inventory.pyvenv import Pyvenv, home_programs, pyvenv_directories
from pyimginspect.inventory.search_path import expand, python_path
from pyimginspect.model import ImageConfig
from pyimginspect.rootfs import RootFS

__all__ = ["find_environments"]

_MOST_LINKS = 40  # as Linux: path_resolution(7)
# `python3.13t` is of a free-threaded build; PyPy names its directory pypy3.10.
_LIBRARY = re.compile(r"(?:python|pypy)\d\.\d{1,2}t?")


def find_environments(
    rootfs: RootFS, interpreters: Iterable[Interpreter], config: ImageConfig
) -> tuple[Environment, ...]:
    """Find every virtual environment (PEP 405) of the final file system, sorted by path.

    Those that a package manager keeps in its cache to build in (uv's ``builds-v0``) are none.
    """
    # PYTHONPATH holds for environments as well, and comes before their own directories.
    everywhere = tuple(python_path(config.environment(), config.working_dir))
    by_name: dict[str, Interpreter] = {}
    for interpreter in interpreters:
        for path in (interpreter.path, *interpreter.aliases):
            by_name[path] = interpreter
    return tuple(
        _describe(rootfs, directory, pyvenv, by_name, everywhere)
        for directory, pyvenv in sorted(pyvenv_directories(rootfs))
        if not in_cache(rootfs, directory)
    )


def _describe(
    rootfs: RootFS,
    directory: str,
    pyvenv: Pyvenv,
    by_name: Mapping[str, Interpreter],
    everywhere: tuple[str, ...],
) -> Environment:
    programs = [path for path in rootfs.children(f"{directory}/bin") if python_name(path)]
    base = _base(rootfs, programs, pyvenv, by_name)
    libraries = [
        path
        for path in rootfs.children(f"{directory}/lib")
        if _LIBRARY.fullmatch(path.rpartition("/")[2])
    ]
    places = list(everywhere)
    places += [f"{library}/site-packages" for library in _used(libraries, base)]
    if pyvenv.system_site_packages and base is not None:
        # After the environment's own, as site.py has them.
        places += base.site_packages
    return Environment(
        path=directory,
        home=pyvenv.home,
        base=base.path if base is not None else None,
        version=pyvenv.version,
        creator=pyvenv.creator,
        system_site_packages=pyvenv.system_site_packages,
        site_packages=expand(rootfs, places),
        broken=_fault(rootfs, programs, libraries, pyvenv, base),
        layer=rootfs[f"{directory}/pyvenv.cfg"].layer,
        size=_size(rootfs, directory),
    )


def _base(
    rootfs: RootFS, programs: list[str], pyvenv: Pyvenv, by_name: Mapping[str, Interpreter]
) -> Interpreter | None:
    """Return the interpreter that the links lead to, or that ``home`` says copies are of."""
    # Whatever they are called: of a base from `make altinstall` there is only python3.X.
    names = [program.rpartition("/")[2] for program in programs] or ["python"]
    # `venv --copies` leaves no links to follow: a program of that name in `home` is the original.
    copies = [path for name in names for path in home_programs(pyvenv, name)]
    for path in (*programs, *copies):
        found = by_name.get(rootfs.resolve(path) or "")
        if found is not None:
            return found
    return None


def _series(interpreter: Interpreter) -> str:
    return ".".join(interpreter.version.split(".")[:2])


def _used(libraries: list[str], base: Interpreter | None) -> list[str]:
    """Return the libraries that the base's version looks at; all where there is no base."""
    if base is None:
        return libraries
    return [path for path in libraries if _matches(path, base)]


def _matches(library: str, base: Interpreter) -> bool:
    name = library.rpartition("/")[2].removesuffix("t")
    return name == f"{'pypy' if base.implementation == 'pypy' else 'python'}{_series(base)}"


def _fault(
    rootfs: RootFS,
    programs: list[str],
    libraries: list[str],
    pyvenv: Pyvenv,
    base: Interpreter | None,
) -> str:
    """Return what keeps the environment from working, or nothing."""
    if not programs:
        return "it has no bin/python"
    for program in programs:
        if rootfs.resolve(program) is None:
            name = "/".join(program.rsplit("/", 2)[1:])
            return f"{name} leads to {_dead_end(rootfs, program)}, which is not in the image"
    if not pyvenv.home:
        return "pyvenv.cfg has no home"
    if rootfs.resolve(pyvenv.home) is None:
        return f"home is {pyvenv.home}, which is not in the image"
    if base is None:
        return f"there is no Python in {pyvenv.home}"
    # The base was upgraded to another minor version: its path has no lib/python3.X of the old one.
    if libraries and not _used(libraries, base):
        made_for = ", ".join(path.rpartition("/")[2] for path in libraries)
        return f"it was made for {made_for}, and {base.path} is {base.version}"
    return ""


def _dead_end(rootfs: RootFS, link: str) -> str:
    """Return the last path on the way of a link that leads nowhere."""
    path = link
    for _ in range(_MOST_LINKS):
        directory, _, name = path.rpartition("/")
        parent = rootfs.resolve(directory)
        node = rootfs.get(f"{parent}/{name}") if parent is not None else None
        if node is None or node.kind != "symlink":
            break
        target = node.content.entry.target
        path = target if target.startswith("/") else f"{parent}/{target}"
    return f"/{path.lstrip('/')}"


def _size(rootfs: RootFS, directory: str) -> int:
    files = [node.path for node in rootfs.walk(directory) if node.kind == "file"]
    return sum(stored_by_layer(rootfs, files).values())
