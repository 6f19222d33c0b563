"""Which files go with packages: a table of who owns what."""

from __future__ import annotations

import pytest

from pyimginspect.inventory.packages import PackageDatabase
from pyimginspect.inventory.packages.ownership import own
from pyimginspect.inventory.packages.removable import only_owned_by, owned_alone, owned_together

FILES = {
    "a": frozenset({"bin/a", "doc"}),
    "b": frozenset({"bin/b", "doc", "lib"}),
    "c": frozenset({"lib"}),
    "d": frozenset[str](),
}
DATABASE = PackageDatabase(files_by_key=FILES, owners=own(FILES))


@pytest.mark.parametrize(
    ("keys", "together", "only"),
    [
        ("", "", ""),
        ("a", "", "bin/a"),
        ("c", "", ""),
        ("d", "", ""),
        ("ab", "doc", "bin/a bin/b doc"),
        ("ac", "", "bin/a"),
        ("bc", "lib", "bin/b lib"),
        ("abcd", "doc lib", "bin/a bin/b doc lib"),
        # A name that is none of the database's has no files.
        ("ax", "", "bin/a"),
    ],
)
def test_files_go_with_the_last_of_their_owners(keys: str, together: str, only: str) -> None:
    assert owned_together(DATABASE, [*keys]) == {*together.split()}
    assert only_owned_by(DATABASE, [*keys]) == {*only.split()}


def test_files_of_one_owner() -> None:
    alone = {key: sorted(files) for key, files in owned_alone(DATABASE).items()}
    assert alone == {"a": ["bin/a"], "b": ["bin/b"], "c": [], "d": []}
