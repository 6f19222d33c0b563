"""What is printed in place of the report: where the layers' bytes are, the plan, a Dockerfile."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pyimginspect.cli.outputs import put, style

if TYPE_CHECKING:
    from pyimginspect.plan import LayerBreakdown, Plan

__all__ = ["put_asides"]

_Aside = tuple["tuple[LayerBreakdown, ...] | None", "Plan | None", "str | None"]


def put_asides(
    asides: Sequence[_Aside], target: Path | None, name: str, args: argparse.Namespace
) -> None:
    """Write the layers, the plan or the Dockerfile of every image to one place."""
    if name == "json":
        put(_json(asides, several=len(args.images) > 1), target, exact=True)
        return
    texts = [_text(aside, target, args) for aside in asides]
    # A Dockerfile must arrive byte for byte; a list of edits may be escaped for the terminal.
    put("\n".join(texts), target, exact=args.plan == "dockerfile")


def _json(asides: Sequence[_Aside], *, several: bool) -> str:
    from pyimginspect.formats import layers as layer_format
    from pyimginspect.formats import plan as plan_format

    texts = []
    for layers, plan, _ in asides:
        if layers is not None:
            texts.append(layer_format.as_json(layers))
        elif plan is not None:
            texts.append(plan_format.as_json(plan))
    return (
        "[\n" + ",\n".join(text.rstrip("\n") for text in texts) + "\n]\n" if several else texts[0]
    )


def _text(aside: _Aside, target: Path | None, args: argparse.Namespace) -> str:
    from pyimginspect.formats import layers as layer_format
    from pyimginspect.formats import plan as plan_format

    layers, plan, dockerfile = aside
    parts = []
    if layers is not None:
        parts.append(layer_format.render(layers, **style(target, args)))
    if dockerfile is not None:
        parts.append(dockerfile)
    elif plan is not None:
        parts.append(plan_format.render(plan, **style(target, args)))
    return "\n".join(parts)
