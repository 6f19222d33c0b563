"""Completes a Dockerfile made of a history with what no history has, from the real one."""

from __future__ import annotations

from collections.abc import Iterator

from pyimginspect.dockerfile import Document, parse

__all__ = ["completed"]

_MISSING = "# The history does not tell "


def completed(history: str, dockerfile: str) -> str:
    """Return ``history`` with the stages and the here-documents of ``dockerfile`` in their places.

    Only where it says that something is missing: everything else must be right as it is.
    """
    if _MISSING not in history:
        return history
    document = parse(dockerfile.replace("# syntax=", "# syntax "))
    lost = _lost(document)
    lines = iter(history.splitlines())
    written = []
    for line in lines:
        if line.startswith(_MISSING):
            next(lines)
            line = next(lost)
        written.append(line)
    # Before the image's FROM, and with the arguments that the stages may need.
    before = document.text[: document.stages[-1].origin.start]
    return f"{before}\n" + "\n".join(written) + "\n"


def _lost(document: Document) -> Iterator[str]:
    for instruction in document.stages[-1].instructions:
        words = instruction.argument.text.split()
        # A path from the context's own root looks like one of a stage to who reads a history.
        rooted = len(words) > 1 and all(word.startswith("/") for word in words[:-1])
        if instruction.keyword == "COPY" and (
            instruction.flag("from") or instruction.heredocs or rooted
        ):
            yield document.text[instruction.start : instruction.end]
