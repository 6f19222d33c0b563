"""What the edits of a plan change in the user's Dockerfile: each alone, and as SARIF's fixes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.errors import DockerfileError, printable
from pyimginspect.plan import Edit, Patch, Plan
from pyimginspect.plan.patch import split_lines
from pyimginspect.report import Finding

__all__ = ["fixes_by_edit", "is_about", "patch_alone"]

_Fix = dict[str, Any]
# Twenty times the lines of a long Dockerfile; only generated ones have more.
_LARGE = 2_000  # lines


def is_about(edit: Edit, finding: Finding) -> bool:
    """Whether an edit is about a finding: its rule, and one of its layers."""
    layers = {edit.layer, *edit.others}
    return finding.rule in edit.rules and (
        not finding.layers or not layers.isdisjoint(finding.layers)
    )


def patch_alone(plan: Plan, edit: Edit, dockerfile: Dockerfile, path: str = "") -> Patch:
    """Return the Dockerfile with one edit of the plan as if it were the only one.

    ``path`` is what the difference calls the file, its own path if empty. Raises
    :class:`~pyimginspect.errors.DockerfileError` as :meth:`~pyimginspect.plan.Plan.patch` does.
    """
    # A reader may take any one of SARIF's fixes alone, so none may need another's changes.
    alone = msgspec.structs.replace(plan, edits=(edit,))
    return alone.patch(dockerfile.text, path or dockerfile.path, target=dockerfile.target)


def fixes_by_edit(plan: Plan, dockerfile: Dockerfile) -> tuple[tuple[Edit, _Fix], ...]:
    """Return the edits that a Dockerfile can have, each with what it replaces there.

    A fix is a ``fix`` object of SARIF (§3.55). There are none where the Dockerfile cannot be
    read, or is that of another image.
    """
    try:
        return tuple(_fixes(plan, dockerfile))
    except DockerfileError:
        return ()


def _fixes(plan: Plan, dockerfile: Dockerfile) -> Iterator[tuple[Edit, _Fix]]:
    for edit in plan.edits:
        if not edit.operations:
            continue
        text = patch_alone(plan, edit, dockerfile).text
        replacements = list(_replacements(dockerfile.text, text))
        if replacements:
            words = f"{edit.words} (needs a review)" if edit.level == "review" else edit.words
            yield (
                edit,
                {
                    "description": {"text": printable(words)},
                    "artifactChanges": [
                        {
                            # A URI has slashes, also where Windows wrote the path (RFC 3986).
                            "artifactLocation": {"uri": quote(dockerfile.path.replace("\\", "/"))},
                            "replacements": replacements,
                        }
                    ],
                },
            )


def _replacements(before: str, after: str) -> Iterator[dict[str, Any]]:
    """Yield the lines that go and those that come, as ``replacement`` objects (§3.57)."""
    old, new = split_lines(before), split_lines(after)
    # Lines that are everywhere make it quadratic: large files are compared without them.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(new) > _LARGE)
    for what, first, last, start, stop in matcher.get_opcodes():
        if what != "equal":
            # A region that ends at the first column of a line ends before that line (§3.30.8).
            yield {
                "deletedRegion": {
                    "startLine": first + 1,
                    "startColumn": 1,
                    "endLine": last + 1,
                    "endColumn": 1,
                },
                "insertedContent": {"text": "".join(new[start:stop])},
            }
