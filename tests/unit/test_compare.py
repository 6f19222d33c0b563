"""Two images compared: every change once, by cause, in four formats."""

import json
import re
from typing import Any

import jsonschema
import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pyimginspect.comparison import Change, compare
from pyimginspect.errors import ReportError
from pyimginspect.formats import COMPARISON_FORMATS, render_comparison
from pyimginspect.inventory.facts import Distribution, Libc, OsPackage
from pyimginspect.report import Report
from tests.reports import bad_report, clean_report, finding, with_strings
from tests.unit.test_html import Document
from tests.unit.test_schema import published

SITE = "usr/local/lib/python3.{}/site-packages"


def distribution(name: str, version: str, size: int = 0, *, minor: int = 13) -> Distribution:
    location = SITE.format(minor)
    return Distribution(
        name=name, version=version, size=size, location=location, metadata="m", layer=0
    )


def package(name: str, version: str, size: int = 0) -> OsPackage:
    return OsPackage(manager="dpkg", key=name, name=name, version=version, size=size, layer=0)


def told(changes: tuple[Change, ...]) -> list[tuple[str, str, str | None, str | None, int]]:
    return [(c.how, c.name, c.before, c.after, c.growth) for c in changes]


def test_an_image_is_the_same_as_itself() -> None:
    comparison = compare(bad_report(), bad_report())
    assert comparison.same
    assert comparison.shared_layers == len(bad_report().layers)
    assert comparison.kept == len(bad_report().findings)
    assert comparison.layers == ()


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([], [], []),
        ([("a", "1", 5)], [("a", "1", 9)], []),
        ([], [("a", "1", 5)], [("added", "a", None, "1", 5)]),
        ([("a", "1", 5)], [], [("removed", "a", "1", None, -5)]),
        ([("a", "1", 5)], [("a", "2", 7)], [("changed", "a", "1", "2", 2)]),
        (
            [("a", "1", 5), ("b", "1", 5)],
            [("b", "2", 99), ("c", "1", 6)],
            [
                ("changed", "b", "1", "2", 94),
                ("added", "c", None, "1", 6),
                ("removed", "a", "1", None, -5),
            ],
        ),
    ],
)
def test_packages_and_distributions(
    before: list[tuple[str, str, int]], after: list[tuple[str, str, int]], changes: list[Any]
) -> None:
    comparison = compare(
        clean_report(
            os_packages=tuple(package(*p) for p in before),
            distributions=tuple(distribution(*d) for d in before),
        ),
        clean_report(
            os_packages=tuple(package(*p) for p in after),
            distributions=tuple(distribution(*d) for d in after),
        ),
    )
    assert told(comparison.os_packages) == changes
    assert told(comparison.distributions) == changes


def test_a_new_minor_version_of_python_is_one_change() -> None:
    old = clean_report(distributions=(distribution("a", "1", minor=12),))
    new = clean_report(distributions=(distribution("a", "1", minor=13),))
    assert compare(old, new).distributions == ()
    running = structs.replace(
        old.pythons[0], path="usr/local/bin/python3.12", version="3.12.8", size=40_000_000
    )
    comparison = compare(structs.replace(old, pythons=(running,)), new)
    assert told(comparison.interpreters) == [
        ("changed", "cpython (source build)", "3.12.8", "3.13.1", 1_200_000)
    ]
    assert told(comparison.facts) == [("changed", "Python that runs", "3.12.8", "3.13.1", 0)]


def test_one_distribution_in_two_environments_is_two() -> None:
    venv = structs.replace(distribution("a", "1"), location="opt/venv/lib/python3.13/site-packages")
    old = clean_report(distributions=(distribution("a", "1"), venv))
    new = clean_report(distributions=(distribution("a", "2"), venv))
    (change,) = compare(old, new).distributions
    assert (change.before, change.after, change.where) == ("1", "2", SITE.format(13))


@pytest.mark.parametrize(
    ("changes", "name", "before", "after"),
    [
        ({"libc": Libc(flavor="musl", version="1.2.5")}, "C library", "glibc 2.36", "musl 1.2.5"),
        ({"pythons": ()}, "Python that runs", "3.13.1", None),
        ({"image": structs.replace(clean_report().image, user="app")}, "user", None, "app"),
        (
            {"base": structs.replace(clean_report().base, version="3.14")},
            "base",
            "python 3.13 slim debian 12",
            "python 3.14 slim debian 12",
        ),
    ],
)
def test_what_is_said_once_of_an_image(
    changes: dict[str, Any], name: str, before: str | None, after: str | None
) -> None:
    (fact,) = compare(clean_report(), clean_report(**changes)).facts
    assert (fact.name, fact.before, fact.after) == (name, before, after)


def test_findings_and_bytes() -> None:
    old = bad_report(findings=(finding("r", "gone"), finding("r", "kept")))
    moved = finding("r", "kept", layers=(9,), message="in other words")
    new = clean_report(findings=(moved, finding("r", "new")))
    comparison = compare(old, new)
    assert [f.subject for f in comparison.new] == ["new"]
    assert [f.subject for f in comparison.fixed] == ["gone"]
    assert comparison.kept == 1
    assert comparison.size == (560_180_400, 130_180_400)
    assert comparison.growth == -430_000_000
    assert comparison.waste == (8_000_000, 0)
    assert comparison.shared_layers == 4
    assert comparison.shared_size == 130_000_000
    assert told(comparison.layers) == [
        ("changed", "application", "3 layers", "2 layers", -430_000_000)
    ]


NAMES = st.sampled_from("abcdef")
PACKAGES = st.dictionaries(NAMES, st.tuples(st.sampled_from("123"), st.integers(0, 99)))


@given(PACKAGES, PACKAGES)
def test_what_is_added_one_way_is_removed_the_other(
    one: dict[str, tuple[str, int]], other: dict[str, tuple[str, int]]
) -> None:
    a, b = (
        clean_report(os_packages=tuple(package(n, *rest) for n, rest in found.items()))
        for found in (one, other)
    )
    there, back = compare(a, b).os_packages, compare(b, a).os_packages
    assert {(c.name, c.before, c.after, c.growth) for c in there} == {
        (c.name, c.after, c.before, -c.growth) for c in back
    }
    versions = {name: version for name, (version, _) in one.items()}
    for change in there:
        if change.after is None:
            del versions[change.name]
        else:
            versions[change.name] = change.after
    assert versions == {name: version for name, (version, _) in other.items()}


# --- formats --------------------------------------------------------------------------------------
COMPARISON = compare(clean_report(), bad_report())


def test_the_table() -> None:
    assert (
        render_comparison(COMPARISON, "table", width=80)
        == """\
acme/good:1.4 → acme/bad:1.4
size        130.2 MB to 560.2 MB (+430.0 MB)
shared      the lowest 4 layers, 130.0 MB
wasted space0 B to 8.0 MB
findings    4 new findings, 0 fixed, 0 as before

New findings: 1 error, 2 warnings, 1 note
severity  rule                    saves  finding
--------  -------------------  --------  ---------------------------------------
error     duplicate-python      36.2 MB  A second Python, 3.11.2 from Debian, s…
warning   leftover-build-tool  210.0 MB  A compiler that nothing needs at run t…
warning   package-cache         19.3 MB  apt's package lists were left in var/l…
note      deleted-but-shipped    8.0 MB  tmp/model.bin is deleted in layer 6, a…

Bytes by layer group
name         before    after         bytes
-----------  --------  --------  ---------
application  2 layers  3 layers  +430.0 MB

Interpreters
       name                      after      bytes
-----  ------------------------  ------  --------
added  cpython (debian package)  3.11.2  +36.2 MB

Packages of the operating system
       name                after            bytes
-----  ------------------  -----------  ---------
added  gcc-12              12.2.0-14    +210.0 MB
added  python3.11-minimal  3.11.2-6       +7.0 MB
added  python3.11          3.11.2-6     +620.0 kB
added  python3-yaml        6.0-3+b2     +320.0 kB
added  python3             3.11.2-1+b1  +120.0 kB

Python distributions
       name    after      bytes
-----  ------  -----  ---------
added  pyyaml  6.0    +320.0 kB
"""
    )


def test_the_comment() -> None:
    text = render_comparison(COMPARISON, "markdown")
    assert text.startswith(
        "### ❌ `acme/good:1.4` → `acme/bad:1.4`\n\n"
        "- size: 130.2 MB to 560.2 MB (+430.0 MB)\n"
        "- shared: the lowest 4 layers, 130.0 MB\n"
        "- wasted space: 0 B to 8.0 MB\n"
        "- findings: 4 new findings, 0 fixed, 0 as before\n\n"
        "**New findings**\n\n| | finding | rule |\n|---|---|---|\n"
    )
    assert "| `gcc-12` |  | `12.2.0-14` | +210.0 MB |\n" in text
    assert render_comparison(compare(bad_report(), clean_report()), "markdown").startswith("### ✅")


def test_the_json_follows_its_schema() -> None:
    validator = jsonschema.Draft202012Validator(published("comparison"))
    for comparison in (COMPARISON, compare(bad_report(), bad_report())):
        document = json.loads(render_comparison(comparison, "json"))
        validator.validate(document)
    assert not validator.is_valid({**document, "size": [1]})


def test_the_page() -> None:
    page = Document(render_comparison(COMPARISON, "html"))
    words = " ".join(page.texts)
    assert "acme/good:1.4 → acme/bad:1.4 ✗ 4 new findings" in words
    assert "added gcc-12 12.2.0-14 +210.0 MB" in words
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)


@pytest.mark.parametrize("text", ["<script>x</script>", "\x1b[2J\n\u202e\udcff", "` | @me"])
@pytest.mark.parametrize("name", COMPARISON_FORMATS)
def test_names_stay_names(name: str, text: str) -> None:
    report = with_strings(bad_report(), text)
    page = render_comparison(compare(clean_report(), report), name)
    assert "\x1b" not in page
    assert page.encode()
    if name == "html":
        assert Document(page).tags.count("script") == 1
    if name == "table":
        assert all(line.isprintable() for line in page.split("\n"))
    if name == "markdown":
        assert "<script" not in re.sub(r"`+[^`]*`+", "", page)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_asked(width: int) -> None:
    comparison = compare(clean_report(), with_strings(bad_report(), "漢字" * 50))
    page = render_comparison(comparison, "table", width=width, encoding="ascii")
    assert max(wcwidth.width(line) for line in page.splitlines()) <= width
    assert page.isascii()


def test_of_many_new_findings_the_rest_are_counted() -> None:
    found = tuple(finding("r", f"s{n:02}") for n in range(42))
    page = render_comparison(compare(clean_report(), clean_report(findings=found)), "table")
    assert "New findings: 42 warnings\n" in page
    assert "\nwarning   r     s39 of r\nand 2 more findings: --format json lists them all\n" in page


def test_another_format_is_refused() -> None:
    with pytest.raises(ReportError, match="no comparison as 'sarif'"):
        render_comparison(COMPARISON, "sarif")


def test_packages_of_one_name_and_two_architectures_are_two() -> None:
    def both(amd64: str) -> Report:
        found = [("libc6:amd64", amd64), ("libc6:i386", "2.36")]
        return clean_report(
            os_packages=tuple(
                OsPackage(manager="dpkg", key=key, name="libc6", version=version, layer=0)
                for key, version in found
            )
        )

    (change,) = compare(both("2.36"), both("2.37")).os_packages
    assert (change.name, change.before, change.after) == ("libc6:amd64", "2.36", "2.37")
    assert compare(both("2.36"), both("2.36")).os_packages == ()
