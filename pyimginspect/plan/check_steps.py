"""What the steps of the planned image would miss: the programs and packages that they name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from pyimginspect.plan.context import Context, Proposal
from pyimginspect.plan.operations import (
    AppendCommand,
    BuildStage,
    DropCommand,
    DropInstruction,
    InsertCommand,
    JoinRuns,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
)
from pyimginspect.plan.runs import calls
from pyimginspect.plan.temporary import needs_tools, takes_sources
from pyimginspect.rootfs import RootFS

__all__ = ["brings_python", "of_builds", "of_programs", "of_steps", "operations_of"]

_COMPILER = re.compile(r"(?:[\w-]+-)?(?:cc|gcc|g\+\+|c\+\+|clang|clang\+\+)(?:-[\d.]+)?")
_PYTHON = re.compile(r"(?:python|pip|pydoc|idle)[\d.]*|python[\d.]*-config")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def operations_of(proposals: Iterable[Proposal]) -> Iterator[Operation]:
    """Yield what all proposals do to a Dockerfile."""
    return (operation for each in proposals for operation in each.edit.operations)


def of_programs(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that would not find a program that they call."""
    rootfs = context.inventory.rootfs
    dropped = _dropped_layers(proposals)
    directories = context.inventory.image.config.environment().get("PATH", _PATH).split(":")
    places = {real for each in directories if (real := rootfs.resolve(each)) is not None}
    for proposal in proposals:
        names = _programs_of(proposal.gone, places)
        modules = _modules_of(context, proposal.gone)
        if brings_python(proposal):
            names = {n: path for n, path in names.items() if not _PYTHON.fullmatch(n)}
            modules = set()
        if not names and not modules:
            continue
        first = min((rootfs[path].layer for path in proposal.gone if path in rootfs), default=0)
        for layer in context.runs(max(first, context.base)):
            if layer in dropped or _is_there(proposal, layer):
                continue
            for call in calls(context.command(layer) or ""):
                word = _missed(call.words, names, modules, rootfs)
                if word and not _is_dropped(proposals, layer, call.words):
                    yield f"layer {layer} calls {word}, which would not be there"


def of_builds(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that compile, or check out, with what would not be there."""
    dropped = _dropped_layers(proposals)
    for proposal in proposals:
        names = {path.rpartition("/")[2] for path in proposal.gone if "bin/" in path}
        compiler = next((name for name in sorted(names) if _COMPILER.fullmatch(name)), "")
        if not compiler and "git" not in names:
            continue
        first = max(proposal.edit.layer, context.base)
        for layer in context.runs(first):
            if layer in dropped or _is_there(proposal, layer):
                continue
            if compiler and needs_tools(context, layer):
                yield f"layer {layer} may compile something, and {compiler} would not be there"
            if "git" in names and takes_sources(context, layer):
                yield f"layer {layer} installs from version control, and git would not be there"


def brings_python(proposal: Proposal) -> bool:
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
        for each in operations_of(proposals)
    )


def _dropped_layers(proposals: Iterable[Proposal]) -> frozenset[int]:
    found: set[int] = set()
    for operation in operations_of(proposals):
        if isinstance(operation, DropInstruction):
            found.add(operation.layer)
        elif isinstance(operation, ReplaceInstructions):
            found.update(operation.layers)
    return frozenset(found)


def of_steps(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the removals of what would not be there, and what two edits make of one instruction."""
    dropped = _dropped_layers(proposals)
    for proposal in proposals:
        names = {*proposal.edit.packages} if proposal.edit.kind in _LEAVING else set()
        for layer in context.runs(proposal.edit.layer):
            if layer in dropped or not names:
                continue
            for call in calls(context.command(layer) or ""):
                missing = names.intersection(call.operands) if call.removes else set()
                if missing and not _is_dropped(proposals, layer, call.words):
                    yield f"layer {layer} removes {min(missing)}, which would not be there"
    stages = [each for each in operations_of(proposals) if isinstance(each, BuildStage)]
    if len(stages) > 1:
        yield "another edit makes a stage of the same instructions"
    for stage in stages:
        for proposal in proposals:
            changed = {each.layer for each in proposal.edit.operations if isinstance(each, _ADDING)}
            if not changed.isdisjoint(stage.only) and proposal.edit.kind != "clean-cache":
                yield "what another edit adds to the same instructions would not be copied"


_ADDING = InsertCommand | AppendCommand | JoinRuns
_LEAVING = frozenset({"leave-out", "bindings", "builder-stage", "purge"})
