"""The report as one web page that needs nothing else: no network, no server, no other file.

Every word of an image is escaped where it is put (jinja2's autoescape), data for the script is
JSON that cannot end its element, and a content security policy with the hashes of the page's own
script and style lets the browser refuse anything that should have slipped through.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from markupsafe import Markup

from pyimginspect.dockerfile import Dockerfile
from pyimginspect.formats import _text
from pyimginspect.formats._attested import attested_rows, lines_of
from pyimginspect.formats.html._chain import chains_of
from pyimginspect.formats.html._edits import edits_about, edits_of
from pyimginspect.formats.html._page import page
from pyimginspect.formats.html._view import (
    bars_of,
    filters_of,
    fixes_of,
    links_of,
    map_of,
    owners_of,
)
from pyimginspect.plan import Plan
from pyimginspect.report import Report
from pyimginspect.rules import Rule

__all__ = ["render"]


def render(
    report: Report,
    *,
    rules: Mapping[str, Rule] | None = None,
    plan: Plan | None = None,
    dockerfile: Dockerfile | None = None,
) -> str:
    """Return the page as HTML; ``rules`` is the catalogue, for the reasons behind findings.

    ``plan`` is shown where there is one, each of its edits as the difference that it makes in
    ``dockerfile`` where that was given; else the fixes of the findings stand for it.
    """
    edits = edits_of(plan, dockerfile)
    return page(
        "report.html",
        report=report,
        rules=rules or {},
        plan=plan,
        edits=edits,
        edits_about=edits_about(edits, report.findings),
        fixes=fixes_of(report),
        bars=bars_of(report),
        chains=chains_of(report),
        links=links_of(report),
        filters=filters_of(report),
        owners=owners_of(report),
        data=_embed(map_of(report)),
        attested_rows=attested_rows,
        lines_of=lines_of,
        base=_text.base_words(report),
        starts=_text.start_words(report),
        verdict=_text.verdict_words(report),
        severities=_text.severity_words(report.findings),
    )


def _embed(data: object) -> Markup:
    """Return JSON for within a script element: nothing in it can end the element or a string."""
    text = msgspec.json.encode(data).decode()
    # `</script` and `<!--` would end or change the element (HTML standard, script data states).
    # U+2028 and U+2029 end lines in older JavaScript, and stand in JSON as they are.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
