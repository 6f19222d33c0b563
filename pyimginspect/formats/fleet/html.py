"""The fleet as one web page that needs nothing else: no network, no server, no other file.

Numbers that matter most are in the page's own text; tables are made by its script, a page of
rows at a time. Whatever comes from an image is put in as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from markupsafe import Markup

from pyimginspect.fleet import Fleet
from pyimginspect.formats.fleet._data import pack, page_data
from pyimginspect.formats.html._page import environment, policy_for, shared_style

__all__ = ["render"]


def render(fleet: Fleet, *, group_by: str = "repository", pages: str = "") -> Iterator[bytes]:
    """Return the page as HTML in UTF-8.

    ``pages`` is the directory of the images' own pages, as an address relative to this one.
    """
    style = shared_style() + _asset("fleet.css")
    script = _asset("fleet.js")
    template = environment().from_string(_asset("fleet.html"))
    yield template.render(
        policy=policy_for(style, script),
        style=Markup(style),
        script=Markup(script),
        data=pack(page_data(fleet, group_by, pages)),
        totals=fleet.totals(),
        group_by=group_by,
    ).encode("utf-8", "backslashreplace")


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
