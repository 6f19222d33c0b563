"""The report on one screen: literal pages, forty lines at most, the point of each finding."""

import re
from pathlib import Path

import msgspec
import pytest
import wcwidth
from msgspec.structs import replace

from pyimginspect.cli import main
from pyimginspect.cli.about import all_rules
from pyimginspect.cli.outputs import wants_color, wants_hyperlinks
from pyimginspect.formats import render, render_many
from pyimginspect.model import Evidence
from pyimginspect.report import Report, Verdict
from tests.images import docker_archive, image
from tests.reports import bad_report, clean_report, finding, judged_report, with_strings

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
WIDTHS = (60, 80, 100, 200)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("detail", [0, 1])
def test_the_golden_pages(width: int, detail: int) -> None:
    page = render(judged_report(), "table", width=width, detail=detail)
    assert page == (GOLDEN / f"screen-{width}{'-v' * detail}.txt").read_text(encoding="utf-8")


def test_a_clean_image() -> None:
    assert render(clean_report(), "table", width=80) == (
        "acme/good:1.4 · linux/amd64\n"
        "base     python 3.13 slim on debian 12 (official, certain)\n"
        "python   3.13.1 runs (/usr/local/bin/python3.13)\n"
        "libc     glibc 2.36\n"
        "size     130.2 MB in 6 layers\n"
        "\n"
        "Next: -vv, -o report.html\n"
    )


def test_the_lines_of_a_fix_are_numbered_where_they_are_one_paragraph() -> None:
    found = finding("r", "s", severity="error", message="wrong", fix="RUN a &&\\ b\n\nENV C=d\n")
    page = render(bad_report(findings=(found,)), "table", width=80)
    assert "fix: (1) RUN a &&\\ b (2) ENV C=d\n" in page


def many(number: int, message: str = "s{n} of r") -> Report:
    found = tuple(
        finding("r", f"s{n}", message=message.format(n=n), saving=n * 1000, fix="Do it. " * 40)
        for n in range(number)
    )
    return bad_report(findings=found)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 11, 12, 13, 14, 20, 300])
@pytest.mark.parametrize("message", ["s{n} of r", "s{n} is " + "very " * 20 + "wrong"])
@pytest.mark.parametrize("width", WIDTHS)
def test_never_more_than_a_screen(number: int, message: str, width: int) -> None:
    page = render(many(number, message), "table", width=width)
    lines = page.splitlines()
    assert len(lines) <= 40
    assert max(map(wcwidth.width, lines)) <= min(width, 100)
    shown = sum(line.startswith("warning  ") for line in lines)
    rest = f"and {number - shown} more finding" if number > shown else ""
    assert rest in page
    assert ("more finding" in page) == (number > shown)


@pytest.mark.parametrize("errors", [1, 3, 20])
@pytest.mark.parametrize("width", [80, 100])
def test_the_fix_of_an_error_is_whole_where_warnings_crowd_it(errors: int, width: int) -> None:
    fix = "RUN apt-get update && apt-get install -y " + "a-library-by-its-name " * 5 + "the-end"
    found = (
        *(
            finding("e", f"s{n}", severity="error", message="is wrong " * 12, fix=fix)
            for n in range(errors)
        ),
        *many(30).findings,
    )
    page = render(bad_report(findings=found), "table", width=width)
    assert len(page.splitlines()) <= 40
    assert page.count("the-end") >= min(errors, 2)


def test_a_list_is_shortened_before_the_point_is_cut() -> None:
    names = ", ".join(f"libsomething-{n}.so.0" for n in range(6))
    text = f"weasyprint opens {names} and libpango.so.0, which Python 3.11.2 does not find"
    found = (finding("r", "s", message=text),) * 12
    page = render(clean_report(findings=found), "table", width=80)
    assert "weasyprint opens libsomething-0.so.0 and 6 more, which Python 3.11.2" in page
    assert "does not find" in page


@pytest.mark.parametrize(
    ("text", "shortened"),
    [
        ("a, b and c are left", "a and 2 more are left"),
        ("a, b, c and 4 more: left", "a and 6 more: left"),
        ("a, b, c and d, which x", "a and 3 more, which x"),
        ("a and b are left", "a and b are left"),
    ],
)
def test_how_a_list_is_shortened(text: str, shortened: str) -> None:
    long = f"{text} {'x' * 150}"
    page = render(clean_report(findings=(finding("r", "s", message=long),) * 16), "table", width=60)
    assert shortened in " ".join(page.split())


def test_nothing_passes_where_nothing_can_fail() -> None:
    verdict = Verdict(policy="p", passed=True, fail_on=None)
    page = render(clean_report(findings=(finding("r", "s"),), verdict=verdict), "table")
    assert "passes" not in page.lower()
    assert (
        "verdict  has findings, and none can fail it (policy p, fail-on never); 1 warning" in page
    )
    assert page.endswith(
        "Nothing can fail: fail-on is never. Next: --explain RULE, -v, -o report.html\n"
    )


def test_errors_first_wins_whatever_saves_more() -> None:
    found = (
        finding("e", "s", severity="error"),
        finding("w", "s", saving=10**9),
    )
    lines = render(clean_report(findings=found), "table").splitlines()
    assert [line[:8] for line in lines if line.startswith(("error", "warning"))] == [
        "error   ",
        "warning ",
    ]


@pytest.mark.parametrize("detail", [-1, 0, 1])
def test_hostile_names_stay_in_their_lines(detail: int) -> None:
    text = "a\nb\x1b[2J\u202e\udcff"
    page = render(with_strings(judged_report(), text), "table", detail=detail)
    assert "\x1b" not in page
    assert all(line.isprintable() for line in page.splitlines())
    assert r"a\nb\x1b[2J\u202e\udcff" in page


def test_colours_change_no_letter() -> None:
    plain = render(judged_report(), "table")
    coloured = render(judged_report(), "table", color=True)
    assert "\x1b[31m" in coloured
    for code in ("0", "1", "31", "32", "33", "36"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_a_narrow_encoding() -> None:
    page = render(judged_report(), "table", encoding="ascii")
    assert page.isascii()
    assert "############" in page


def test_evidence_names_path_and_layer() -> None:
    evidence = (
        Evidence(what="gcc is installed", path="usr/bin/gcc", layer=4),
        Evidence(what="usr/bin/cc is a link", path="usr/bin/cc"),
    )
    page = render(clean_report(findings=(finding("r", "s", evidence=evidence),)), "table", detail=1)
    assert "         - gcc is installed (/usr/bin/gcc, layer 4)\n" in page
    assert "         - usr/bin/cc is a link\n" in page


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (clean_report(), "acme/good:1.4: inspected, no findings, 130.2 MB\n"),
        (
            judged_report(),
            "acme/bad:1.4: fails the policy python-slim (1 failing, 1 waived, 1 known before, "
            "1 fixed), 1 error, 1 note, 560.2 MB, 8.0 MB wasted, --plan saves 265.5 MB\n",
        ),
    ],
)
def test_one_line(report: Report, line: str) -> None:
    assert render(report, "table", detail=-1) == line


def test_one_line_for_each_of_many() -> None:
    text = render_many([clean_report(), judged_report()], "table", detail=-1)
    assert [line.partition(":")[0] for line in text.splitlines()] == ["acme/good", "acme/bad"]


def test_nothing_could_be_known_is_said() -> None:
    notes = bad_report().notes
    assert "1 thing could not be known: -vv lists them" in render(bad_report(), "table")
    two = msgspec.structs.replace(bad_report(), notes=notes * 2)
    assert "2 things could not be known" in render(two, "table")


def test_an_option_that_no_format_takes_is_an_error() -> None:
    with pytest.raises(TypeError, match="unexpected option 'widht'; did you mean 'width'"):
        render(clean_report(), "table", widht=10)
    render(clean_report(), "json", width=10)  # another format's


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_who_wants_colours(
    environment: dict[str, str], terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_color(terminal=terminal) is wanted


def test_the_command_s_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.tar"
    layers = ({"app/model.bin": bytes(3_000_000)}, {"app/.wh.model.bin": ""})
    path.write_bytes(docker_archive(image(layers, tag="new:1")))
    pages = []
    for options in (["--summary"], [], ["-v"], ["-vv"]):
        main([str(path), "--no-cache", *options])
        pages.append(capsys.readouterr().out)
    lengths = [page.count("\n") for page in pages]
    assert lengths[0] == 1
    assert lengths == sorted(set(lengths))


# --- links ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({}, True, False),
        ({"TERM": "xterm-kitty"}, True, True),
        ({"TERM": "xterm-kitty"}, False, False),
        ({"TERM": "xterm-256color"}, True, False),
        ({"TERM_PROGRAM": "iTerm.app"}, True, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, True, False),
        ({"TERM_PROGRAM": "vscode", "TERM": "dumb"}, True, False),
        ({"TERM_PROGRAM": "vscode", "CI": "true"}, True, False),
        ({"VTE_VERSION": "7600"}, True, True),
        ({"VTE_VERSION": "4800"}, True, False),
        ({"VTE_VERSION": "x"}, True, False),
        ({"VTE_VERSION": "9" * 20}, True, False),
        ({"WT_SESSION": "1"}, True, True),
        ({"KONSOLE_VERSION": "220401"}, True, True),
        ({"FORCE_HYPERLINK": "1"}, False, True),
        ({"FORCE_HYPERLINK": "0", "WT_SESSION": "1"}, True, False),
        ({"FORCE_HYPERLINK": "", "WT_SESSION": "1"}, True, False),
    ],
)
def test_who_wants_links(
    environment: dict[str, str], terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"FORCE_HYPERLINK", "TERM", "TERM_PROGRAM", "VTE_VERSION", "WT_SESSION", "CI"}
    for name in known | {"KONSOLE_VERSION"}:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_hyperlinks(terminal=terminal) is wanted


LINK = re.compile("\x1b]8;;([^\x1b]*)\x1b\\\\")


@pytest.mark.parametrize("detail", [0, 1, 2])
def test_links_lead_to_rules_and_change_nothing_else(detail: int) -> None:
    report = judged_report()
    rules = all_rules()
    plain = render(report, "table", detail=detail)
    linked = render(report, "table", detail=detail, hyperlinks=True, rules=rules)
    assert LINK.sub("", linked) == plain
    opened = [address for address in LINK.findall(linked) if address]
    assert len(opened) * 2 == len(LINK.findall(linked))  # each is closed
    assert set(opened) <= {rule.page for rule in rules.values()}
    shown = report.findings if detail else report.findings[:1]
    assert {rules[finding.rule].page for finding in shown} <= set(opened)
    assert render(report, "table", detail=detail, rules=rules) == plain


@pytest.mark.parametrize(
    "page", ["", "http://x.example/", "https://x/\x1b]0;title\x07", "https://x/ y", "javascript:1"]
)
def test_an_address_that_is_none_is_no_link(page: str) -> None:
    report = judged_report()
    rules = {name: replace(rule, page=page) for name, rule in all_rules().items()}
    linked = render(report, "table", hyperlinks=True, rules=rules)
    assert linked == render(report, "table")


def test_the_command_gives_links_where_they_are_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.tar"
    layers = ({"app/model.bin": bytes(3_000_000)}, {"app/.wh.model.bin": ""})
    path.write_bytes(docker_archive(image(layers, tag="new:1")))
    monkeypatch.setenv("FORCE_HYPERLINK", "1")
    main([str(path), "--no-cache"])
    assert "docs/rules/deleted-but-shipped.md" in capsys.readouterr().out
    main([str(path), "--no-cache", "-o", str(tmp_path / "report.txt")])
    assert "\x1b" not in (tmp_path / "report.txt").read_text()
