"""The edits of a plan as the page shows them: each with the difference in the Dockerfile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from markupsafe import Markup, escape
from msgspec import Struct

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import DockerfileError, printable
from pyimginspect.formats._fixes import is_about, patch_alone
from pyimginspect.plan import Edit, Patch, Plan
from pyimginspect.plan.patch import split_lines
from pyimginspect.report import Finding

__all__ = ["Difference", "Edits", "ShownEdit", "edits_about", "edits_of"]

_MOST_SHOWN = 100_000  # characters of one difference; --diff prints all of it
# A copy from a stage that only the rest of the edit makes.
_FRAGMENT = "COPY --from="
_KINDS = {"+": "plus", "-": "minus", "@": "place"}


class Difference(Struct, frozen=True, kw_only=True):
    """Lines of a unified diff, each with its class, escaped for the page.

    ``exact`` is true where the text of the page is the diff byte for byte, and can be applied:
    control characters and bytes that are no UTF-8 are spelled out instead.
    """

    lines: tuple[tuple[str, Markup], ...]
    exact: bool


class ShownEdit(Struct, frozen=True, kw_only=True):
    """An edit, and the difference that it alone makes, or why it makes none in this file.

    ``command`` is what to paste where there is no difference; a part of an instruction that is of
    no use without the rest of the edit is left out.
    """

    edit: Edit
    command: str
    difference: Difference | None = None
    reason: str = ""


class Edits(Struct, frozen=True, kw_only=True):
    """All edits of a plan; ``problem`` says why the Dockerfile that was given is not shown.

    ``whole`` is the difference that they make together, and ``saving`` the bytes that those in it
    save, each of them counted once.
    """

    shown: tuple[ShownEdit, ...] = ()
    path: str = ""
    problem: str = ""
    whole: Difference | None = None
    saving: int = 0
    applied: int = 0
    matched: int = 0
    instructions: int = 0


def edits_of(plan: Plan | None, dockerfile: Dockerfile | None) -> Edits:
    """Return what to show of ``plan``: differences where a Dockerfile was given."""
    if plan is None:
        return Edits()
    plain = tuple(ShownEdit(edit=edit, command=_command(edit)) for edit in plan.edits)
    if dockerfile is None or not plan.edits:
        return Edits(shown=plain)
    path = _name(dockerfile)
    try:
        patch = plan.patch(dockerfile.text, path, target=dockerfile.target)
        shown = tuple(_shown(plan, edit, dockerfile, path) for edit in plan.edits)
    except DockerfileError as exc:
        return Edits(shown=plain, path=path, problem=exc.message)
    return Edits(
        shown=shown,
        path=path,
        whole=_difference(patch.diff),
        saving=plan.saved_by(patch.applied),
        applied=len(patch.applied),
        matched=patch.matched,
        instructions=patch.instructions,
    )


def edits_about(edits: Edits, findings: Sequence[Finding]) -> dict[str, list[int]]:
    """Return by fingerprint the numbers, from 1, of the edits that are about a finding."""
    return {
        finding.fingerprint: [
            number for number, each in enumerate(edits.shown, 1) if is_about(each.edit, finding)
        ]
        for finding in findings
    }


def _shown(plan: Plan, edit: Edit, dockerfile: Dockerfile, path: str) -> ShownEdit:
    command = _command(edit)
    if not edit.operations:
        return ShownEdit(edit=edit, command=command)
    patch = patch_alone(plan, edit, dockerfile, path)
    return ShownEdit(
        edit=edit, command=command, difference=_difference(patch.diff), reason=_reason(patch)
    )


def _reason(patch: Patch) -> str:
    return patch.skipped[0].reason if patch.skipped else ""


def _command(edit: Edit) -> str:
    return "" if edit.command.startswith(_FRAGMENT) else edit.command


def _name(dockerfile: Dockerfile) -> str:
    """Return the path for ``git apply`` and ``patch -p1``: none that leads out of a directory."""
    path = PurePath(dockerfile.path)
    return path.name if path.is_absolute() or ".." in path.parts else str(path)


def _difference(diff: str) -> Difference | None:
    if not diff:
        return None
    exact, lines = len(diff) <= _MOST_SHOWN, []
    for number, line in enumerate(split_lines(diff[:_MOST_SHOWN])):
        text = line.removesuffix("\n")
        ending = "\r" if text.endswith("\r") else ""
        # Tabs stay, since printable() would spell them out and no patch would fit.
        shown = "\t".join(map(printable, text.removesuffix("\r").split("\t"))) + ending
        exact = exact and shown == text
        # HTML takes a carriage return for a line feed, unless a reference stands for it.
        escaped = Markup(str(escape(shown)).replace("\r", "&#13;"))
        lines.append(("name" if number < 2 else _KINDS.get(text[:1], ""), escaped))
    return Difference(lines=tuple(lines), exact=exact)
