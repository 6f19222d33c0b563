"""The documents of several images as one document of the same format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from pyimginspect.errors import printable
from pyimginspect.formats import _github as github
from pyimginspect.formats import _markdown as md
from pyimginspect.formats._sarif import failed_run, log_of
from pyimginspect.report import Failure

__all__ = ["COMBINERS"]

_LONGEST_COMMENT = 65_536
"""Characters that GitHub takes for a comment on a pull request."""
# For the last line, which says how many reports were left out.
_ROOM_FOR_THE_REST = 100


def _table(texts: Sequence[str], _: Sequence[Failure]) -> str:
    """Return pages with a blank line between them, single lines without.

    Failures are in the table of verdicts, which follows.
    """
    blank = "\n" if any(text.count("\n") > 1 for text in texts) else ""
    return blank.join(texts)


def _github(texts: Sequence[str], failures: Sequence[Failure]) -> str:
    return "".join([*texts, *(github.failed(each) for each in failures)])


def _markdown(texts: Sequence[str], failures: Sequence[Failure]) -> str:
    """Return as many whole reports as fit into one comment, and say how many do not."""
    errors = [
        f"### ❌ {md.code(each.reference)} could not be inspected\n{md.text(each.message)}\n"
        for each in failures
    ]
    room, shown = _LONGEST_COMMENT - _ROOM_FOR_THE_REST, []
    for text in [*errors, *texts]:
        # Whole reports alone: cut in the middle, <details> and code would stay open.
        room -= len(text) + 1
        if room < 0:
            break
        shown.append(text)
    rest = len(errors) + len(texts) - len(shown)
    if rest:
        shown.append(f"… and the reports of {rest:,} more {'image' if rest == 1 else 'images'}.\n")
    return "\n".join(shown)


def _sarif(texts: Sequence[str], failures: Sequence[Failure]) -> str:
    """Return one log with a run for each image, each of a category of its own.

    GitHub takes no two runs of one category in a file: what would be one gets a number.
    """
    runs = [run for text in texts for run in json.loads(text)["runs"]]
    runs += [failed_run(each) for each in failures]
    seen: dict[str, int] = {}
    for run in runs:
        category = run["automationDetails"]["id"]
        seen[category] = seen.get(category, 0) + 1
        if seen[category] > 1:
            run["automationDetails"]["id"] = f"{category}{seen[category]}/"
    return json.dumps(log_of(runs), indent=2, ensure_ascii=False) + "\n"


def _gitlab(texts: Sequence[str], failures: Sequence[Failure]) -> str:
    """Return all issues; GitLab shows only the first of several with one fingerprint."""
    issues = [issue for text in texts for issue in json.loads(text)]
    issues += map(_gitlab_failure, failures)
    seen: dict[str, int] = {}
    for issue in issues:
        fingerprint = issue["fingerprint"]
        seen[fingerprint] = seen.get(fingerprint, 0) + 1
        if seen[fingerprint] > 1:
            issue["fingerprint"] = f"{fingerprint}-{seen[fingerprint]}"
    return json.dumps(issues, indent=2, ensure_ascii=False) + "\n"


def _gitlab_failure(failure: Failure) -> dict[str, object]:
    reference = printable(failure.reference)
    return {
        "description": f"could not be inspected: {printable(failure.message)}",
        "check_name": "not-inspected",
        # By the name alone: the message may have a time or a port in it, and would be new each
        # time.
        "fingerprint": hashlib.sha256(f"not-inspected\0{reference}".encode()).hexdigest()[:16],
        "severity": "blocker",
        "location": {"path": reference, "lines": {"begin": 1}},
    }


def _junit(texts: Sequence[str], failures: Sequence[Failure]) -> str:
    """Return all suites; an image that could not be inspected is a suite with an error."""
    first = ElementTree.Element("testsuites", name="pyimginspect", tests="0", failures="0")
    first.set("errors", "0")
    for other in [*map(ElementTree.fromstring, texts), *map(_junit_failure, failures)]:
        first.extend(other)
        for name in ("tests", "failures", "errors"):
            first.set(name, str(int(first.get(name, "0")) + int(other.get(name, "0"))))
    # The suites of texts are indented, those of failures are not: this does both alike.
    ElementTree.indent(first)
    text = ElementTree.tostring(first, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _junit_failure(failure: Failure) -> ElementTree.Element:
    counts = {"tests": "1", "failures": "0", "errors": "1"}
    suites = ElementTree.Element("testsuites", counts)
    name = printable(failure.reference)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, **counts, "skipped": "0"})
    case = ElementTree.SubElement(
        suite, "testcase", classname="pyimginspect", name="inspection", time="0"
    )
    ElementTree.SubElement(case, "error", message=printable(failure.message), type="not-inspected")
    return suites


COMBINERS: dict[str, Callable[[Sequence[str], Sequence[Failure]], str]] = {
    "table": _table,
    "markdown": _markdown,
    "sarif": _sarif,
    "junit": _junit,
    "github": _github,
    "gitlab": _gitlab,
}
"""The formats in which one document can be of several images, with what makes it of theirs."""
