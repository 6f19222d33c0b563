"""The web page in a real Chromium: it renders, sorts, filters, zooms, and keeps to itself."""

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pyimginspect.attestations import Attestation, Material, SourceLines
from pyimginspect.comparison import compare
from pyimginspect.formats import Dockerfile, render, render_comparison
from pyimginspect.plan import Plan
from pyimginspect.report import Report
from tests.integration.axe import find_axe, violations
from tests.integration.browser import Browser, Page, find_chromium
from tests.integration.conftest import missing
from tests.reports import RULES, bad_report, clean_report, judged_report, with_strings
from tests.unit.test_html_edits import CLEAN, RECOMMENDS, STAGE, dockerfile
from tests.unit.test_patch import plan_of

ATTESTATIONS = (
    Attestation(
        kind="provenance",
        predicate_type="https://slsa.dev/provenance/v1",
        digest=f"sha256:{'ab' * 32}",
        base_name="python:3.12-slim",
        materials=(Material(uri="pkg:docker/python@3.12-slim"),),
        lines=(SourceLines(layer=1, first=2, last=3, text="RUN x"),),
        contradictions=("layer 0 is another",),
    ),
    Attestation(kind="other", predicate_type="", digest="", ignored="it is not there"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        missing("there is no Chromium")
    with Browser() as browser:
        yield browser


def show(
    browser: Browser,
    tmp_path: Path,
    report: Report,
    *,
    width: int = 1280,
    dark: bool = False,
    plan: Plan | None = None,
    given: Dockerfile | None = None,
) -> Page:
    path = tmp_path / "report.html"
    text = render(report, "html", rules=RULES, plan=plan, dockerfile=given)
    path.write_text(text, encoding="utf-8")
    page = browser.open(path, width=width, height=900, dark=dark)
    page.run("void 0")
    return page


def assert_quiet(page: Page, tmp_path: Path) -> None:
    assert page.complaints == []
    assert {address.partition("#")[0] for address in page.requests} == {
        (tmp_path / "report.html").as_uri()
    }


def show_comparison(
    browser: Browser, tmp_path: Path, before: Report, after: Report, *, width: int = 1280
) -> Page:
    path = tmp_path / "report.html"
    path.write_text(render_comparison(compare(before, after), "html"), encoding="utf-8")
    return browser.open(path, width=width, height=900)


def cells(page: Page, table: str, column: int) -> list[str]:
    found: list[str] = page.run(
        f"[...document.querySelectorAll('#{table} tbody tr')].filter(r => !r.hidden)"
        f".map(r => r.cells[{column}].textContent.trim())"
    )
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("report", [clean_report(), bad_report(), judged_report()])
def test_it_renders_and_keeps_to_itself(
    browser: Browser, tmp_path: Path, report: Report, width: int, dark: bool
) -> None:
    page = show(browser, tmp_path, report, width=width, dark=dark)
    assert page.run("document.title") == f"{report.image.names[0]}: how Python was packaged"
    assert page.run("document.querySelectorAll('.tile').length") > 0
    assert page.run("document.documentElement.scrollWidth") == width, "scrolls sideways"
    light = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark
    assert_quiet(page, tmp_path)


def test_a_table_sorts(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    head = "#packages-table th:nth-child(5)"
    page.click(f"{head} button")
    sizes = page.run(
        "[...document.querySelectorAll('#packages-table tbody tr')]"
        ".map(r => Number(r.cells[4].dataset.value))"
    )
    assert sizes == sorted(sizes, reverse=True)
    assert page.run(f"document.querySelector('{head}').ariaSort") == "descending"
    page.click("#packages-table th:nth-child(1) button")
    names = cells(page, "packages-table", 0)
    assert names == sorted(names)
    assert page.run("document.querySelectorAll('#packages-table [aria-sort]').length") == 1
    assert_quiet(page, tmp_path)


SHOWN = (
    "[...document.querySelectorAll('li.finding')].filter(l => !l.hidden).map(l => l.dataset.rule)"
)


def test_the_findings_are_narrowed(browser: Browser, tmp_path: Path) -> None:
    report = bad_report()
    page = show(browser, tmp_path, report)
    rules = [finding.rule for finding in report.findings]
    assert page.run(SHOWN) == rules
    count = "document.querySelector('#finding-count').textContent"
    assert page.run(count) == f"{len(rules)}"
    first = report.findings[0]
    for name, value, kept in (
        ("severity", first.severity, [f for f in report.findings if f.severity == first.severity]),
        ("rule", first.rule, [f for f in report.findings if f.rule == first.rule]),
        ("layer", "4", [f for f in report.findings if 4 in f.layers]),
    ):
        select = f"document.querySelector('[data-filter={name}]')"
        change = f"{select}.dispatchEvent(new Event('input', {{bubbles: true}}))"
        page.run(f"{select}.value = '{value}'; {change}")
        assert page.run(SHOWN) == [finding.rule for finding in kept]
        page.run(f"{select}.value = ''; {change}")
    page.click("#finding-search")
    page.type("MODEL.BIN")
    assert page.run(SHOWN) == ["deleted-but-shipped"]
    assert page.run(count) == f"1 of {len(rules)}"
    # A link to one that is hidden shows it.
    page.run(f"location.hash = 'finding-{first.fingerprint}'")
    page.wait(lambda: page.run("document.querySelectorAll('details.finding[open]').length") == 1)
    assert page.run(SHOWN) == rules
    assert_quiet(page, tmp_path)


def test_owners_narrow_the_findings(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    owner = page.run("document.querySelector('[data-filter=owner]').options[1].value")
    select = "document.querySelector('[data-filter=owner]')"
    page.run(
        f"{select}.value = '{owner}'; {select}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )
    shown = page.run(SHOWN)
    assert 0 < len(shown) < len(bad_report().findings)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("report", [clean_report(), judged_report()])
def test_axe_finds_no_fault(
    browser: Browser, tmp_path: Path, report: Report, width: int, dark: bool
) -> None:
    axe = find_axe()
    if axe is None:
        missing("there is no axe-core, and no npm to install it")
    assert axe is not None
    plan = plan_of([CLEAN, RECOMMENDS, STAGE]) if report.findings else None
    report = msgspec.structs.replace(report, attestations=ATTESTATIONS)
    page = show(browser, tmp_path, report, width=width, dark=dark, plan=plan, given=dockerfile())
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert violations(page, axe) == []


@pytest.mark.parametrize("allowed", [True, False])
def test_a_diff_is_copied_as_it_is(browser: Browser, tmp_path: Path, allowed: bool) -> None:
    text = dockerfile().text.replace("\n", "\r\n").replace("    ", "\t")
    plan = plan_of([RECOMMENDS, CLEAN])
    page = show(browser, tmp_path, bad_report(), plan=plan, given=dockerfile(text))
    page.run(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async text => "
        f"{{ window.copied = text; if ({json.dumps(not allowed)}) throw new Error() }} }}}})"
    )
    page.click("[data-copy=edit-2-text]")
    status = "document.querySelector('#copied').textContent"
    page.wait(lambda: page.run(status))
    assert page.run("window.copied") == plan_of([CLEAN]).patch(text).diff
    if allowed:
        assert page.run(status) == "Copied."
    else:
        assert page.run(status).startswith("Selected")
        assert page.run("getSelection().toString()").startswith("--- a/Dockerfile")
    assert_quiet(page, tmp_path)


def test_a_link_to_the_whole_diff_opens_it(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report(), plan=plan_of([CLEAN]), given=dockerfile())
    page.run("location.hash = 'all-edits-text'")
    page.wait(lambda: page.run("document.querySelector('#all-edits').open"))
    assert_quiet(page, tmp_path)


def test_rows_are_cards_in_a_narrow_window(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report(), width=400)
    cell = "document.querySelector('#packages-table tbody td')"
    assert page.run(f"getComputedStyle({cell}, '::before').content") == '"name"'
    wide = "[...document.querySelectorAll('main *')].filter(e => !e.closest('svg, .picture')"
    wide += " && e.getBoundingClientRect().right > 401).map(e => e.outerHTML.slice(0, 80))"
    assert page.run(wide) == []


def test_paper_has_all_that_is_folded(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    page.run(
        "addEventListener('beforeprint', () => { window.open_then ="
        " document.querySelectorAll('details:not([open])').length; })"
    )
    printed = page.call("Page.printToPDF")["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")
    assert page.run("window.open_then") == 0
    assert page.run("document.querySelectorAll('details[open]').length") == 0
    page.call("Emulation.setEmulatedMedia", media="print")
    shown = "(e => getComputedStyle(document.querySelector(e)).display)"
    assert page.run(f"{shown}('nav')") == "none"
    assert page.run(f"{shown}('#legend')") != "none"
    assert_quiet(page, tmp_path)


def test_a_table_is_searched(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    page.click("input[data-table=packages-table]")
    page.type("PYTHON3 3.11.2-6")
    assert cells(page, "packages-table", 0) == ["python3.11", "python3.11-minimal"]
    count = "document.querySelector('[data-count=packages-table]').textContent"
    assert page.run(count) == "2 of 6"
    page.type(" nothing like it")
    assert cells(page, "packages-table", 0) == []
    assert_quiet(page, tmp_path)


def test_a_link_shows_what_a_search_had_hidden(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    page.click("input[data-table=packages-table]")
    page.type("libc6")
    assert cells(page, "packages-table", 0) == ["libc6"]
    page.click(".picture .asked a")
    page.wait(lambda: page.run("location.hash") == "#package-1")
    page.wait(lambda: "python3-yaml" in cells(page, "packages-table", 0))
    top = page.run("document.querySelector('#package-1').getBoundingClientRect().top")
    assert 0 <= top < 900
    assert_quiet(page, tmp_path)


def test_a_finding_opens_where_a_link_leads_to_it(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    assert page.run("document.querySelectorAll('details.finding[open]').length") == 0
    page.click("#layer-4 .what a[href^='#finding-']")
    page.wait(lambda: page.run("document.querySelectorAll('details.finding[open]').length") == 1)
    text = page.run("document.querySelector('details.finding[open]').textContent")
    assert "A second Python" in text
    assert RULES["duplicate-python"].why in text
    assert_quiet(page, tmp_path)


def crumbs(page: Page) -> list[str]:
    found: list[str] = page.run(
        "[...document.querySelectorAll('#crumbs button')].map(b => b.textContent)"
    )
    return found


TOP = "[...document.querySelectorAll('#map > .tile')]"


def test_the_map_has_every_layer_as_large_as_it_is(browser: Browser, tmp_path: Path) -> None:
    report = bad_report()
    page = show(browser, tmp_path, report)
    names = page.run(f"{TOP}.map(t => t.getAttribute('aria-label'))")
    assert [name.partition(":")[0] for name in names] == [
        "layer 4", "layer 0", "layer 2", "layer 1", "layer 5", "layer 6",
    ]  # fmt: skip
    shares = page.run(
        f"{TOP}.map(t => {{ const r = t.firstChild; return r.width.baseVal.value * "
        "r.height.baseVal.value; })"
    )
    stored = sorted((each.account.stored for each in report.layers), reverse=True)
    for share, size in zip(shares, stored, strict=False):
        assert share / sum(shares) == pytest.approx(size / report.size, rel=0.02, abs=0.002)


def test_the_map_zooms_by_mouse(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    assert crumbs(page) == ["image"]
    page.click("#map > .tile", corner=True)
    assert crumbs(page) == ["image", "layer 4"]
    status = page.run("document.querySelector('#map-status').textContent")
    assert status.startswith("layer 4: 420.0 MB (build-tool 210.0 MB, live 154.5 MB, ")
    page.click("#crumbs button")
    assert crumbs(page) == ["image"]
    # In a file there is nothing to go into: its directory shows, and the file is told.
    page.click("#map .tile:not([aria-expanded])[aria-label^='usr/lib/gcc/cc1']")
    assert crumbs(page) == ["image", "layer 4", "usr", "lib", "gcc"]
    status = page.run("document.querySelector('#map-status').textContent")
    assert status == "usr/lib/gcc/cc1, layer 4: 209.0 MB (build-tool)"
    assert_quiet(page, tmp_path)


def test_the_map_zooms_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    focused = "document.activeElement.getAttribute('aria-label')"
    page.run("document.querySelector('#legend li:last-child button').focus()")
    page.press("Tab")
    while page.run("document.activeElement.closest('#crumbs') !== null"):
        page.press("Tab")
    assert page.run(focused).startswith("layer 4:")
    page.press("ArrowRight")
    assert page.run(focused).startswith("layer 0:")
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert page.run(focused).startswith("layer 6:")
    page.press("ArrowRight")
    page.press("Enter")
    assert crumbs(page) == ["image", "layer 4"]
    assert page.run(focused).startswith("usr, layer 4:")
    page.press("Enter")
    assert crumbs(page) == ["image", "layer 4", "usr"]
    page.press("Escape")
    page.press("Escape")
    assert crumbs(page) == ["image"]
    assert page.run("document.querySelectorAll('#map [tabindex=\"0\"]').length") == 1
    assert_quiet(page, tmp_path)


def test_the_legend_picks_out_one_use(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    uses = page.run("[...document.querySelectorAll('#legend button')].map(b => b.textContent)")
    assert uses == [
        " live 286.7 MB", " build-tool 210.0 MB", " cache 19.3 MB", " second-python 36.2 MB",
        " removed 8.0 MB",
    ]  # fmt: skip
    dim = f"{TOP}.filter(t => t.classList.contains('dim')).length"
    assert page.run(dim) == 0
    page.click("#legend li:nth-child(2) button")
    assert page.run(dim) == 5
    pressed = "document.querySelectorAll('#legend [aria-pressed=true]').length"
    assert page.run(pressed) == 1
    page.click("#legend li:nth-child(2) button")
    assert (page.run(dim), page.run(pressed)) == (0, 0)


def test_a_path_leads_into_the_map(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, bad_report())
    page.click("#pythons-table tr:nth-child(2) a.path")
    page.wait(lambda: page.run("location.hash") == "#where")
    assert crumbs(page) == ["image", "layer 4", "usr", "bin"]
    page.click("#layer-2 a[data-layer]")
    assert crumbs(page)[:2] == ["image", "layer 2"]
    assert_quiet(page, tmp_path)


HOSTILE = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    "<img src=https://evil.example/x onerror='window.pwned = 1'>",
    "\"'><svg onload=window.pwned=1>",
    "' autofocus onfocus='window.pwned = 1",
    "javascript:window.pwned=1",
    "<style>@import 'https://evil.example/x.css'</style>",
    "\u2028\u2029\x00\x1b\udcff\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_image_is_named_cannot_act(browser: Browser, tmp_path: Path, text: str) -> None:
    page = show(browser, tmp_path, with_strings(judged_report(), text))
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.run("document.querySelectorAll('a, button, .tile').forEach(e => e.focus())")
    page.run(f"{TOP}.forEach(t => t.dispatchEvent(new MouseEvent('mousemove', {{bubbles: true}})))")
    assert page.run("window.pwned") is None
    assert page.run("document.scripts.length") == 2
    assert page.run("document.images.length") == 0
    assert page.run("document.styleSheets.length") == 1
    assert page.run(
        "[...document.querySelectorAll('*')].every("
        "e => [...e.attributes].every(a => !a.name.startsWith('on')))"
    )
    # Nothing was refused either: what the policy has to stop was let in somewhere.
    assert_quiet(page, tmp_path)


@pytest.mark.parametrize("report", [clean_report(), judged_report()])
def test_a_screen_reader_has_a_name_for_everything(
    browser: Browser, tmp_path: Path, report: Report
) -> None:
    page = show(browser, tmp_path, report)
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    needy = {
        "button", "link", "searchbox", "textbox", "img", "image", "table", "region",
        "columnheader", "navigation",
    }  # fmt: skip
    nameless = [
        node
        for node in nodes
        if not node.get("ignored")
        and node.get("role", {}).get("value") in needy
        and not node.get("name", {}).get("value")
        # A table's region has the name; the column that says who runs has none.
        and node["role"]["value"] not in ("table",)
    ]
    assert nameless == [], json.dumps(nameless, indent=1)
    roles = [node.get("role", {}).get("value") for node in nodes]
    assert roles.count("main") == 1
    assert roles.count("navigation") == 1
    levels = page.run(
        "[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName.slice(1)))"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@pytest.mark.parametrize("width", [1280, 390])
def test_a_comparison_is_such_a_page_too(browser: Browser, tmp_path: Path, width: int) -> None:
    page = show_comparison(browser, tmp_path, clean_report(), bad_report(), width=width)
    assert page.run("document.title") == "acme/good:1.4 and acme/bad:1.4 compared"
    table = (
        page.run(
            "[...document.querySelectorAll('h2')].find(h => h.textContent.startsWith("
            "'Packages')).id"
        )
        + "-table"
    )
    assert cells(page, table, 4)[0] == "+210.0 MB"
    if width > 640:  # in a narrow window the rows are cards, without heads
        page.click(f"#{table} th:nth-child(2) button")
        names = cells(page, table, 1)
        assert names == sorted(names)
    page.click(f"input[data-table={table}]")
    page.type("gcc")
    assert cells(page, table, 1) == ["gcc-12"]
    assert page.run("document.documentElement.scrollWidth") == width
    assert_quiet(page, tmp_path)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_comparison_lets_no_name_act(browser: Browser, tmp_path: Path, text: str) -> None:
    hostile = with_strings(bad_report(), text)
    page = show_comparison(browser, tmp_path, clean_report(), hostile)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.run("window.pwned") is None
    assert page.run("document.scripts.length") == 1
    assert_quiet(page, tmp_path)
