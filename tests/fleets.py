"""Fleets of small images that share layers, for the tests: bases, old Pythons, waste, two teams."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyimginspect.fleet import inspection
from pyimginspect.fleet.engines import Threads
from tests.images import (
    File,
    Image,
    debian_base,
    debian_python,
    docker_archive,
    image,
    layer,
    official_env,
    official_python,
)
from tests.servers import FakeRegistry

__all__ = ["CACHED", "LOST", "archives", "fleet", "in_threads", "push", "use_threads"]

CACHED = 50_000
"""Bytes of pip's cache that the third layer of every image of `fleet` stores."""

LOST = 1_000
"""Bytes that the third layer of image N stores N times, and the last one deletes."""

_BASE = layer(debian_base())
_NEW = layer(official_python("3.12.4"))
_OLD = layer(official_python("3.7.4"))
_SECOND = layer(debian_python())


def fleet(count: int) -> Iterator[Image]:
    """So many images: four layers each, the first shared by all, the second by most.

    Every fifth has a Python past its end of life, every seventh a second Python.
    """
    for number in range(count):
        app = {
            f"app/f{number}.py": File(b"x" * LOST * number),
            "root/.cache/pip/wheel": File(b"%05d" % number * (CACHED // 5)),
        }
        layers = [_BASE, _OLD if number % 5 == 0 else _NEW, layer(app)]
        layers.append(layer({f"app/.wh.f{number}.py": ""}))
        if number % 7 == 0:
            layers.append(_SECOND)
        yield image(
            layers,
            env=official_env("3.12.4"),
            labels={"team": f"t{number % 3}"},
            tag=f"team{number % 3}/app{number}:1.{number}",
        )


def push(registry: FakeRegistry, count: int) -> list[str]:
    """Put `fleet(count)` into a registry, and return the references."""
    return [
        registry.add(f"team{number % 3}/app{number}", f"1.{number}", one)
        for number, one in enumerate(fleet(count))
    ]


def archives(folder: Path, count: int) -> list[Path]:
    """Save `fleet(count)` as archives in a folder, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, one in enumerate(fleet(count)):
        path = folder / f"{number}.tar"
        path.write_bytes(docker_archive(one))
        paths.append(path)
    return paths


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the work of this test's fleets done by :func:`use_threads`."""
    use_threads(monkeypatch)


def use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the work of a fleet done in a thread of this process: quicker, and in order."""

    def engine(wake: threading.Event, _: int) -> Threads:
        return Threads(wake, 1)

    monkeypatch.setattr(inspection, "Processes", engine)
    monkeypatch.setattr(inspection, "_RESOLVERS", 1)  # names are resolved in their order
