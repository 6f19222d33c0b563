"""The report as one web page that needs nothing else: no network, no server, no other file.

Every word of an image is escaped where it is put (jinja2's autoescape), data for the script is
JSON that cannot end its element, and a content security policy with the hashes of the page's own
script and style lets the browser refuse anything that should have slipped through.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from pyimginspect.errors import printable
from pyimginspect.formats import _text
from pyimginspect.formats.html._chain import chains_of
from pyimginspect.formats.html._view import bars_of, fixes_of, links_of, map_of
from pyimginspect.plan import Plan
from pyimginspect.report import Report
from pyimginspect.rules import Rule

__all__ = ["page", "render"]


def render(
    report: Report, *, rules: Mapping[str, Rule] | None = None, plan: Plan | None = None
) -> str:
    """Return the page as HTML; ``rules`` is the catalogue, for the reasons behind findings.

    ``plan`` is shown where there is one; else the fixes of the findings stand for it.
    """
    return page(
        "report.html",
        report=report,
        rules=rules or {},
        plan=plan,
        fixes=fixes_of(report),
        bars=bars_of(report),
        chains=chains_of(report),
        links=links_of(report),
        data=_embed(map_of(report)),
        base=_text.base_words(report),
        verdict=_text.verdict_words(report),
        severities=_text.severity_words(report.findings),
    )


def page(template: str, **values: Any) -> str:
    """Fill in a template of this folder, with the script and the style that all pages share."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    return (
        _environment()
        .get_template(template)
        .render(policy=policy, style=Markup(style), script=Markup(script), **values)
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Strings of an image, one and all: control characters and overrides are spelled out.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"size": _text.size, "count": _text.count}
    return environment


@cache
def _asset(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return a source expression for inline text (Content Security Policy Level 3, 2.3.1)."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embed(data: object) -> Markup:
    """Return JSON for within a script element: nothing in it can end the element or a string."""
    text = msgspec.json.encode(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
