"""What to change in the Dockerfile, and what the image weighs then.

:func:`make_plan` finds the edits of an inventory, :func:`reconstruct` writes the Dockerfile again
as far as the image's history tells, with the edits in it. Both only read the inventory; the
bytes they speak of are counted once, however many edits save them. :func:`tell_ledger` says of
each layer what it stores for whom, and who took it away again.
"""

from __future__ import annotations

from pyimginspect.plan.dockerfile import reconstruct
from pyimginspect.plan.making import make_plan
from pyimginspect.plan.records import Edit, EditKind, Plan
from pyimginspect.plan.told import LayerStory, Share, tell_ledger

__all__ = [
    "Edit",
    "EditKind",
    "LayerStory",
    "Plan",
    "Share",
    "make_plan",
    "reconstruct",
    "tell_ledger",
]
