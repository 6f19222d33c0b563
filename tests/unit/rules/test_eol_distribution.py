"""The rule eol-distribution: layers in, findings out."""

from pyimginspect.analyzers import eol_distribution
from tests.images import image
from tests.inventories import taken


def test_an_old_release() -> None:
    tree = {"etc/os-release": 'ID=debian\nVERSION_ID="10"\nPRETTY_NAME="Debian 10"\n'}
    (found,) = eol_distribution.ANALYZER.run(taken(image([tree], history=["ADD file:1 in /"])))
    assert found.message == "Debian 10 is past its end of life: 2024-06-30"
    assert found.fix == (
        "Move to a base image on a supported release, such as debian 13 (until 2030-06-30)."
    )
