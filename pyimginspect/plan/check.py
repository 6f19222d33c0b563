"""The planned image, worked out on the layers at hand, and what is asked of it.

An edit that takes anything away is offered only if nothing that stays can miss it: what starts
still starts, what loaded still loads, every ``RUN`` still finds the programs that it calls, the
Python that the container uses is there with its library, and what later steps remove is there to be
removed. All edits are asked about at once, and one by one only if that fails.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from pyimginspect.inventory.derived.loading import loads_without
from pyimginspect.inventory.derived.primary_python import primary_python, running_python
from pyimginspect.inventory.facts import Interpreter
from pyimginspect.inventory.runtimes import interpreted_programs
from pyimginspect.inventory.startup import find_startup
from pyimginspect.inventory.tool_names import required_names, users_at_run_time
from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import (
    BuildStage,
    DropCommand,
    DropInstruction,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
)
from pyimginspect.plan.planned import PlannedRootFS
from pyimginspect.plan.runs import calls
from pyimginspect.plan.temporary import needs_tools, takes_sources
from pyimginspect.rootfs import RootFS

__all__ = ["checked", "fault_of"]

_COMPILER = re.compile(r"(?:[\w-]+-)?(?:cc|gcc|g\+\+|c\+\+|clang|clang\+\+)(?:-[\d.]+)?")
_PYTHON = re.compile(r"(?:python|pip|pydoc|idle)[\d.]*|python[\d.]*-config")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def checked(
    context: Context, proposals: Sequence[Proposal]
) -> tuple[list[Proposal], list[tuple[Proposal, str]]]:
    """Return the proposals that break nothing, and the others, each with what it would break.

    Proposals without operations change nothing, and are not asked about.
    """
    edits = [each for each in proposals if each.edit.operations]
    if not edits or fault_of(context, edits) is None:
        return [*proposals], []
    good: list[Proposal] = []
    bad: list[tuple[Proposal, str]] = []
    for proposal in proposals:
        if not proposal.edit.operations:
            good.append(proposal)
            continue
        others = [each for each in good if each.edit.operations]
        fault = fault_of(context, [*others, proposal])
        if fault is None:
            good.append(proposal)
        else:
            bad.append((proposal, fault))
    return good, bad


def fault_of(context: Context, proposals: Sequence[Proposal]) -> str | None:
    """Return what the image would miss after the edits of ``proposals``, as a clause."""
    gone = frozenset[str]().union(*(proposal.gone for proposal in proposals))
    gone &= context.inventory.rootfs.nodes.keys()
    if not gone:
        return next(_of_steps(context, proposals), None)
    replaced = any(isinstance(op, ReplaceBase) for op in _operations(proposals))
    official = any(_brings_python(proposal) for proposal in proposals)
    faults = (
        *(() if replaced else (_of_pythons(context, gone), _of_start(context, gone))),
        _of_libraries(context, gone),
        _of_scripts(context, gone, official),
        _of_distributions(context, gone),
        _of_run_time(context, proposals, gone),
        _of_builds(context, proposals),
        _of_programs(context, proposals),
        _of_steps(context, proposals),
    )
    return next((fault for each in faults for fault in each), None)


def _operations(proposals: Iterable[Proposal]) -> Iterator[Operation]:
    return (operation for each in proposals for operation in each.edit.operations)


# --- the file system ------------------------------------------------------------------------------
def _of_pythons(context: Context, gone: frozenset[str]) -> Iterator[str]:
    inventory = context.inventory
    primary = primary_python(inventory)
    pythons = [primary.python] if primary is not None else []
    running = running_python(inventory)
    if running is not None:
        pythons.append(running)
    for python in pythons:
        if python.path in gone or not {python.libpython, *python.aliases}.isdisjoint(gone):
            yield f"the Python that the container uses, /{python.path}, would go"
        missed = next(_library_files(inventory.rootfs, python, gone), None)
        if missed is not None:
            yield f"/{missed} would go, of the library of the Python that the container uses"


def _library_files(rootfs: RootFS, python: Interpreter, gone: frozenset[str]) -> Iterator[str]:
    if not python.stdlib:
        return
    real = rootfs.resolve(python.stdlib) or python.stdlib
    for path in gone:
        if path.startswith(f"{real}/") and path.endswith((".py", ".so")):
            inside = path[len(real) + 1 :]
            if not inside.startswith(_NOT_OF_THE_LIBRARY):
                yield path


_NOT_OF_THE_LIBRARY = (
    *("site-packages/", "dist-packages/", "test/", "idlelib/", "tkinter/", "lib2to3/"),
    *("ensurepip/", "distutils/", "config-", "turtledemo/", "pydoc_data/", "venv/"),
)


def _of_start(context: Context, gone: frozenset[str]) -> Iterator[str]:
    inventory = context.inventory
    before = inventory.startup
    if before.status not in ("starts", "unknown"):
        return
    interpreters = tuple(each for each in inventory.interpreters if each.path not in gone)
    environments = tuple(
        each for each in inventory.environments if f"{each.path}/pyvenv.cfg" not in gone
    )
    rootfs = PlannedRootFS(inventory.rootfs, gone)
    after = find_startup(inventory.image, rootfs, interpreters, environments)
    if after.problem is not None:
        yield f"the command would not start: {after.problem.subject}: {after.problem.what}"
    elif (after.status, after.python, after.program) != (
        before.status,
        before.python,
        before.program,
    ):
        started = f"/{after.program}" if after.program else "something else"
        yield f"the command would start {started}, not /{before.program}"


def _of_libraries(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield what would not find a library that it loads now."""
    native = context.inventory.native
    for library in native.libraries:
        if library.path in gone:
            layer = context.inventory.rootfs[library.path].layer
            users = (
                user
                for user in library.loaded_by
                if user not in gone
                and not loads_without(context.inventory, user, library.name, layer)
            )
            user = next(users, None)
            if user is not None:
                yield f"/{user} loads /{library.path}, which would go"
    for each in native.dlopens:
        if each.found in gone and each.distribution.metadata + "/METADATA" not in gone:
            yield f"{each.distribution.name} opens /{each.found}, which would go"


def _of_scripts(context: Context, gone: frozenset[str], official: bool) -> Iterator[str]:
    inventory = context.inventory
    for path, name, started in interpreted_programs(
        inventory.rootfs, inventory.image.config, inventory.packages
    ):
        if official and name.startswith("python"):
            continue  # pip writes it again, for the Python of the other base
        if started in gone and (inventory.rootfs.resolve(path) or path) not in gone:
            yield f"/{path} is a script for /{started}, which would go"


def _of_distributions(context: Context, gone: frozenset[str]) -> Iterator[str]:
    """Yield what requires a Python distribution that would go, for the same interpreter."""
    inventory = context.inventory
    going = [each for each in inventory.distributions if _is_gone(each.metadata, gone)]
    if not going:
        return
    staying = [each for each in inventory.distributions if each not in going]
    for python in {path for each in going for path in each.interpreters}:
        mine = [each for each in staying if python in each.interpreters]
        left = {each.name for each in mine}
        required = required_names(inventory.rootfs, [each for each in mine if not each.package])
        for each in going:
            if python in each.interpreters and each.name in required - left:
                yield f"a distribution that stays requires {each.name}"


def _is_gone(metadata: str, gone: frozenset[str]) -> bool:
    return metadata in gone or f"{metadata}/METADATA" in gone or f"{metadata}/PKG-INFO" in gone


def _of_run_time(
    context: Context, proposals: Sequence[Proposal], gone: frozenset[str]
) -> Iterator[str]:
    """Yield the distributions that compile when they run."""
    inventory = context.inventory
    tools = [
        tool
        for tool in inventory.build_tools
        if tool.package and not gone.isdisjoint(inventory.packages.files_by_key[tool.package])
    ]
    for user in users_at_run_time(tools, inventory.distributions):
        yield f"{user} uses such tools at run time"


# --- the steps ------------------------------------------------------------------------------------
def _of_programs(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that would not find a program that they call."""
    rootfs = context.inventory.rootfs
    dropped = _dropped_layers(proposals)
    directories = context.inventory.image.config.environment().get("PATH", _PATH).split(":")
    places = {real for each in directories if (real := rootfs.resolve(each)) is not None}
    for proposal in proposals:
        names = _programs_of(proposal.gone, places)
        modules = _modules_of(context, proposal.gone)
        if _brings_python(proposal):
            names = {n: path for n, path in names.items() if not _PYTHON.fullmatch(n)}
            modules = set()
        if not names and not modules:
            continue
        first = min((rootfs[path].layer for path in proposal.gone if path in rootfs), default=0)
        for layer in context.runs(max(first, context.base), len(rootfs.layers) - 1):
            if layer in dropped or _is_there(proposal, layer):
                continue
            for call in calls(context.command(layer) or ""):
                word = _missed(call.words, names, modules, rootfs)
                if word and not _is_dropped(proposals, layer, call.words):
                    yield f"layer {layer} calls {word}, which would not be there"


def _of_builds(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that compile, or check out, with what would not be there."""
    dropped = _dropped_layers(proposals)
    for proposal in proposals:
        names = {path.rpartition("/")[2] for path in proposal.gone if "bin/" in path}
        compiler = next((name for name in sorted(names) if _COMPILER.fullmatch(name)), "")
        if not compiler and "git" not in names:
            continue
        first = max(proposal.edit.layer, context.base)
        for layer in context.runs(first, len(context.inventory.rootfs.layers) - 1):
            if layer in dropped or _is_there(proposal, layer):
                continue
            if compiler and needs_tools(context, layer):
                yield f"layer {layer} may compile something, and {compiler} would not be there"
            if "git" in names and takes_sources(context, layer):
                yield f"layer {layer} installs from version control, and git would not be there"


def _brings_python(proposal: Proposal) -> bool:
    """Whether an official image of Python takes the place of the base."""
    return any(
        isinstance(each, ReplaceBase) and each.image.startswith("python:")
        for each in proposal.edit.operations
    )


def _is_there(proposal: Proposal, layer: int) -> bool:
    there = proposal.there
    return there is not None and there[0] <= layer <= there[1]


def _programs_of(gone: Collection[str], places: Collection[str]) -> dict[str, str]:
    """Return the paths of the programs among ``gone`` by their names, where a shell looks."""
    found = {}
    for path in gone:
        directory, _, name = path.rpartition("/")
        if directory in places:
            found[name] = path
    return found


def _modules_of(context: Context, gone: Collection[str]) -> set[str]:
    """Return the modules that ``python -m`` would not find."""
    pythons = [each for each in context.inventory.interpreters if each.path not in gone]
    sites = {place for each in pythons for place in (*each.site_packages, each.stdlib)}
    found = set()
    for path in gone:
        if path.endswith("/__main__.py"):
            package = path.rpartition("/")[0]
            site, _, name = package.rpartition("/")
            others = (f"{each}/{name}/__main__.py" for each in sites if each != site)
            if not any(each in context.inventory.rootfs and each not in gone for each in others):
                found.add(name)
    return found


def _missed(
    words: Sequence[str], names: Collection[str], modules: Collection[str], rootfs: RootFS
) -> str:
    """Return the word of a command that names a program which would go."""
    if not words:
        return ""
    for word in words[:2]:
        name = word.rpartition("/")[2]
        if name in names and ("/" not in word or rootfs.resolve(word) is not None):
            return word
    if "-m" in words[:-1] and words[0].rpartition("/")[2].startswith("python"):
        module = words[words.index("-m") + 1]
        if module in modules:
            return f"{words[0]} -m {module}"
    return ""


def _is_dropped(proposals: Iterable[Proposal], layer: int, words: Sequence[str]) -> bool:
    return any(
        isinstance(each, DropCommand | ReplaceCommand)
        and each.layer == layer
        and tuple(words[: len(each.words)]) == each.words
        for each in _operations(proposals)
    )


def _dropped_layers(proposals: Iterable[Proposal]) -> frozenset[int]:
    found: set[int] = set()
    for operation in _operations(proposals):
        if isinstance(operation, DropInstruction):
            found.add(operation.layer)
        elif isinstance(operation, ReplaceInstructions):
            found.update(operation.layers)
    return frozenset(found)


def _of_steps(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the removals of what would not be there, and what two edits make of one instruction."""
    dropped = _dropped_layers(proposals)
    for proposal in proposals:
        names = {*proposal.edit.packages} if proposal.edit.kind in _LEAVING else set()
        for layer in context.runs(proposal.edit.layer, len(context.inventory.rootfs.layers) - 1):
            if layer in dropped or not names:
                continue
            for call in calls(context.command(layer) or ""):
                missing = names.intersection(call.operands) if call.removes else set()
                if missing and not _is_dropped(proposals, layer, call.words):
                    yield f"layer {layer} removes {min(missing)}, which would not be there"
    stages = [each for each in _operations(proposals) if isinstance(each, BuildStage)]
    if len(stages) > 1:
        yield "another edit makes a stage of the same instructions"


_LEAVING = frozenset({"leave-out", "bindings", "builder-stage", "purge"})
