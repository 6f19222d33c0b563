"""Images of nasty shapes: none takes longer than the number of its entries allows.

Each of these took the square of it, or something near, before. How long that is, a plain image of
as many entries tells, inspected beside it: a limit in seconds would be one of the machine's.
"""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pyimginspect.api import open_image
from tests.images import Content, Link, docker_archive, image, layer

pytestmark = pytest.mark.slow
Tree = Sequence[tuple[str, Content]]
SLOWER = 6  # times at most; measured: up to 3, and from 8 to 126 where it took the square


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


def links(end: Callable[[str], str]) -> list[Tree]:
    """Links of 4 kB in places that matter; ``end`` tells where one leads."""
    around = "a/../" * 800
    names = [f"usr/bin/python3.{n}" for n in range(1000)]
    names += [f"usr/lib/libx{n}.so" for n in range(1000)]
    placed = [(name, Link(around + end(name.rpartition("/")[2]))) for name in names]
    return [[("usr/bin/a/", None), ("usr/lib/a/", None), *placed]]


def links_through_links() -> list[Tree]:
    """As many as are followed lead through each other."""
    return links(
        lambda name: re.sub(r"(python3\.|x)(\d+)", lambda m: f"{m[1]}{int(m[2]) + 1}", name)
    )


def links_to_nothing() -> list[Tree]:
    return links(lambda name: f"no-{name}")


def plain(shape: list[Tree]) -> list[Tree]:
    """As many layers and entries, and nothing about them."""
    return [[(f"usr/share/doc/p{n % 97}/f{n}", "x") for n in range(len(one))] for one in shape]


def saved(shape: list[Tree], archive: Path) -> Path:
    archive.write_bytes(docker_archive(image([layer(tree) for tree in shape])))
    return archive


def cost(archive: Path) -> float:
    """The CPU time of everything that can be asked of an image."""
    start = time.process_time()
    with open_image(str(archive)) as opened:
        opened.report(areas=True)
        assert opened.plan.edits is not None
        assert opened.layer_breakdowns
        assert opened.dockerfile
    return time.process_time() - start


@pytest.mark.parametrize(
    ("shape", "usual"),
    [
        (opaque_again_and_again, lambda: plain(opaque_again_and_again())),
        (one_package_of_many_distributions, lambda: plain(one_package_of_many_distributions())),
        (one_package_named_again_and_again, lambda: plain(one_package_named_again_and_again())),
        (a_cache_for_each_of_many_users, lambda: plain(a_cache_for_each_of_many_users())),
        (links_through_links, links_to_nothing),
    ],
)
def test_time_follows_the_entries(
    shape: Callable[[], list[Tree]], usual: Callable[[], list[Tree]], tmp_path: Path
) -> None:
    nasty = saved(shape(), tmp_path / "nasty.tar")
    plain = saved(usual(), tmp_path / "plain.tar")
    times = cost(nasty), cost(plain)
    if times[0] >= SLOWER * times[1]:  # a busy machine may disturb one of them
        times = min(times[0], cost(nasty)), min(times[1], cost(plain))
    assert times[0] < SLOWER * times[1]
