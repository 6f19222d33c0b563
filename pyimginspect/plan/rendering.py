"""A draft as text: each instruction with what stands above it, and comments that name the rules."""

from __future__ import annotations

from pyimginspect.dockerfile.matching import FIXED
from pyimginspect.plan.draft import Block, Draft
from pyimginspect.plan.staging import with_stage

__all__ = ["render"]


def render(draft: Draft) -> str:
    """Return the whole text of a draft."""
    document = draft.document
    chunks = []
    position = 0
    for block in draft.blocks:
        chunks.append(_chunk(draft, block, position))
        position = document.line_end(block.instruction.end)
    if draft.staged is not None:
        chunks = with_stage(draft, chunks)
    return "".join(chunks) + document.text[position:]


def _chunk(draft: Draft, block: Block, position: int) -> str:
    """Return what stands before an instruction, and the instruction itself with its line break."""
    document, instruction = draft.document, block.instruction
    text = document.text
    start = document.line_start(instruction.start)
    if block.gone:
        # Its own comments go with it, and the blank lines: what follows has some.
        left = text[position : max(instruction.comments, position)]
        return left if left.strip() else ""
    above, indent = text[position:start], text[start : instruction.start]
    above += "".join(block.comments)
    if block.rules:
        above = marked(above, block.rules, indent, document.newline)
    return above + indent + block.text + text[instruction.end : document.line_end(instruction.end)]


def marked(above: str, rules: tuple[str, ...], indent: str, newline: str) -> str:
    """Return what stands above an instruction with the comment that names the rules."""
    head, mark, last = above.rpartition(FIXED)
    # An earlier fix is directly above: its comment takes the new rules, rather than a second one.
    if mark and "\n" not in last.rstrip("\r\n"):
        known = tuple(rule.strip() for rule in last.split(","))
        return f"{head}{FIXED}{', '.join(dict.fromkeys((*known, *rules)))}{newline}"
    return f"{above}{indent}{FIXED}{', '.join(rules)}{newline}"
