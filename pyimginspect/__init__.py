"""Inspect how Python was packaged in a container image, from its layers alone.

>>> import pyimginspect
>>> report = pyimginspect.inspect("acme/api:1.4")  # doctest: +SKIP

Nothing of an image is ever run. Importing this package costs little: what it exposes is loaded
when it is first used.
"""

from __future__ import annotations

from pyimginspect.lazy import loader

TYPE_CHECKING = False  # as in `lazy`
if TYPE_CHECKING:
    from pyimginspect.api import OpenedImage, inspect, open_image
    from pyimginspect.comparison import Comparison, compare
    from pyimginspect.errors import PyimginspectError
    from pyimginspect.fleet import Fleet, Outcome, inspect_fleet
    from pyimginspect.judging import judge
    from pyimginspect.plan import Patch, Plan
    from pyimginspect.report import Finding, Report, Reports

__all__ = [
    "Comparison",
    "Finding",
    "Fleet",
    "OpenedImage",
    "Outcome",
    "Patch",
    "Plan",
    "PyimginspectError",
    "Report",
    "Reports",
    "compare",
    "inspect",
    "inspect_fleet",
    "judge",
    "open_image",
]

_HOMES = {
    "Comparison": ".comparison",
    "Finding": ".report",
    "Fleet": ".fleet",
    "OpenedImage": ".api",
    "Outcome": ".fleet",
    "Patch": ".plan",
    "Plan": ".plan",
    "PyimginspectError": ".errors",
    "Report": ".report",
    "Reports": ".report",
    "compare": ".comparison",
    "inspect": ".api",
    "inspect_fleet": ".fleet",
    "judge": ".judging",
    "open_image": ".api",
}

__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
