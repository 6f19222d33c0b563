"""A plan: edits of a Dockerfile, and what each of them saves."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Edit", "EditKind", "Plan"]

EditKind = Literal[
    "base",
    "builder-stage",
    "leave-out",
    "purge",
    "no-recommends",
    "bindings",
    "clean-cache",
    "delete-early",
    "owner",
    "environment",
    "advice",
]
"""What is done: another ``FROM``; a stage for building; packages not installed, or purged in their
own ``RUN``; ``--no-install-recommends``; Python bindings from pip; a cache that is not kept; files
deleted or replaced in the ``RUN`` that makes them; owner and mode given as files are made
(``--chown``, ``--chmod``); packages taken out of a copied environment; words only."""


class Edit(Struct, frozen=True, kw_only=True):
    """One edit of the instruction that made ``layer``.

    ``words`` say what to do, ``command`` is what to paste: an option, a command to end a ``RUN``
    with, names to leave out. ``rules`` are the findings that it mends. ``saving`` is in bytes of
    file content, as if this were the only edit; ``compressed`` an estimate of the same bytes in a
    registry. ``estimated`` is true where ``saving`` is no count of bytes but an estimate too.
    ``packages`` are those that it is about, ``keep`` those to ask for in their place, as files in
    use need them. ``others`` are the layers whose instructions the edit makes needless.
    """

    kind: EditKind
    layer: int
    instruction: str
    words: str
    command: str = ""
    packages: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    saving: int = 0
    compressed: int = 0
    estimated: bool = False
    others: tuple[int, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """All edits, those that save most first, and what they save together.

    ``size`` is the image's, in bytes of file content in all layers (as ``Report.size``);
    ``saving`` counts every byte once, however many edits save it. ``compressed`` and
    ``compressed_saving`` are what a registry would hold, estimated where the layers at hand are
    not compressed. ``layers`` maps the layers to the bytes that they lose.
    """

    reference: str
    size: int
    saving: int
    compressed: int
    compressed_saving: int
    edits: tuple[Edit, ...]
    layers: dict[int, int] = {}

    @property
    def after(self) -> int:
        """The image's size after all edits, in bytes of file content."""
        return self.size - self.saving
