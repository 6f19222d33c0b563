"""JSON: the whole report, and back again."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from pyimginspect.errors import ReportError
from pyimginspect.formats import FORMATS, MANY_FORMATS, format_for, render, render_many
from pyimginspect.report import Failure, Finding, Report, Reports
from tests.reports import bad_report, clean_report, finding, judged_report, with_strings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("report", [clean_report(), bad_report(), judged_report()])
def test_json_comes_back_as_the_same_report(report: Report) -> None:
    assert Report.from_json(render(report, "json")) == report


def test_the_beginning_is_literal() -> None:
    text = render(bad_report(), "json")
    assert text.startswith(
        "{\n"
        '  "schema_version": 2,\n'
        '  "tool_version": "0.1.0",\n'
        '  "image": {\n'
        '    "reference": "bad.tar",\n'
    )
    assert text.endswith("\n}\n")


def test_the_dictionary_is_what_the_json_says() -> None:
    report = bad_report()
    assert report.to_dict() == json.loads(report.to_json())


def test_names_that_are_no_utf8_are_spelled_out() -> None:
    document = json.loads(render(with_strings(bad_report(), "\udcff"), "json"))
    assert document["pythons"][0]["path"] == "usr/local/bin/python3.13\\udcff"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_writes_the_same_characters(hash_seed: str) -> None:
    code = (
        "from tests.reports import bad_report; from pyimginspect.formats import render;"
        "import sys; sys.stdout.buffer.write(render(bad_report(), 'json').encode())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed},
    )
    assert run.stdout.decode() == render(bad_report(), "json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a report of this tool"),
        ("[]", "not a report of this tool"),
        ('{"schema_version": 99}', "has schema version 99, this release reads 2"),
        ('{"schema_version": 2}', "not a report of this tool"),
        ("[" * 100_000, "not a report of this tool"),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        Report.from_json(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (finding("r", "s"), finding("r", "s", layers=(7,), saving=3, message="else"), True),
        (finding("r", "s"), finding("r", "t"), False),
        (finding("r", "s"), finding("q", "s"), False),
    ],
)
def test_a_fingerprint_survives_a_rebuild(one: Finding, other: Finding, same: bool) -> None:
    assert (one.fingerprint == other.fingerprint) is same


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("report.json", "json"),
        ("out/REPORT.JSON", "json"),
        ("report.txt", "table"),
    ],
)
def test_a_suffix_names_the_format(path: str, name: str) -> None:
    assert format_for(path) == name
    assert name in FORMATS


@pytest.mark.parametrize("path", ["report", "report.docx", "json", "a.json/b"])
def test_another_suffix_is_refused(path: str) -> None:
    with pytest.raises(ReportError, match=r"no format goes with the name .*\.json"):
        format_for(path)


@pytest.mark.parametrize(
    ("name", "hint"), [("jsno", "did you mean 'json'"), ("docx", "there are table, json")]
)
def test_an_unknown_format_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ReportError, match=hint):
        render(clean_report(), name)


FAILED = (Failure(reference="no\x1b.tar", message="there is no such <file>"),)


@pytest.mark.parametrize("reports", [(), (clean_report(),), (clean_report(), bad_report())])
@pytest.mark.parametrize("failures", [(), FAILED])
def test_one_shape_for_any_number_of_images(
    reports: tuple[Report, ...], failures: tuple[Failure, ...]
) -> None:
    text = render_many(reports, "json", failures=failures)
    assert Reports.from_json(text) == Reports(reports=reports, errors=failures)
    document = json.loads(text)
    assert [*document] == ["schema_version", "reports", "errors"]
    published = json.loads((ROOT / "docs/schema/reports.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(published).validate(document)


@pytest.mark.parametrize("reports", [(), (clean_report(),), (clean_report(), bad_report())])
@pytest.mark.parametrize("name", [name for name in MANY_FORMATS if name != "table"])
def test_an_image_that_failed_is_in_every_format(name: str, reports: tuple[Report, ...]) -> None:
    text = render_many(reports, name, failures=FAILED)
    assert "there is no such" in text
    assert "\x1b" not in text
    if name == "junit":
        suites = ElementTree.fromstring(text)
        assert (len(suites), suites.get("errors")) == (len(reports) + 1, "1")
    if name == "sarif":
        runs = json.loads(text)["runs"]
        assert len(runs) == len(reports) + 1
        assert runs[-1]["invocations"][0]["executionSuccessful"] is False
    if name == "gitlab":
        assert json.loads(text)[-1]["severity"] == "blocker"
