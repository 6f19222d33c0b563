"""Facts → findings. One file a subject; each analyzer knows nothing of the others.

A third party registers its own under the entry point group ``pyimginspect.analyzers``: an
:class:`Analyzer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from pyimginspect.analyzers.rule import Analyzer, Rule
from pyimginspect.inventory.tables import read_table
from pyimginspect.lazy import loader
from pyimginspect.plugins import blamed, load_all

if TYPE_CHECKING:
    from pyimginspect.analyzers._counting import count_once
    from pyimginspect.analyzers.builtin import BUILTIN
    from pyimginspect.inventory.collect import Inventory
    from pyimginspect.report import Finding

__all__ = [
    "BUILTIN",
    "Analyzer",
    "Rule",
    "all_analyzers",
    "builtin_rules",
    "catalogue",
    "count_once",
    "run_analyzers",
    "third_party_analyzers",
]

GROUP = "pyimginspect.analyzers"

# Who reads a report that was kept needs no analyzer.
__getattr__ = loader(__name__, {"BUILTIN": ".builtin", "count_once": "._counting"})


@cache
def third_party_analyzers() -> tuple[Analyzer, ...]:
    """Return the analyzers that other distributions install, by their rule.

    Raises :class:`PluginError` for one that cannot be loaded.
    """
    # Entry points come in the order of sys.path and of directories, which is not the same on every
    # machine; the order of findings must be.
    return tuple(sorted(load_all(GROUP, ("rule", "run")), key=lambda analyzer: analyzer.rule.id))


def all_analyzers() -> tuple[Analyzer, ...]:
    """Return the built-in analyzers, and those of installed third parties by their rule."""
    from pyimginspect.analyzers.builtin import BUILTIN

    return BUILTIN + third_party_analyzers()


def run_analyzers(analyzers: Iterable[Analyzer], inventory: Inventory) -> tuple[Finding, ...]:
    """Return what analyzers find. Raises :class:`PluginError` where a third party's fails."""
    from pyimginspect.analyzers.builtin import BUILTIN

    findings: list[Finding] = []
    for each in analyzers:
        # A fault of a built-in one keeps its own traceback; it is no plug-in that has to be named.
        if each in BUILTIN:
            findings += each.run(inventory)
        else:
            with blamed("the analyzer", each.rule.id):
                findings += each.run(inventory)
    return tuple(findings)


@cache
def builtin_rules() -> tuple[Rule, ...]:
    """Return the rules of the built-in analyzers, without loading these.

    They are written to a table by ``scripts/make_rule_pages``.
    """
    return read_table("rules", tuple[Rule, ...])


def catalogue() -> dict[str, Rule]:
    """Return the rules of all analyzers, by their id."""
    rules = (*builtin_rules(), *(analyzer.rule for analyzer in third_party_analyzers()))
    return {rule.id: rule for rule in rules}
