"""Journals of package managers and loaders, which every installation writes anew."""

import pytest

from pyimginspect.inventory.journals import is_journal


@pytest.mark.parametrize(
    ("path", "journal"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/apt/extended_states", True),
        ("lib/apk/db/installed", True),
        ("etc/ld.so.cache", True),
        ("var/lib/apt/lists/a_Packages", False),
        ("var/lib/app/state", False),
        ("app/var/log/x", False),
    ],
)
def test_journals(path: str, journal: bool) -> None:
    assert is_journal(path) is journal
