"""The web page in a real Firefox: it renders, works, and says nothing on the console."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyimginspect.comparison import compare
from pyimginspect.formats import render, render_comparison
from pyimginspect.report import Report
from tests.integration.conftest import missing
from tests.integration.firefox import Firefox, find_firefox
from tests.reports import RULES, bad_report, clean_report, judged_report, with_strings
from tests.unit.test_html_edits import CLEAN, RECOMMENDS, STAGE, dockerfile
from tests.unit.test_patch import plan_of


@pytest.fixture(scope="module")
def firefox() -> Iterator[Firefox]:
    if find_firefox() is None:
        missing("there is no Firefox")
    with Firefox() as firefox:
        yield firefox


def show(
    firefox: Firefox, tmp_path: Path, text: str, *, width: int = 1280, dark: bool = False
) -> None:
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    firefox.open(path, width=width, height=900, dark=dark)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 500])  # no window of Firefox is narrower
@pytest.mark.parametrize("report", [clean_report(), judged_report()], ids=["clean", "judged"])
def test_it_renders_and_says_nothing(
    firefox: Firefox, tmp_path: Path, report: Report, width: int, dark: bool
) -> None:
    plan = plan_of([CLEAN, RECOMMENDS, STAGE])
    page = render(report, "html", rules=RULES, plan=plan, dockerfile=dockerfile())
    show(firefox, tmp_path, page, width=width, dark=dark)
    assert firefox.run("return document.querySelectorAll('.tile').length") > 0
    assert firefox.run("return document.documentElement.scrollWidth <= innerWidth")
    light = firefox.run("return getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(255, 255, 255)") is not dark
    firefox.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert firefox.complaints == []


def test_what_one_clicks_works(firefox: Firefox, tmp_path: Path) -> None:
    page = render(bad_report(), "html", plan=plan_of([CLEAN]), dockerfile=dockerfile())
    show(firefox, tmp_path, page)
    firefox.click("[data-copy=edit-1-text]")
    copied = "return document.querySelector('#copied').textContent"
    assert firefox.run(copied) in ("Copied.", "Selected: press Ctrl+C or ⌘C to copy.")
    firefox.click("#packages-table th:nth-child(5) button")
    head = "return document.querySelector('#packages-table th:nth-child(5)').ariaSort"
    assert firefox.run(head) == "descending"
    firefox.click("#pythons-table tr:nth-child(2) a.path")
    assert firefox.run("return location.hash") == "#where"
    assert firefox.run("return document.querySelectorAll('#crumbs button').length") == 4
    assert firefox.complaints == []


def test_a_comparison_says_nothing_either(firefox: Firefox, tmp_path: Path) -> None:
    show(firefox, tmp_path, render_comparison(compare(clean_report(), bad_report()), "html"))
    assert firefox.complaints == []


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>window.pwned = 1</script>",
        "<img src=https://evil.example/x onerror='window.pwned = 1'>",
        "\"'><svg onload=window.pwned=1>",
        "<style>@import 'https://evil.example/x.css'</style>",
    ],
)
def test_no_name_can_act(firefox: Firefox, tmp_path: Path, text: str) -> None:
    given = dockerfile(f"# {text}\n{dockerfile().text}", path=text.replace("/", "|"))
    plan = plan_of([CLEAN, RECOMMENDS])
    page = render(with_strings(bad_report(), text), "html", plan=plan, dockerfile=given)
    show(firefox, tmp_path, page)
    assert firefox.run("return window.pwned === undefined")
    assert firefox.complaints == []


def test_what_a_page_says_would_be_heard(firefox: Firefox, tmp_path: Path) -> None:
    page = "<!DOCTYPE html><title>x</title><script>console.warn('heard'); none_such()</script>"
    show(firefox, tmp_path, page)
    assert firefox.complaints == [
        'console.warn: "heard"',
        "ReferenceError: none_such is not defined",
    ]
    page = render(clean_report(), "html").replace("</main>", "<script>1</script></main>")
    show(firefox, tmp_path, page)
    (refused,) = firefox.complaints
    assert "Content-Security-Policy" in refused
