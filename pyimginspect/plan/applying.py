"""What each of a plan's operations does to the blocks of a Dockerfile."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import Any

from pyimginspect.dockerfile.editing import (
    add_flag,
    add_option,
    append,
    drop_command,
    drop_packages,
    grouped,
    insert,
    replace_command,
)
from pyimginspect.dockerfile.records import Instruction
from pyimginspect.dockerfile.runs import NotEditableError
from pyimginspect.dockerfile.wording import Scope
from pyimginspect.plan.draft import Draft
from pyimginspect.plan.lists import CLEAN, UPDATE
from pyimginspect.plan.operations import (
    AddFlag,
    AddOption,
    AppendCommand,
    BuildStage,
    DropCommand,
    DropInstruction,
    DropPackages,
    InsertCommand,
    JoinRuns,
    MountCopied,
    NarrowCopy,
    Operation,
    ReplaceBase,
    ReplaceCommand,
    ReplaceInstructions,
)
from pyimginspect.plan.staging import check_stage

__all__ = ["apply"]


def apply(draft: Draft, operation: Operation, rules: Sequence[str]) -> None:
    """Do one operation for the sake of ``rules``.

    Raises :class:`NotEditableError` where it cannot be done; the caller restores what the draft
    had before, so that an edit is done whole or not at all.
    """
    before = {id(block): (block.text, block.gone) for block in draft.blocks}
    if isinstance(operation, BuildStage):
        check_stage(draft, operation)
        draft.staged = (operation, tuple(rules))
        return
    _OPERATIONS[type(operation)](draft, operation)
    for block in draft.blocks:
        if before.get(id(block)) != (block.text, block.gone):
            block.rules = tuple(dict.fromkeys((*block.rules, *rules)))


def _add_option(draft: Draft, operation: AddOption) -> None:
    run = draft.run(operation.layer)
    draft.block(operation.layer).set(add_option(run, operation.manager, operation.option))


def _drop_packages(draft: Draft, operation: DropPackages) -> None:
    text = drop_packages(
        draft.run(operation.layer), operation.manager, operation.names, operation.instead
    )
    draft.block(operation.layer).set(text)


def _append_command(draft: Draft, operation: AppendCommand) -> None:
    """Append a command, unless another edit has ended the ``RUN`` with it already.

    One that deletes apt's lists has nothing to do where another edit took the ``RUN`` away.
    """
    if operation.command == CLEAN and draft.is_dropped(operation.layer):
        return
    run = draft.run(operation.layer)
    # append() writes a list of commands in braces, and another edit may have ended it so.
    ends = (operation.command, grouped(operation.command))
    if not run.script.text.rstrip().endswith(ends):
        draft.block(operation.layer).set(append(run, operation.command))


def _insert_command(draft: Draft, operation: InsertCommand) -> None:
    """Insert a command, unless it begins with one that another edit has put there already.

    One that fetches apt's lists has nothing to do where another edit took the ``RUN`` away.
    """
    if operation.command == UPDATE and draft.is_dropped(operation.layer):
        return
    run = draft.run(operation.layer)
    if any(run.script.text.startswith(operation.command, item.start) for item in run.script.items):
        return
    draft.block(operation.layer).set(insert(run, operation.after, operation.command))


def _drop_command(draft: Draft, operation: DropCommand) -> None:
    text = drop_command(draft.run(operation.layer), operation.words)
    draft.block(operation.layer).set(text)


def _replace_command(draft: Draft, operation: ReplaceCommand) -> None:
    run = draft.run(operation.layer)
    text = replace_command(run, operation.words, operation.command)
    draft.block(operation.layer).set(text)


def _join_runs(draft: Draft, operation: JoinRuns) -> None:
    """Move the commands of other ``RUN``s to the end of one."""
    for other in operation.others:
        if not draft.is_gone(other):
            _join(draft, operation.layer, other)


def _join(draft: Draft, layer: int, other: int) -> None:
    run, moved = draft.run(layer), draft.run(other)
    block, source = draft.block(layer), draft.block(other)
    if run.instruction.heredocs or moved.instruction.heredocs:
        raise NotEditableError("a here-document is not joined with another RUN")
    # A `cd` in what is moved does no harm: it stands at the end.
    if any(command.program in ("cd", "pushd") for command in run.script.commands):
        raise NotEditableError("it changes the directory, which the joined commands would see")
    between = draft.between(block.instruction, source.instruction)
    if any(each.keyword in ("USER", "WORKDIR", "SHELL", "ENV") for each in between):
        raise NotEditableError("an instruction between them sets what the commands see")
    items = moved.script.items
    if not items:
        raise NotEditableError("there is no command in it")
    text = moved.text[moved.start(items[0].start) : moved.end(items[-1].end)]
    joined = append(run, text)
    # A `--mount` of the moved commands is there for the others too: flags are the instruction's.
    for flag in moved.instruction.flags:
        changed = run.again(joined)
        joined = add_flag(joined, changed.instruction, moved.text[flag.start : flag.end])
    block.set(joined)
    block.comments += draft.comments_of(source)
    source.gone = True
    source.joined = layer


def _add_flag(draft: Draft, operation: AddFlag) -> None:
    block = draft.block(operation.layer)
    block.set(add_flag(block.text, draft.again(block), operation.flag))


def _drop_instruction(draft: Draft, operation: DropInstruction) -> None:
    draft.block(operation.layer).gone = True


def _replace_instructions(draft: Draft, operation: ReplaceInstructions) -> None:
    first, *others = [draft.block(layer) for layer in operation.layers]
    first.set(draft.document.newline.join(operation.lines))
    for block in others:
        block.gone = True


def _narrow_copy(draft: Draft, operation: NarrowCopy) -> None:
    """Copy single parts of what one ``COPY`` copied whole, each by an instruction of its own.

    Of several directories in one ``COPY`` only the contents would be copied, not themselves.
    """
    block = draft.block(operation.layer)
    instruction = draft.again(block)
    words = instruction.words or tuple(instruction.argument.text.split())
    if instruction.keyword != "COPY" or len(words) != 2 or instruction.heredocs:
        raise NotEditableError("it is no COPY of one directory")
    source, target = (word.rstrip("/") for word in words)
    place = instruction.argument.origin(0)
    head = block.text[:place]
    names = [path.strip("/") for path in operation.sources]
    # The reference, "COPY": of a directory the contents are copied, not itself, so that each target
    # is named in full.
    lines = [f"{head}{source}/{name} {target}/{name}" for name in names]
    block.set(draft.document.newline.join(lines))


def _mount_copied(draft: Draft, operation: MountCopied) -> None:
    """Mount the source of a ``COPY``; of a pattern the whole directory that it is in."""
    block = draft.block(operation.layer)
    place = _place_of_source(draft.again(block))
    mount = f"--mount=type=bind,{place},target={operation.target}"
    mount += ",rw" if operation.writable else ""
    comments = draft.comments_of(block)
    for layer in operation.runs:
        if not draft.is_dropped(layer):
            run = draft.block(layer)
            run.set(add_flag(run.text, draft.again(run), mount))
            run.comments += comments
            comments = ()
    block.gone = True


def _place_of_source(instruction: Instruction) -> str:
    """Return the fields of a mount that name what a ``COPY`` takes, and from where."""
    words = instruction.words or tuple(instruction.argument.text.split())
    if instruction.keyword != "COPY" or len(words) != 2 or instruction.heredocs:
        raise NotEditableError("it is no COPY of one source")
    if any(flag.name in ("chmod", "parents", "exclude") for flag in instruction.flags):
        raise NotEditableError("a mount has the source's own modes, and all of its files")
    source = words[0].removeprefix("./").rstrip("/")
    # A mount's source is one path, no pattern.
    if re.search(r"[*?\[]", source):
        source = posixpath.dirname(source)
    # The fields of a mount are comma-separated values: a comma or a blank would end one.
    if not source or source == "." or re.search(r"[$*?\[,\s]", source):
        raise NotEditableError("what it copies cannot be mounted by name")
    stage = instruction.flag("from")
    # BuildKit writes `--from` into no history, so that it is missing in a Dockerfile made from one.
    if stage is None and source.startswith("/"):
        raise NotEditableError("it may copy from a stage that it does not name")
    return f"from={stage},source={source}" if stage else f"source={source}"


def _replace_base(draft: Draft, operation: ReplaceBase) -> None:
    """Begin with another image, where no other stage begins with the same ``FROM``."""
    origin = draft.match.chain[0]
    for stage in draft.document.stages:
        # Only the final image was examined: what another stage needs of its base is not known.
        if origin.name and stage.base.lower() == origin.name and stage not in draft.match.chain:
            raise NotEditableError(f"the stage in line {stage.origin.line} begins with it too")
    block = draft.block_of(origin.origin)
    instruction = draft.again(block)
    word = instruction.argument.text.split()[0]
    start, end = instruction.argument.origin(0), instruction.argument.origin_end(len(word))
    now = _expanded(draft, word)
    # "python:${VERSION}" stays, where "-slim" after it is all that changes.
    longer = bool(now) and operation.image.startswith(now)
    image = word + operation.image[len(now) :] if longer else operation.image
    block.set(block.text[:start] + image + block.text[end:])


def _expanded(draft: Draft, word: str) -> str:
    """Return the image that ``FROM`` names, empty where a variable in it is not known."""
    scope = Scope({}, draft.document.escape)
    for instruction in draft.document.instructions:
        if instruction.keyword == "FROM":
            break
        scope.see(instruction)
    pattern = scope.expand(word, guess=True)
    return "".join(part or "" for part in pattern) if None not in pattern else ""


_OPERATIONS: dict[type[Any], Callable[[Draft, Any], None]] = {
    AddOption: _add_option,
    DropPackages: _drop_packages,
    AppendCommand: _append_command,
    InsertCommand: _insert_command,
    DropCommand: _drop_command,
    ReplaceCommand: _replace_command,
    JoinRuns: _join_runs,
    AddFlag: _add_flag,
    DropInstruction: _drop_instruction,
    ReplaceInstructions: _replace_instructions,
    NarrowCopy: _narrow_copy,
    MountCopied: _mount_copied,
    ReplaceBase: _replace_base,
}
