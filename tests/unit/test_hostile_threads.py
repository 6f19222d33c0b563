"""The public API from eight threads at once: the same answers as from one."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pyimginspect
from pyimginspect.formats import FORMATS, plan, render
from pyimginspect.layers.cache import Cache
from tests.images import docker_archive, image, oci_archive
from tests.pythons import cpython
from tests.trees import debian_base

THREADS = 8


@pytest.fixture(autouse=True)
def turns() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def references(tmp_path: Path) -> list[str]:
    found = []
    for number, version in enumerate(["3.11.9", "3.12.4"]):
        one = image([debian_base(), cpython("opt/x", version)], tag=f"acme/{number}:1")
        for name, data in (("a", docker_archive(one)), ("b", oci_archive(one, compression="gzip"))):
            path = tmp_path / f"{number}{name}.tar"
            path.write_bytes(data)
            found.append(str(path))
    return found


def everything(reference: str, cache: Cache | None = None) -> list[str]:
    """All that can be asked of an image, as text."""
    with pyimginspect.open_image(reference, cache=cache) as opened:
        report = opened.report(areas=True)
        told = [plan.render(opened.plan), opened.dockerfile, repr(opened.layer_breakdowns)]
        told += [render(report, name) for name in FORMATS]
        told.append(repr(pyimginspect.compare(report, report)))
        told.append(repr(sorted(opened.rootfs)))
    assert pyimginspect.Report.from_json(report.to_json()) == report
    return told


def at_once(ask: Callable[[str], list[str]], references: list[str]) -> list[list[str]]:
    with ThreadPoolExecutor(THREADS) as pool:
        return [*pool.map(ask, references * (2 * THREADS // len(references)))]


def test_of_images_of_their_own(references: list[str]) -> None:
    expected = [everything(reference) for reference in references]
    found = at_once(everything, references)
    assert found == expected * (len(found) // len(expected))


def test_with_one_cache(references: list[str], tmp_path: Path) -> None:
    expected = [everything(reference) for reference in references]
    with Cache(tmp_path / "cache") as cache:
        found = at_once(lambda reference: everything(reference, cache), references)
    assert found == expected * (len(found) // len(expected))


def test_of_one_opened_image(references: list[str]) -> None:
    """Facts that are worked out when they are first asked for are asked for by all at once."""
    expected = everything(references[0])[0]
    with pyimginspect.open_image(references[0]) as opened:
        with ThreadPoolExecutor(THREADS) as pool:
            plans = [*pool.map(lambda _: plan.render(opened.plan), range(THREADS))]
            reports = [*pool.map(lambda _: opened.report().to_json(), range(THREADS))]
        assert set(plans) == {expected}
        assert len(set(reports)) == 1
