"""Ends of support: dates from a table, judged without a clock."""

from typing import Any

import msgspec
import pytest

from pyimginspect.inventory import end_of_life
from pyimginspect.inventory.end_of_life import newest, python_end, system_end
from pyimginspect.inventory.tables import read_table
from pyimginspect.model import Image, ImageConfig

TABLE: dict[str, Any] = read_table("end_of_life", dict[str, Any])


def made(created: str | None) -> Image:
    return Image(reference="x", source="docker", config=ImageConfig(created=created), layers=())


@pytest.mark.parametrize(
    ("version", "created", "over"),
    [
        ("3.8.20", None, True),
        ("3.8.20", "2020-01-01T00:00:00Z", True),  # the table is newer than the image
        ("3.13.1", None, False),
        ("3.13.1", "2029-11-01T00:00:00Z", True),
        ("3.13.1", "2029-10-31T00:00:00Z", False),  # the last day
        ("3.13.1", "9999-99-99", False),  # no date that an image may claim
        ("3.13.1", "", False),
    ],
)
def test_the_day_is_the_table_s_or_the_image_s(
    version: str, created: str | None, over: bool
) -> None:
    end = python_end(version, made(created))
    assert end is not None
    assert end.over is over


@pytest.mark.parametrize("version", ["3.99.1", "4.0", "", "x"])
def test_an_unknown_series_has_no_end(version: str) -> None:
    assert python_end(version, made(None)) is None


@pytest.mark.parametrize(
    ("name", "version", "date"),
    [
        ("debian", "12", "2028-06-30"),
        ("alpine", "3.20.3", "2026-04-01"),
        ("ubuntu", "22.04", "2027-05-31"),
        ("rhel", "9.4", "2032-05-31"),
        ("debian", "99", None),
        ("slackware", "15", None),
    ],
)
def test_distributions(name: str, version: str, date: str | None) -> None:
    end = system_end(name, version, made(None))
    assert (end.date if end is not None else None) == date


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("python", "3.14 (until 2030-10-31)"),
        ("debian", "13 (until 2030-06-30)"),
        ("centos", ""),  # all of it is past its end
        ("slackware", ""),
    ],
)
def test_the_newest_is_one_that_is_supported(name: str, phrase: str) -> None:
    assert newest(name) == phrase


def test_what_ends_on_the_day_of_the_table_is_not_recommended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document: dict[str, Any] = {**TABLE, "date": max(TABLE["python"].values())}
    table = msgspec.convert(document, type(end_of_life._table()))
    monkeypatch.setattr(end_of_life, "_table", lambda: table)
    assert newest("python") == ""


def test_every_date_is_one() -> None:
    dates = [TABLE["date"], *TABLE["python"].values()]
    dates += [date for versions in TABLE["systems"].values() for date in versions.values()]
    for date in dates:
        year, month, day = map(int, date.split("-"))
        assert 2010 < year < 2040
        assert 1 <= month <= 12
        assert 1 <= day <= 31
    assert TABLE["sources"].keys() == {"python", *TABLE["systems"]}
