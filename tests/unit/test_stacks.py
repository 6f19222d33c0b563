"""The random stacks of layers that engines are asked about."""

import pytest

from pyimginspect.changesets import apply_layers
from pyimginspect.layers import BytesBlob, index_layer
from pyimginspect.model import Layer
from pyimginspect.rootfs import RootFS
from tests.stacks import Stack, blobs, refused_by_containerd, stack


def applied(*stacks: Stack) -> RootFS:
    return apply_layers(
        Layer(number=number, index=index_layer(BytesBlob(data=blob)).index)
        for number, blob in enumerate(blobs(stacks))
    )


def listing(rootfs: RootFS, below: str) -> dict[str, tuple[str, int, int, str, int]]:
    found: dict[str, tuple[str, int, int, str, int]] = {}
    for path in rootfs:
        if path.partition("/")[0] == below:
            entry = rootfs[path].content.entry
            found[path] = (entry.kind, entry.mode, entry.uid, entry.target, entry.size)
    return found


def test_a_seed_makes_the_same_stack_again() -> None:
    first, again = ([blobs([stack(seed)]) for seed in range(9)] for _ in range(2))
    assert first == again


def test_stacks_that_share_an_image_are_as_they_would_be_alone() -> None:
    stacks = [stack(seed) for seed in range(1, 40)]
    together = applied(*stacks)
    for one in stacks:
        assert listing(together, one.below) == listing(applied(one), one.below)


def test_a_stack_stays_below_its_directory_unless_it_is_at_the_root() -> None:
    tops = {path.partition("/")[0] for path in applied(stack(7)) if path}
    assert tops <= {"s00007"}
    assert stack(50).below == ""


def test_what_the_stacks_consist_of() -> None:
    uppers = [upper for seed in range(300) for upper in stack(seed).layers]
    entries = [entry for upper in uppers for entry in upper.entries]
    kinds = {type(content).__name__ for _, content in entries}
    assert kinds == {"File", "Sparse", "Directory", "Link", "HardLink", "Device", "Fifo"}
    assert {upper.format for upper in uppers} == {"pax", "gnu", "ustar"}
    names = {path.rpartition("/")[2] for path, _ in entries}
    assert {"n" * 250, "\udcff\udc80", ".wh.a", ".wh..wh..opq"} <= names
    assert {path[:2] == "./" for path, _ in entries} == {True, False}
    assert {bool(upper.implied) for upper in uppers} == {True, False}


@pytest.mark.parametrize("tidy", [True, False])
def test_containerd_takes_whatever_describes_its_directories(tidy: bool) -> None:
    stacks = [stack(seed) for seed in range(300)]
    alike = [one for one in stacks if tidy is not any(upper.implied for upper in one.layers)]
    assert any(map(refused_by_containerd, alike)) is not tidy
