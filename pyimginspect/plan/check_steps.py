"""What the steps of the planned image would miss: the programs and packages that they name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pyimginspect.model import DEFAULT_PATH
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
from pyimginspect.plan.runs import Call, calls, is_read, tokens
from pyimginspect.plan.temporary import needs_tools, takes_sources
from pyimginspect.rootfs import RootFS

__all__ = ["brings_python", "of_builds", "of_programs", "of_steps", "operations_of"]

# With the prefix of a GNU triplet and the suffix of a version: `x86_64-linux-gnu-gcc-12`.
_COMPILER = re.compile(r"(?:[\w-]+-)?(?:cc|gcc|g\+\+|c\+\+|clang|clang\+\+)(?:-[\d.]+)?")
# What the official build links into /usr/local/bin (Dockerfile-linux.template: idle3, pip3, pydoc3,
# python3, python3-config).
_PYTHON = re.compile(r"(?:python|pip|pydoc|idle)[\d.]*|python[\d.]*-config")
_ADDING = InsertCommand | AppendCommand | JoinRuns
# After these edits later steps no longer find the packages.
_LEAVING = frozenset({"leave-out", "bindings", "builder-stage", "purge"})


def operations_of(proposals: Iterable[Proposal]) -> Iterator[Operation]:
    """Yield what all proposals do to a Dockerfile."""
    return (operation for each in proposals for operation in each.edit.operations)


class _Steps:
    """The ``RUN``s of the planned image, as far as edits drop them or commands of them."""

    def __init__(self, context: Context, proposals: Iterable[Proposal]) -> None:
        self._context = context
        self._dropped: set[int] = set()
        self._changed: list[DropCommand | ReplaceCommand] = []
        for operation in operations_of(proposals):
            match operation:
                case DropInstruction():
                    self._dropped.add(operation.layer)
                case ReplaceInstructions():
                    self._dropped.update(operation.layers)
                case DropCommand() | ReplaceCommand():
                    self._changed.append(operation)

    def runs(self, first: int, but: tuple[int, int] | None = None) -> Iterator[int]:
        """Yield the layers from ``first`` that have a ``RUN`` still, without those of a span."""
        for layer in self._context.runs(first):
            inside = but is not None and but[0] <= layer <= but[1]
            if layer not in self._dropped and not inside:
                yield layer

    def calls(self, layer: int) -> Iterator[Call]:
        """Yield the commands of a layer that stay as they are."""
        for call in calls(self._context.command(layer) or ""):
            if not any(
                each.layer == layer and call.words[: len(each.words)] == each.words
                for each in self._changed
            ):
                yield call

    def unread(self, layer: int) -> frozenset[str]:
        """Return all that may be a name in the text of a layer that cannot be read."""
        text = self._context.command(layer) or ""
        return frozenset() if is_read(text) else tokens(text)


class _Missing(NamedTuple):
    """The programs that would not be there, and the modules that ``python -m`` would not find."""

    programs: frozenset[str]
    modules: frozenset[str]

    def named_in(self, words: Sequence[str], rootfs: RootFS) -> str:
        """Return the word of a command that names one of them; nothing where none does."""
        # The program, or the one that a wrapper starts: `sudo make`, `exec make`.
        for word in words[:2]:
            name = word.rpartition("/")[2]
            if name in self.programs and ("/" not in word or rootfs.resolve(word) is not None):
                return word
        if "-m" in words[:-1] and words[0].rpartition("/")[2].startswith("python"):
            module = words[words.index("-m") + 1]
            if module in self.modules:
                return f"{words[0]} -m {module}"
        return ""


def of_programs(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that would not find a program that they call."""
    rootfs = context.inventory.rootfs
    nodes = rootfs.nodes
    steps = _Steps(context, proposals)
    for proposal in proposals:
        missing = _missing(context, proposal)
        layers = (nodes[path].layer for path in nodes.keys() & proposal.gone)
        first = min(layers, default=context.base)
        # The base's steps do not run again; those before the files were made never had them.
        for layer in steps.runs(max(first, context.base), but=proposal.there):
            if found := steps.unread(layer) & (missing.programs | missing.modules):
                yield f"layer {layer} may call {min(found)}, which would not be there"
            for call in steps.calls(layer):
                if word := missing.named_in(call.words, rootfs):
                    yield f"layer {layer} calls {word}, which would not be there"


def of_builds(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the ``RUN``s that compile, or check out, with what would not be there."""
    steps = _Steps(context, proposals)
    for proposal in proposals:
        names = {path.rpartition("/")[2] for path in proposal.gone if "bin/" in path}
        compiler = next((name for name in sorted(names) if _COMPILER.fullmatch(name)), "")
        for layer in steps.runs(max(proposal.edit.layer, context.base), but=proposal.there):
            if compiler and needs_tools(context, layer):
                yield f"layer {layer} may compile something, and {compiler} would not be there"
            # pip calls git itself for `git+https:` requirements: no word of the command names it.
            if "git" in names and takes_sources(context, layer):
                yield f"layer {layer} installs from version control, and git would not be there"


def brings_python(proposal: Proposal) -> bool:
    """Whether an official image of Python takes the place of the base."""
    return any(
        isinstance(each, ReplaceBase) and each.image.startswith("python:")
        for each in proposal.edit.operations
    )


def _missing(context: Context, proposal: Proposal) -> _Missing:
    """Return the programs and modules that would not be found, but for those of another Python."""
    names = frozenset(_programs_of(context, proposal.gone))
    if brings_python(proposal):
        return _Missing(frozenset(n for n in names if not _PYTHON.fullmatch(n)), frozenset())
    return _Missing(names, frozenset(_modules_of(context, proposal.gone)))


def _programs_of(context: Context, gone: Collection[str]) -> Iterator[str]:
    """Yield the names of the programs among ``gone`` that are where a shell looks."""
    directories = context.inventory.image.config.environment().get("PATH", DEFAULT_PATH).split(":")
    places = {*map(context.inventory.rootfs.resolve, directories)}
    for path in gone:
        directory, _, name = path.rpartition("/")
        if directory in places:
            yield name


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


def of_steps(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Yield the removals of what would not be there, and what two edits make of one instruction."""
    yield from _of_removals(context, proposals)
    yield from _of_stages(proposals)


def _of_removals(context: Context, proposals: Sequence[Proposal]) -> Iterator[str]:
    steps = _Steps(context, proposals)
    for proposal in proposals:
        names = {*proposal.edit.packages} if proposal.edit.kind in _LEAVING else set()
        # What is purged is installed again in the RUNs of its span.
        but = proposal.there if proposal.edit.kind == "purge" else None
        for layer in steps.runs(proposal.edit.layer, but):
            if found := steps.unread(layer) & names:
                yield f"layer {layer} may remove {min(found)}, which would not be there"
            for call in steps.calls(layer):
                missing = names.intersection(call.operands)
                if missing and call.removes:
                    yield f"layer {layer} removes {min(missing)}, which would not be there"


def _of_stages(proposals: Sequence[Proposal]) -> Iterator[str]:
    stages = [each for each in operations_of(proposals) if isinstance(each, BuildStage)]
    if len(stages) > 1:
        yield "another edit makes a stage of the same instructions"
    for stage in stages:
        for proposal in proposals:
            changed = {each.layer for each in proposal.edit.operations if isinstance(each, _ADDING)}
            # What deletes a cache may stay in the stage: nothing of it was to be copied.
            if not changed.isdisjoint(stage.only) and proposal.edit.kind != "clean-cache":
                yield "what another edit adds to the same instructions would not be copied"
