"""Official Python images of all years, by what their Dockerfiles did (`tests.official`)."""

from pathlib import Path

import msgspec
import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.inventory.base import find_base
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import History, Layer
from tests.images import layer
from tests.official import BUILDERS, Builder, Kind, Step, expected, image_of, verdict

FACTS = Path(__file__).parent.parent / "official.jsonl"
KINDS = msgspec.json.Decoder(Kind).decode_lines(FACTS.read_bytes())


def test_the_facts_are_of_all_variants_and_years() -> None:
    assert {kind.variant for kind in KINDS} == {"alpine", "slim", "full", "windowsservercore"}
    assert sum(kind.files for kind in KINDS) > 7_400
    assert {kind.first for kind in KINDS} >= set(range(2014, 2025))
    assert any(kind.base == "debian" and kind.variant == "slim" for kind in KINDS)


@pytest.mark.parametrize("builder", BUILDERS)
def test_every_kind_of_official_image_is_known(builder: Builder) -> None:
    wrong = [
        (kind.base, kind.first, verdict(kind, builder), expected(kind, builder))
        for kind in KINDS
        if verdict(kind, builder) != expected(kind, builder)
    ]
    assert wrong == []


def one(variant: str, **fields: object) -> Kind:
    """The last kind of a variant."""
    last = max((k for k in KINDS if k.variant == variant), key=lambda k: (k.last, k.files))
    return msgspec.structs.replace(last, **fields)


@pytest.mark.parametrize("variant", ["slim", "full", "alpine", "windowsservercore"])
@pytest.mark.parametrize(
    "steps",
    [
        [Step("CMD", '["app"]')],  # not the official one
        [],
        [Step("COPY", "app /app"), Step("CMD", '["python3"]')],
        [Step("RUN", "pip install flask"), Step("CMD", '["python3"]')],
    ],
)
def test_steps_that_only_begin_like_the_official_ones_are_not(
    variant: str, steps: list[Step]
) -> None:
    official = one(variant)
    own = [step for step in official.steps if step.word != "CMD"]
    assert verdict(official, "buildkit")[0] == "python"
    assert verdict(one(variant, steps=(*own, *steps)), "buildkit")[0] != "python"


def test_what_is_above_may_remove_what_the_variant_is_told_by() -> None:
    official = one("full")
    image = image_of(official, "buildkit")
    index = index_layer(BytesBlob(data=layer({"usr/bin/.wh.gcc": "", "usr/bin/.wh.git": ""}))).index
    purge = History(created_by="RUN /bin/sh -c apt-get purge -y gcc git # buildkit")
    layers = (*image.layers, Layer(number=len(image.layers), index=index, history=purge))
    history = (*image.config.history, purge)
    config = msgspec.structs.replace(image.config, history=history)
    image = msgspec.structs.replace(image, layers=layers, config=config)
    assert find_base(image, apply_layers(layers)).variant == "full"
