"""GitLab's Code Quality report: a literal document, and what its consumer asks of every issue."""

import json

from pyimginspect.formats import format_for, render, render_many
from tests.reports import DOCKERFILE, bad_report, clean_report, judged_report, with_strings


def test_a_judged_image() -> None:
    assert json.loads(render(judged_report(), "gitlab", dockerfile=DOCKERFILE)) == [
        {
            "description": "A second Python, 3.11.2 from Debian, stands beside the 3.13.1 that "
            "runs (saves 36.2 MB)",
            "check_name": "duplicate-python",
            "fingerprint": judged_report().findings[0].fingerprint,
            "severity": "critical",
            "location": {"path": "docker/Dockerfile", "lines": {"begin": 3}},
        },
        {
            "description": "tmp/model.bin is deleted in layer 6, and still ships in layer 5 "
            "(saves 8.0 MB)",
            "check_name": "deleted-but-shipped",
            "fingerprint": judged_report().findings[1].fingerprint,
            "severity": "info",
            "location": {"path": "docker/Dockerfile", "lines": {"begin": 7}},
        },
    ]


def test_without_a_dockerfile_a_finding_is_at_its_path() -> None:
    first = json.loads(render(judged_report(), "gitlab"))[0]
    assert first["location"] == {"path": "usr/bin/python3.11", "lines": {"begin": 1}}


def test_a_clean_image() -> None:
    assert render(clean_report(), "gitlab") == "[]\n"


def test_fingerprints_of_several_images_differ() -> None:
    issues = json.loads(render_many([bad_report(), bad_report()], "gitlab"))
    fingerprints = [issue["fingerprint"] for issue in issues]
    assert len(fingerprints) == 2 * len(bad_report().findings)
    assert len(set(fingerprints)) == len(fingerprints)


def test_hostile_names_stay_one_line() -> None:
    text = render(with_strings(bad_report(), "\n\x1b[31m\u202e"), "gitlab")
    for issue in json.loads(text):
        for value in (issue["description"], issue["check_name"], issue["location"]["path"]):
            assert value.isprintable()


def test_the_name_that_gitlab_s_own_templates_use() -> None:
    assert format_for("out/gl-code-quality-report.json") == "gitlab"
