"""Images of nasty shapes: none takes longer than the number of its entries allows.

Each of these took the square of it, or something near, before. The bound is generous: what is
linear takes a tenth of it.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pyimginspect.api import open_image
from tests.images import Content, Link, docker_archive, image, layer

Tree = Sequence[tuple[str, Content]]
SECONDS = 3.0


def opaque_again_and_again() -> list[Tree]:
    """An emptied directory keeps the room of its former children."""
    lower = [(f"d/f{n}", "x") for n in range(20_000)]
    return [lower, [("d/.wh..wh..opq", "")] * 20_000]


def one_package_of_many_distributions() -> list[Tree]:
    site = "usr/lib/python3.12/site-packages"
    tree: list[tuple[str, Content]] = [(f"{site}/big/f{n}.py", "") for n in range(8000)]
    for n in range(1000):
        tree.append((f"{site}/a{n}.egg-info/PKG-INFO", f"Name: a{n}\nVersion: 1\n"))
        tree.append((f"{site}/a{n}.egg-info/top_level.txt", "big\n"))
    return [tree]


def one_package_named_again_and_again() -> list[Tree]:
    site = "usr/lib/python3.12/site-packages"
    tree: list[tuple[str, Content]] = [(f"{site}/big/f{n}.py", "") for n in range(3000)]
    tree.append((f"{site}/a.egg-info/PKG-INFO", "Name: a\nVersion: 1\n"))
    tree.append((f"{site}/a.egg-info/top_level.txt", "big\n" * 3000))
    return [tree]


def a_cache_for_each_of_many_users() -> list[Tree]:
    homes = [f"home/u{n}/.cache/pip/x" for n in range(3000)]
    return [[(path, text * 500) for path in homes] for text in "xy"]


def links_through_links() -> list[Tree]:
    """Each of 4 kB, as many as are followed leading through each other, in places that matter."""
    around = "a/../" * 800
    bins = [(f"usr/bin/python3.{n}", Link(f"{around}python3.{n + 1}")) for n in range(1000)]
    libs = [(f"usr/lib/libx{n}.so", Link(f"{around}libx{n + 1}.so")) for n in range(1000)]
    return [[("usr/bin/a/", None), ("usr/lib/a/", None), *bins, *libs]]


@pytest.mark.parametrize(
    "shape",
    [
        opaque_again_and_again,
        one_package_of_many_distributions,
        one_package_named_again_and_again,
        a_cache_for_each_of_many_users,
        links_through_links,
    ],
)
def test_time_follows_the_entries(shape: Callable[[], list[Tree]], tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive(image([layer(tree) for tree in shape()])))
    start = time.process_time()
    with open_image(str(archive)) as opened:
        opened.report(areas=True)
        assert opened.plan.edits is not None
        assert opened.stories
        assert opened.dockerfile
    assert time.process_time() - start < SECONDS
