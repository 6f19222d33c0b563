"""Images from elsewhere, of which it is known what is in them."""

import pytest

import pyimginspect
from tests.layouts import FIXTURES

ARCHIVES = FIXTURES / "archives"

pytestmark = pytest.mark.skipif(not ARCHIVES.is_dir(), reason=f"the fixtures are not at {FIXTURES}")


def test_the_dead_bytes_of_dives_image() -> None:
    with pyimginspect.open_image(str(ARCHIVES / "dive-test-docker-image.tar")) as image:
        ledger, rootfs = image.ledger, image.rootfs
    assert ledger.waste == 32_025
    assert {(wasted.path, wasted.size, wasted.account) for wasted in ledger.wasted_files} == {
        ("root/example/somefile1.txt", 6_405, "metadata_changed"),
        ("root/example/somefile1.txt", 6_405, "removed"),
        ("root/example/somefile2.txt", 6_405, "removed"),  # with its directory
        ("root/example/somefile3.txt", 6_405, "removed"),
        ("root/saved.txt", 6_405, "metadata_changed"),  # one of two copies: the other is live
    }
    assert rootfs["root/saved.txt"].size == 6_405


@pytest.mark.parametrize("compression", ["gzip", "zstd", "estargz"])
def test_three_compressions_of_one_image(compression: str) -> None:
    with pyimginspect.open_image(str(ARCHIVES / f"dive-test-oci-{compression}-image.tar")) as image:
        entries = [(e.path, e.kind, e.mode, e.size) for e in image.layers[0].index.entries]
        listing = {path: node.kind for path, node in image.rootfs.nodes.items()}
    assert listing == {"": "directory", "README.md": "file"}
    assert len(entries) == 1
