"""The rule leftover-virtual-package: layers in, findings out."""

from collections.abc import Mapping

import pytest

from pyimginspect.analyzers import (
    leftover_build_tool,
    leftover_virtual_package,
)
from pyimginspect.inventory.collect import Inventory
from tests.images import (
    Content,
    File,
    image,
)
from tests.inventories import taken


def _apk(*records: str, world: str) -> dict[str, Content]:
    return {
        "lib/apk/db/installed": "\n\n".join(records) + "\n\n",
        "etc/apk/world": world,
        "usr/bin/gcc": File(b"g" * 500, mode=0o755),
        "usr/lib/libz.so.1": "z" * 50,
    }


ALPINE: Mapping[str, Content] = {
    "etc/alpine-release": "3.22.1\n",
    "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
}

DEPS = "P:.build-deps\nV:1\nA:noarch\nT:virtual meta package\nD:gcc so:libz.so.1"
GCC = "P:gcc\nV:14\nA:x86_64\nF:usr/bin\nR:gcc"
ZLIB = "P:zlib\nV:1.3\nA:x86_64\np:so:libz.so.1=1.3\nF:usr/lib\nR:libz.so.1"


def _alpine(*layers: Mapping[str, Content]) -> Inventory:
    lines = ["ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit"]
    lines += [f"RUN step {n}" for n in range(len(layers))]
    return taken(image([ALPINE, *layers], history=lines))


@pytest.mark.parametrize(
    ("world", "packages", "saving"),
    [
        (".build-deps=1\n", (".build-deps", "gcc", "zlib"), 550),
        (".build-deps=1\nzlib\n", (".build-deps", "gcc"), 500),
    ],
)
def test_a_virtual_package_goes_with_what_nothing_else_needs(
    world: str, packages: tuple[str, ...], saving: int
) -> None:
    inventory = _alpine(_apk(DEPS, GCC, ZLIB, world=world))
    (found,) = leftover_virtual_package.ANALYZER.run(inventory)
    assert (found.subject, found.layers) == (".build-deps", (1,))
    assert (found.packages, found.saving) == (packages, saving)
    assert found.fix.endswith("&& apk del --no-network .build-deps")
    # What it holds is its own affair.
    assert [*leftover_build_tool.ANALYZER.run(inventory)] == []


def test_a_virtual_package_of_runtime_needs_is_none_of_this() -> None:
    text = DEPS.replace(".build-deps", ".python-rundeps").replace("gcc ", "")
    inventory = _alpine(_apk(text, ZLIB, world=".python-rundeps=1\n"))
    assert [*leftover_virtual_package.ANALYZER.run(inventory)] == []
