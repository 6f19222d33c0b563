"""The frame of a SARIF log, and the run of an image that could not be inspected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyimginspect.errors import printable
from pyimginspect.report import Failure

__all__ = ["failed_run", "log_of"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def log_of(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a SARIF log of some runs."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}


def failed_run(failure: Failure) -> dict[str, Any]:
    """Return the run of an image that could not be inspected (§3.20.14, §3.20.21)."""
    text = f"{printable(failure.reference)} could not be inspected: {printable(failure.message)}"
    return {
        "tool": {"driver": {"name": "pyimginspect"}},
        # As in a log with findings, where the category ends with a slash (§3.17.3).
        "automationDetails": {"id": f"pyimginspect/{printable(failure.reference)}/"},
        "invocations": [
            {
                "executionSuccessful": False,
                "toolExecutionNotifications": [{"level": "error", "message": {"text": text}}],
            }
        ],
        "results": [],
    }
