"""Reports as text: one module a format, each a pure function of a report."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pyimginspect.errors import ReportError
from pyimginspect.lazy import loader
from pyimginspect.report import Failure, Report, Reports

if TYPE_CHECKING:
    from pyimginspect.comparison import Comparison
    from pyimginspect.dockerfile import Dockerfile

__all__ = [
    "COMPARISON_FORMATS",
    "FORMATS",
    "MANY_FORMATS",
    "Dockerfile",
    "format_for",
    "render",
    "render_comparison",
    "render_many",
]


__getattr__ = loader(__name__, {"Dockerfile": "..dockerfile"})

# The options of render() that each format takes. A module, and what it needs, is loaded when its
# format is asked for.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "table": ("width", "color", "encoding", "detail", "hyperlinks", "rules"),
    "json": (),
    "markdown": (),
    "html": ("rules", "plan", "dockerfile"),
    "sarif": ("rules", "dockerfile", "category", "plan"),
    "junit": ("rules",),
    "github": ("dockerfile",),
    "gitlab": ("dockerfile",),
    "cyclonedx": (),
    "spdx": (),
    "spdx3": (),
}

_KNOWN = frozenset(name for names in _OPTIONS.values() for name in names)

FORMATS = tuple(_OPTIONS)
"""The names that :func:`render` knows."""

MANY_FORMATS = ("table", "json", "markdown", "sarif", "junit", "github", "gitlab")
"""The names that :func:`render_many` knows for more than one report."""

COMPARISON_FORMATS = ("table", "json", "markdown", "html")
"""The names that :func:`render_comparison` knows."""

# In this order: the first that a name ends with counts, so the longer ones come first. The name of
# GitLab's artifact is that of its documentation.
_SUFFIXES = {
    ".cdx.json": "cyclonedx",
    ".spdx.json": "spdx",
    ".spdx3.json": "spdx3",
    ".sarif.json": "sarif",
    "gl-code-quality-report.json": "gitlab",
    ".json": "json",
    ".sarif": "sarif",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".xml": "junit",
    ".txt": "table",
}


def render(report: Report, format_name: str = "table", **options: Any) -> str:
    """Return ``report`` in a format of :data:`FORMATS`.

    Of the options each format takes what concerns it: the table ``width`` (columns), ``color``,
    ``encoding``, ``hyperlinks`` (to the pages of ``rules``) and ``detail`` (0 one screen, 1 with
    evidence, 2 all tables, -1 one line);
    SARIF, JUnit and HTML ``rules`` (the catalogue, by rule);
    HTML and SARIF a ``plan``; SARIF, GitHub, GitLab and HTML ``dockerfile`` (a
    :class:`Dockerfile`, whose lines findings and edits then name); SARIF a ``category``.

    Raises :class:`ReportError` for a format that does not exist, or whose library is missing, and
    :class:`TypeError` for an option that no format takes.
    """
    for name in options.keys() - _KNOWN:
        import difflib  # for mistakes alone

        near = difflib.get_close_matches(name, _KNOWN, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise TypeError(f"render() got an unexpected option '{name}'{hint}")
    if format_name not in _OPTIONS:
        raise ReportError(f"there is no format '{format_name}'", hint=_suggest(format_name))
    try:
        module = import_module(f"{__name__}.{format_name}")
    except ModuleNotFoundError as exc:
        raise ReportError(
            f"the format '{format_name}' needs the module {exc.name}",
            hint="pip install 'pyimginspect[sbom]'",
        ) from exc
    wanted = {name: options[name] for name in _OPTIONS[format_name] if name in options}
    text: str = module.render(report, **wanted)
    return text


def render_many(
    reports: Sequence[Report],
    format_name: str = "table",
    *,
    failures: Sequence[Failure] = (),
    **options: Any,
) -> str:
    """Return one document of several reports, in a format of :data:`MANY_FORMATS`.

    ``failures`` are images that could not be inspected: every format has them. JSON has one shape
    for any number of images (:class:`pyimginspect.report.Reports`); in other formats one report
    alone is rendered as by :func:`render`. The options are its own, but for ``plan``.
    Raises :class:`ReportError` as that does, and for several images in a format of one alone.
    """
    if format_name == "json":
        return Reports(reports=tuple(reports), errors=tuple(failures)).to_json()
    texts = [render(report, format_name, **options) for report in reports]
    # One image gives the same document whether it was asked for by itself or in a list.
    if len(texts) == 1 and not failures:
        return texts[0]
    if format_name not in MANY_FORMATS:
        raise ReportError(
            f"the format '{format_name}' is of one image",
            hint=f"several images go into {', '.join(MANY_FORMATS)}",
        )
    from pyimginspect.formats._many import COMBINERS

    return COMBINERS[format_name](texts, failures)


def render_comparison(
    comparison: Comparison,
    format_name: str = "table",
    *,
    width: int = 80,
    color: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return what lies between two images in a format of :data:`COMPARISON_FORMATS`.

    Raises :class:`ReportError` for another format.
    """
    if format_name not in COMPARISON_FORMATS:
        raise ReportError(
            f"there is no comparison as '{format_name}'",
            hint=f"there are {', '.join(COMPARISON_FORMATS)}",
        )
    from pyimginspect.formats import comparison as formats

    if format_name == "table":
        return formats.table(comparison, width=width, color=color, encoding=encoding)
    return formats.RENDERERS[format_name](comparison)


def format_for(path: str | PurePath) -> str:
    """Return the name of the format that a file's name asks for.

    Raises :class:`ReportError` where the suffix is none that a format has.
    """
    name = PurePath(path).name.lower()
    for suffix, format_name in _SUFFIXES.items():
        if name.endswith(suffix):
            return format_name
    raise ReportError(
        f"no format goes with the name '{path}'", hint=f"the suffixes are {', '.join(_SUFFIXES)}"
    )


def _suggest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, FORMATS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(FORMATS)}"
