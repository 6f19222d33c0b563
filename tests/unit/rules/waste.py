"""Images on a slim base, and what one rule on wasted space says of them."""

from collections.abc import Callable, Iterable, Mapping

from pyimginspect.inventory.collect import Inventory
from pyimginspect.report import Finding
from tests.images import Content
from tests.inventories import on_slim, taken

MB = b"x" * 1_000_000
LISTS = "var/lib/apt/lists"
SITE = "usr/local/lib/python3.13/site-packages"
Run = Callable[[Inventory], Iterable[Finding]]


def findings(run: Run, *layers: Mapping[str, Content]) -> list[Finding]:
    lines = [f"RUN step {n}" for n in range(len(layers))]
    return list(run(taken(on_slim(*layers, history=lines))))
