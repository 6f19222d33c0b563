"""Plans and findings about leftovers on real images: what a real engine makes of a plan."""

from collections import Counter
from collections.abc import Iterator

import pytest

import pyimginspect
from pyimginspect.inventory.collect import Inventory
from pyimginspect.plan import make_plan
from tests.evidence import faults
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine
from tests.savings.cases import CASES, Case
from tests.savings.rebuild import bases, rebuild

LEFTOVERS = {
    "deleted-but-shipped",
    "leftover-build-tool",
    "leftover-headers",
    "leftover-virtual-package",
    "overwritten-files",
    "package-cache",
    "rewritten-metadata",
}
OF_THE_BASE = {"base-not-official-slim", "eol-distribution", "eol-python", "unknown-base"}


@pytest.fixture(scope="module")
def with_bases(engine: Engine, corpus: BuiltCorpus) -> Iterator[Engine]:
    corpus.require("slim")
    with bases(engine, corpus.layout):
        yield engine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_carried_out_plan_saves_what_it_said(
    with_bases: Engine, corpus: BuiltCorpus, case: Case
) -> None:
    if case.corpus:
        corpus.require(case.corpus)
    if "Alpine" in case.name and with_bases.image_id("alpine:3.20.3") is None:
        pytest.skip("the fixture with Alpine's root file system is not there")
    outcome = rebuild(with_bases, corpus.layout, case)
    assert abs(outcome.difference) < 0.02
    assert abs(outcome.miss) < 0.02, "the saving itself, not only the image's size"
    assert outcome.again == "", "carried out, a plan has nothing more to change"


def rules_found(corpus: BuiltCorpus, name: str) -> set[str]:
    with pyimginspect.open_image(f"docker-archive:{corpus.archive(name)}") as image:
        return {finding.rule for finding in image.report().findings}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slim", set()),
        ("good", set()),
        ("full", {"base-not-official-slim"}),
        (
            "bad",
            {"deleted-but-shipped", "leftover-build-tool", "leftover-headers", "package-cache"},
        ),
        ("alpine", {"base-not-official-slim", "eol-distribution", "leftover-virtual-package"}),
    ],
)
def test_findings_of_the_corpus(corpus: BuiltCorpus, name: str, expected: set[str]) -> None:
    assert rules_found(corpus, name) & (LEFTOVERS | OF_THE_BASE) == expected


def inventory(corpus: BuiltCorpus, name: str) -> Inventory:
    with pyimginspect.open_image(f"docker-archive:{corpus.archive(name)}") as image:
        return image.inventory


@pytest.mark.parametrize(
    ("name", "layers", "variant", "family"),
    [
        ("slim", 4, "slim", "python"),
        ("good", 4, "slim", "python"),
        ("bad", 4, "slim", "python"),
        ("full", 7, "full", "python"),
        ("alpine", 1, "", "alpine"),
    ],
)
def test_bases_of_the_corpus(
    corpus: BuiltCorpus, name: str, layers: int, variant: str, family: str
) -> None:
    base = inventory(corpus, name).base
    assert (base.layers, base.variant, base.family) == (layers, variant, family)
    assert base.confidence == "certain"


def test_the_plan_of_the_bad_image_counts_no_byte_twice(corpus: BuiltCorpus) -> None:
    found = inventory(corpus, "bad")
    plan = make_plan(found)
    assert plan.saving < sum(edit.saving for edit in plan.edits)
    assert plan.size - plan.saving == plan.after
    stored = {account.layer: account.stored for account in found.ledger.layers}
    assert all(saved <= stored[layer] for layer, saved in plan.layers.items())
    assert {"purge", "leave-out", "delete-early", "clean-cache", "bindings"} >= {
        edit.kind for edit in plan.edits if edit.saving > 1_000_000
    } - {"advice"}


@pytest.mark.parametrize("name", ["slim", "good"])
def test_good_images_need_no_edit(corpus: BuiltCorpus, name: str) -> None:
    assert make_plan(inventory(corpus, name)).edits == ()


@pytest.mark.parametrize("name", ["slim", "good", "bad", "full", "alpine"])
def test_findings_save_no_more_than_the_plan(corpus: BuiltCorpus, name: str) -> None:
    with pyimginspect.open_image(f"docker-archive:{corpus.archive(name)}") as image:
        report, plan = image.report(plan=True), image.plan
    assert sum(finding.saving for finding in report.findings) <= plan.saving == report.saving
    sums: Counter[int] = Counter()
    for finding in report.findings:
        assert finding.saving == sum(finding.savings.values())
        assert faults(finding.evidence) == []
        sums.update(finding.savings)
    assert all(size <= plan.layers.get(layer, 0) for layer, size in sums.items())
