"""Distributions that one layer installs and a later one replaces: not asked for the first time."""

from collections.abc import Mapping, Sequence

import pytest

from pyimginspect.plan import Edit, make_plan
from pyimginspect.plan.operations import DropPackages, Operation
from tests.images import Content, File, dist_info
from tests.inventories import on_slim, taken

SITE = "usr/local/lib/python3.13/site-packages"
OLD, NEW = b"o" * 1_000_000, b"n" * 900_000
WORDS = "do not install {} here: layer {} installs another version in its place"
Layer = Mapping[str, Content]


def version(name: str, number: str, data: bytes) -> dict[str, Content]:
    return dist_info(name, number, {f"{name}/data.py": data}, site=SITE)


def newer(*names: str) -> dict[str, Content]:
    """A layer with version 2 in the place of version 1."""
    layer: dict[str, Content] = {}
    for name in names:
        layer |= {**version(name, "2.0", NEW), f"{SITE}/.wh.{name}-1.0.dist-info": ""}
    return layer


def edits(layers: Sequence[Layer], history: Sequence[str]) -> list[Edit]:
    return list(make_plan(taken(on_slim(*layers, history=history))).edits)


def gone(name: str) -> dict[str, Content]:
    return {f"{SITE}/.wh.{name}": "", f"{SITE}/.wh.{name}-1.0.dist-info": ""}


ACME = version("acme", "1.0", OLD)
BOTH = {**ACME, **version("tool", "1.0", OLD)}


@pytest.mark.parametrize(
    ("layers", "history", "words", "operations"),
    [
        (
            [ACME, {"r": "x"}, newer("acme")],
            ["RUN pip install acme==1.0 x", "COPY r /", "RUN pip install -r r"],
            WORDS.format("acme", 6),
            (DropPackages(layer=4, manager="pip", names=("acme",)),),
        ),
        (
            [ACME, {"r": "x"}, newer("acme")],
            ["RUN uv pip install --system acme==1.0 x", "COPY r /", "RUN uv pip sync r"],
            WORDS.format("acme", 6),
            (DropPackages(layer=4, manager="uv", names=("acme",)),),
        ),
    ],
)
def test_what_a_later_layer_replaces_is_not_installed(
    layers: list[Layer], history: list[str], words: str, operations: tuple[Operation, ...]
) -> None:
    (edit,) = edits(layers, history)
    assert (edit.kind, edit.layer, edit.others, edit.words) == ("leave-out", 4, (6,), words)
    assert (edit.level, edit.operations) == ("review", operations)
    assert edit.saving > len(OLD)


@pytest.mark.parametrize(
    ("layers", "history"),
    [
        # It goes altogether: nothing takes its place.
        ([ACME, {"r": "x"}, gone("acme")], ["pip install acme", "COPY r /", "pip uninstall acme"]),
        # The command does not name it.
        ([ACME, {"r": "x"}, newer("acme")], ["pip install -r r", "COPY r /", "pip install acme"]),
        ([ACME, {"r": "x"}, newer("acme")], ["./install", "COPY r /", "pip install acme"]),
        # Two layers have installed it already.
        (
            [
                {**ACME, f"{SITE}/acme/more.py": File(OLD)},
                {f"{SITE}/acme/data.py": File(OLD[1:])},
                {"r": "x"},
                {**newer("acme"), f"{SITE}/acme/more.py": File(NEW)},
            ],
            ["pip install acme", "pip install -I acme", "COPY r /", "pip install acme==2.0"],
        ),
    ],
)
def test_what_is_not_known_to_be_needless_is_installed(
    layers: list[Layer], history: list[str]
) -> None:
    lines = [line if line.startswith("COPY") else f"RUN {line}" for line in history]
    found = edits(layers, lines)
    assert found
    assert not [each for each in found if "installs another version" in each.words]
