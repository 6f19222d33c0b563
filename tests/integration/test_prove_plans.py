"""A sample of tests/dockerfiles: what a plan's edits make of an image, built by a real engine.

All of them, and the Dockerfiles that are made of histories, are proven by hand with
``scripts/prove_plans``.
"""

import pytest

from tests.dockerfiles.format import Proof, find_proofs
from tests.dockerfiles.proving import Prover
from tests.integration.conftest import BuiltCorpus
from tests.integration.engine import Engine

SAMPLE = [proof for proof in find_proofs() if proof.details.sample]


@pytest.fixture(scope="module")
def prover(engine: Engine, corpus: BuiltCorpus) -> Prover:
    corpus.require("slim")
    return Prover(engine, corpus.layout)


@pytest.mark.parametrize("proof", SAMPLE, ids=lambda proof: proof.name)
def test_an_edited_dockerfile_makes_the_same_image_smaller(prover: Prover, proof: Proof) -> None:
    failures = [failure for each in prover.prove(proof) for failure in each.failures]
    assert failures == []
