"""The table that ``scripts/prove_plans`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tabulate import tabulate

from tests.dockerfiles.proving import Outcome

__all__ = ["summary", "table"]

_HEADERS = (
    "Dockerfile",
    "with",
    "edits",
    "builds",
    "starts",
    "imports",
    "before",
    "predicted",
    "real",
    "off",
    "mended",
    "new",
    "left",
    "done",
)


def table(outcomes: Sequence[Outcome], *, markdown: bool = False) -> str:
    """A row an outcome: what its edits made of the image, and what they promised."""
    rows = [_row(each) for each in outcomes]
    align = ("left", "left", *["right"] * (len(_HEADERS) - 2))
    form = "github" if markdown else "simple"
    return tabulate(rows, _HEADERS, tablefmt=form, colalign=align, disable_numparse=True)


def _row(each: Outcome) -> list[str]:
    checks = (each.builds, each.starts, each.imports)
    sizes = (each.before, each.predicted, each.real)
    found = (each.mended, each.new, each.left)
    return [
        each.name,
        each.mode,
        str(len(each.edits)),
        *("yes" if check else "NO" for check in checks),
        *(f"{size / 1e6:,.1f}" if size else "" for size in sizes),
        f"{each.difference:+.2%}" if each.real else "",
        *(str(len(names)) for names in found),
        "yes" if each.repeated else "NO",
    ]


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many are right, and how far the predictions are off in the middle; then the failures."""
    lines = []
    for mode in dict.fromkeys(each.mode for each in outcomes):
        chosen = [each for each in outcomes if each.mode == mode]
        right = sum(not each.failures for each in chosen)
        built = [each for each in chosen if each.builds]
        off = median(abs(each.difference) for each in built) if built else 0.0
        saved = median(1 - each.real / each.before for each in built) if built else 0.0
        lines.append(
            f"{mode}: {right} of {len(chosen)} right; in the middle the prediction is off by"
            f" {off:.2%} and {saved:.1%} are saved"
        )
    for each in outcomes:
        lines += [f"{each.name} ({each.mode}): {failure}" for failure in each.failures]
    return "\n".join(lines)
