"""Which step of an image's history each instruction of a Dockerfile made.

The final stage, and the local stages that its ``FROM`` leads to, are laid beside the history. The
longest run of pairs in the order of both is taken, the later step where several are alike: what the
base image brought stands before. What has no counterpart is left without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from msgspec import Struct

from pyimginspect.dockerfile.records import Document, Instruction, Stage
from pyimginspect.dockerfile.wording import (
    Scope,
    StepLike,
    Wanted,
    comparable,
    wanted,
)
from pyimginspect.errors import DockerfileError, DockerfileMismatchError

__all__ = ["FIXED", "Match", "match"]

FIXED = "# pyimginspect: fixes "
"""What the comment above an instruction begins with that a plan has changed."""

# The alignment takes their product in time and memory. Docker refuses more than 125 layers
# (`maxLayerDepth`).
_MOST = 2000  # instructions, and steps
_FILES = ("RUN", "COPY", "ADD")
# A build argument before a RUN's text. Only declared names count, since a value may have any text.
_NAME = re.compile(r"(?:^| )(\w+)=", re.ASCII)


class Match(Struct, frozen=True, kw_only=True, dict=True):
    """A Dockerfile beside a history.

    ``chain`` is the stage that was built, last, and the local ones that it begins with.
    ``instructions`` are theirs, in their order and without ``FROM``; ``steps`` has the number of
    the step that each made, or ``None``; ``layers`` the instruction of each layer.
    """

    document: Document
    chain: tuple[Stage, ...]
    instructions: tuple[Instruction, ...]
    steps: tuple[int | None, ...]
    layers: dict[int, Instruction]

    @property
    def matched(self) -> int:
        """How many of the instructions made a step of the history."""
        return sum(step is not None for step in self.steps)

    @cached_property
    def fixed(self) -> frozenset[int]:
        """The numbers of unmatched instructions that an earlier fix has changed.

        They have its comment above them, or stand directly below one that has.
        """
        text = self.document.text
        found: set[int] = set()
        end = -1
        for number, each in enumerate(self.instructions):
            marked = FIXED in text[each.comments : each.start]
            # One fix may write several instructions below one comment, line after line.
            below = number - 1 in found and not text[end : each.start].strip(" \t\r\n")
            below = below and text.count("\n", end, each.start) == 1
            if self.steps[number] is None and (marked or below):
                found.add(number)
            end = each.end
        return frozenset(found)


def match(document: Document, steps: Sequence[StepLike], target: str | None = None) -> Match:
    """Match a Dockerfile with the steps of a history.

    ``target`` is the stage that was built; by default the last one, or another whose instructions
    are there while those of the last are not. Raises :class:`DockerfileMismatchError` where most
    of the instructions are not in the history, :class:`DockerfileError` where there is no such
    stage, or more than can be compared.
    """
    if len(document.instructions) > _MOST or len(steps) > _MOST:
        raise DockerfileError(f"more than {_MOST} instructions cannot be compared")
    candidates = [_stage(document, target)] if target is not None else document.stages[::-1]
    found: Match | None = None
    for stage in candidates:
        tried = _match_stage(document, stage, steps)
        if _is_likely(tried):
            return tried
        found = found or tried
    if found is None:
        raise DockerfileError("the Dockerfile has no stage")
    raise DockerfileMismatchError(_explained(found, steps), hint=_hint(steps))


def _stage(document: Document, target: str) -> Stage:
    for stage in document.stages:
        if target.lower() == stage.name or target == str(stage.number):
            return stage
    names = ", ".join(stage.name for stage in document.stages if stage.name)
    raise DockerfileError(f"no stage is named '{target}'", hint=f"there are {names}" * bool(names))


def _is_likely(tried: Match) -> bool:
    counted = [n for n in range(len(tried.instructions)) if n not in tried.fixed]
    files = [n for n in counted if tried.instructions[n].keyword in _FILES]
    # Half of all, and half of what stores files: WORKDIR and ENV are alike in unrelated images.
    for numbers in (counted, files):
        if 2 * sum(tried.steps[n] is not None for n in numbers) < len(numbers):
            return False
    return True


def _explained(tried: Match, steps: Sequence[StepLike]) -> str:
    total = len(tried.instructions)
    text = f"{tried.matched} of {total} instructions match the image's history"
    if sum(step.layer is not None for step in steps) <= 1 < total:
        return f"{text}: the image has one layer for all of them"
    return f"{text}: this is the Dockerfile of another image, or it has changed since"


def _hint(steps: Sequence[StepLike]) -> str:
    if sum(step.layer is not None for step in steps) <= 1:
        return "build it without squashing"
    return "give the Dockerfile that this image was built from, or build the image again"


def _match_stage(document: Document, stage: Stage, steps: Sequence[StepLike]) -> Match:
    chain = _chain(document, stage)
    scope = Scope(_given(document, steps), document.escape)
    for instruction in document.instructions:
        if instruction.keyword == "FROM":
            break
        scope.see(instruction, top=True)
    # ARGs before the first FROM are for FROM alone, until a stage declares them again.
    scope.guessed.clear()
    scope.sure.clear()
    instructions: list[Instruction] = []
    looked_for: list[Wanted] = []
    for each in chain:
        for instruction in each.instructions[1:]:
            if instruction.keyword in ("ONBUILD", "FROM"):
                continue  # BuildKit writes no step for it
            instructions.append(instruction)
            # An ARG is written with its own value, other instructions by what was set before.
            scope.see(instruction) if instruction.keyword == "ARG" else None
            looked_for.append(wanted(instruction, scope, document.text))
            scope.see(instruction) if instruction.keyword != "ARG" else None
    pairs = _aligned(looked_for, steps)
    layers: dict[int, Instruction] = {}
    for number, step in enumerate(pairs):
        layer = steps[step].layer if step is not None else None
        if layer is not None:
            layers[layer] = instructions[number]
    return Match(
        document=document,
        chain=tuple(chain),
        instructions=tuple(instructions),
        steps=tuple(pairs),
        layers=layers,
    )


def _chain(document: Document, stage: Stage) -> list[Stage]:
    """Return a stage and the local ones that it begins with, the first of them first."""
    chain = [stage]
    while True:
        base = chain[0].base.lower()
        # Only earlier stages count: below them the name is that of an image.
        before = [s for s in document.stages[: chain[0].number] if s.name and s.name == base]
        if not before:
            return chain
        chain.insert(0, before[-1])


def _given(document: Document, steps: Iterable[StepLike]) -> dict[str, str]:
    """Return the build arguments that the history tells of: ``VER=1.0 NAME=a b``."""
    names = {
        name
        for instruction in document.instructions
        if instruction.keyword == "ARG"
        for name in _NAME.findall(" " + instruction.argument.text.replace(" ", "= ") + "=")
    }
    given: dict[str, str] = {}
    for step in steps:
        marks = [m for m in _NAME.finditer(step.arguments) if m[1] in names]
        for number, mark in enumerate(marks):
            end = marks[number + 1].start() if number + 1 < len(marks) else len(step.arguments)
            given[mark[1]] = step.arguments[mark.end() : end]
    return given


def _aligned(looked_for: Sequence[Wanted], steps: Sequence[StepLike]) -> list[int | None]:
    """Return for each of ``looked_for`` the number of its step, the best of all alignments."""
    seen = [comparable(step) for step in steps]
    width = len(steps) + 1
    likeness = [[each.fits(s, t) for s, t in zip(steps, seen, strict=True)] for each in looked_for]
    best = [[0] * width]
    for row in likeness:
        above, current = best[-1], [0] * width
        for n, value in enumerate(row, 1):
            taken = above[n - 1] + value if value else 0
            current[n] = max(taken, above[n], current[n - 1])
        best.append(current)
    pairs: list[int | None] = [None] * len(looked_for)
    i, j = len(looked_for), len(steps)
    # From the end, so that of equal alignments the one with the later steps is found: those of the
    # base image come first, and may be alike.
    while i and j:
        value = likeness[i - 1][j - 1]
        if value and best[i][j] == best[i - 1][j - 1] + value:
            i, j = i - 1, j - 1
            pairs[i] = j
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i -= 1
    return pairs
