"""The Dockerfiles that plans are proven with are well-formed, and of many shapes."""

from pathlib import Path

import pytest

from pyimginspect.dockerfile import parse
from tests.cases.dockerfile import bases, buildable, with_index
from tests.dockerfiles.completing import completed
from tests.dockerfiles.format import Proof, ProofError, find_proofs, read_proof

PROOFS = find_proofs()


def test_there_are_many() -> None:
    assert len(PROOFS) >= 40
    assert sum(proof.details.sample for proof in PROOFS) == 10


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_each_can_be_built_here(proof: Proof) -> None:
    plain, _ = buildable(proof.dockerfile)
    assert parse(with_index(plain)).stages
    assert bases(proof.dockerfile)
    assert proof.details.smoke.prints


@pytest.mark.parametrize(
    "toml",
    [
        "",
        'reference = "elsewhere"\nshape = ""\n[smoke]\nprints = ""\n',
        'reference = "https://example.org"\nshape = ""\nother = 1\n[smoke]\nprints = ""\n',
    ],
)
def test_a_malformed_one_is_refused(tmp_path: Path, toml: str) -> None:
    (tmp_path / "proof.toml").write_text(toml)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(ProofError):
        read_proof(tmp_path)


def test_one_without_a_dockerfile_is_refused(tmp_path: Path) -> None:
    toml = 'reference = "https://example.org"\nshape = "s"\n[smoke]\nprints = "x"\n'
    (tmp_path / "proof.toml").write_text(toml)
    with pytest.raises(ProofError, match="no Dockerfile"):
        read_proof(tmp_path)


@pytest.mark.parametrize(
    ("dockerfile", "plain", "files"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a\n", "# syntax docker/dockerfile:1\nFROM a\n", {}),
        (
            "FROM a\nRUN <<EOF\nset -e\necho hi\nEOF\nUSER x\n",
            'FROM a\nRUN ["/bin/sh", "-c", "set -e\\necho hi\\n"]\nUSER x\n',
            {},
        ),
        (
            "FROM a\nCOPY --chmod=755 <<E /x.sh\n#!/bin/sh\nE\n",
            'FROM a\nCOPY --chmod=755 ["<<E", "/x.sh"]\n',
            {"<<E": "#!/bin/sh\n"},
        ),
    ],
)
def test_here_documents_are_written_out(dockerfile: str, plain: str, files: dict[str, str]) -> None:
    assert buildable(dockerfile) == (plain, files)


def test_a_trigger_reaches_an_index_too() -> None:
    text = with_index("FROM a\nONBUILD RUN pip install x\nRUN pip install y\n")
    assert "ONBUILD ARG PIP_CONFIG_FILE=" in text
    assert "ONBUILD RUN --mount=type=bind" in text
    assert text.count("\nARG PIP_CONFIG_FILE=") == 1


def test_a_base_is_named_by_arguments() -> None:
    text = "ARG V=3.11\nARG KIND=slim\nFROM python:${V}-$KIND\nARG V=9\n"
    assert bases(text) == ("python:3.11-slim",)


def test_a_history_is_completed_with_what_it_says_is_missing() -> None:
    real = (
        "FROM a AS b\nRUN x\nFROM c\nWORKDIR /w\nCOPY --from=b /x /y /z/\nCOPY <<E /w/f\nhi\nE\n"
        "COPY d e\n"
    )
    history = (
        "# Made.\n\nFROM c:1\nWORKDIR /w\n"
        "# The history does not tell from which stage or image this was copied, if from any:\n"
        "COPY /x /y /z/\n# The history does not tell what was written:\n# COPY <<E /w/f\nCOPY d e\n"
    )
    assert completed(history, real) == (
        "FROM a AS b\nRUN x\n\n# Made.\n\nFROM c:1\nWORKDIR /w\nCOPY --from=b /x /y /z/\n"
        "COPY <<E /w/f\nhi\nE\nCOPY d e\n"
    )
    assert completed("FROM c\n", real) == "FROM c\n"
