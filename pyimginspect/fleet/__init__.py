"""Many images at once: every distinct layer read once, every distinct image folded once."""

from pyimginspect.fleet.inspection import Inspection, Plan, inspect_fleet
from pyimginspect.fleet.records import Outcome
from pyimginspect.fleet.references import Choice
from pyimginspect.fleet.results import Fleet

__all__ = ["Choice", "Fleet", "Inspection", "Outcome", "Plan", "inspect_fleet"]
