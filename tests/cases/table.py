"""The table that ``scripts/check_cases`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from tests.cases.bench import Outcome

__all__ = ["summary", "table"]


def table(outcomes: Sequence[Outcome]) -> str:
    """A row a case: its name, what its container does, the verdict, what differs."""
    rows = [(each.case.name, each.truth, each.verdict, "\n".join(each.lines)) for each in outcomes]
    headers = ("case", "truth", "verdict", "what differs")
    widths = (30, 44, None, 110)
    return tabulate(rows, headers=headers, tablefmt="simple", maxcolwidths=list(widths))


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many cases there are of each verdict, in a line."""
    verdicts = ("right", "wrong", "untrue", "left out")
    counts = {word: sum(each.verdict == word for each in outcomes) for word in verdicts}
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{len(outcomes)} cases: {', '.join(parts) or 'none'}"
