"""The web page as a document: whole, closed to the outside, and safe from what it shows."""

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from msgspec import structs

from pyimginspect.formats import render
from pyimginspect.formats.html._chain import chains_of
from pyimginspect.formats.html._view import bars_of
from pyimginspect.inventory.facts import Area
from pyimginspect.plan import Edit, Plan
from pyimginspect.report import Report
from tests.reports import RULES, bad_report, clean_report, finding, judged_report, with_strings

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "judged.txt"
VOID = {"meta", "input", "br", "img", "link"}


class Document(HTMLParser):
    """The elements of a page, its texts, and whether every element ends where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.raw:
            self.raw[self._open[-1]].append(data)
        elif data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.elements if attribute in a]


def document(report: Report) -> Document:
    return Document(render(report, "html", rules=RULES))


REPORTS = {
    "clean": clean_report(),
    "bad": bad_report(),
    "judged": judged_report(),
    "empty": clean_report(pythons=(), distributions=(), os_packages=(), layers=(), size=0, live=0),
}
each = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)


def test_the_words_of_a_judged_image() -> None:
    assert "\n".join(document(judged_report()).texts) + "\n" == GOLDEN.read_text(encoding="utf-8")


@each
def test_every_element_ends_and_every_link_leads_somewhere(report: Report) -> None:
    page = document(report)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = {link.removeprefix("#") for link in page.values("href")}
    assert targets <= set(ids)
    for reference in ("aria-labelledby", "aria-describedby", "data-table", "data-count"):
        assert set(page.values(reference)) <= set(ids)


@each
def test_nothing_is_loaded_from_anywhere(report: Report) -> None:
    page = document(report)
    assert all(link.startswith("#") for link in page.values("href"))
    assert not {"src", "srcset", "action", "data", "poster"} & {
        name for _, attributes in page.elements for name in attributes
    }
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not re.search(r"url\((?!#)|@import", "".join(page.raw["style"]))


@each
def test_the_policy_lets_only_the_page_s_own_script_run(report: Report) -> None:
    (policy,) = [a["content"] for tag, a in document(report).elements if "http-equiv" in a]
    assert policy is not None
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; script-src 'sha256-[\w+/=]{44}'",
        policy,
    )


HOSTILE = [
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    "</title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)",
    "<!--<script>",
    "]]><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\u2028\u2029\x00\x1b[31m\udcff\u202e",
    "&lt;b&gt;&amp;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_are_text_wherever_they_stand(text: str) -> None:
    plain, hostile = (document(with_strings(judged_report(), name)) for name in (" harmless", text))
    assert hostile.tags == plain.tags
    names = {name for _, attributes in plain.elements for name in attributes}
    assert {name for _, attributes in hostile.elements for name in attributes} <= names
    assert all(link.startswith("#") for link in hostile.values("href"))
    # The data, which no escaping of HTML touches, is the same but for the names.
    data = json.loads(hostile.raw["script"][0])
    assert [area[2:] for area in data["areas"]] == [
        area[2:] for area in json.loads(plain.raw["script"][0])["areas"]
    ]
    assert not re.search("[<>&\u2028\u2029]", hostile.raw["script"][0])


def test_a_thousand_findings_and_packages_stay_under_a_megabyte() -> None:
    many = tuple(finding("package-cache", f"{n}", paths=(f"var/{n}",)) for n in range(300))
    areas = tuple(Area(layer=4, path=f"usr/lib/d{n % 97}/file{n}", size=n) for n in range(3_000))
    report = bad_report(findings=many, areas=areas)
    assert len(render(report, "html").encode()) < 1_000_000


def test_a_plan_takes_the_place_of_the_fixes() -> None:
    edit = Edit(
        kind="clean-cache",
        layer=4,
        instruction="RUN x",
        words="delete apt's lists <where> they are made",
        command="&& rm -rf /var/lib/apt/lists/*",
        keep=("python3.11",),
        rules=("package-cache",),
        saving=19_300_000,
    )
    plan = Plan(
        reference="x",
        size=560_180_400,
        saving=19_300_000,
        compressed=200_000_000,
        compressed_saving=9_000_000,
        edits=(edit,),
    )
    words = " ".join(Document(render(bad_report(), "html", plan=plan)).texts)
    assert (
        "What to do 560.2 MB now, 540.9 MB after all edits: saves 19.3 MB. In a registry about "
        "200.0 MB now, 191.0 MB after (estimated). 19.3 MB : delete apt's lists <where> they are "
        "made advice (in layer 4 , package-cache) && rm -rf /var/lib/apt/lists/* Copy "
        "Still install python3.11 : files in use require it. Edits that save"
    ) in words


def test_the_bars_of_layers_tell_what_bytes_are_for() -> None:
    report = bad_report()
    pieces = {use: size for use, _, _, size in bars_of(report)[4].pieces}
    assert {"build-tool", "cache", "second-python"} <= pieces.keys()
    assert sum(pieces.values()) == sum(area.size for area in report.areas if area.layer == 4)
    bare = bars_of(structs.replace(report, areas=()))
    assert [(use, size) for use, *_, size in bare[4].pieces] == [("live", 420_000_000)]


# --- the dependency chain -------------------------------------------------------------------------
def test_the_chain_leads_from_what_was_asked_for_to_the_interpreter() -> None:
    (chain,) = chains_of(bad_report())
    assert chain.words == (
        "python3 needs python3.11; python3-yaml needs python3; "
        "python3.11 needs python3.11-minimal; python3.11-minimal brings usr/bin/python3.11"
    )
    assert [(box.name, box.kind, box.x) for box in chain.boxes] == [
        ("python3-yaml", "asked", 0),
        ("python3", "needed", 240),
        ("python3.11", "needed", 480),
        ("python3.11-minimal", "needed", 720),
        ("usr/bin/python3.11", "python", 960),
    ]


def test_an_image_with_one_python_has_no_chain() -> None:
    assert chains_of(clean_report()) == []


def test_a_circle_of_dependencies_ends() -> None:
    circle = tuple(
        structs.replace(package, depends=(("python3-yaml",), *package.depends))
        for package in bad_report().os_packages
    )
    (chain,) = chains_of(bad_report(os_packages=circle))
    assert {box.name for box in chain.boxes} >= {"python3-yaml", "usr/bin/python3.11"}


# --- colours --------------------------------------------------------------------------------------
def colours() -> dict[str, dict[str, str]]:
    style = files("pyimginspect.formats.html").joinpath("page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    schemes = {}
    for name, text in (("light", light), ("dark", light + dark)):
        schemes[name] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))
    return schemes


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


USES = ["live", "build-tool", "cache", "second-python", "overwritten", "removed", "repeated"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *[
            (text, ground)
            for text in ("text", "soft", "link", "error", "warning", "note", "good")
            for ground in ("bg", "panel")
        ],
        *[("tile", use) for use in USES],
    ],
)
def test_texts_can_be_read(scheme: str, text: str, ground: str) -> None:
    palette = colours()[scheme]
    one, other = luminance(palette[text]), luminance(palette[ground])
    contrast = (max(one, other) + 0.05) / (min(one, other) + 0.05)
    assert contrast >= 4.5  # WCAG 2.2, 1.4.3
