"""The rule musl-base: layers in, findings out."""

from tests.unit.rules.loading import COMPILED, alpine, only


def test_what_was_compiled_in_place_on_musl() -> None:
    finding = only(alpine(), COMPILED)
    assert finding.rule == "musl-base"
    assert finding.message == (
        "1 of 1 compiled distributions on musl came with no musllinux wheel:"
        " uwsgi compiled in place"
    )
    assert finding.severity == "note"
