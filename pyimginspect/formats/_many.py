"""The documents of several images as one document of the same format."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

__all__ = ["COMBINERS"]

_LONGEST_COMMENT = 65_536
"""Characters that GitHub takes for a comment on a pull request."""
_ROOM_FOR_THE_REST = 100


def _table(texts: Sequence[str]) -> str:
    """Return pages with a blank line between them, single lines without."""
    blank = "\n" if any(text.count("\n") > 1 for text in texts) else ""
    return blank.join(texts)


def _json(texts: Sequence[str]) -> str:
    return "[\n" + ",\n".join(text.rstrip("\n") for text in texts) + "\n]\n"


def _github(texts: Sequence[str]) -> str:
    return "".join(texts)


def _markdown(texts: Sequence[str]) -> str:
    """Return as many whole reports as fit into one comment, and say how many do not."""
    room, shown = _LONGEST_COMMENT - _ROOM_FOR_THE_REST, []
    for text in texts:
        room -= len(text) + 1
        if room < 0:
            break
        shown.append(text)
    rest = len(texts) - len(shown)
    if rest:
        shown.append(f"… and the reports of {rest:,} more {'image' if rest == 1 else 'images'}.\n")
    return "\n".join(shown)


def _sarif(texts: Sequence[str]) -> str:
    """Return one log with a run for each image, each of a category of its own.

    GitHub takes no two runs of one category in a file: what would be one gets a number.
    """
    logs = [json.loads(text) for text in texts]
    runs = [run for log in logs for run in log["runs"]]
    seen: dict[str, int] = {}
    for run in runs:
        category = run["automationDetails"]["id"]
        seen[category] = seen.get(category, 0) + 1
        if seen[category] > 1:
            run["automationDetails"]["id"] = f"{category}{seen[category]}/"
    return json.dumps({**logs[0], "runs": runs}, indent=2, ensure_ascii=False) + "\n"


def _gitlab(texts: Sequence[str]) -> str:
    """Return all issues; GitLab shows only the first of several with one fingerprint."""
    issues = [issue for text in texts for issue in json.loads(text)]
    seen: dict[str, int] = {}
    for issue in issues:
        fingerprint = issue["fingerprint"]
        seen[fingerprint] = seen.get(fingerprint, 0) + 1
        if seen[fingerprint] > 1:
            issue["fingerprint"] = f"{fingerprint}-{seen[fingerprint]}"
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _junit(texts: Sequence[str]) -> str:
    first, *others = (ElementTree.fromstring(text) for text in texts)
    for other in others:
        first.extend(other)
        for name in ("tests", "failures", "errors"):
            first.set(name, str(int(first.get(name, "0")) + int(other.get(name, "0"))))
    ElementTree.indent(first)
    text = ElementTree.tostring(first, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


COMBINERS: dict[str, Callable[[Sequence[str]], str]] = {
    "table": _table,
    "json": _json,
    "markdown": _markdown,
    "sarif": _sarif,
    "junit": _junit,
    "github": _github,
    "gitlab": _gitlab,
}
"""The formats in which one document can be of several images, with what makes it of theirs."""
