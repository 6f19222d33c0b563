"""Facts → findings. One file a subject; each analyzer knows nothing of the others.

A third party registers its own under the entry point group ``pyimginspect.analyzers``: an
:class:`Analyzer`.
"""

from __future__ import annotations

from pyimginspect.analyzers import (
    base_not_official_slim,
    deleted_but_shipped,
    duplicate_python,
    eol_distribution,
    eol_python,
    leftover_build_tool,
    leftover_headers,
    leftover_virtual_package,
    os_python_binding,
    overwritten_files,
    package_cache,
    rewritten_metadata,
    unknown_base,
)
from pyimginspect.analyzers.rule import Analyzer, Rule

__all__ = ["BUILTIN", "Analyzer", "Rule", "all_analyzers", "catalogue"]

GROUP = "pyimginspect.analyzers"

BUILTIN: tuple[Analyzer, ...] = (
    base_not_official_slim.ANALYZER,
    deleted_but_shipped.ANALYZER,
    duplicate_python.ANALYZER,
    eol_distribution.ANALYZER,
    eol_python.ANALYZER,
    leftover_build_tool.ANALYZER,
    leftover_headers.ANALYZER,
    leftover_virtual_package.ANALYZER,
    os_python_binding.ANALYZER,
    overwritten_files.ANALYZER,
    package_cache.ANALYZER,
    rewritten_metadata.ANALYZER,
    unknown_base.ANALYZER,
)


def all_analyzers() -> tuple[Analyzer, ...]:
    """Return the built-in analyzers, and those of installed third parties by their rule."""
    from importlib.metadata import entry_points

    others = [point.load() for point in entry_points(group=GROUP)]
    return BUILTIN + tuple(sorted(others, key=lambda analyzer: analyzer.rule.id))


def catalogue() -> dict[str, Rule]:
    """Return the rules of all analyzers, by their id."""
    return {analyzer.rule.id: analyzer.rule for analyzer in all_analyzers()}
