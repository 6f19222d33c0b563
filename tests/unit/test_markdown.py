"""Markdown: a literal comment, and a renderer that sees what was meant and nothing else."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pyimginspect.formats import render
from pyimginspect.report import Report
from tests.reports import bad_report, clean_report, finding, judged_report, with_strings


class Page(HTMLParser):
    """The tags, the links and the text of a rendered page; texts in code apart from prose."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.prose: list[str] = []
        self.code: list[str] = []
        self._inside: list[str] = []
        renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self.feed(renderer.render(render(report, "markdown")))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        (self.code if "code" in self._inside else self.prose).append(data)


GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "judged.md"


def test_a_judged_image() -> None:
    assert render(judged_report(), "markdown") == GOLDEN.read_text(encoding="utf-8")


def test_a_clean_image() -> None:
    text = render(clean_report(), "markdown")
    assert text.startswith(
        "### `acme/good:1.4`: none\n\n130.2 MB in 6 layers. Base: python 3.13 slim on debian 12 "
        "(official, certain). C library: glibc 2.36.\n"
    )


def test_a_renderer_sees_a_table_and_folds() -> None:
    page = Page(bad_report())
    assert page.tags.count("table") == 2
    assert page.tags.count("tr") == 1 + 4 + 1 + 7
    assert page.tags.count("details") == page.tags.count("summary") == 4 + 1
    assert "RUN pip install requests && rm /tmp/model.bin" in page.code
    assert "3.11.2 from Debian" in " ".join(page.prose)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></summary><b>",
    "[link](https://evil.example)",
    "![image](https://evil.example/x.png)",
    "https://evil.example www.evil.example",
    "@everyone @acme/team #1",
    "| a | b |\n|---|---|\n",
    "``` ` `` `",
    "\\` \\| \\",
    "**bold** _it_ ~~gone~~ $x$",
    "\n\n# title\n- item\n",
    "&lt;script&gt; &#60;b&#62;",
    "\x1b[31m\u202e\udcff\u2028",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_names(text: str) -> None:
    plain, hostile = Page(judged_report()), Page(with_strings(judged_report(), text))
    assert hostile.tags == plain.tags
    # What mentions and autolinks are made of must not stand whole in prose: code is left alone.
    live = re.compile(r"https?://\w|www\.\w|@\w|#\d")
    assert [piece for piece in hostile.prose if live.search(piece)] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_shown_as_it_is(text: str) -> None:
    report = clean_report(findings=(finding("r", "s", paths=(f"a{text}b",)),))
    shown = Page(report).code
    printed = f"a{text}b".replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    printed = printed.replace("\udcff", "\\udcff").replace("\u2028", "\\u2028")
    assert any(printed == piece.strip() for piece in shown)


@pytest.mark.parametrize("text", ["x" * 5_000, "@#<&|" * 1_000, "`" * 999, "漢" * 5_000])
def test_a_comment_is_never_too_long_for_github(text: str) -> None:
    many = tuple(
        finding("r", f"{n}", paths=tuple(str(k) for k in range(50)), fix="fix\n" * 30)
        for n in range(500)
    )
    report = with_strings(judged_report(findings=many), text)
    page = render(report, "markdown")
    assert len(page) <= 65_536
    assert "more findings." in page
