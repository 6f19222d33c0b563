"""The rule unknown-base: layers in, findings out."""

from pyimginspect.analyzers import (
    base_not_official_slim,
    unknown_base,
)
from tests.images import (
    debian_base,
    image,
)
from tests.inventories import taken


def test_a_guess_is_no_base() -> None:
    found = taken(image([{**debian_base(), "app": "x"}], history=()))
    (finding,) = unknown_base.ANALYZER.run(found)
    assert finding.message == "the base image is not known; it may be debian:bookworm-slim"
    assert [*base_not_official_slim.ANALYZER.run(found)] == []
