"""What a user writes for many images → the images, one target each."""

from pyimginspect.fleet.references.choice import Choice, Skipped
from pyimginspect.fleet.references.expand import expand

__all__ = ["Choice", "Skipped", "expand"]
