"""A build stage of its own, written before the stage whose instructions it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyimginspect.dockerfile.matching import FIXED
from pyimginspect.dockerfile.records import Instruction, Stage
from pyimginspect.dockerfile.runs import NotEditableError
from pyimginspect.plan.draft import Draft
from pyimginspect.plan.operations import BuildStage

__all__ = ["check_stage", "with_stage"]

_FOR_LATER = frozenset(
    {"CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "STOPSIGNAL"}
)
"""What a build stage has no use for."""

_FILES = frozenset({"RUN", "COPY", "ADD"})
_ROOT = ("", "root", "0", "root:root", "0:0")


def check_stage(draft: Draft, operation: BuildStage) -> None:
    """Raise :class:`NotEditableError` where a stage of its own cannot be written."""
    if draft.staged is not None:
        raise NotEditableError("there is another stage of its own already")
    _place(draft, operation)


def _place(draft: Draft, operation: BuildStage) -> tuple[Stage, int, int]:
    """Return the stage, and the numbers of the first and the last instruction that go."""
    first, last = draft.number_of(operation.first), draft.number_of(operation.last)
    starts = [draft.blocks[n].instruction.start for n in (first, last)]
    for stage in draft.match.chain:
        inside = {each.start for each in stage.instructions}
        if inside.issuperset(starts):
            return stage, first, last
    raise NotEditableError("its instructions are of several stages")


def with_stage(draft: Draft, chunks: Sequence[str]) -> list[str]:
    """Return the chunks of a draft with the build stage before the stage that it is for."""
    assert draft.staged is not None
    operation, rules = draft.staged
    stage, first, last = _place(draft, operation)
    begin = next(n for n, b in enumerate(draft.blocks) if b.instruction.start == stage.origin.start)
    newline = draft.document.newline
    name = _free_name(draft, operation.name)
    comment = f"{FIXED}{', '.join(rules)}{newline}"
    blocks = draft.blocks
    origin = blocks[begin]
    above = chunks[begin].removesuffix(_ended(origin.text, newline))
    # Directives are among the comments above the first FROM, and must stay at the top of the file.
    builder = [f"{above}{comment}{_from(draft, origin.text, name)}{newline}"]
    builder += [
        _ended(chunks[number], newline)
        for number in range(begin + 1, last + 1)
        if blocks[number].instruction.keyword not in _FOR_LATER
    ]
    if operation.finish:
        builder += _as_root(draft, number=last, command=_run(operation.finish, draft))
    final = [f"{newline}{_ended(origin.text, newline)}"]
    final += [_ended(chunk, newline) for chunk in chunks[begin + 1 : first]]
    added: list[str] = []
    if operation.install:
        # What is added stands before the settings that stay, and so under the user set before them.
        added += _as_root(draft, number=first - 1, command=_run(operation.install, draft))
    for each in operation.copies:
        owner = f" --chown={each.owner}" if each.owner else ""
        added.append(f"COPY --from={name}{owner} {each.source} {each.target}{newline}")
    added = [comment, *added] if added else []
    staying = [
        _ended(chunks[number], newline)
        for number in range(first, last + 1)
        if not _goes(draft, operation, number)
    ]
    final += [*staying, *added] if operation.only else [*added, *staying]
    return [*chunks[:begin], *builder, *final, *chunks[last + 1 :]]


def _goes(draft: Draft, operation: BuildStage, number: int) -> bool:
    """Whether an instruction is in the build stage alone."""
    if operation.only:
        return number in map(draft.number_of, operation.only)
    return draft.blocks[number].instruction.keyword in _FILES


def _from(draft: Draft, text: str, name: str) -> str:
    """Return the ``FROM`` of the build stage: the same image, another name."""
    instruction: Instruction = draft.again_text(text)
    words = instruction.argument.text.split()
    # `--platform` is for both; others may copy from the final stage by the name that it had.
    flags = "".join(f"{text[f.start : f.end]} " for f in instruction.flags)
    return f"{text[: instruction.keyword_end]} {flags}{words[0]} AS {name}"


def _free_name(draft: Draft, name: str) -> str:
    taken = {stage.name for stage in draft.document.stages}
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _run(commands: Sequence[str], draft: Draft) -> str:
    newline, escape = draft.document.newline, draft.document.escape
    return f"RUN {f' {escape}{newline}    && '.join(commands)}{newline}"


def _as_root(draft: Draft, number: int, command: str) -> Iterator[str]:
    """Yield an instruction that needs root, with the user that is there before it after it."""
    start = draft.blocks[number].instruction.start
    users = [
        each.argument.text
        for each in draft.match.instructions
        if each.keyword == "USER" and each.start <= start
    ]
    user = users[-1] if users else ""
    newline = draft.document.newline
    if user in _ROOT:
        yield command
        return
    yield f"USER root{newline}"
    yield command
    yield f"USER {user}{newline}"


def _ended(text: str, newline: str) -> str:
    return text if text.endswith("\n") else text + newline
