"""The page of a fleet in a real Chromium: tables, pages of rows, what is behind them."""

import re
from collections.abc import Iterator

import pytest

from pyimginspect import Fleet, inspect_fleet
from pyimginspect.formats.fleet import render_fleet
from tests.fleets import archives, use_threads
from tests.images import File, docker_archive, image, layer
from tests.integration.browser import Browser, Page, find_chromium

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium"),
]

COUNT = 30


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    place = tmp_path_factory.mktemp("fleet")
    archives(place / "saved", COUNT)
    nasty = image(
        [layer({"root/.cache/pip/a": File(b"x" * 9000)})],
        history=["RUN <img src=x onerror=alert(1)> </script>"],
        tag="nasty:1",
    )
    (place / "saved" / "nasty<b>.tar").write_bytes(docker_archive(nasty))
    with pytest.MonkeyPatch.context() as patch:
        use_threads(patch)
        list(inspect_fleet([str(place / "saved")], results=place / "r", cache=place / "cache"))
    with Fleet.open(place / "r") as fleet:
        page = b"".join(render_fleet(fleet, "html", pages="reports/"))
        (place / "fleet.html").write_bytes(page)
    with Browser() as browser:
        opened = browser.open(place / "fleet.html", width=1280, height=900)
        opened.wait(lambda: opened.run("document.getElementById('waiting') === null"))
        yield opened


def rows(page: Page, table: str) -> int:
    found: int = page.run(f"""document.querySelectorAll('{table} tbody tr').length""")
    return found


def test_the_page_asks_for_nothing_and_complains_of_nothing(page: Page) -> None:
    assert page.complaints == []
    assert len(page.requests) == 1
    assert page.run("document.querySelectorAll('img, b script').length") == 0


def test_tables_are_shown_a_page_at_a_time(page: Page) -> None:
    assert rows(page, "[data-table=images]") == 25
    page.click("[data-table=images] .pager button:nth-child(2)")
    assert rows(page, "[data-table=images]") == COUNT + 1 - 25


def test_a_search_keeps_what_it_finds(page: Page) -> None:
    page.click("[data-table=images] input")
    page.type("nasty")
    page.wait(lambda: rows(page, "[data-table=images]") == 1)


def test_an_image_has_a_page_behind_it(page: Page) -> None:
    page.run("location.hash = '#image-0'")
    page.wait(lambda: page.run("!document.getElementById('detail').hidden"))
    text = page.run("document.getElementById('detail').textContent")
    assert "package-cache" in text
    assert "Layers" in text


def test_an_image_leads_to_its_full_report(page: Page) -> None:
    page.run("location.hash = '#image-0'")
    page.wait(lambda: page.run("!document.getElementById('detail').hidden"))
    link = page.run("document.querySelector('#detail a[href$=\".html\"]').getAttribute('href')")
    assert re.fullmatch(r"reports/[0-9a-f]{16}\.html", link)


def test_a_base_leads_to_all_its_images(page: Page) -> None:
    page.run("location.hash = '#base-0'")
    page.wait(lambda: "images follow" in page.run("document.getElementById('detail').textContent"))
    assert rows(page, "#detail") > 0


def test_other_addresses_show_nothing(page: Page) -> None:
    for address in ("#image-", "#what-1", "#constructor-1", ""):
        page.run(f"location.hash = '{address}'")
        page.wait(lambda: page.run("document.getElementById('detail').hidden"))
    assert page.complaints == []
