"""A Dockerfile while a plan's operations change it: one block for each instruction."""

from __future__ import annotations

import posixpath
from copy import copy

from pyimginspect.dockerfile.document import parse
from pyimginspect.dockerfile.matching import FIXED, Match
from pyimginspect.dockerfile.records import Instruction
from pyimginspect.dockerfile.runs import NotEditableError, Run
from pyimginspect.dockerfile.shell import SHELLS
from pyimginspect.plan.operations import BuildStage

__all__ = ["Block", "Draft", "Snapshot"]

_OTHER_SHELL = "its SHELL is no POSIX shell"


class Block:
    """An instruction as it is to be written; ``rules`` are those that changed it.

    ``joined`` is the layer to whose ``RUN`` its commands went: there they are changed from then on.
    ``comments`` are the comment lines that came with the commands of others.
    """

    def __init__(self, instruction: Instruction, text: str) -> None:
        self.instruction = instruction
        self.text = text
        self.rules: tuple[str, ...] = ()
        self.gone = False
        self.joined: int | None = None
        self.comments: tuple[str, ...] = ()

    def set(self, text: str) -> None:
        """Take a new text; an empty one is the end of the instruction."""
        if text:
            self.text = text
        else:
            self.gone = True


Snapshot = tuple[list[Block], "tuple[BuildStage, tuple[str, ...]] | None"]
"""What a draft can be taken back to."""


class Draft:
    """The blocks of a Dockerfile, and the operations on them.

    Looking for an instruction raises :class:`NotEditableError` where it is not there.
    """

    def __init__(self, found: Match) -> None:
        self.match = found
        self.document = found.document
        text = self.document.text
        self.blocks = [
            Block(each, text[each.start : each.end]) for each in self.document.instructions
        ]
        self._numbers = {each.start: n for n, each in enumerate(self.document.instructions)}
        self._layers = found.layers
        self.staged: tuple[BuildStage, tuple[str, ...]] | None = None

    def snapshot(self) -> Snapshot:
        """Return what the operations have made by now."""
        # Shallow copies do: a block's fields are replaced, never changed.
        return [copy(block) for block in self.blocks], self.staged

    def restore(self, snapshot: Snapshot) -> None:
        """Take back what was done since a snapshot."""
        self.blocks, self.staged = snapshot

    def block(self, layer: int) -> Block:
        """Return the block of the instruction that made a layer."""
        instruction = self._layers.get(layer)
        if instruction is None:
            raise NotEditableError(f"no instruction matches layer {layer}")
        block = self.blocks[self._numbers[instruction.start]]
        if block.joined is not None:
            return self.block(block.joined)
        if block.gone:
            raise NotEditableError("another edit takes the instruction away")
        return block

    def comments_of(self, block: Block) -> tuple[str, ...]:
        """Return the comment lines above an instruction, without those of earlier fixes."""
        instruction = block.instruction
        start = self.document.line_start(instruction.start)
        above = self.document.text[instruction.comments : start].splitlines(keepends=True)
        return (*(line for line in above if FIXED not in line), *block.comments)

    def is_gone(self, layer: int) -> bool:
        """Whether an edit has taken away the instruction that made a layer, or joined it."""
        instruction = self._layers.get(layer)
        return instruction is not None and self.blocks[self._numbers[instruction.start]].gone

    def is_dropped(self, layer: int) -> bool:
        """Whether an edit has taken away the instruction that made a layer, commands and all."""
        instruction = self._layers.get(layer)
        block = None if instruction is None else self.blocks[self._numbers[instruction.start]]
        return block is not None and block.gone and block.joined is None

    def run(self, layer: int) -> Run:
        """Return the ``RUN`` of a layer as it is by now."""
        block = self.block(layer)
        if not self._has_posix_shell(block.instruction):
            raise NotEditableError(_OTHER_SHELL)
        return Run(block.text, self.document.escape, self.document.newline)

    def _has_posix_shell(self, instruction: Instruction) -> bool:
        shell: tuple[str, ...] = ()
        # From the chain of stages: a stage inherits the SHELL of the one that it begins with.
        for each in self.match.instructions:
            if each.start == instruction.start:
                break
            if each.keyword == "SHELL":
                shell = each.words or ("",)
        return not shell or posixpath.basename(shell[0]) in SHELLS

    def again(self, block: Block) -> Instruction:
        """Return the instruction of a block as it is by now, with its places in that text."""
        return self.again_text(block.text)

    def again_text(self, text: str) -> Instruction:
        """Return an instruction of a text, with its places there."""
        return parse(text, strict=False, escape=self.document.escape).instructions[0]

    def number_of(self, layer: int) -> int:
        """Return the number of the instruction that made a layer, among all of the file."""
        return self._numbers[self.block(layer).instruction.start]

    def block_of(self, instruction: Instruction) -> Block:
        """Return the block of an instruction."""
        return self.blocks[self._numbers[instruction.start]]

    def between(self, first: Instruction, last: Instruction) -> list[Instruction]:
        """Return what the image's stages have between two instructions."""
        if first.start > last.start:
            raise NotEditableError("the instruction to be moved stands before the other")
        return [e for e in self.match.instructions if first.start < e.start < last.start]
