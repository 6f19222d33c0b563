"""What an analyzer is: a rule, and a pure function from an inventory to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from pyimginspect.report import Finding
from pyimginspect.rules import Rule

if TYPE_CHECKING:
    from pyimginspect.inventory.collect import Inventory

__all__ = ["Analyzer", "Rule"]


class Analyzer(Struct, frozen=True, kw_only=True):
    """A rule and the function that judges by it; knows nothing of other analyzers."""

    rule: Rule
    run: Callable[[Inventory], Iterable[Finding]]
