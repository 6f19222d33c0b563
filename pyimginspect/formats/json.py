"""The report as JSON, and the schemas that tell what is in it."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
from msgspec import Struct

from pyimginspect.comparison import COMPARISON_VERSION, Comparison
from pyimginspect.report import SCHEMA_VERSION, Report, Reports

__all__ = ["render", "schemas"]


def render(report: Report) -> str:
    """Return the report as indented JSON, the same characters from run to run."""
    return report.to_json()


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas (2020-12) of reports, comparisons, plans and layers, by name.

    ``docs/schema`` holds each as a file.
    """
    from pyimginspect.plan.layer_breakdown import LAYERS_VERSION, LayersDocument
    from pyimginspect.plan.plan import PLAN_VERSION, Plan

    return {
        "report": _schema(Report, "schema_version", SCHEMA_VERSION),
        "reports": _schema(Reports, "schema_version", SCHEMA_VERSION),
        "comparison": _schema(Comparison, "comparison_version", COMPARISON_VERSION),
        "plan": _schema(Plan, "plan_version", PLAN_VERSION),
        "layers": _schema(LayersDocument, "layers_version", LAYERS_VERSION),
    }


def _schema(kind: type[Struct], field: str, version: int) -> dict[str, Any]:
    """Return the schema of one version of a record, which the document must name."""
    # Through JSON, so that it compares equal to what a file says (tuples are lists there).
    document = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(kind)))
    definitions: dict[str, dict[str, Any]] = document["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            # Before Python 3.13 docstrings keep their indentation, and the file would differ with
            # the version.
            definition["description"] = inspect.cleandoc(definition["description"])
    top = definitions[kind.__name__]
    top["properties"][field] = {"const": version}
    # The field has a default, and so is optional to msgspec; a document must have it.
    top["required"] = [field, *top["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{kind.__name__} of pyimginspect",
        **document,
    }
