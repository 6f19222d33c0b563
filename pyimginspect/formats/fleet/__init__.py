"""A fleet's results as text, JSON, tables for other programs, or one web page."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePath
from typing import Any

from pyimginspect.errors import ReportError
from pyimginspect.fleet import Fleet

__all__ = ["FLEET_FORMATS", "fleet_format_for", "render_fleet"]

# The options of render() that each format takes.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "table": ("group_by", "width", "color", "encoding"),
    "json": ("group_by",),
    "jsonl": (),
    "csv": (),
    "parquet": (),
    "html": ("group_by", "pages"),
}

FLEET_FORMATS = tuple(_OPTIONS)
"""The names that :func:`render_fleet` knows."""

_SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".txt": "table",
}


def render_fleet(fleet: Fleet, format_name: str = "table", **options: Any) -> Iterator[bytes]:
    """Return the results in a format of :data:`FLEET_FORMATS`, piece by piece.

    ``table`` is the summary as text, ``json`` and ``html`` have all of it; ``jsonl`` is a line
    for each reference, with its report; ``csv`` and ``parquet`` have a row for each finding of
    each reference. ``group_by`` is that of :meth:`Fleet.groups`; the ``pages`` of ``html`` are
    the address of the directory with the images' own pages, for links to them.

    Raises :class:`ReportError` for a format that does not exist, or whose library is missing.
    """
    if format_name not in _OPTIONS:
        known = ", ".join(FLEET_FORMATS)
        raise ReportError(f"there is no fleet format '{format_name}'", hint=f"there are {known}")
    try:
        module = import_module(f"{__name__}.{format_name}")
    except ModuleNotFoundError as exc:
        raise ReportError(
            f"the format '{format_name}' needs the module {exc.name}",
            hint="pip install 'pyimginspect[parquet]'",
        ) from exc
    wanted = {name: options[name] for name in _OPTIONS[format_name] if name in options}
    pieces: Iterator[bytes] = module.render(fleet, **wanted)
    return pieces


def fleet_format_for(path: str | PurePath) -> str:
    """Return the name of the format that a file's name asks for.

    Raises :class:`ReportError` where the suffix is none that a format has.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ReportError(
            f"no fleet format goes with the name '{path}'",
            hint=f"the suffixes are {', '.join(_SUFFIXES)}",
        )
    return _SUFFIXES[suffix]
