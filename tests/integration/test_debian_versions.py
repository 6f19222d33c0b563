"""The order of Debian's versions against dpkg's own."""

from __future__ import annotations

import random
import shutil
import subprocess

from pyimginspect.inventory.packages.relations import compare_versions
from tests.integration.conftest import missing


def _version(random_: random.Random) -> str:
    """A version that dpkg takes without a warning, most of the time close to others."""
    epoch = random_.choice(["", "", "", "0:", "1:"])
    length = random_.randint(0, 5)
    rest = "".join(random_.choice("019aAz.+~-") for _ in range(length)).rstrip("-")
    return f"{epoch}{random_.randint(0, 2)}{rest}"


def test_versions_compare_as_dpkg_compares_them() -> None:
    if shutil.which("dpkg") is None:
        missing("there is no dpkg")
    random_ = random.Random(20)
    for _ in range(400):
        one, other = _version(random_), _version(random_)
        order = compare_versions(one, other)
        relation = "lt" if order < 0 else "gt" if order else "eq"
        command = ["dpkg", "--compare-versions", one, relation, other]
        assert subprocess.run(command, check=False).returncode == 0, f"{one} {relation} {other}"
