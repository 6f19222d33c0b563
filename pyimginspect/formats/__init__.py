"""Reports as text: one module a format, each a pure function of a report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from pyimginspect.errors import ReportError
from pyimginspect.report import Report

__all__ = ["FORMATS", "format_for", "render"]


def _table(report: Report, options: Mapping[str, Any]) -> str:
    from pyimginspect.formats import table

    terminal = {name: options[name] for name in ("width", "color", "encoding") if name in options}
    return table.render(report, **terminal)


def _json(report: Report, options: Mapping[str, Any]) -> str:
    from pyimginspect.formats import json

    return json.render(report)


# A format's module, and what that needs, is loaded when it is asked for.
_RENDERERS: dict[str, Callable[[Report, Mapping[str, Any]], str]] = {
    "table": _table,
    "json": _json,
}

FORMATS = tuple(_RENDERERS)
"""The names that :func:`render` knows."""

_SUFFIXES = {
    ".txt": "table",
    ".json": "json",
}


def render(report: Report, format_name: str = "table", **options: Any) -> str:
    """Return ``report`` in a format of :data:`FORMATS`.

    Of the options each format takes what concerns it: ``width`` (columns), ``color`` and
    ``encoding`` the table.

    Raises :class:`ReportError` for a format that does not exist.
    """
    renderer = _RENDERERS.get(format_name)
    if renderer is None:
        raise ReportError(f"there is no format '{format_name}'", hint=_suggest(format_name))
    return renderer(report, options)


def format_for(path: str | PurePath) -> str:
    """Return the name of the format that a file's name asks for.

    Raises :class:`ReportError` where the suffix is none that a format has.
    """
    name = PurePath(path).name.lower()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return _SUFFIXES[suffix]
    raise ReportError(
        f"no format goes with the name '{path}'", hint=f"the suffixes are {', '.join(_SUFFIXES)}"
    )


def _suggest(name: str) -> str:
    near = difflib.get_close_matches(name, FORMATS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(FORMATS)}"
