"""The report as JSON, and the schema that tells what is in it."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from pyimginspect.report import SCHEMA_VERSION, Report

__all__ = ["render", "schema"]


def render(report: Report) -> str:
    """Return the report as indented JSON, the same characters from run to run."""
    return report.to_json()


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the report; ``docs/schema`` holds it as a file."""
    # Through JSON, so that it compares equal to what a file says (tuples are lists there).
    document = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Report)))
    definitions: dict[str, dict[str, Any]] = document["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    report = definitions["Report"]
    report["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    report["required"] = ["schema_version", *report["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of pyimginspect",
        **document,
    }
