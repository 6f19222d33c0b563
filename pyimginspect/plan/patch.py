"""The edits of a plan in a Dockerfile that somebody wrote, and the difference they make."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from pyimginspect.dockerfile.document import parse
from pyimginspect.dockerfile.matching import FIXED, match
from pyimginspect.dockerfile.runs import NotEditableError
from pyimginspect.inventory.instructions import Step
from pyimginspect.plan.applying import apply
from pyimginspect.plan.draft import Draft, Snapshot
from pyimginspect.plan.lists import CLEAN, UPDATE
from pyimginspect.plan.operations import AppendCommand, InsertCommand
from pyimginspect.plan.records import Edit, EditKind, Level, Patch, Skipped
from pyimginspect.plan.rendering import render

__all__ = ["patch_dockerfile", "split_lines", "unified_diff"]

_BEFORE = "the instruction was changed before: build the image again to see what is left"
_THERE = "the Dockerfile has it already"
# What installs less comes before what deletes, and another base or stage comes last.
_ORDER: tuple[EditKind, ...] = (
    "leave-out",
    "bindings",
    "no-recommends",
    "delete-early",
    "owner",
    "purge",
    "environment",
    "clean-cache",
    "advice",
    "base",
    "builder-stage",
)


def patch_dockerfile(
    edits: Iterable[Edit],
    steps: Sequence[Step],
    text: str,
    path: str = "Dockerfile",
    level: Level = "review",
    target: str | None = None,
) -> Patch:
    """Return ``text`` with the edits of an image's plan up to ``level``.

    ``path`` is what the difference calls the file, ``target`` the stage that was built. Raises
    :class:`~pyimginspect.errors.DockerfileError` where the text cannot be read, and
    :class:`~pyimginspect.errors.DockerfileMismatchError` where it is that of another image.
    """
    found = match(parse(text), steps, target)
    draft = Draft(found)
    applied: list[Edit] = []
    skipped: list[Skipped] = []
    order = {kind: number for number, kind in enumerate(_ORDER)}
    # sorted() is stable: edits of a kind stay in the plan's order, those that save most first.
    for edit in sorted(edits, key=lambda edit: order.get(edit.kind, len(order))):
        reason = _refusal(edit, level) or _applied(draft, edit)
        if reason:
            settled = _settled(draft, edit)
            skipped.append(
                Skipped(
                    edit=edit,
                    reason=settled or reason,
                    settled=bool(settled) or reason == _THERE,
                )
            )
        else:
            applied.append(edit)
    changed = render(draft)
    return Patch(
        text=changed,
        diff=unified_diff(text, changed, path),
        applied=tuple(applied),
        skipped=tuple(skipped),
        matched=found.matched,
        instructions=len(found.instructions),
    )


def _refusal(edit: Edit, level: Level) -> str:
    if not edit.operations:
        return "it needs a decision that no edit can make"
    if level == "safe" and edit.level != "safe":
        return f"it needs a review{f': {edit.reason}' if edit.reason else ''}"
    return ""


def _applied(draft: Draft, edit: Edit) -> str:
    """Apply an edit whole; return why it cannot be, and leave the draft as it was."""
    before = draft.snapshot()
    try:
        for operation in edit.operations:
            apply(draft, operation, _fixed(edit))
        _keep_comments(draft, edit, before)
    except NotEditableError as exc:
        draft.restore(before)
        return str(exc)
    return _THERE if _is_there(draft, edit, before) else ""


def _fixed(edit: Edit) -> tuple[str, ...]:
    """Return what the comment above a changed instruction names: rules, if a finding is cited."""
    return edit.rules or (f"wasted space ({edit.kind})",)


def _keep_comments(draft: Draft, edit: Edit, before: Snapshot) -> None:
    """Keep what stands above an instruction whose commands an edit moved into another one."""
    takers = [
        each.layer
        for each in edit.operations
        if isinstance(each, InsertCommand | AppendCommand) and each.command not in (UPDATE, CLEAN)
    ]
    if not takers:
        return
    taker = draft.block(takers[0])
    for block, then in zip(draft.blocks, before[0], strict=True):
        if block.gone and not then.gone and block.joined is None:
            taker.comments += draft.comments_of(block)


def _is_there(draft: Draft, edit: Edit, before: Snapshot) -> bool:
    """Whether an edit changed nothing, and no other one did what it would have done."""
    now, then = draft.snapshot(), before
    # By text, since a snapshot holds copies of the blocks.
    if now[1] is not then[1] or [(b.text, b.gone) for b in now[0]] != [
        (b.text, b.gone) for b in then[0]
    ]:
        return False
    instruction = draft.match.layers.get(edit.layer, draft.match.chain[0].origin)
    return not draft.block_of(instruction).rules


def _settled(draft: Draft, edit: Edit) -> str:
    """Return what to say where nothing is left to do for an edit."""
    found = draft.match
    if not edit.operations:
        return ""
    instruction = found.layers.get(edit.layer)
    if instruction is None:
        return _BEFORE if found.fixed else ""
    if draft.is_gone(edit.layer):
        return "another edit takes the instruction away"
    above = found.document.text[instruction.comments : instruction.start]
    marks = [line.partition(FIXED)[2] for line in above.split("\n") if FIXED in line]
    named = {rule.strip() for mark in marks for rule in mark.split(",")}
    return _BEFORE if named.intersection(_fixed(edit)) else ""


def unified_diff(before: str, after: str, path: str = "Dockerfile") -> str:
    """Return the difference as ``git apply`` and ``patch -p1`` take it, empty where none is."""
    if before == after:
        return ""
    name = path.replace("\\", "/").lstrip("/").removeprefix("./")
    name += "\t" if " " in name else ""  # as GNU diff has it: the name ends here
    # `a/` and `b/` as git writes them, for `git apply` and `patch -p1`.
    lines = difflib.unified_diff(split_lines(before), split_lines(after), f"a/{name}", f"b/{name}")
    return "".join(_ended(lines))


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, each with its break; others than ``\\n`` end none."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _ended(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        # difflib leaves out the note of diff(1) without which patch adds a line break.
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
