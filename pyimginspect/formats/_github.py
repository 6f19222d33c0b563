"""Workflow commands of GitHub Actions, escaped as its toolkit does (``command.ts``)."""

from __future__ import annotations

from pyimginspect.errors import printable
from pyimginspect.report import Failure

__all__ = ["failed", "workflow_command"]


def failed(failure: Failure) -> str:
    """Return the annotation of an image that could not be inspected."""
    text = f"{printable(failure.reference)} could not be inspected: {printable(failure.message)}"
    return workflow_command("error", {"title": "pyimginspect"}, text) + "\n"


def workflow_command(name: str, properties: dict[str, str], text: str) -> str:
    """Return one command: nothing in ``text`` can end it or begin another."""
    words = ",".join(
        # A comma ends a property and a colon begins the text; in the text itself neither does.
        f"{key}={_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    return f"::{name} {words}::{_data(text)}"


def _data(text: str) -> str:
    # The percent sign first, or it would escape the escapes.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
