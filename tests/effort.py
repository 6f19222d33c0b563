"""How much tests try that could go on for ever: a sample, or as much as CI does (`.ci/run`)."""

import os
from typing import Any

from hypothesis import settings

__all__ = ["WHOLE", "examples", "much"]

WHOLE = os.environ.get("PYIMGINSPECT_TESTS") == "whole"


def much(whole: float, *, share: int = 10) -> float:
    """So many seconds, or rounds, where all is tried; otherwise one part in `share` of them."""
    return whole if WHOLE else whole / share


def examples(whole: int, **more: Any) -> settings:
    """Hypothesis' settings for a test that tries `whole` examples where all is tried.

    How long one of them takes says something of the machine, and nothing of the code.
    """
    return settings(max_examples=max(10, int(much(whole))), deadline=None, **more)
