"""What an evidence line must be: a sentence, or a clause of one, that says what was seen.

"holds " and "402.0 kB, now 0:0 0644" are none: the first lists nothing, the second leaves the
reader to guess what the figures are of.
"""

import re
from collections.abc import Iterable

from pyimginspect.model import Evidence

__all__ = ["faults"]

_FAULTS = {
    "is empty": re.compile(r"\s*"),
    "has space at an end": re.compile(r"\s.*|.*\s", re.DOTALL),
    "is a size and no more": re.compile(r"[\d.,]+ ?(B|kB|MB|GB)"),
    "begins with a size and has no verb": re.compile(
        r"[\d.,]+ ?(?:B|kB|MB|GB)\b(?!.*\b(?:are|is|of|more|stays?|would|counts?)\b).*"
    ),
    "begins in the middle of a sentence": re.compile(r"(?:and|or|but|with|of|by|which|that)\b.*"),
    "ends in the middle": re.compile(
        r".*(?:[,:;(]|\b(?:holds|needs|lists|of|and|or|by|in|into|to|with|than|from|is|are|has))"
    ),
    "lacks something between two signs": re.compile(r".*(?:\(\)|, ,|: ,|,,|\bNone\b).*", re.DOTALL),
    "is one word": re.compile(r"[^\s→]+"),
}


def faults(evidence: Iterable[Evidence]) -> list[str]:
    """What is wrong with evidence lines, each with the line."""
    return [
        f"{line.what!r} {fault}"
        for line in evidence
        for fault, pattern in _FAULTS.items()
        if pattern.fullmatch(line.what)
    ]
