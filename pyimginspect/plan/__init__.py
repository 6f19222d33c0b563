"""What to change in the Dockerfile, and what the image weighs then.

:func:`make_plan` finds the edits of an inventory, :func:`reconstruct` writes the Dockerfile again
as far as the image's history tells, with the edits in it. Both only read the inventory; the
bytes they speak of are counted once, however many edits save them. :func:`break_down_layers` says
of each layer what it stores for whom, and which layer removed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyimginspect.lazy import loader

if TYPE_CHECKING:
    from pyimginspect.plan.from_history import reconstruct
    from pyimginspect.plan.layer_breakdown import (
        LayerBreakdown,
        LayersDocument,
        Share,
        break_down_layers,
    )
    from pyimginspect.plan.plan import Plan
    from pyimginspect.plan.planner import make_plan
    from pyimginspect.plan.records import Edit, EditKind, Level, NotOffered, Patch, Skipped

__all__ = [
    "Edit",
    "EditKind",
    "LayerBreakdown",
    "LayersDocument",
    "Level",
    "NotOffered",
    "Patch",
    "Plan",
    "Share",
    "Skipped",
    "break_down_layers",
    "make_plan",
    "reconstruct",
]

# Every report asks what a plan saves, few for the Dockerfile: each is loaded when it is used.
_HOMES = {
    "Edit": ".records",
    "EditKind": ".records",
    "LayerBreakdown": ".layer_breakdown",
    "LayersDocument": ".layer_breakdown",
    "Level": ".records",
    "NotOffered": ".records",
    "Patch": ".records",
    "Plan": ".plan",
    "Share": ".layer_breakdown",
    "Skipped": ".records",
    "make_plan": ".planner",
    "reconstruct": ".from_history",
    "break_down_layers": ".layer_breakdown",
}


__getattr__ = loader(__name__, _HOMES)
