"""A plan as text: the edits that make an image smaller, what each saves, and all together."""

from __future__ import annotations

from pyimginspect.formats._page import Page
from pyimginspect.formats._text import ranges
from pyimginspect.plan import Edit, Plan
from pyimginspect.report import as_json as encoded
from pyimginspect.text import sized

__all__ = ["as_json", "render"]

_INDENT = 4


def render(plan: Plan, *, width: int = 80, color: bool = False, encoding: str = "utf-8") -> str:
    """Return the plan in lines of at most ``width`` columns (60 to 100)."""
    page = Page(width=width, color=color, encoding=encoding)
    page.title(f"Plan for {plan.reference}")
    if not plan.edits:
        page.paragraph("Nothing to edit: no known edit would make the image smaller.")
        _not_offered(page, plan)
        return str(page)
    page.paragraph(
        f"{sized(plan.size)} now, {sized(plan.after)} after all edits: saves {sized(plan.saving)}"
        f" ({plan.saving / max(plan.size, 1):.0%})."
    )
    page.paragraph(
        f"In a registry about {sized(plan.compressed)} now,"
        f" {sized(plan.compressed - plan.compressed_saving)} after (estimated)."
    )
    if sum(edit.saving for edit in plan.edits) > plan.saving:
        page.paragraph("Several edits save the same bytes: the total counts them once.")
    for number, edit in enumerate(plan.edits, 1):
        _edit(page, number, edit)
    _not_offered(page, plan)
    return str(page)


def _edit(page: Page, number: int, edit: Edit) -> None:
    page.blank()
    about = "about " if edit.estimated else ""
    page.paragraph(f"{edit.words}: saves {about}{sized(edit.saving)}", label=f"{number}.", hang=4)
    layers = f"layer {edit.layer}"
    if edit.others:
        layers += f", and {ranges(edit.others, 20)}"
    # RUN lines of official images have some thousand characters.
    page.paragraph(f"{layers}: {edit.instruction}"[:400], indent=_INDENT, label="in", hang=6)
    if edit.command:
        page.paragraph(edit.command, indent=_INDENT, label=_LABELS.get(edit.kind, "add"), hang=6)
    if edit.keep:
        page.paragraph(" ".join(edit.keep), indent=_INDENT, label="keep", hang=6)
    if edit.alternative:
        page.paragraph(edit.alternative, indent=_INDENT, label="or", hang=6)
    if edit.rules:
        page.paragraph(", ".join(edit.rules), indent=_INDENT, label="rule", hang=6)
    if edit.operations:
        reason = f": {edit.reason}" if edit.reason else ""
        page.paragraph(f"{edit.level}{reason}", indent=_INDENT, label="fix", hang=6)


def _not_offered(page: Page, plan: Plan) -> None:
    """Say which edits would break the image, and how."""
    for each in plan.not_offered:
        page.blank()
        layer = f"layer {each.edit.layer}"
        page.paragraph(f"not offered: {each.edit.words} ({layer})", hang=2)
        page.paragraph(each.reason, indent=_INDENT, label="why", hang=6)


def as_json(plan: Plan) -> str:
    """Return the plan as JSON, without the values of build arguments: these may be secret."""
    return encoded(plan.without_values())


_LABELS = {"base": "use", "delete-early": "move", "builder-stage": "use"}
