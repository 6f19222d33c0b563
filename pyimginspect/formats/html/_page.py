"""The frame of every web page: templates, with the script and the style that they share."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from pyimginspect.errors import printable
from pyimginspect.text import counted, sized

__all__ = ["environment", "page", "policy_for", "shared_style"]


def page(template: str, **values: Any) -> str:
    """Fill in a template of this folder, with the script and the style that all pages share."""
    style, script = _asset("page.css"), _asset("page.js")
    frame = {"style": Markup(style), "script": Markup(script)}
    policy = policy_for(style, script)
    return environment().get_template(template).render(policy=policy, **frame, **values)


def policy_for(style: str, script: str) -> str:
    """Return the content security policy of a page that has this style and this script alone."""
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"


def shared_style() -> str:
    """Return the style that all pages share."""
    return _asset("page.css")


@cache
def environment() -> jinja2.Environment:
    """Return the environment of all pages: escaping, and the words for sizes and counts."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        # A name that is misspelt would be an empty word in the page.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Strings of an image, one and all: control characters and overrides are spelled out.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {"size": sized, "count": counted}
    return environment


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return a source expression for inline text (Content Security Policy Level 3, 2.3.1)."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
