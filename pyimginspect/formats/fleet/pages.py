"""The full report of every image of a fleet, a web page each, behind the fleet's own page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from pyimginspect import formats
from pyimginspect.fleet import Fleet
from pyimginspect.report import Report
from pyimginspect.rules import Rule

__all__ = ["page_name", "render_pages"]

_IMAGES = """
SELECT image.key, min(reference.name) AS name, reference.platform
FROM image JOIN reference ON reference.image = image.id
GROUP BY image.id ORDER BY 2, 3
"""


def page_name(key: str, reference: str) -> str:
    """Return the name of an image's file: another for another image, code, policy or name."""
    what = f"{key} {reference}".encode("utf-8", "backslashreplace")
    # References have slashes and colons, which are no part of a file's name on Windows.
    return f"{hashlib.sha256(what).hexdigest()[:16]}.html"


def render_pages(
    fleet: Fleet,
    judge: Callable[[Report], Report],
    rules: dict[str, Rule],
    *,
    is_there: Callable[[str], bool],
) -> Iterator[tuple[str, str]]:
    """Yield the file name and the page of each image for which no file of that name is there.

    ``judge`` applies the policy to a report; ``rules`` is the catalogue.
    """
    # A list: judging and rendering take long, and an open cursor would hold the database.
    for row in list(fleet.query(_IMAGES)):
        name = page_name(row["key"], row["name"])
        if not is_there(name):
            report = judge(fleet.report(row["name"], row["platform"]))
            yield name, formats.render(report, "html", rules=rules)
