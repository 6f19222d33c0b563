"""What the planned image's files would miss: its Python, its command, libraries, scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from pyimginspect.inventory.derived.leftovers import tkinter_of_base
from pyimginspect.inventory.derived.loading import loads_without
from pyimginspect.inventory.derived.primary_python import primary_python, running_python
from pyimginspect.inventory.derived.proofs_of_use import scripts_on_path
from pyimginspect.inventory.facts import Distribution, Interpreter, Startup
from pyimginspect.inventory.startup import find_startup
from pyimginspect.inventory.tool_names import required_names, users_at_run_time
from pyimginspect.plan.context import Context
from pyimginspect.plan.planned import PlannedRootFS
from pyimginspect.rootfs import RootFS

__all__ = [
    "of_distributions",
    "of_libraries",
    "of_pythons",
    "of_run_time",
    "of_scripts",
    "of_start",
]


def of_pythons(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield what would be removed of the Pythons that the container uses."""
    inventory = context.inventory
    primary = primary_python(inventory)
    pythons = [primary.python] if primary is not None else []
    running = running_python(inventory)
    if running is not None and running not in pythons:
        pythons.append(running)
    for python in pythons:
        if python.path in gone or not {python.libpython, *python.aliases}.isdisjoint(gone):
            yield f"the Python that the container uses, /{python.path}, would go"
        missed = next(_library_files(inventory.rootfs, python, gone), None)
        if missed is not None:
            yield f"/{missed} would go, of the library of the Python that the container uses"


def _library_files(rootfs: RootFS, python: Interpreter, gone: frozenset[str]) -> Iterator[str]:
    real = rootfs.resolve(python.stdlib) if python.stdlib else None
    if real is None:
        return
    top = f"{real}/"
    for path in gone:
        if (
            path.startswith(top)
            and path.endswith((".py", ".so"))
            and not path[len(top) :].startswith(_NOT_OF_THE_LIBRARY)
        ):
            yield path


# Of the standard library, what Debian has in packages of their own (python3-tk, python3-distutils,
# python3-venv, headers, tests), and what pip fills: an interpreter starts without them.
_NOT_OF_THE_LIBRARY = (
    *("site-packages/", "dist-packages/", "test/", "idlelib/", "tkinter/", "lib2to3/"),
    *("ensurepip/", "distutils/", "config-", "turtledemo/", "pydoc_data/", "venv/"),
)


def of_start(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield what the command would start in place of what it starts now."""
    inventory = context.inventory
    before = inventory.startup
    # A command that fails already cannot be broken.
    if before.status not in ("starts", "unknown"):
        return
    interpreters = tuple(each for each in inventory.interpreters if each.path not in gone)
    environments = tuple(
        each for each in inventory.environments if f"{each.path}/pyvenv.cfg" not in gone
    )
    rootfs = PlannedRootFS(inventory.rootfs, gone)
    after = find_startup(inventory.image, rootfs, interpreters, environments)
    # The same function that finds what the image starts, on the file system without what goes.
    if after.problem is not None:
        problem = after.problem
        named = "" if problem.subject in problem.what else f"{problem.subject}: "
        yield f"the command would not start: {named}{problem.what}"
        return
    was, now = next(
        (
            pair
            for pair in zip_longest(_programs(before), _programs(after), fillvalue="")
            if pair[0] != pair[1]
        ),
        (before.program, after.program),
    )
    same = (after.status, after.python) == (before.status, before.python)
    if was != now or not same:
        started = f"/{now}" if now else "something else"
        yield f"the command would start {started}, not /{was}"


def _programs(startup: Startup) -> tuple[str, ...]:
    """Return the programs that a command starts one after the other, as far as they are known."""
    return (*(step.program for step in startup.steps), startup.program)


def of_libraries(context: Context, gone: frozenset[str], official: bool) -> Iterator[str]:
    """Yield what would not find a library that it loads now; ``official`` as below."""
    inventory = context.inventory
    # The official slim build installs no Tk: its search for run-time packages leaves out files of
    # tkinter (Dockerfile-linux.template).
    tkinter = tkinter_of_base(inventory) if official else ()
    for library in inventory.native.libraries:
        if library.path in gone:
            layer = inventory.rootfs[library.path].layer
            users = (
                user
                for user in library.loaded_by
                if user not in gone
                and user not in tkinter
                and not loads_without(inventory, user, library.name, layer)
            )
            user = next(users, None)
            if user is not None:
                yield f"/{user} loads /{library.path}, which would go"
    for each in inventory.native.dlopens:
        if each.found in gone and each.distribution.metadata + "/METADATA" not in gone:
            yield f"{each.distribution.name} opens /{each.found}, which would go"


def of_scripts(context: Context, gone: frozenset[str], official: bool) -> Iterator[str]:
    """Yield scripts that would lose their interpreter; ``official`` where another Python comes."""
    inventory = context.inventory
    for path, name, started in scripts_on_path(inventory):
        if official and name.startswith("python"):
            continue  # pip writes it again, for the Python of the other base
        # By the real path: of a script that goes too, a link may stand for it.
        if started in gone and inventory.rootfs.resolve(path) not in gone:
            yield f"/{path} is a script for /{started}, which would go"


def of_distributions(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield what requires a Python distribution that would be removed, for the same interpreter."""
    inventory = context.inventory
    going = [each for each in inventory.distributions if _is_gone(each.metadata, gone)]
    if not going:
        return
    staying = [each for each in inventory.distributions if each not in going]
    for python in {path for each in going for path in each.interpreters}:
        missed = _missed_requirements(context, python, staying)
        for each in going:
            if python in each.interpreters and each.name in missed:
                yield f"a distribution that stays requires {each.name}"


def _missed_requirements(
    context: Context, python: str, staying: Iterable[Distribution]
) -> frozenset[str]:
    """Return what distributions that stay for a Python require, and none of them is."""
    mine = [each for each in staying if python in each.interpreters]
    # Requirements of the OS's packages are dependencies of packages, which edits go by already.
    by_pip = [each for each in mine if not each.package]
    required = required_names(context.inventory.rootfs, by_pip)
    return frozenset(required).difference(each.name for each in mine)


def _is_gone(metadata: str, gone: frozenset[str]) -> bool:
    # An .egg-info may be a file; a directory is itself never among those that go, its file is.
    return metadata in gone or f"{metadata}/METADATA" in gone or f"{metadata}/PKG-INFO" in gone


def of_run_time(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield the distributions that compile when they run."""
    inventory = context.inventory
    tools = [
        tool
        for tool in inventory.build_tools
        if tool.package and not gone.isdisjoint(inventory.packages.files_by_key[tool.package])
    ]
    for user in users_at_run_time(tools, inventory.distributions):
        yield f"{user} uses such tools at run time"
