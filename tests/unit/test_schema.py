"""The published schema: it is what the types say, and it describes real reports."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pyimginspect.analyzers import BUILTIN
from pyimginspect.formats import render
from pyimginspect.formats.json import schemas
from pyimginspect.policy.schema import policy_schema
from pyimginspect.progress import progress_schema
from pyimginspect.report import Report
from tests.reports import bad_report, clean_report, judged_report, with_strings

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schema"


def published(name: str = "report") -> dict[str, Any]:
    text = (PUBLISHED / f"{name}.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.mark.parametrize("name", schemas())
def test_the_published_schema_is_that_of_the_types(name: str) -> None:
    assert published(name) == schemas()[name], "run scripts/make_schema"
    jsonschema.Draft202012Validator.check_schema(published(name))


def test_the_published_schema_of_policies_is_that_of_the_rules() -> None:
    rules = {analyzer.rule.id: analyzer.rule for analyzer in BUILTIN}
    assert published("policy") == policy_schema(rules), "run scripts/make_schema"
    jsonschema.Draft202012Validator.check_schema(published("policy"))


def test_the_published_schema_of_progress_is_that_of_its_events() -> None:
    assert published("progress") == progress_schema(), "run scripts/make_schema"
    jsonschema.Draft202012Validator.check_schema(published("progress"))


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(clean_report(), id="clean"),
        pytest.param(bad_report(), id="bad"),
        pytest.param(judged_report(), id="judged"),
        pytest.param(with_strings(bad_report(), "\x1b\udcff\u2028"), id="hostile"),
    ],
)
def test_a_report_follows_the_schema(report: Report) -> None:
    validator = jsonschema.Draft202012Validator(published())
    validator.validate(json.loads(render(report, "json")))


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema_version", 3), ("findings", [{"rule": "x"}]), ("size", "much"), ("libc", None)],
)
def test_what_is_no_report_does_not_follow_the_schema(key: str, value: object) -> None:
    document = {**json.loads(render(bad_report(), "json")), key: value}
    validator = jsonschema.Draft202012Validator(published())
    assert not validator.is_valid(document)
    del document[key]
    assert not validator.is_valid(document)
