"""The JSON Schema of the policy file, by which editors complete and check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyimginspect.policy.settings import ALL, BUILTIN, GROUPS, OWN_RULES
from pyimginspect.report import SEVERITIES
from pyimginspect.rules import Rule

__all__ = ["policy_schema"]

# What Table.amount() and parse_size() take, as a regular expression of ECMA-262.
_AMOUNT = r"^\s*\d{1,15}(\.\d{1,6})?\s*([bB]|[kKmMgG]([iI])?[bB]|%)?\s*$"


def policy_schema(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the schema of ``.pyimginspect.toml`` (and ``[tool.pyimginspect]``), draft 2020-12.

    ``rules`` is the catalogue, whose names it knows.
    """
    known = {**rules, **OWN_RULES}
    names = _enum([*sorted(known), *GROUPS, ALL])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The policy of pyimginspect (.pyimginspect.toml)",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extends": {**_enum(BUILTIN), "description": "The built-in policy to start from."},
            "name": _text("What reports call the policy."),
            "fail-on": {
                **_enum([*SEVERITIES, "never"]),
                "description": "The least severity that fails an image.",
            },
            "select": _list("The only rules and groups that count.", names),
            "extend-select": _list("Rules and groups that count beside those.", names),
            "ignore": _list("Rules and groups that do not count.", names),
            "allowed-bases": _list("Patterns of base images that may be used."),
            "allowed-packages": _list("Patterns of packages that may be installed."),
            "expected-libc": {
                **_enum(["glibc", "musl"]),
                "description": "The C library that images must have.",
            },
            "max-size": _amount("The most that all layers may store, in bytes."),
            "max-waste": _amount("The most wasted space, in bytes or as a share of the image."),
            "rules": {
                "type": "object",
                "description": "Settings of single rules.",
                "additionalProperties": False,
                "properties": {name: _rule(rule) for name, rule in sorted(known.items())},
            },
            "dlopen": {
                "type": "object",
                "description": "By distribution, the sonames that it opens at run time.",
                "additionalProperties": _strings(),
            },
            "waivers": {
                "type": "array",
                "description": "Findings that are waived on purpose.",
                "items": _waiver(),
            },
        },
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "description": rule.title,
        "oneOf": [
            _enum(["off", *SEVERITIES]),
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "enabled": {"type": "boolean"},
                    "severity": _enum(SEVERITIES),
                    "min-saving": _amount("Findings that save less do not count."),
                },
            },
        ],
    }


def _waiver() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["rule", "reason"],
        "properties": {
            "rule": _text("A rule, or a pattern of rules."),
            "reason": _text("Why the findings are waived."),
            "path": _list("Patterns that every path of the finding must match."),
            "package": _list("Patterns that every package of the finding must match."),
            "expires": {
                "description": "The last day on which the waiver applies.",
                "type": "string",
                "format": "date",
            },
        },
    }


def _enum(values: Any) -> dict[str, Any]:
    return {"enum": list(values)}


def _text(description: str) -> dict[str, Any]:
    # Blanks alone are refused as an empty string is.
    return {"type": "string", "pattern": r"\S", "description": description}


def _strings(items: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a list of strings is, or one string without its brackets."""
    one = dict(items or {"type": "string", "minLength": 1})
    return {"oneOf": [one, {"type": "array", "items": one}]}


def _list(description: str, items: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {**_strings(items), "description": description}


def _amount(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _AMOUNT}],
    }
