"""What came by recommendation alone, against apt: what it would not install with the option."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from pyimginspect.api import OpenedImage
from pyimginspect.inventory.collect import Inventory
from pyimginspect.inventory.derived.recommended import find_recommended
from pyimginspect.sources.opening import open_stream
from pyimginspect.sources.options import Options
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

_INSTALLED = re.compile(r"^Inst (\S+)", re.MULTILINE)
ROOTS = (
    "build-essential",
    "git",
    "imagemagick",
    "nginx",
    "postgresql-client",
    "python3-pip",
    "supervisor",
)


def simulated(engine: Engine, base: str, *options: str) -> dict[str, set[str]]:
    """The packages that apt would install in ``base`` for each of the roots, by root."""
    words = " ".join(options)
    script = "apt-get update -qq; " + "; ".join(
        f"echo ROOT {root}; apt-get -s install {words} {root}" for root in ROOTS
    )
    output = engine.docker("run", "--rm", "--network", "host", base, "sh", "-c", script)
    parts = re.split(r"^ROOT (\S+)$", output, flags=re.MULTILINE)[1:]
    return {
        root: set(_INSTALLED.findall(text))
        for root, text in zip(parts[::2], parts[1::2], strict=True)
    }


def built(engine: Engine, folder: Path, base: str, root: str) -> Inventory:
    (folder / "Dockerfile").write_text(
        f"FROM {base}\nRUN apt-get update && apt-get install -y {root}\n"
    )
    tag = f"tests/recommends-{root}"
    engine.build(folder, tag)
    archive = folder / "image.tar"
    engine.save(tag, archive)
    opened = open_stream(
        io.BytesIO(archive.read_bytes()), Options(), name=None, reference=f"{root}:1"
    )
    archive.unlink()
    engine.docker("image", "rm", "--force", tag)
    return OpenedImage(opened).inventory


@pytest.mark.parametrize(
    ("name", "roots"), [("slim", ROOTS), ("slim13", ("imagemagick", "python3-pip"))]
)
def test_as_apt_does(
    engine: Engine, corpus: BuiltCorpus, tmp_path: Path, name: str, roots: tuple[str, ...]
) -> None:
    base = corpus.load_into(engine, name)
    everything = simulated(engine, base)
    needed = simulated(engine, base, "--no-install-recommends")
    for root in roots:
        inventory = built(engine, tmp_path, base, root)
        found = find_recommended(inventory)
        names = {
            inventory.packages[key].name
            for each in found
            for key in (*each.packages, *(use.package for use in each.in_use))
        }
        assert names == everything[root] - needed[root], root
        assert {inventory.packages[each.root].name for one in found for each in one.roots} <= {root}
