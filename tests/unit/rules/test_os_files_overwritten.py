"""The rule os-files-overwritten: layers in, findings out."""

import pytest

from tests.images import (
    dist_info,
)
from tests.pythons import (
    apk_database,
    cpython,
)
from tests.systems import MUSL_FILES
from tests.unit.rules.pythons import BASE, Tree, judge

APK_SITE = "usr/lib/python3.12/site-packages"
APK = {
    **MUSL_FILES,
    **apk_database(
        {
            "python3": cpython("usr", "3.12.12", musl=True),
            "py3-six": {
                f"{APK_SITE}/six.py": "1.16",
                f"{APK_SITE}/six-1.16.0-py3.12.egg-info": "Name: six\nVersion: 1.16.0\n",
            },
        }
    ),
}


def test_pip_over_apk() -> None:
    pip = dist_info("six", "1.17.0", {"six.py": "1.17.0"}, site=APK_SITE)
    (finding,) = judge("os_files_overwritten", APK, pip)
    assert finding.message == "six 1.17.0 by pip replaced 1 file of py3-six"
    assert (finding.paths, finding.packages) == ((f"{APK_SITE}/six.py",), ("py3-six",))
    assert finding.layers == (1,)


@pytest.mark.parametrize(
    "trees", [[APK], [APK, dist_info("seven", site=APK_SITE)], [*BASE, dist_info("six")]]
)
def test_nothing_overwritten(trees: list[Tree]) -> None:
    assert judge("os_files_overwritten", *trees) == []
