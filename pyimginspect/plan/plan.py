"""A plan: edits of a Dockerfile, and what they save together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from pyimginspect.inventory.instructions import Step
from pyimginspect.mappings import freeze
from pyimginspect.plan.records import Edit, Level, NotOffered, Patch, SavingPart

__all__ = ["PLAN_VERSION", "Plan"]

PLAN_VERSION = 1
"""Of what a plan's JSON has in it: fields may be added, never changed in meaning."""


class Plan(Struct, frozen=True, kw_only=True):
    """All edits, those that save most first, and what they save together.

    ``size`` is the image's, in bytes of file content in all layers (as ``Report.size``);
    ``saving`` counts every byte once, however many edits save it. ``compressed`` and
    ``compressed_saving`` are what a registry would hold, estimated where the layers at hand are
    not compressed. ``layers`` maps the layers to the bytes that they lose. ``parts`` are the same
    bytes, once each, by the edits that free them. ``steps`` are the image's history, which a
    Dockerfile is matched with.
    """

    reference: str
    size: int
    saving: int
    compressed: int
    compressed_saving: int
    edits: tuple[Edit, ...]
    layers: Mapping[int, int] = {}
    parts: tuple[SavingPart, ...] = ()
    not_offered: tuple[NotOffered, ...] = ()
    steps: tuple[Step, ...] = ()
    plan_version: int = PLAN_VERSION

    def __post_init__(self) -> None:
        freeze(self, "layers")

    def without_values(self) -> Plan:
        """Return the plan without the values of build arguments in its steps.

        They may be secret, and newer builders write them into the history of ``ARG`` too.
        """
        return msgspec.structs.replace(self, steps=tuple(map(_without_values, self.steps)))

    @property
    def after(self) -> int:
        """The image's size after all edits, in bytes of file content."""
        return self.size - self.saving

    def saved_by(self, edits: Collection[Edit]) -> int:
        """Return the bytes that some of the edits save together, each of them once.

        What they add is taken off.

        Those that a :class:`Patch` applied, say: a Dockerfile need not get all of them.
        """
        chosen = {number for number, edit in enumerate(self.edits) if edit in edits}
        saved = sum(part.size for part in self.parts if not chosen.isdisjoint(part.edits))
        return saved - sum(self.edits[number].adds for number in chosen)

    def patch(
        self,
        text: str,
        path: str = "Dockerfile",
        level: Level = "review",
        target: str | None = None,
    ) -> Patch:
        """Return the edits in a Dockerfile, those up to ``level``.

        ``path`` is what the difference calls the file, ``target`` the stage that was built.
        Raises :class:`~pyimginspect.errors.DockerfileError` where the text cannot be read or
        is that of another image.
        """
        # Loaded here: a patch needs the reader of Dockerfiles, a plan's figures do not.
        from pyimginspect.plan.patch import patch_dockerfile

        return patch_dockerfile(self.edits, self.steps, text, path, level, target)


def _without_values(step: Step) -> Step:
    # Where one value ends and the next name begins, a history does not say: one name stays.
    text = step.text.partition("=")[0] if step.word == "ARG" else step.text
    return msgspec.structs.replace(step, arguments="", text=text)
