"""The rule conflicting-distributions: layers in, findings out."""

import pytest

from tests.images import (
    dist_info,
)
from tests.unit.rules.pythons import (
    BASE,
    SITE,
    Tree,
    judge,
)


def test_two_versions_of_one_distribution() -> None:
    (finding,) = judge(
        "conflicting_distributions", *BASE, dist_info("foo", "1.0"), dist_info("foo", "1.1")
    )
    assert finding.message == f"foo is installed as 1.0 and 1.1 in /{SITE}"
    assert (finding.layers, finding.subject) == ((2, 3), f"foo {SITE}")
    assert f"after deleting /{SITE}/foo-1.0.dist-info" in finding.fix


def test_two_distributions_with_the_same_files() -> None:
    (finding,) = judge(
        "conflicting_distributions",
        *BASE,
        dist_info("opencv-python", files={"cv2/__init__.py": "x" * 10}),
        dist_info("opencv-python-headless", files={"cv2/__init__.py": "x" * 9}),
    )
    assert finding.message == (
        f"opencv-python 1.0 and opencv-python-headless 1.0 both claim 1 file in /{SITE}"
    )
    assert finding.paths == (f"{SITE}/cv2/__init__.py",)
    assert "their lengths are not those that opencv-python recorded" in [
        evidence.what for evidence in finding.evidence
    ]


@pytest.mark.parametrize(
    "trees",
    [
        [dist_info("foo"), dist_info("bar")],
        [dist_info("foo"), dist_info("foo", "2.0", site="srv/site-packages")],
        [dist_info("foo", files={"gone.py": ""}), dist_info("bar", files={"gone.py": ""}),
         {f"{SITE}/.wh.gone.py": ""}],
    ],
)  # fmt: skip
def test_no_conflict(trees: list[Tree]) -> None:
    assert judge("conflicting_distributions", *BASE, *trees) == []
