"""Edits of a Dockerfile, what each of them saves, and a Dockerfile that has them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pyimginspect.plan.operations import Operation
from pyimginspect.text import listed

__all__ = [
    "Edit",
    "EditKind",
    "Level",
    "NotOffered",
    "Patch",
    "SavingPart",
    "Skipped",
]

Level = Literal["safe", "review"]
"""``safe``: nothing that remains in the image can tell the difference; ``review``: somebody has
to look at it (another package, another version, a stage of its own)."""

EditKind = Literal[
    "base",
    "builder-stage",
    "leave-out",
    "purge",
    "no-recommends",
    "bindings",
    "clean-cache",
    "delete-early",
    "narrow-copy",
    "owner",
    "environment",
    "wheels",
    "advice",
]
"""What is done: another ``FROM``; a stage for building; packages not installed, or purged in their
own ``RUN``; ``--no-install-recommends``; Python bindings from pip; a cache that is not kept; files
deleted or replaced in the ``RUN`` that makes them; a ``COPY`` of less, or none; owner and mode
given as files are made (``--chown``, ``--chmod``); packages taken out of a copied environment;
wheels from another index; words only."""


# The commands of other kinds are what several instructions ran, all over again.
_PASTED: frozenset[EditKind] = frozenset({"base", "purge", "no-recommends", "clean-cache"})


class Edit(Struct, frozen=True, kw_only=True):
    """One edit of the instruction that made ``layer``.

    ``words`` say what to do, ``command`` is what to paste: an option, a command to end a ``RUN``
    with, names to leave out. ``rules`` are those whose findings it fixes, ``findings`` the
    fingerprints of those whose bytes it frees: their fix in the report is this edit's text.
    ``saving`` is in bytes of
    file content, as if this were the only edit; ``compressed`` an estimate of the same bytes in a
    registry. ``estimated`` is true where ``saving`` is no count of bytes but an estimate too.
    ``adds`` are the bytes that it brings in their place, an estimate, which ``saving`` leaves out.
    ``packages`` are those that it is about, ``keep`` those to ask for in their place, as files in
    use need them. ``modules`` are Python modules that go with packages of the OS, and that what
    takes their place does not have. ``others`` are the layers whose instructions the edit makes
    needless. ``operations`` are the same as data, to be applied to a Dockerfile; an edit without
    any is advice. ``reason`` says why an edit of the level ``review`` needs one. ``alternative``
    is another way to the same end, for those who want what it keeps: a cache for the next build.
    """

    kind: EditKind
    layer: int
    instruction: str
    words: str
    command: str = ""
    packages: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    saving: int = 0
    compressed: int = 0
    estimated: bool = False
    adds: int = 0
    others: tuple[int, ...] = ()
    operations: tuple[Operation, ...] = ()
    level: Level = "review"
    reason: str = ""
    alternative: str = ""

    @property
    def fix(self) -> str:
        """The edit as the fix of a finding: its words, what to paste, and what has to stay."""
        pasted = self.kind in _PASTED and self.command and self.command not in self.words
        text = f"{self.words} ({self.command})" if pasted else self.words
        if self.keep:
            text += f"; keep {listed(self.keep, 12)}, which files in use need"
        return text


class NotOffered(Struct, frozen=True, kw_only=True):
    """An edit that would break the image, and what of it: it is in no plan's figures."""

    edit: Edit
    reason: str


class Skipped(Struct, frozen=True, kw_only=True):
    """An edit that a Dockerfile did not get, and why.

    ``settled`` is true where there is nothing left to do for it: another edit takes the
    instruction away, or an earlier fix has changed it.
    """

    edit: Edit
    reason: str
    settled: bool = False


class Patch(Struct, frozen=True, kw_only=True):
    """A Dockerfile with the edits of a plan.

    ``text`` is the whole file, ``diff`` the unified diff from the one that was given, empty where
    nothing changes. ``matched`` of the ``instructions`` of the image's stages were found in the
    image's history.
    """

    text: str
    diff: str
    applied: tuple[Edit, ...]
    skipped: tuple[Skipped, ...]
    matched: int
    instructions: int


class SavingPart(Struct, frozen=True, kw_only=True):
    """Bytes that each of some edits frees: ``edits`` are their places in ``Plan.edits``."""

    edits: tuple[int, ...]
    size: int
