"""Facts → findings. One file a subject; each analyzer knows nothing of the others.

A third party registers its own under the entry point group ``pyimginspect.analyzers``: an
:class:`Analyzer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from pyimginspect.analyzers import (
    base_not_official_slim,
    broken_venv,
    command_cannot_start,
    conflicting_distributions,
    deleted_but_shipped,
    duplicate_native_library,
    duplicate_python,
    editable_install_missing,
    eol_distribution,
    eol_python,
    foreign_libc,
    glibc_too_old,
    hijacked_libpython,
    incompatible_wheel,
    incomplete_distribution,
    leftover_build_tool,
    leftover_headers,
    leftover_virtual_package,
    missing_dlopen_library,
    missing_library,
    musl_base,
    native_library_not_from_os,
    os_files_overwritten,
    os_package_recommends,
    os_python_binding,
    overwritten_files,
    package_cache,
    python_version_mismatch,
    record_mismatch,
    replaced_directory_link,
    rewritten_metadata,
    small_thread_stack,
    unknown_base,
    unreachable_site_packages,
    wrong_abi,
    wrong_architecture,
)
from pyimginspect.analyzers._counting import count_once
from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.plugins import blamed, load_all

if TYPE_CHECKING:
    from pyimginspect.inventory.collect import Inventory
    from pyimginspect.report import Finding

__all__ = [
    "BUILTIN",
    "Analyzer",
    "Rule",
    "all_analyzers",
    "catalogue",
    "count_once",
    "run_analyzers",
]

GROUP = "pyimginspect.analyzers"

BUILTIN: tuple[Analyzer, ...] = (
    base_not_official_slim.ANALYZER,
    broken_venv.ANALYZER,
    command_cannot_start.ANALYZER,
    conflicting_distributions.ANALYZER,
    deleted_but_shipped.ANALYZER,
    duplicate_native_library.ANALYZER,
    duplicate_python.ANALYZER,
    editable_install_missing.ANALYZER,
    eol_distribution.ANALYZER,
    eol_python.ANALYZER,
    foreign_libc.ANALYZER,
    glibc_too_old.ANALYZER,
    hijacked_libpython.ANALYZER,
    incompatible_wheel.ANALYZER,
    incomplete_distribution.ANALYZER,
    leftover_build_tool.ANALYZER,
    leftover_headers.ANALYZER,
    leftover_virtual_package.ANALYZER,
    missing_dlopen_library.ANALYZER,
    missing_library.ANALYZER,
    musl_base.ANALYZER,
    native_library_not_from_os.ANALYZER,
    os_files_overwritten.ANALYZER,
    os_package_recommends.ANALYZER,
    os_python_binding.ANALYZER,
    overwritten_files.ANALYZER,
    package_cache.ANALYZER,
    python_version_mismatch.ANALYZER,
    record_mismatch.ANALYZER,
    replaced_directory_link.ANALYZER,
    rewritten_metadata.ANALYZER,
    small_thread_stack.ANALYZER,
    unknown_base.ANALYZER,
    unreachable_site_packages.ANALYZER,
    wrong_abi.ANALYZER,
    wrong_architecture.ANALYZER,
)


@cache
def all_analyzers() -> tuple[Analyzer, ...]:
    """Return the built-in analyzers, and those of installed third parties by their rule."""
    others = load_all(GROUP, ("rule", "run"))
    return BUILTIN + tuple(sorted(others, key=lambda analyzer: analyzer.rule.id))


def run_analyzers(analyzers: Iterable[Analyzer], inventory: Inventory) -> tuple[Finding, ...]:
    """Return what analyzers find. Raises :class:`PluginError` where a third party's fails."""
    findings: list[Finding] = []
    for each in analyzers:
        if each in BUILTIN:
            findings += each.run(inventory)
        else:
            with blamed("the analyzer", each.rule.id):
                findings += each.run(inventory)
    return tuple(findings)


def catalogue() -> dict[str, Rule]:
    """Return the rules of all analyzers, by their id."""
    return {analyzer.rule.id: analyzer.rule for analyzer in all_analyzers()}
